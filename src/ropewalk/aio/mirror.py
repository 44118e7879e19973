"""What an AsyncSession does without awaiting anything: it asks the sync session inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..session.session import Session

if TYPE_CHECKING:
    from sqlalchemy.util import IdentitySet

    from ..state.identity import IdentityMap


class Mirror:
    """The half of an AsyncSession that has no database behind it; the other is in ``session.py``."""

    sync_session: Session

    if not TYPE_CHECKING:  # which is to refuse such names by itself

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property has failed, which is to say so itself
                return object.__getattribute__(self, name)
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_") and hasattr(Session, name):
                instead = "await session.scalars(select(...)), or " if name == "query" else ""
                message += (
                    f"; a Session has. Write {instead}await session.run_sync(lambda session: session.{name}(...)), "
                    f"which is called with the one inside."
                )
            raise AttributeError(message, name=name, obj=self)

    # -- objects in the session ------------------------------------------------------------

    def __contains__(self, instance: object) -> bool:
        return instance in self.sync_session

    def __iter__(self) -> Iterator[object]:
        return iter(self.sync_session)

    def add(self, instance: object) -> None:
        """Bring an object into the session: a new one is inserted by the next flush. See :meth:`Session.add`."""
        self.sync_session.add(instance)

    def add_all(self, instances: Iterable[object]) -> None:
        """Bring several objects into the session."""
        self.sync_session.add_all(instances)

    def expunge(self, instance: object) -> None:
        """Take an object out of the session: nothing of it is flushed any more."""
        self.sync_session.expunge(instance)

    def expunge_all(self) -> None:
        """Take all objects out of the session."""
        self.sync_session.expunge_all()

    def expire(self, instance: object, attribute_names: Iterable[str] | None = None) -> None:
        """Forget an object's attributes. They must be awaited then: with ``refresh()`` or ``awaitable_attrs``."""
        self.sync_session.expire(instance, attribute_names)

    def expire_all(self) -> None:
        """Forget the attributes of every object in the session."""
        self.sync_session.expire_all()

    def is_modified(self, instance: object, include_collections: bool = True) -> bool:
        """Whether an object has changes that a flush would write."""
        return self.sync_session.is_modified(instance, include_collections)

    @property
    def new(self) -> IdentitySet:
        """The pending objects: added, not yet in the database."""
        return self.sync_session.new

    @property
    def dirty(self) -> IdentitySet:
        """The persistent objects that were written to, or whose values changed in place."""
        return self.sync_session.dirty

    @property
    def deleted(self) -> IdentitySet:
        """The objects that the next flush will delete."""
        return self.sync_session.deleted

    @property
    def identity_map(self) -> IdentityMap:
        """The objects that have a row in the database, by identity key."""
        return self.sync_session.identity_map

    @classmethod
    def object_session(cls, instance: object) -> Session | None:
        """Return the sync session that holds an object, or None; see also :func:`async_object_session`."""
        return Session.object_session(instance)

    @classmethod
    def identity_key(cls, class_: Any = None, ident: Any = None, **kw: Any) -> Any:
        """Return the identity key of an object, or of a class and a primary key. See :meth:`Session.identity_key`."""
        return Session.identity_key(class_, ident, **kw)

    # -- the session itself ------------------------------------------------------------------

    @property
    def autoflush(self) -> bool:
        """Whether queries flush first."""
        return self.sync_session.autoflush

    @autoflush.setter
    def autoflush(self, value: bool) -> None:
        self.sync_session.autoflush = value

    @property
    def no_autoflush(self) -> Any:
        """A ``with`` block in which queries do not flush first."""
        return self.sync_session.no_autoflush

    @property
    def info(self) -> dict[Any, Any]:
        """A dictionary of the program's own."""
        return self.sync_session.info

    @property
    def execution_options(self) -> Mapping[str, Any]:
        """The options of every statement that this session executes."""
        return self.sync_session.execution_options

    @execution_options.setter
    def execution_options(self, value: Mapping[str, Any]) -> None:
        self.sync_session.execution_options = value

    @property
    def is_active(self) -> bool:
        """Whether the session can be used: False after a failed flush, until ``rollback()``."""
        return self.sync_session.is_active

    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""
        return self.sync_session.in_transaction()

    def in_nested_transaction(self) -> bool:
        """Whether a savepoint has begun."""
        return self.sync_session.in_nested_transaction()
