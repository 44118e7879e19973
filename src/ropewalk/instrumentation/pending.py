"""Changes of a collection that is not loaded.

The other side of a relationship may change while a collection is not in memory. What
came and what went is kept until the collection is loaded, or flushed without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..state.instance import InstanceState

PENDING = "pending"


class ObjectSet:
    """Objects in the order in which they came, each once; what is equal to another is another."""

    __slots__ = ("_held",)

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._held = {id(item): item for item in items}

    def add(self, item: Any) -> None:
        self._held.setdefault(id(item), item)

    def discard(self, item: Any) -> bool:
        """Take an object out; return whether it was in."""
        return self._held.pop(id(item), self) is not self

    def __contains__(self, item: Any) -> bool:
        return id(item) in self._held

    def __iter__(self) -> Iterator[Any]:
        return iter(self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __reduce__(self) -> Any:  # the places of objects in memory are not those of their copies
        return (ObjectSet, (), None, iter(self))

    def extend(self, items: Iterable[Any]) -> None:
        """Put several objects in."""
        for item in items:
            self.add(item)

    append = add

    def __repr__(self) -> str:
        return f"ObjectSet({list(self)!r})"


class PendingChanges:
    """What was added to, and removed from, a collection that is not loaded."""

    __slots__ = ("added", "removed")

    def __init__(self) -> None:
        self.added = ObjectSet()
        self.removed = ObjectSet()

    def add(self, item: Any) -> None:
        if not self.removed.discard(item):
            self.added.add(item)

    def remove(self, item: Any) -> None:
        if not self.added.discard(item):
            self.removed.add(item)

    def __repr__(self) -> str:
        return f"<PendingChanges +{len(self.added)} -{len(self.removed)}>"


def pending_changes(state: InstanceState, key: str, make: bool = False) -> PendingChanges | None:
    """Return what waits for collection ``key``, or None; with ``make`` there is always something."""
    extra = state.extra
    if extra is None or PENDING not in extra:
        if not make:
            return None
        state.set_extra(PENDING, {})
        extra = state.extra
    waiting: dict[str, PendingChanges] = extra[PENDING]  # type: ignore[index]
    if make and key not in waiting:
        waiting[key] = PendingChanges()
    return waiting.get(key)


def take_pending(state: InstanceState, key: str) -> PendingChanges | None:
    """Return what waits for collection ``key`` and forget it."""
    found = pending_changes(state, key)
    if found is not None:
        waiting = state.extra[PENDING]  # type: ignore[index]
        del waiting[key]
        if not waiting:
            del state.extra[PENDING]  # type: ignore[union-attr]
    return found


def forget_pending(state: InstanceState, key: str | None = None) -> None:
    """Forget what waits for the collections of an object, or for one: it has been flushed, or is not to be."""
    if key is not None:
        take_pending(state, key)
    elif state.extra is not None:
        state.extra.pop(PENDING, None)
