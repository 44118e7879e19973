"""Whether a method is running, asked of the call stack: a flag may outlive an interrupt, a frame does not.

A KeyboardInterrupt can come between any two instructions, so also before the one that takes a flag back. Whoever
finds such a flag set, and would raise for it, looks here first; that costs nothing as long as no flag is set.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from types import CodeType
from typing import Any


def calls_of(codes: Collection[CodeType], owner: Any) -> int:
    """Return how many calls of an object's methods are under way in this thread.

    :param codes: the code objects of the methods.
    """
    count = 0
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code in codes and frame.f_locals.get("self") is owner:
            count += 1
        frame = frame.f_back  # type: ignore[assignment]
    return count


def locals_of(code: CodeType, name: str) -> Iterator[Any]:
    """Give the value of a local variable in each call of a function that is under way in this thread."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is code:
            yield frame.f_locals.get(name)
        frame = frame.f_back  # type: ignore[assignment]
