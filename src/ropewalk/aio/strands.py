"""Sync code that awaits, run in greenlets that are used again.

Core's bridge makes a greenlet for each call. A new one costs four times as much as the switches there and back, since
Python maps memory for its frames and unmaps it afterwards, which also disturbs the threads of aiosqlite on other
cores. Here a greenlet that has done its work waits for the next call.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

_DONE: Any = object()
_MOST_IDLE = 64


class _Here(threading.local):
    """What belongs to one thread, since greenlets do."""

    def __init__(self) -> None:
        self.idle: list[Strand] = []


_here = _Here()


class Strand(greenlet):  # type: ignore[misc]
    """A greenlet that does one piece of work after the other.

    A switch to it begins its work, or goes on with it. It comes back with what is to be awaited, whose outcome the
    next switch gives it, or with ``_DONE``.
    """

    __sqlalchemy_greenlet_provider__ = True  # by this name Core knows greenlets that may ask for an await

    work: Any
    result: Any
    error: BaseException | None

    def run(self) -> Any:
        idle = _here.idle
        while True:
            function, args, kw = self.work
            self.work = self.result = self.error = None
            try:
                self.result = function(*args, **kw)
            except BaseException as error:
                self.error = error
            del function, args, kw  # what this frame holds would live until the next call
            if len(idle) >= _MOST_IDLE:
                return _DONE
            idle.append(self)
            self.parent.switch(_DONE)

    def outcome(self) -> Any:
        """Return what the work returned, or raise what it raised."""
        error, result = self.error, self.result
        self.error = self.result = self.gr_context = None
        if error is None:
            return result
        context = error.__context__
        if isinstance(error, asyncio.CancelledError):
            _clear(error)
        try:
            raise error
        finally:
            error.__context__ = context  # not what the caller is just handling
            del error


def _clear(error: BaseException | None) -> None:
    """Clear what the calls that were cancelled had in their variables.

    There Core leaves circles of an error and its traceback. A cursor in one would keep a connection of SQLite from
    closing, and the file locked, until the garbage collector comes.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _begin(function: Any, args: Any, kw: Any) -> tuple[Strand, Any]:
    """Call a function in a strand, up to its first await or its end."""
    me = getcurrent()
    idle = _here.idle
    if idle and not (strand := idle.pop()).dead:  # by an interrupt that came between two lines of run()
        strand.parent = me
    else:
        strand = Strand(parent=me)
    strand.gr_context = me.gr_context
    strand.work = function, args, kw
    return strand, strand.switch()


async def _go_on(strand: Strand, asked: Any) -> Any:
    """Await what a strand asks for, until its work is done."""
    while asked is not _DONE:
        try:
            asked = strand.switch(await asked)  # which raises nothing: see run()
        except BaseException:
            asked = strand.throw(*sys.exc_info())
    return strand.outcome()


async def spawn(function: Callable[..., T], /, *args: Any, **kw: Any) -> T:
    """Run sync code, and await for it what its driver awaits."""
    return await _go_on(*_begin(function, args, kw))  # type: ignore[no-any-return]


async def finish(function: Callable[[], T], hand_over: Callable[[asyncio.Task[T]], None]) -> T:
    """Run sync code to its end, even if the calling task is cancelled meanwhile.

    It begins in the calling task, and goes on in one of its own only if there is something to await.

    :param hand_over: called with that other task.
    """
    strand, asked = _begin(function, (), {})
    if asked is _DONE:
        return strand.outcome()  # type: ignore[no-any-return]
    task = asyncio.ensure_future(_go_on(strand, asked))
    hand_over(task)
    return await to_its_end(task)


async def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end even if the calling task is cancelled meanwhile; the cancellation comes after it.

    Clean-up that stopped half-way would leave a connection behind, and one that went on by itself could
    meet a program that has disposed of its engine.
    """
    try:
        task = asyncio.get_running_loop().create_task(work)
    except RuntimeError:  # no loop of asyncio's, so nothing was connected that would have to be awaited
        return await work
    return await to_its_end(task)


async def to_its_end(task: asyncio.Future[T]) -> T:
    """Wait for a task even if the calling one is cancelled meanwhile; the cancellation comes after it."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as err:
            cancelled = err
    if cancelled is not None:
        if not task.cancelled() and (error := task.exception()) is not None:
            cancelled.add_note(f"The clean-up that it waited for failed: {error!r}")
        raise cancelled
    return task.result()
