"""One thread at a time inside a session.

A session has no locks: it is one workspace for one task. Two threads inside it at once
would corrupt the identity map without a word; here the second one gets an error that
names both. Handing a session from one thread to the next, between calls, is fine. In an
AsyncSession tasks are told apart in the same way (``aio/guard.py``).
"""

from __future__ import annotations

import sys
import threading
import traceback
from types import FrameType, TracebackType
from typing import Any

from ..exc import IllegalStateChangeError

_ident = threading.get_ident

SHOWN = 20
"""Lines of a stack in an error: enough to lead out of this package into the program."""


class Guard:
    """Held while a session works; re-entrant for the thread that holds it."""

    __slots__ = ("depth", "holder", "name", "what")

    def __init__(self) -> None:
        self.holder: Any = 0
        self.depth = 0
        self.name = ""
        self.what = ""

    def __call__(self, what: str) -> Guard:
        """Enter for ``what``, to be used in a ``with`` statement; refuse a second thread."""
        me = _ident()
        if self.holder != me:
            if self.holder:
                self.refuse(what)
            self.holder = me
            self.what = what
        self.depth += 1
        return self

    def check(self, what: str) -> None:
        """Refuse a second thread, without entering."""
        if self.holder and self.holder != _ident():
            self.refuse(what)

    def refuse(self, what: str) -> None:
        inside = next((t.name for t in threading.enumerate() if t.ident == self.holder), "a thread that has ended")
        error = IllegalStateChangeError(
            f"Thread {threading.current_thread().name!r} called {what} on a session while thread {inside!r} is inside "
            f"its {self.what}. A session serves one thread at a time: give each thread a session of its own, such as "
            f"with sessionmaker() or scoped_session()."
        )
        other = sys._current_frames().get(self.holder)
        if other is not None:
            error.add_note(f"Thread {inside!r} is here:\n{_stack(other)}")
        error.add_note(f"Thread {threading.current_thread().name!r} is here:\n{_stack(sys._getframe(1))}")
        raise error

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self.depth -= 1
        if not self.depth:
            self.holder = 0
        return None


def _stack(frame: FrameType) -> str:
    return "".join(traceback.format_list(traceback.extract_stack(frame)[-SHOWN:])).rstrip()
