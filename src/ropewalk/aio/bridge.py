"""Core's side of where async code and the sync core meet: its async engines, connections and results.

This is the only file that imports ``sqlalchemy.ext.asyncio``. That package imports SQLAlchemy's ORM, which
``import ropewalk`` never does; it is loaded when a program asks for ``ropewalk.ext.asyncio``, and where a program
has an AsyncEngine it is loaded already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
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
from sqlalchemy.ext.asyncio.result import _ensure_sync_result
from sqlalchemy.util.concurrency import in_greenlet

from ..exc import ArgumentError, InvalidRequestError

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
    "sync_side",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R", bound=Result[Any])

AsyncBind = AsyncEngine | AsyncConnection

AsyncBindNotFound: type[InvalidRequestError] = getattr(exc, "AsyncBindNotFound", InvalidRequestError)
"""A sync engine whose async one is not known; SQLAlchemy 2.0 has no class of its own for it."""


def sync_side(bind: AsyncBind) -> Engine | Connection:
    """Return the engine or connection inside an async one.

    :raises ArgumentError: it is none.
    :raises AsyncContextNotStarted: it is a connection that was not awaited.
    """
    if isinstance(bind, AsyncConnection):
        if bind.sync_connection is None:
            raise exc.AsyncContextNotStarted(
                "This AsyncConnection has not begun: write await engine.connect() or async with engine.connect()."
            )
        return bind.sync_connection
    try:
        return bind.sync_engine
    except AttributeError as err:
        raise ArgumentError(
            f"An AsyncSession is bound to an AsyncEngine, as of create_async_engine(), or to an AsyncConnection; got "
            f"{bind!r}."
        ) from err


def async_connection(connection: Connection) -> AsyncConnection:
    """Return the async face of a connection: the one that the program has, if it has one.

    Only Core knows which that is; its constructor, which is public, makes another one each time.
    """
    return AsyncConnection._retrieve_proxy_for_target(connection)


async def buffered(result: R, method: Any) -> R:
    """Return a result that can be read without awaiting.

    :param method: the bound method that was called, for the error message.
    :raises AsyncMethodRequired: rows are still on the server (``stream_results``, ``yield_per``).
    """
    if getattr(result, "raw", self_contained) is None:
        return result  # objects of ours, loaded
    # Whether rows are on the server, and how the driver's cursor is closed before them, Core tells in no public way.
    return await _ensure_sync_result(result, method)


self_contained = object()  # what a result of Core's has in the place of "raw"


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
