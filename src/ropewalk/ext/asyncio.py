"""Sessions for asyncio, under the names of ``sqlalchemy.ext.asyncio``.

::

    from ropewalk.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

Engines, connections and results are Core's own. Importing this module imports ``sqlalchemy.ext.asyncio``, which
needs ``greenlet`` and brings SQLAlchemy's ORM with it, unused.
"""

from __future__ import annotations

from ..aio.attrs import AsyncAttrs
from ..aio.bridge import (
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
from ..aio.factory import async_sessionmaker
from ..aio.scoping import async_scoped_session
from ..aio.session import AsyncSession, async_object_session, async_session, close_all_sessions
from ..aio.transaction import AsyncSessionTransaction

__all__ = [
    "AsyncAttrs",
    "AsyncConnection",
    "AsyncEngine",
    "AsyncMappingResult",
    "AsyncResult",
    "AsyncScalarResult",
    "AsyncSession",
    "AsyncSessionTransaction",
    "AsyncTransaction",
    "AsyncTupleResult",
    "async_engine_from_config",
    "async_object_session",
    "async_scoped_session",
    "async_session",
    "async_sessionmaker",
    "close_all_sessions",
    "create_async_engine",
    "create_async_pool_from_url",
    "exc",
]
