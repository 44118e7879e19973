"""Sessions and engines that a fork has carried into a child process.

Parent and child share the sockets of the connections that were open. If both speak on one, each reads the other's
answers. So in the child the pools of engines that sessions have used are begun anew, without closing what is the
parent's; and a session that was in a transaction says that it cannot be used there.

Nothing of it costs anything while no process forks.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Engine

from ..exc import IllegalStateChangeError

if TYPE_CHECKING:
    from .session import Session

_engines: dict[int, weakref.ref[Engine]] = {}
_abandoned: list[Any] = []  # what must not be finalized in a child: that would speak on the parent's sockets


def remember(engine: Engine) -> bool:
    """Note an engine whose connections sessions use; say whether it is a new one."""
    key = id(engine)
    if key in _engines:
        return False
    _engines[key] = weakref.ref(engine, lambda _: _engines.pop(key, None))
    return True


class CarriedOver:
    """Stands for the guard of a session that was in a transaction when its process forked: refuses everything."""

    holder = -1
    depth = 0

    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __call__(self, what: str) -> NoReturn:
        raise IllegalStateChangeError(
            f"{what} was called in process {os.getpid()} on a session that process {self.parent} was using when it "
            f"forked: its connection belongs to that process, and two cannot speak on it at once. Make a new session "
            f"in the child; its engine can be used, with connections of its own."
        )

    check = __call__


def watch_forks(sessions: Callable[[], list[Session]]) -> None:
    """Have each child process look after what it has inherited."""

    def before() -> None:
        global _parent
        _parent = os.getpid()

    def in_child() -> None:
        for session in sessions():
            transaction: Any = session._transaction
            while transaction is not None:
                if transaction._connections:
                    _abandoned.append((session, dict(transaction._connections)))
                    session._guard = CarriedOver(_parent)  # type: ignore[assignment]
                transaction = transaction.parent
        for reference in list(_engines.values()):
            engine = reference()
            if engine is not None:
                _abandoned.append(engine.pool)
                if type(engine.pool).__name__ not in ("SingletonThreadPool", "StaticPool"):  # of SQLite in memory
                    engine.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_child=in_child)


_parent = os.getpid()
