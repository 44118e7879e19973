"""Where sync code may await: in the greenlet of an AsyncSession, and nowhere else."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from types import FrameType
from typing import Any, TypeVar

from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.util.concurrency import await_only, greenlet_spawn, in_greenlet

from ..exc import InvalidRequestError

T = TypeVar("T")


def may_await() -> bool:
    """Whether this code is run by an AsyncSession."""
    return "greenlet" in sys.modules and in_greenlet()


def awaiting_frame() -> FrameType | None:
    """Return the frame that awaits what this greenlet does, at which its own stack of frames does not arrive."""
    if not may_await():
        return None
    frame: FrameType | None = sys.modules["greenlet"].getcurrent().parent.gr_frame
    return frame


def need_asyncio() -> None:
    """See that somebody awaits for this code, and that it is asyncio.

    :raises MissingGreenlet: it is sync code outside an AsyncSession.
    :raises InvalidRequestError: there is no loop of asyncio's here.
    """
    if not may_await():
        raise MissingGreenlet(
            "The engine is async, and nothing awaits here for this session. In async code use the methods of "
            "AsyncSession(engine), of which run_sync() calls sync code; in sync code use an engine of create_engine()."
        )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidRequestError(
            "No asyncio event loop runs this, and an AsyncSession can be awaited in no other, such as trio's: use "
            "asyncio.run(), uvloop, or anyio with its backend 'asyncio'. Code without a loop uses Session and "
            "create_engine()."
        ) from None


def await_here(coroutine: Coroutine[Any, Any, T], whose: str) -> T:
    """Await a coroutine for sync code.

    :param whose: where it comes from, for the error message.
    :raises InvalidRequestError: no AsyncSession runs this.
    """
    if not may_await():
        coroutine.close()
        raise InvalidRequestError(
            f"{whose} is a coroutine function, and nothing can await it here: that takes the commit of an "
            f"AsyncSession. Give a plain function, or await it yourself."
        )
    return await_only(coroutine)


def pause(seconds: float) -> None:
    """Sleep; where an AsyncSession runs this, other tasks go on meanwhile."""
    if may_await():
        await_here(asyncio.sleep(seconds), "sleep")
    else:
        time.sleep(seconds)


def call_all(functions: Sequence[Callable[[], Any]]) -> None:
    """Call functions that an AsyncSession runs side by side: each in a task of its own, until all have ended.

    If this task is cancelled meanwhile, so are they; the cancellation goes on when the last one has ended, for until
    then each has a connection in use.

    :param functions: they must not raise.
    """

    async def side_by_side() -> None:
        tasks = [asyncio.ensure_future(greenlet_spawn(function)) for function in functions]
        cancelled: asyncio.CancelledError | None = None
        while not all(task.done() for task in tasks):
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError as error:
                cancelled = error
                for task in tasks:
                    task.cancel()
        if cancelled is not None:
            raise cancelled

    await_here(side_by_side(), "call_all")
