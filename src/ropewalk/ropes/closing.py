"""Closing the session of a scope that ended by itself: by whom, and what becomes of errors.

Nobody waits for the result there. So an error goes to ``sys.unraisablehook``, as one in a finalizer does, and a
session whose thread must not be interfered with is left to that thread.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .owners import is_alive

_ident = threading.get_ident

Work = Callable[[], None]

_left_to: dict[int, deque[Work]] = {}
_local = threading.local()
_kept_from_parent: list[Any] = []
at_exit: list[Work] = []
"""What is done when the interpreter ends, while everything still works."""

at_thread_end: list[Callable[[int], None]] = []
"""What a thread does, if it has used a jenny, when it ends; called with its number."""

after_fork: list[Callable[[], list[Any]]] = []
"""Called in a child process; each returns the sessions of the parent's scopes."""


class _LastWill:
    """Does what was left to a thread when the thread ends without having come by."""

    __slots__ = ("ident",)

    def __init__(self) -> None:
        self.ident = _ident()

    def __del__(self) -> None:
        if not sys.is_finalizing():
            do_what_is_left(self.ident)
            for work in at_thread_end:
                work(self.ident)


def enlist() -> None:
    """Make sure that what will be left to this thread is done, if only when it ends."""
    if not hasattr(_local, "last_will"):
        _local.last_will = _LastWill()


def leave_to(ident: int, work: Work) -> None:
    """Leave ``work`` to a thread, which does it when it next uses a jenny, or ends; at once if it has ended."""
    if not is_alive(ident):
        work()
        return
    _left_to.setdefault(ident, deque()).append(work)
    if not is_alive(ident):  # it ended meanwhile
        do_what_is_left(ident)


def do_what_is_left(ident: int) -> None:
    """Do what was left to a thread."""
    while (queue := _left_to.get(ident)) is not None:
        try:
            work = queue.popleft()
        except IndexError:
            _left_to.pop(ident, None)
            return
        work()


def has_left(ident: int) -> bool:
    """Whether something was left to a thread."""
    return ident in _left_to


def quietly(work: Work, what: str, where: object) -> None:
    """Call ``work``; an error of it is reported, and goes no further."""
    try:
        work()
    except BaseException as error:
        if sys.is_finalizing():
            return
        error.add_note(f"(raised while {what})")
        sys.unraisablehook(
            SimpleNamespace(
                exc_type=type(error),
                exc_value=error,
                exc_traceback=error.__traceback__,
                err_msg=f"Exception ignored while {what}",
                object=where,
            )
        )


@atexit.register
def _at_exit() -> None:
    for work in list(at_exit):
        work()


def _in_child() -> None:
    # A connection of the parent's must not be used here, not even to roll back: the server would hear it as the
    # parent's. Whatever refers to one is kept for good, since its finalizer would do just that.
    _left_to.clear()
    for sessions in after_fork:
        _kept_from_parent.extend(sessions())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
