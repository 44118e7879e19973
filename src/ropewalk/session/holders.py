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

import sqlalchemy
from sqlalchemy import Engine

from .awaiting import awaiting_frame

if TYPE_CHECKING:
    from .session import Session

PACKAGE = os.path.dirname(os.path.dirname(__file__))
_CORE = os.path.dirname(sqlalchemy.__file__)  # between an AsyncSession and who awaits it

_ours: dict[str, bool] = {}  # whether a file is one of the package, or Core's

Place = tuple[float, CodeType, int]
"""When, in which function, and at which of its instructions: to make a line of that takes longer."""


def here() -> Place:
    """Return the time, and the place in the program that has a connection enlisted."""
    frame = sys._getframe(3)  # past enlist() and who calls it for a session: each frame looked at has to be made
    awaited = False
    while (ours := _ours.get(file := frame.f_code.co_filename)) is not False:
        if ours is None:
            _ours[file] = file.startswith((PACKAGE, _CORE))
            continue
        back = frame.f_back
        if back is None:
            back = None if awaited else awaiting_frame()
            awaited = True
            if back is None:
                break
        frame = back
    return time.monotonic(), frame.f_code, frame.f_lasti


def holders_of(engine: Engine, sessions: Iterable[Session]) -> list[str]:
    """Return a line for each session that holds a connection of an engine, the one that has it longest first."""
    now = time.monotonic()
    held: list[tuple[float, str]] = []
    for session in sessions:
        transaction = session.get_transaction()
        if transaction is None or transaction.taken is None:
            continue
        if any(entry.connection.engine.pool is engine.pool for entry in list(transaction._connections.values())):
            since, code, instruction = transaction.taken
            place = f"{code.co_name} ({code.co_filename}:{_line(code, instruction)})"
            held.append((now - since, f"session {session.hash_key} since {now - since:.1f} s, taken in {place}"))
    return [line for _, line in sorted(held, reverse=True)]


def _line(code: CodeType, instruction: int) -> int:
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def tell_holders(error: BaseException, engine: Engine, sessions: Iterable[Session]) -> None:
    """Add to the time-out of a pool who holds its connections."""
    lines = holders_of(engine, sessions)
    if lines:
        error.add_note("The connections of this pool are held by:\n" + "\n".join(f"  {line}" for line in lines))
