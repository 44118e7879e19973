"""Ropes that only the garbage collector found: of generators and coroutines that were left half-way.

One that is dropped is closed at once, by its reference count, which is an end like any other: ``break`` leaves a loop
so. In a circle it stays open until the collector comes by, and its connection is gone from the pool for as long.
"""

from __future__ import annotations

import gc
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .rope import TiedRope

_ident = threading.get_ident

SUSPENDED = frozenset({"generator", "async generator", "coroutine"})
"""The kinds of scopes that can be left half-way."""

_works_in = 0  # the thread in which the collector works just now
_began = 0.0


def listen() -> None:
    """Have the collector say when it works."""
    if _note not in gc.callbacks:
        gc.callbacks.append(_note)


def _note(phase: str, _: Any) -> None:
    global _works_in, _began
    if phase == "start":
        _works_in, _began = _ident(), time.monotonic()
    else:
        _works_in = 0


def is_found(rope: TiedRope) -> bool:
    """Whether it is the collector who ends a rope now, and nobody did before.

    A function that a finalizer calls may end in the collector's time too; its rope is younger.
    """
    return (
        _works_in == _ident()
        and rope.since < _began
        and rope.kind in SUSPENDED
        and rope.is_open
        and rope._session is not None
    )


def warn(rope: TiedRope) -> None:
    """Tell of a rope that the collector has found."""
    warnings.warn(
        f"The session of the rope tied at {rope.where} was open for {time.monotonic() - rope.since:.1f} s, until the "
        f"garbage collector found it: its {rope.kind} was left half-way, and is part of a circle of references. Run it "
        f"to its end, or enter a scope around what needs the session: `with jenny.tied():`.",
        ResourceWarning,
        stacklevel=3,
    )
