"""``scoped_session``: one session for each thread, or for each of whatever the program tells apart."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry

from ..exc import ArgumentError, InvalidRequestError, SAWarning
from .faces import SessionFace
from .proxies import passed_on

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..session.query import Query

S = TypeVar("S")
T = TypeVar("T")


class QueryPropertyDescriptor(Protocol):
    """The type of a class attribute that :meth:`scoped_session.query_property` made, for annotations."""

    def __get__(self, instance: Any, owner: type[T]) -> Query[T]: ...


class QueryProperty:
    """A class attribute that is a query of its class, in the session of the present scope."""

    __slots__ = ("query_cls", "registry")

    def __init__(self, registry: ScopedRegistry[Any], query_cls: Callable[..., Any] | None) -> None:
        self.registry = registry
        self.query_cls = query_cls

    def __get__(self, instance: Any, owner: type[T]) -> Query[T]:
        session = self.registry()
        if self.query_cls is None:
            return session.query(owner)  # type: ignore[no-any-return]
        return self.query_cls(owner, session=session)  # type: ignore[no-any-return]


class scoped_session(SessionFace, Generic[S]):
    """A stand-in for the session of the present scope, which it makes when it is first used.

    ::

        Session = scoped_session(sessionmaker(engine))

        Session.add(User(name="ed"))   # all that a session offers, in the session of this thread
        Session.commit()
        Session.remove()               # when the thread's work is done: a request, a job

    It neither knows nor asks when a scope ends: ``remove()`` must be called there. A :class:`SessionJenny` is one that
    does know.

    :param session_factory: a ``sessionmaker``, or anything that returns a session when called.
    :param scopefunc: returns something hashable that tells scopes apart; without it each thread is one.
    :raises ArgumentError: one of them cannot be called.
    """

    session_factory: Callable[..., S]
    registry: ScopedRegistry[S]

    def __init__(self, session_factory: Callable[..., S], scopefunc: Callable[[], Any] | None = None) -> None:
        check_callables(type(self).__name__, session_factory, scopefunc)
        self.session_factory = session_factory
        self.registry = self._make_registry(scopefunc)

    def _make_registry(self, scopefunc: Callable[[], Any] | None) -> ScopedRegistry[S]:
        if scopefunc is not None:
            return ScopedRegistry(self.session_factory, scopefunc)
        return ThreadLocalRegistry(self.session_factory)

    def __call__(self, **kw: Any) -> S:
        """Return the session of the present scope.

        :param kw: arguments for the session to be made.
        :raises InvalidRequestError: there are arguments, and the scope has its session already.
        """
        if not kw:
            return self.registry()
        if self.registry.has():
            raise InvalidRequestError(
                f"Scoped session is already present in this scope, and was made without {', '.join(kw)}: give these to "
                f"the first call in a scope, or call remove() before."
            )
        session = self.session_factory(**kw)
        self.registry.set(session)
        return session

    def configure(self, **kwargs: Any) -> None:
        """Change the arguments of the sessions to be made, such as ``bind`` once it is known.

        A session that this scope has already stays as it is, of which a warning tells.

        :raises ArgumentError: the session factory has no ``configure()``.
        """
        if self.registry.has():
            warnings.warn(
                f"At least one scoped session is already present. It keeps its settings: {', '.join(kwargs)} will be "
                f"those of the next session made, in this scope after remove().",
                SAWarning,
                stacklevel=2,
            )
        configure = getattr(self.session_factory, "configure", None)
        if configure is None:
            raise ArgumentError(
                f"{self.session_factory!r} makes the sessions here, and has no configure(); a sessionmaker() has one."
            )
        configure(**kwargs)

    def remove(self) -> None:
        """Close the session of the present scope, if there is one, and forget it: the next use makes another."""
        if self.registry.has():
            self.registry().close()  # type: ignore[attr-defined]
        self.registry.clear()

    def query_property(self, query_cls: type[Query[Any]] | None = None) -> QueryPropertyDescriptor:
        """Return a class attribute that is a query of the class, in the session of the present scope.

        ::

            class User(Base):
                query = Session.query_property()

            User.query.filter_by(name="ed").one()

        :param query_cls: the class of the query, instead of the session's own.
        """
        return QueryProperty(self.registry, query_cls)

    def mapper(
        self,
        class_: type[T],
        local_table: Any = None,
        *args: Any,
        validate: bool = False,
        save_on_init: bool = True,
        **kw: Any,
    ) -> Mapper[T]:
        """Map a class whose objects save themselves: each new one is added to the session of the present scope.

        The class gains ``query``, unless it has one, and a constructor that takes its attributes as keywords, unless it
        has its own. From SQLAlchemy 0.4, for its programs; in new ones an object that nobody added should not be
        written. ::

            mapper = Session.mapper
            mapper(User, users_table)

            User(name="ed")
            Session.flush()
            User.query.filter_by(name="ed").one()

        :param validate: refuse keywords that name no mapped attribute, where the class has no constructor.
        :param save_on_init: with ``False`` new objects are not added.
        :param kw: whatever else ``mapper()`` takes.
        """
        from .contextual import map_contextually

        return map_contextually(self.registry, class_, local_table, *args, validate=validate, save=save_on_init, **kw)


def check_callables(what: str, session_factory: Any, scopefunc: Any) -> None:
    """Refuse what cannot be called, while the line at fault is still in the traceback."""
    if not callable(session_factory):
        raise ArgumentError(
            f"{what}() needs something that makes sessions, such as a sessionmaker: {session_factory!r}"
        )
    if scopefunc is not None and not callable(scopefunc):
        raise ArgumentError(
            f"{what}(scopefunc=...) must be callable, and return what tells scopes apart: {scopefunc!r}"
        )


for _name, _member in passed_on(frozenset(vars(scoped_session))).items():
    setattr(scoped_session, _name, _member)
