"""``lazy="dynamic"``: a collection that is a query, which can be narrowed, and added to.

As in SQLAlchemy (where the idea comes from) this is the older sibling of the write-only collection.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..exc import DetachedInstanceError, SAWarning
from ..instrumentation.references import instance_state
from .query import Query
from .writeonly import CollectionWriter

if TYPE_CHECKING:
    from ..instrumentation.pending import ObjectSet
    from ..instrumentation.queried import QueriedMembership
    from .session import Session

T = TypeVar("T", bound=Any)


class AppenderMixin(CollectionWriter[T]):
    """What makes a Query the value of a dynamic relationship; it stands before the Query class among the bases.

    Each call that narrows it returns a query of the ordinary kind. While the object has no row, its members are
    those that it was given, and nothing is asked of the database.
    """

    query_class: type[Any] | None = None

    def __init__(self, attr: QueriedMembership, instance: Any) -> None:
        prop = attr.prop
        Query.__init__(self, (prop.mapper.class_,))  # type: ignore[arg-type]
        CollectionWriter.__init__(self, attr, instance)
        steps: list[Any] = [("where", (self._criterion(),), ())]
        if prop.order_by:
            steps.append(("order_by", tuple(prop.order_by), ()))
        self.__dict__.update(_steps=tuple(steps), _from=CollectionWriter._from(self), _plain=False)

    # -- where it is executed -------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session of the object, flushed if it flushes by itself; None while the object has no row."""
        state = instance_state(self.instance)
        found: Session | None = state.session
        if found is not None and found.autoflush and self.instance in found:
            found._autoflush()
        return None if state.pk is None else found

    @session.setter
    def session(self, session: Session | None) -> None:
        """A query of a collection belongs to the session of its object, whatever it is told."""

    def _query(self, session: Session) -> Any:
        """Return the query, of the ordinary kind."""
        entities = self.__dict__["_entities"]
        made: Any = self.query_class(entities, session) if self.query_class else session.query(*entities)
        for name, value in self.__dict__.items():
            if name not in ("attr", "instance"):
                made.__dict__[name] = value
        return made

    def _copy(self, **pieces: Any) -> Any:
        state = instance_state(self.instance)
        if state.session is None:
            raise DetachedInstanceError(
                f"{state.describe()} is not bound to a Session, so that {self.attr.prop} cannot be queried. Bring it "
                f"into one with session.add(obj) or session.merge(obj).",
                self.instance,
                self.attr.key,
            )
        return self._query(state.session)._copy(**pieces)

    def _waiting(self) -> ObjectSet:
        return self.attr.waiting(instance_state(self.instance))

    # -- results --------------------------------------------------------------------------

    def _execute(self) -> Any:
        session = self.session
        if session is not None:
            return self._query(session)._execute()
        state = instance_state(self.instance)
        if state.detached:
            warnings.warn(
                f"{state.describe()} is in no session, so {self.attr.prop}, which asks the database, gives only what "
                f"was added to it since. Bring the object into a session with session.add() first.",
                SAWarning,
                stacklevel=4,
            )
        return self._waiting()

    def count(self) -> int:
        """Return how many members there are: the database counts."""
        session = self.session
        return len(self._waiting()) if session is None else self._query(session).count()

    @overload
    def __getitem__(self, item: int) -> T: ...

    @overload
    def __getitem__(self, item: slice) -> list[T]: ...

    def __getitem__(self, item: Any) -> Any:
        """Return the member at an index, or a list for a slice."""
        session = self.session
        return self._waiting()[item] if session is None else self._query(session)[item]

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[T]: ...

    # -- changes --------------------------------------------------------------------------

    def append(self, item: T) -> None:
        """Put an object in, as :meth:`add` does."""
        self.add(item)

    def extend(self, iterator: Iterable[T]) -> None:
        """Put several objects in, as :meth:`add_all` does."""
        self.add_all(iterator)


class AppenderQuery(AppenderMixin[T], Query[T]):  # type: ignore[misc]
    """The value of a ``lazy="dynamic"`` relationship: a Query of the members with methods that change them. ::

    user.posts.append(Post("a draft"))
    user.posts.filter(Post.published).order_by(Post.date.desc()).limit(10).all()
    """


_classes: dict[type, type] = {}


def appender_class(prop: Any) -> Any:
    """Return the class of a relationship's collections: one made of its ``query_class``, or AppenderQuery."""
    own = prop.query_class
    if own is None:
        return AppenderQuery
    if issubclass(own, AppenderMixin):
        return own
    made = _classes.get(own)
    if made is None:
        made = _classes[own] = type(f"Appender{own.__name__}", (AppenderMixin, own), {"query_class": own})
    return made
