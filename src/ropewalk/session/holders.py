"""Who holds connections, told when a pool has none left.

Each transaction notes when and where it took its first connection, which costs about a microsecond. The list is
made only when a pool has timed out (see ``waiting.py``).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from types import CodeType
from typing import TYPE_CHECKING

from sqlalchemy import Engine

if TYPE_CHECKING:
    from .session import Session

PACKAGE = os.path.dirname(os.path.dirname(__file__))

_ours: set[CodeType] = set()  # functions of the package, which are found quicker than compared by name

Place = tuple[float, CodeType | None, int]


def here() -> Place:
    """Return the time, and the place in the program that called us."""
    frame = sys._getframe(1)
    while (code := frame.f_code) in _ours or code.co_filename.startswith(PACKAGE):
        _ours.add(code)
        if frame.f_back is None:
            break
        frame = frame.f_back
    return time.monotonic(), frame.f_code, frame.f_lineno


def holders_of(engine: Engine, sessions: Iterable[Session]) -> list[str]:
    """Return a line for each session that holds a connection of an engine, the one that has it longest first."""
    now = time.monotonic()
    held: list[tuple[float, str]] = []
    for session in sessions:
        transaction = session.get_transaction()
        if transaction is None or transaction.taken is None:
            continue
        if any(entry.connection.engine.pool is engine.pool for entry in list(transaction._connections.values())):
            since, code, line = transaction.taken
            place = "" if code is None else f", taken in {code.co_name} ({code.co_filename}:{line})"
            held.append((now - since, f"session {session.hash_key} since {now - since:.1f} s{place}"))
    return [line for _, line in sorted(held, reverse=True)]


def tell_holders(error: BaseException, engine: Engine, sessions: Iterable[Session]) -> None:
    """Add to the time-out of a pool who holds its connections."""
    lines = holders_of(engine, sessions)
    if lines:
        error.add_note("The connections of this pool are held by:\n" + "\n".join(f"  {line}" for line in lines))
