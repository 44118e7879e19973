"""The seams between the floors, as protocols.

A floor is written, and tested, against these and not against the floor above it.
"""

from __future__ import annotations

from typing import Any, Protocol


class LazyLoader(Protocol):
    """What an unloaded attribute asks: who can load it?"""

    def load_attribute(self, state: Any, instance: Any, key: str) -> Any:
        """Load attribute ``key`` of ``instance`` (and what is due with it) and return its value."""

    forced: int
    """How deep we are in loads for the unit of work itself, which ``lazy="raise"`` does not forbid."""


class ChangeSink(Protocol):
    """Where instrumentation reports the first change of a persistent object.

    ``modified`` holds each changed object strongly until its changes are flushed.
    """

    modified: dict[Any, Any]
    loader: LazyLoader | None


class Reach(Protocol):
    """What a relationship tells the session of its object: who comes within reach, and who leaves.

    Inside ``with no_autoflush:`` what is loaded makes no flush.
    """

    no_autoflush: Any

    def related(self, state: Any, instance: Any, prop: Any, other: Any) -> None:
        """``instance``, which the session holds, refers to ``other`` now, which it does not hold.

        Called where ``prop`` cascades save-update; the session takes ``other`` in.
        """

    def unrelated(self, state: Any, instance: Any, prop: Any, other: Any) -> None:
        """``other``, new in its session, has left ``instance``.

        Called where ``prop`` deletes orphans; if no other parent holds ``other``, its session lets it go.
        """
