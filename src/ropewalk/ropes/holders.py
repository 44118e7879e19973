"""Who holds what: the open ropes, their owners, and what they have in hand.

It is read from other threads' sessions while they work, so the figures are those of a moment, and what cannot be read
just then is None.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

from ..session.waiting import on_timeout
from .owners import thread_name

if TYPE_CHECKING:
    from .jenny import SessionJenny
    from .rope import TiedRope

_clock = time.monotonic


@dataclass(frozen=True)
class OpenRope:
    """What is known of an open rope."""

    rope: TiedRope
    kind: str
    """``"function"``, ``"coroutine"``, ``"generator"``, ``"module"``, ``"with"``, ``"roped"``, ``"transferred"``."""
    thread: str
    task: str | None
    filename: str
    lineno: int
    function: str
    age: float
    """Seconds since it was tied."""
    connections: int
    """How many connections its session holds."""
    objects: int | None
    """How many objects are in its session."""
    statements: int | None
    """How many statements it has executed; None unless the jenny counts them."""

    def __str__(self) -> str:
        owner = f"thread {self.thread!r}" + (f", task {self.task!r}" if self.task else "")
        held = {0: "no connection", 1: "a connection"}.get(self.connections, f"{self.connections} connections")
        counted = "" if self.statements is None else f", {_counted(self.statements, 'statement')}"
        return (
            f"{self.filename}:{self.lineno} in {self.function}: {self.kind} of {owner}, tied {self.age:.1f} s ago, "
            f"{held}, {_counted(self.objects or 0, 'object')}{counted}"
        )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def describe(rope: TiedRope) -> OpenRope:
    """Look at a rope."""
    session = rope._session
    task: Any = None if rope.task is None else rope.task()
    return OpenRope(
        rope,
        rope.kind,
        thread_name(rope.thread),
        task.get_name() if hasattr(task, "get_name") else None,
        rope.filename,
        rope.lineno,
        rope.function,
        _clock() - rope.since,
        len(connections_of(session)),
        _count_objects(session),
        (0 if session is None else rope.statements) if rope.jenny.count_statements else None,
    )


def connections_of(session: Any) -> list[Any]:
    """Return the connections that a session holds, whether it is one of ours or of SQLAlchemy's."""
    session = getattr(session, "sync_session", session)
    look = getattr(session, "get_transaction", None)
    transaction = None if look is None else look()
    try:
        ours = getattr(transaction, "connections", None)
        if ours is not None:
            return list(ours)
        theirs = getattr(transaction, "_connections", {})  # by engine and by connection
        return list({id(entry[0]): entry[0] for entry in list(theirs.values())}.values())
    except RuntimeError:  # it changes just now
        return []


def _count_objects(session: Any) -> int | None:
    session = getattr(session, "sync_session", session)
    try:
        return len(session.identity_map) + len(session.new)
    except (AttributeError, RuntimeError, TypeError):
        return None


def open_ropes(jenny: SessionJenny[Any]) -> list[OpenRope]:
    """Describe the open ropes of a jenny, the oldest first."""
    return [describe(rope) for rope in list(jenny._open.values())]


def report() -> str:
    """Return a text that names all open ropes of all jennies, the oldest first."""
    from .jenny import jennies

    found: list[OpenRope] = []
    for jenny in list(jennies):
        check(jenny)
        found += open_ropes(jenny)
    found.sort(key=lambda one: -one.age)
    if not found:
        return "No rope is open."
    are = "is" if len(found) == 1 else "are"
    return "\n".join([f"{_counted(len(found), 'rope')} {are} open:", *(f"  {one}" for one in found)])


def check(jenny: SessionJenny[Any]) -> None:
    """Warn of ropes that are open for longer than the jenny allows, or hold a connection without using it."""
    now = _clock()
    for rope in list(jenny._open.values()):
        if rope.warned or (jenny.warn_after is None and jenny.warn_idle is None):
            continue
        if jenny.warn_after is not None and now - rope.since > jenny.warn_after:
            warn_of_age(rope)
        elif jenny.warn_idle is not None and now - rope.used > jenny.warn_idle and connections_of(rope._session):
            _warn(rope, f"holds a connection, and was not used for {now - rope.used:.1f} s")


def warn_of_age(rope: TiedRope) -> None:
    """Warn of a rope that is, or was, open for too long."""
    _warn(rope, f"is open for {_clock() - rope.since:.1f} s, which is more than {rope.jenny.warn_after:g} s")


def _warn(rope: TiedRope, what: str) -> None:
    rope.warned = True
    warnings.warn(
        f"The rope tied at {rope.where}, of thread {thread_name(rope.thread)!r}, {what}.", ResourceWarning, stacklevel=3
    )


def count_statements(rope: TiedRope, session: Any) -> None:
    """Count what a session executes, by listening to its connections, which makes each statement a little slower."""

    def note(*_: Any) -> None:
        rope.statements += 1

    def after_begin(session: Any, transaction: Any, connection: Any) -> None:
        if not event.contains(connection, "before_cursor_execute", note):
            event.listen(connection, "before_cursor_execute", note)

    event.listen(getattr(session, "sync_session", session), "after_begin", after_begin)


def name_holders(error: BaseException, engine: Engine) -> None:
    """Note on a pool's time-out which ropes hold the engine's connections."""
    from .jenny import jennies

    lines = []
    for jenny in list(jennies):
        for rope in list(jenny._open.values()):
            if any(getattr(one, "engine", None) is engine for one in connections_of(rope._session)):
                lines.append(f"  {describe(rope)}")
    if lines:
        error.add_note("\n".join(["Ropes that hold connections of this engine:", *lines]))


on_timeout.append(name_holders)
