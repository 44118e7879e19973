"""Making sessions: ``sessionmaker`` and ``create_session``.

The 0.4 chapter says that ``sessionmaker()`` returns a subclass of Session; SQLAlchemy
2.1's annotations say that it returns a ``sessionmaker``. What it returns here is both: a
class made by ``sessionmaker``, which is a metaclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..exc import ArgumentError
from .session import Session

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

S = TypeVar("S", bound=Session)
S_co = TypeVar("S_co", bound=Session, covariant=True)

if TYPE_CHECKING:

    class sessionmaker(Generic[S_co]):
        """A factory of sessions, configured once for the whole program.

        ::

            SessionLocal = sessionmaker(engine, expire_on_commit=False)

            with SessionLocal() as session: ...
            with SessionLocal.begin() as session: ...  # commits, or rolls back

        :param bind: the engine of the sessions made.
        :param class_: the class of the sessions made.
        :param kw: any argument of :class:`Session`.
        """

        class_: type[S_co]
        kw: dict[str, Any]

        @overload
        def __init__(self, bind: Any = None, *, class_: type[S_co], **kw: Any) -> None: ...

        @overload
        def __init__(self: sessionmaker[Session], bind: Any = None, **kw: Any) -> None: ...

        def __init__(self, bind: Any = None, *, class_: Any = ..., **kw: Any) -> None: ...

        def __call__(self, **local_kw: Any) -> S_co:
            """Make a session; arguments given here go before those of the factory."""
            ...

        def begin(self) -> AbstractContextManager[S_co]:
            """Make a session in a transaction: committed at the end of the ``with`` block, then closed."""
            ...

        def configure(self, **new_kw: Any) -> None:
            """Change the arguments of the sessions to be made, such as ``bind`` once it is known."""
            ...

        def object_session(self, instance: object) -> Session | None: ...

else:
    import functools

    class sessionmaker(type):
        """A factory of sessions, configured once for the whole program; see the typed form above."""

        def __new__(
            mcls,
            bind: Any = None,
            bases: Any = None,
            namespace: Any = None,
            *,
            class_: type = Session,
            **kw: Any,
        ) -> Any:
            if bases is not None:  # a class statement that derives from such a factory
                return super().__new__(mcls, bind, bases, namespace)
            if not isinstance(class_, type):
                raise ArgumentError(f"sessionmaker(class_=...) takes Session or a subclass of it; got {class_!r}.")
            made = super().__new__(mcls, class_.__name__, (class_,), {"__module__": class_.__module__})
            made.class_ = class_
            made.kw = {"bind": bind, **kw} if bind is not None else kw
            return made

        def __init__(cls, bind: Any = None, bases: Any = None, namespace: Any = None, **kw: Any) -> None:
            if bases is not None:
                super().__init__(bind, bases, namespace)
                base = bases[0]
                cls.class_ = cls
                cls.kw = dict(getattr(base, "kw", {}))

        def __call__(cls, bind: Any = None, **local_kw: Any) -> Any:
            arguments = {**cls.kw, **local_kw}
            if "info" in cls.kw and "info" in local_kw:
                arguments["info"] = {**cls.kw["info"], **local_kw["info"]}
            if bind is not None:
                arguments["bind"] = bind
            return super().__call__(**arguments)

        def _begin_session(cls) -> Any:
            return cls()._in_transaction()

        def configure(cls, **new_kw: Any) -> None:
            cls.kw.update(new_kw)

        def __getattribute__(cls, name: str) -> Any:
            # On the class, begin() makes a session; on a session it begins a transaction.
            if name == "begin":
                return functools.partial(type.__getattribute__(sessionmaker, "_begin_session"), cls)
            return super().__getattribute__(name)

        def __repr__(cls) -> str:
            shown = ", ".join(f"{key}={value!r}" for key, value in cls.kw.items())
            return f"sessionmaker(class_={cls.class_.__name__!r}, {shown})"


def create_session(bind: Any = None, **kwargs: Any) -> Session:
    """Make a Session in the manner of SQLAlchemy 0.4: ``autoflush=False, transactional=False``.

    A program that calls it in many places moves to a configured factory by
    ``create_session = sessionmaker()``.
    """
    kwargs.setdefault("autoflush", False)
    kwargs.setdefault("transactional", False)
    return Session(bind, **kwargs)
