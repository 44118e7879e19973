"""Where async code and the sync core meet: Core's greenlets, its async connections, and shielded clean-up.

This is the only file that imports ``sqlalchemy.ext.asyncio``. That package imports SQLAlchemy's ORM, which
``import ropewalk`` never does; it is loaded when a program asks for ``ropewalk.ext.asyncio``, and where a program
has an AsyncEngine it is loaded already.

Core's async types are found again from what they stand for by private names: an AsyncSession must give back the
very AsyncConnection that the program has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, Result
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncMappingResult,
    AsyncResult,
    AsyncScalarResult,
    AsyncTransaction,
    AsyncTupleResult,
    async_engine_from_config,
    create_async_engine,
    create_async_pool_from_url,
    exc,
)
from sqlalchemy.ext.asyncio.engine import _get_sync_engine_or_connection
from sqlalchemy.ext.asyncio.result import _ensure_sync_result
from sqlalchemy.util.concurrency import greenlet_spawn, in_greenlet

from ..exc import InvalidRequestError

__all__ = [
    "AsyncBind",
    "AsyncBindNotFound",
    "AsyncConnection",
    "AsyncEngine",
    "AsyncMappingResult",
    "AsyncResult",
    "AsyncScalarResult",
    "AsyncTransaction",
    "AsyncTupleResult",
    "Startable",
    "async_connection",
    "async_engine_from_config",
    "buffered",
    "create_async_engine",
    "create_async_pool_from_url",
    "exc",
    "in_greenlet",
    "run_to_completion",
    "spawn",
    "sync_side",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R", bound=Result[Any])

AsyncBind = AsyncEngine | AsyncConnection

AsyncBindNotFound: type[InvalidRequestError] = getattr(exc, "AsyncBindNotFound", InvalidRequestError)
"""A sync engine whose async one is not known; SQLAlchemy 2.0 has no class of its own for it."""

spawn = greenlet_spawn
"""``await spawn(function, ...)`` runs sync code, and awaits for it what its driver awaits. One for each call."""


def sync_side(bind: AsyncBind) -> Engine | Connection:
    """Return the engine or connection inside an async one.

    :raises ArgumentError: it is none; Core says so.
    """
    return _get_sync_engine_or_connection(bind)


def async_connection(connection: Connection) -> AsyncConnection:
    """Return the async face of a connection: the one that the program has, if it has one."""
    return AsyncConnection._retrieve_proxy_for_target(connection)


async def buffered(result: R, method: Any) -> R:
    """Return a result that can be read without awaiting.

    :param method: the bound method that was called, for the error message.
    :raises AsyncMethodRequired: rows are still on the server (``stream_results``, ``yield_per``).
    """
    if getattr(result, "raw", self_contained) is None:
        return result  # objects of ours, loaded
    return await _ensure_sync_result(result, method)


self_contained = object()  # what a result of Core's has in the place of "raw"


async def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end even if the calling task is cancelled meanwhile; the cancellation comes after it.

    Clean-up that stopped half-way would leave a connection behind, and one that went on by itself could
    meet a program that has disposed of its engine.
    """
    try:
        task = asyncio.get_running_loop().create_task(work)
    except RuntimeError:  # no loop of asyncio's, so nothing was connected that would have to be awaited
        return await work
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


class Startable(Awaitable[T_co], Generic[T_co]):
    """What begins when it is awaited, or on entering an ``async with`` block."""

    __slots__ = ()

    async def start(self, is_ctxmanager: bool = False) -> T_co:
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, T_co]:
        return self.start().__await__()

    async def __aenter__(self) -> T_co:
        return await self.start(is_ctxmanager=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError


Call = Callable[..., Any]
