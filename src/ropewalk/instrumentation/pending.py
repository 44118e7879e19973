"""Changes of a collection that is not loaded.

The other side of a relationship may change while a collection is not in memory. What
came and what went is kept until the collection is loaded, or flushed without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..state.instance import InstanceState

PENDING = "pending"


class PendingChanges:
    """What was added to, and removed from, a collection that is not loaded."""

    __slots__ = ("added", "removed")

    def __init__(self) -> None:
        self.added: list[Any] = []
        self.removed: list[Any] = []

    def add(self, item: Any) -> None:
        if not _take(self.removed, item) and not _within(self.added, item):
            self.added.append(item)

    def remove(self, item: Any) -> None:
        if not _take(self.added, item) and not _within(self.removed, item):
            self.removed.append(item)

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


def _within(items: list[Any], item: Any) -> bool:
    return any(one is item for one in items)


def _take(items: list[Any], item: Any) -> bool:
    for place, one in enumerate(items):
        if one is item:
            del items[place]
            return True
    return False
