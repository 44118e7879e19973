"""What changed in an attribute since the last flush."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..kernel.symbols import NO_VALUE
from .mutable import changed_in_place, same

if TYPE_CHECKING:
    from .instance import InstanceState


class History(NamedTuple):
    """The values added to, unchanged in and deleted from an attribute.

    A scalar's parts have one item or none. ``deleted`` is empty where the old value was
    never loaded.
    """

    added: Sequence[Any]
    unchanged: Sequence[Any]
    deleted: Sequence[Any]

    def __bool__(self) -> bool:
        return self != EMPTY

    def empty(self) -> bool:
        """Whether nothing is known: neither change nor value."""
        return not self

    def has_changes(self) -> bool:
        """Whether something was added or deleted."""
        return bool(self.added or self.deleted)

    def sum(self) -> Sequence[Any]:
        return [*self.added, *self.unchanged, *self.deleted]

    def non_deleted(self) -> Sequence[Any]:
        return [*self.added, *self.unchanged]

    def non_added(self) -> Sequence[Any]:
        return [*self.unchanged, *self.deleted]

    @classmethod
    def of(cls, state: InstanceState, key: str) -> History:
        """The history of an attribute; that of a relationship, its own floor knows."""
        prop = state.mapper.props.get(key)
        if prop is not None and prop.is_relationship:
            return state.mapper.class_manager.relations[key].history(state)  # type: ignore[no-any-return]
        held = state.dict
        current = held.get(key, NO_VALUE)
        committed = state.committed
        if state.pk is None:
            return EMPTY if current is NO_VALUE else cls([current], (), ())
        if committed is not None and key in committed:
            old = committed[key]
            if current is NO_VALUE:
                return cls((), (), () if old is NO_VALUE else [old])
            if old is NO_VALUE:
                return cls([current], (), ())
            if same(state, key, current, old):
                return cls((), [current], ())
            return cls([current], (), [old])
        if current is NO_VALUE:
            return EMPTY
        if state.mutables and key in state.mutables and key in changed_in_place(state):
            return cls([current], (), [state.mutables[key][1]])
        return cls((), [current], ())


EMPTY = History((), (), ())


class AttributeState:
    """One attribute of one object, as ``inspect(obj).attrs.name`` gives it."""

    __slots__ = ("key", "state")

    def __init__(self, state: InstanceState, key: str) -> None:
        self.state = state
        self.key = key

    @property
    def loaded_value(self) -> Any:
        """The value that is there, or NO_VALUE; nothing is loaded."""
        return self.state.dict.get(self.key, NO_VALUE)

    @property
    def value(self) -> Any:
        """The value, loaded where it must be."""
        return getattr(self.state.object, self.key)

    @property
    def history(self) -> History:
        """What changed since the last flush; nothing is loaded."""
        return self.state.history(self.key)

    def load_history(self) -> History:
        """What changed since the last flush, the present value loaded first where it must be."""
        getattr(self.state.object, self.key)
        return self.state.history(self.key)
