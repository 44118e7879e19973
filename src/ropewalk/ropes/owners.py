"""Whose turn it is: the thread, the task and the greenlet that run now.

Nothing is imported for the question: who has not imported asyncio runs no task.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

_modules = sys.modules
_ident = threading.get_ident


def in_event_loop() -> bool:
    """Whether an asyncio loop runs in this thread."""
    asyncio = _modules.get("asyncio.events")
    return asyncio is not None and asyncio._get_running_loop() is not None


def current_task() -> Any:
    """Return the running asyncio task; in a callback outside any task the loop; None where no loop runs."""
    asyncio = _modules.get("asyncio.tasks")
    if asyncio is None:
        return None
    loop = asyncio.events._get_running_loop()
    return None if loop is None else asyncio.current_task(loop) or loop


def current_greenlet() -> Any:
    """Return the running greenlet, or None in a thread's main one.

    One that SQLAlchemy runs a piece of async code in counts as the code that started it.
    """
    module = _modules.get("greenlet")
    if module is None:
        return None
    now = module.getcurrent()
    if now.parent is None:
        return None
    while getattr(now, "__sqlalchemy_greenlet_provider__", False) and now.parent is not None:
        now = now.parent
    return None if now.parent is None else now


def in_greenlet() -> bool:
    """Whether a greenlet runs, SQLAlchemy's included, and not a thread's main one."""
    module = _modules.get("greenlet")
    return module is not None and module.getcurrent().parent is not None


def thread_name(ident: int) -> str:
    """Return a thread's name for a message."""
    for thread in threading.enumerate():
        if thread.ident == ident:
            return thread.name
    return f"{ident} (ended)"


def is_alive(ident: int) -> bool:
    """Whether a thread still runs."""
    return any(thread.ident == ident for thread in threading.enumerate())
