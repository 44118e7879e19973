"""What else a pool's time-out should say, beside that it timed out: who holds the connections.

A session does not know. Whoever does puts a function here, which is called with the error and the engine.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, pool
from sqlalchemy.exc import TimeoutError

from .awaiting import need_asyncio
from .retrying import mark_unreachable

_Fallback = getattr(pool, "FallbackAsyncAdaptedQueuePool", None)  # with SQLAlchemy 2.0 it awaits by itself

on_timeout: list[Callable[[TimeoutError, Engine], None]] = []


def connect(engine: Engine) -> Connection:
    """Take a connection from the engine's pool.

    :raises TimeoutError: there was none for as long as the pool waits.
    :raises InvalidRequestError: the engine is async, and nothing awaits here: it is sync code (MissingGreenlet), or
        not asyncio's event loop.
    :raises OSError: asyncpg's, for a server that cannot be reached; other drivers have errors of their own for that.
    """
    if engine.dialect.is_async is True and type(engine.pool) is not _Fallback:
        need_asyncio()
    try:
        return engine.connect()
    except TimeoutError as error:
        for tell in on_timeout:
            tell(error, engine)
        raise
    except OSError as error:
        mark_unreachable(error)
        raise
