"""Learning that a frame is over at once, from the interpreter, where it can say so (``sys.monitoring``, Python 3.12).

A function's variables usually die when it returns, and a rope with them. Not if a traceback or a debugger keeps the
frame: then the interpreter's event is what closes the session in time. Without it (Python 3.11, or no tool number
left) the jenny looks for such frames when it is next used.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

_getframe = sys._getframe

by_frame: dict[int, list[Callable[[], None]]] = {}
"""By the id of a frame, what to call when it is over."""

_codes: dict[int, CodeType] = {}  # held, so that no other code can have the same id
_lock = threading.Lock()
_tool: int | None = None
_asked = False


def available() -> bool:
    """Whether the interpreter tells; the first call asks it to."""
    global _asked
    if not _asked:
        with _lock:
            if not _asked:
                _start()
                _asked = True
    return _tool is not None


def watch(frame: FrameType, over: Callable[[], None]) -> None:
    """Have ``over`` called when ``frame`` returns or is left by an exception; only if :func:`available`."""
    code = frame.f_code
    if id(code) not in _codes:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        _codes[id(code)] = code
        monitoring.set_local_events(_tool, code, monitoring.events.PY_RETURN)
    by_frame.setdefault(id(frame), []).append(over)


def forget(frame_id: int, over: Callable[[], None]) -> None:
    """Take back a :func:`watch`."""
    calls = by_frame.get(frame_id)
    if calls is not None and over in calls:
        calls.remove(over)
        if not calls:
            by_frame.pop(frame_id, None)


def _start() -> None:
    global _tool
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        return
    for tool in (4, 3):  # the others are meant for debuggers, coverage, profilers and optimizers
        try:
            monitoring.use_tool_id(tool, "ropewalk")
        except ValueError:
            continue
        monitoring.register_callback(tool, monitoring.events.PY_RETURN, _left)
        monitoring.register_callback(tool, monitoring.events.PY_UNWIND, _left)
        # An exception that leaves a function can be told of only for all functions at once.
        monitoring.set_events(tool, monitoring.events.PY_UNWIND)
        _tool = tool
        return


def _left(code: CodeType, offset: int, value: object) -> None:
    if not by_frame:
        return
    calls = by_frame.pop(id(_getframe(1)), None)
    if calls is not None:
        for over in reversed(calls):
            over()
