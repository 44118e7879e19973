"""Where sync code may await: in the greenlet of an AsyncSession, and nowhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..exc import InvalidRequestError

T = TypeVar("T")


def may_await() -> bool:
    """Whether this code is run by an AsyncSession."""
    if "greenlet" not in sys.modules:
        return False
    from sqlalchemy.util.concurrency import in_greenlet

    return in_greenlet()


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
    from sqlalchemy.util.concurrency import await_only

    return await_only(coroutine)


def pause(seconds: float) -> None:
    """Sleep; where an AsyncSession runs this, other tasks go on meanwhile."""
    if may_await():
        import asyncio

        await_here(asyncio.sleep(seconds), "sleep")
    else:
        time.sleep(seconds)
