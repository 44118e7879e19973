"""One task at a time inside a session.

While a task waits for the database others run, in the same thread: a session that two of them use
at once would mix up their transactions. The sync session's guard (``session/guard.py``) tells
threads apart; this one, which takes its place in an AsyncSession, tells tasks.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any

from ..exc import IllegalStateChangeError
from ..session.guard import Guard


class TaskGuard(Guard):
    """Held while a session works; re-entrant for the task that holds it."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[asyncio.Future[None]] = []

    def __call__(self, what: str) -> Guard:
        me = _current()
        holder = self.holder
        if holder is not me:
            if holder:
                self.refuse(what)
            self.holder = me
            self.what = what
        self.depth += 1
        return self

    def check(self, what: str) -> None:
        """Refuse a second task, without entering."""
        if self.holder and self.holder is not _current():
            self.refuse(what)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self.depth -= 1
        if not self.depth:
            self.holder = 0
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)

    def is_taken(self) -> bool:
        """Whether another task is inside."""
        holder = self.holder
        return isinstance(holder, asyncio.Task) and holder is not _current() and not holder.done()

    def hand_over(self, task: asyncio.Task[Any]) -> None:
        """Let ``task`` go on with what the current task has begun inside."""
        if self.holder is _current():
            self.holder = task

    async def wait(self) -> None:
        """Wait until no other task is inside, as who closes the session does."""
        while self.is_taken():
            left = asyncio.get_running_loop().create_future()
            self._waiting.append(left)
            try:
                await left
            finally:
                self._waiting.remove(left)

    def refuse(self, what: str) -> None:
        holder = self.holder
        if isinstance(holder, asyncio.Task) and holder.done():
            # Its loop ended while it waited, so nobody is inside any more.
            self.holder, self.depth = 0, 0
            return
        raise IllegalStateChangeError(
            f"{_name(_current())} called {what} on an AsyncSession while {_name(holder)} is inside its {self.what}. "
            f"A session serves one task at a time, so it cannot be shared by what asyncio.gather() or a TaskGroup "
            f"runs: give each task a session of its own, such as with async_sessionmaker()."
        )


def _current() -> Any:
    """Return the running task; where there is none, what stands for the thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.current_thread() if task is None else task


def _name(who: Any) -> str:
    if isinstance(who, asyncio.Task):
        coroutine = who.get_coro()
        return f"Task {who.get_name()!r} ({getattr(coroutine, '__qualname__', coroutine)})"
    return f"Thread {who.name!r}, outside any task,"
