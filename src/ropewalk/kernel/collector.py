"""Sparing the garbage collector what cannot be garbage.

While a large result becomes objects, or many objects become rows, nothing of what is made
can be thrown away yet. CPython's cyclic collector does not know that: it walks all of it
again and again, several times over as its generations fill, which makes a million rows
cost four times as much each as ten thousand. It is held back meanwhile, and looks at
everything once, afterwards.
"""

from __future__ import annotations

import gc
import threading
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

MANY = 500
"""From how many rows or objects on it is worth it."""

_lock = threading.Lock()
_holders = 0


class Paused:
    """A ``with`` block during which the collector does not run by itself.

    Blocks of several threads overlap rightly; a program that has switched the collector off
    finds it off.
    """

    __slots__ = ("_holds",)

    def __init__(self) -> None:
        self._holds = False

    def __enter__(self) -> None:
        global _holders
        with _lock:
            if _holders or gc.isenabled():
                self._holds = True
                _holders += 1
                gc.disable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _holders
        if self._holds:
            with _lock:
                _holders -= 1
                if not _holders:
                    gc.enable()


def paused_for(count: int) -> AbstractContextManager[Any]:
    """Return a ``with`` block that spares the collector ``count`` rows or objects, if that is many."""
    return Paused() if count >= MANY else _NOTHING


_NOTHING = nullcontext()
