"""The adapter: how a collection finds the object it belongs to.

Each collection in use has one, under ``_sa_adapter``. It holds the owner's state, which is
a weak reference, so a collection keeps no object alive. Through it the collection says
what is about to happen to it; a collection without one is a plain list, set or dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..kernel.symbols import NO_KEY

if TYPE_CHECKING:
    from ..state.instance import InstanceState
    from .membership import Membership


class CollectionAdapter:
    """What ties one collection to its owner; also a uniform way to handle any kind of collection.

    :ivar relation: the relation that the collection is the value of.
    :ivar state: the owner's state.
    :ivar doubles: an object may be in the list twice.
    :ivar validated: what comes in has been through the class's validator already.
    :ivar untouched: made because a new object's attribute was read, and nobody has taken anything out of it.
    """

    __slots__ = ("doubles", "relation", "state", "untouched", "validated")

    relation: Membership
    state: InstanceState
    doubles: bool
    untouched: bool
    validated: bool

    def __init__(self, relation: Membership, state: InstanceState) -> None:
        self.relation = relation
        self.state = state
        self.doubles = self.untouched = self.validated = False

    # -- what programs ask ------------------------------------------------------------

    @property
    def owner_state(self) -> InstanceState:
        return self.state

    @property
    def attr(self) -> Membership:
        return self.relation

    @property
    def data(self) -> Any:
        """The collection, or None when it is not its owner's any more."""
        found = self.state.dict.get(self.relation.key)
        return found if collection_adapter(found) is self else None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data._sa_iterator())

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __bool__(self) -> bool:
        return True

    # -- changing the collection --------------------------------------------------------

    def append_with_event(self, item: Any, initiator: Any = None) -> None:
        self.data._sa_appender(item, _sa_initiator=initiator)

    def append_without_event(self, item: Any) -> None:
        self.data._sa_appender(item, _sa_initiator=False)

    def append_multiple_without_event(self, items: Iterable[Any]) -> None:
        append = self.data._sa_appender
        for item in items:
            append(item, _sa_initiator=False)

    def remove_with_event(self, item: Any, initiator: Any = None) -> None:
        self.data._sa_remover(item, _sa_initiator=initiator)

    def remove_without_event(self, item: Any) -> None:
        self.data._sa_remover(item, _sa_initiator=False)

    def clear_with_event(self, initiator: Any = None) -> None:
        remove = self.data._sa_remover
        for item in list(self):
            remove(item, _sa_initiator=initiator)

    def clear_without_event(self) -> None:
        remove = self.data._sa_remover
        for item in list(self):
            remove(item, _sa_initiator=False)

    # -- what collection classes say ----------------------------------------------------

    def fire_append_event(self, item: Any, initiator: Any = None, key: Any = NO_KEY) -> Any:
        """Say that ``item`` is about to come; return what is to be put in."""
        return adding_at(self.data, key, item, initiator)

    def fire_remove_event(self, item: Any, initiator: Any = None, key: Any = NO_KEY) -> None:
        """Say that ``item`` is about to go."""
        removing_at(self.data, key, item, initiator)

    def fire_pre_remove_event(self, initiator: Any = None, key: Any = None) -> None:
        """Say that something is about to go that only the removal itself will show."""
        before_change(self.data, initiator)

    # -- pickling: the collection is there before its owner is --------------------------

    def __reduce__(self) -> Any:
        return (_blank_adapter, (), (self.state, self.relation.key, self.doubles))

    def __setstate__(self, found: Any) -> None:
        self.state, key, self.doubles = found
        self.relation = self.state.mapper.class_manager.relations[key]
        self.untouched = self.validated = False

    def __repr__(self) -> str:
        return f"<CollectionAdapter of {self.relation!r}>"


def _blank_adapter() -> CollectionAdapter:
    return CollectionAdapter.__new__(CollectionAdapter)


def collection_adapter(collection: Any) -> CollectionAdapter | None:
    """Return the adapter of a collection, or None for one that belongs to no object."""
    return getattr(collection, "_sa_adapter", None)


# -- what instrumented methods call ---------------------------------------------------


def adding(collection: Any, item: Any, initiator: Any = None) -> Any:
    """Say that ``item`` is about to come into ``collection``; return what is to be put in."""
    if initiator is not False:
        try:
            adapter = collection._sa_adapter
        except AttributeError:
            return item
        if adapter is not None:
            return adapter.relation.adding(adapter, collection, item)
    return item


def staying(collection: Any, item: Any) -> None:
    """Say that ``item``, which is in ``collection`` already, was put in again: it may be in no session yet."""
    adapter = collection_adapter(collection)
    if adapter is not None:
        adapter.relation.staying(adapter, item)


def removing(collection: Any, item: Any, initiator: Any = None) -> None:
    """Say that ``item`` is about to leave ``collection``."""
    if initiator is not False:
        try:
            adapter = collection._sa_adapter
        except AttributeError:
            return
        if adapter is not None:
            adapter.relation.removing(adapter, collection, item)


def adding_at(collection: Any, place: Any, item: Any, initiator: Any = None) -> Any:
    """Say the same as :func:`adding` where the key or the index is known, which a listener may want to know."""
    if initiator is not False:
        try:
            adapter = collection._sa_adapter
        except AttributeError:
            return item
        if adapter is not None:
            relation = adapter.relation
            if relation.tells:
                relation.place = place
            return relation.adding(adapter, collection, item)
    return item


def removing_at(collection: Any, place: Any, item: Any, initiator: Any = None) -> None:
    """Say the same as :func:`removing` where the key or the index is known."""
    if initiator is not False:
        try:
            adapter = collection._sa_adapter
        except AttributeError:
            return
        if adapter is not None:
            relation = adapter.relation
            if not relation.tells:
                relation.removing(adapter, collection, item)
                return
            relation.place = place
            relation.removing(adapter, collection, item)
            relation.place = NO_KEY  # an object that stands in the list once more was not told of


def before_change(collection: Any, initiator: Any = None) -> None:
    """Say that ``collection`` is about to change, so that its members be kept for the history."""
    if initiator is not False:
        adapter = collection_adapter(collection)
        if adapter is not None:
            adapter.relation.before_change(adapter, collection)
