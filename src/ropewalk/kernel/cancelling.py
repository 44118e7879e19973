"""What becomes of a statement of aiosqlite whose task is cancelled.

Core throws the connection away: it has it closed in the thread where the statement still runs, and waits for that, were
it for hours. A cursor that somebody still refers to, such as the frames of the error, keeps SQLite from closing it
really, and a transaction would keep the file locked. So the statement is interrupted first, and rolled back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.util import await_only


def interrupt_what_is_cancelled(engine: Any) -> None:
    """See to it that a cancelled statement of this engine ends, and leaves no lock, before the cancellation goes on."""
    if not isinstance(engine, Engine) or engine.dialect.driver != "aiosqlite":
        return
    if not event.contains(engine.pool, "invalidate", _invalidated):
        event.listen(engine.pool, "invalidate", _invalidated)


def _invalidated(adapted: Any, record: Any, error: BaseException | None) -> None:
    if isinstance(error, asyncio.CancelledError):
        await_only(_end(adapted.driver_connection))


async def _end(driver: Any) -> None:
    ended = asyncio.ensure_future(driver.rollback())
    while not ended.done():
        with suppress(ValueError):  # it is closed already
            await driver.interrupt()  # which does nothing if the statement has not begun yet, and so is done again
        with suppress(asyncio.CancelledError):  # as one is on its way already
            await asyncio.wait([ended], timeout=0.1)
    if not ended.cancelled():
        ended.exception()  # of no interest any more
