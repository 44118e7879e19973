"""One trip to an async driver for each statement.

Core's adapters make cursors of what async drivers offer, and each call of a cursor's method leaves the greenlet and
comes back. For aiosqlite, which runs a database in a thread of its own, each is a trip to that thread too, and there
are four for a statement: cursor, execute, fetchall, close. Here one coroutine does it all, and what the driver says
of columns and rows is put into words only for who asks.

What it takes of Core's adapters and of aiosqlite is private: the public way is the cursor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.util import await_only

if TYPE_CHECKING:
    import sqlite3


class Fetched:
    """What a statement gave, looking like the cursor that it came from."""

    __slots__ = ("_place", "_rows")

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows
        self._place = 0

    def fetchall(self) -> Sequence[Any]:
        """Return the rows that are left."""
        rows, place = self._rows, self._place
        self._place = len(rows)
        return rows[place:] if place else rows

    def fetchmany(self, size: int) -> Sequence[Any]:
        """Return at most so many of the rows that are left."""
        place = self._place
        self._place = min(place + size, len(self._rows))
        return self._rows[place : self._place]

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        found = self.fetchmany(1)
        return found[0] if found else None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def close(self) -> None:
        """Nothing is open."""


def execute(connection: Connection, text: str, parameters: Any) -> Fetched | None:
    """Execute and fetch all rows; None where the driver is another one."""
    adapted: Any = connection.connection.dbapi_connection
    trip = _TRIPS.get(type(adapted).__name__)
    return None if trip is None else _take(adapted, trip(connection, adapted, text, parameters))


def execute_many(connection: Connection, text: str, parameters: Sequence[Any]) -> Fetched | None:
    """Execute once for each of ``parameters``; None where the driver is another one, or does that in one trip."""
    adapted: Any = connection.connection.dbapi_connection
    if type(adapted).__name__ != _AIOSQLITE:
        return None
    return _take(adapted, _in_thread(adapted, _execute_many_there, text, parameters))


def _take(adapted: Any, trip: Coroutine[Any, Any, Fetched]) -> Fetched:
    try:
        return await_only(trip)
    except Exception as err:
        translate = getattr(type(adapted), "_handle_exception", None)  # psycopg's has none with SQLAlchemy 2.0
        if translate is not None:
            translate(adapted, err)  # raises what the adapter raises
        raise


# -- aiosqlite --------------------------------------------------------------------------------


class _OfSqlite(Fetched):
    __slots__ = ("description", "lastrowid", "rowcount")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        super().__init__([] if self.description is None else cursor.fetchall())
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid


def _sqlite(connection: Connection, adapted: Any, text: str, parameters: Any) -> Coroutine[Any, Any, Fetched]:
    return _in_thread(adapted, _execute_there, text, parameters)


async def _in_thread(adapted: Any, work: Any, text: str, parameters: Any) -> Fetched:
    driver = adapted.driver_connection
    return await driver._execute(work, driver._conn, text, parameters)  # type: ignore[no-any-return]


def _execute_there(database: sqlite3.Connection, text: str, parameters: Any) -> Fetched:
    with closing(database.execute(text, parameters)) as cursor:
        return _OfSqlite(cursor)


def _execute_many_there(database: sqlite3.Connection, text: str, parameters: Any) -> Fetched:
    with closing(database.executemany(text, parameters)) as cursor:
        return _OfSqlite(cursor)


# -- asyncpg ----------------------------------------------------------------------------------

_COUNT = re.compile(r"(?:SELECT|UPDATE|DELETE|MERGE|INSERT \d+) (\d+)")


class _OfAsyncpg(Fetched):
    __slots__ = ("_attributes", "_status")

    lastrowid = None

    def __init__(self, rows: Sequence[Any], attributes: Any, status: str) -> None:
        super().__init__(rows)
        self._attributes = attributes
        self._status = status

    @property
    def description(self) -> Any:
        return [(a.name, a.type.oid, None, None, None, None, None) for a in self._attributes] or None

    @property
    def rowcount(self) -> int:
        found = _COUNT.match(self._status or "")
        return int(found[1]) if found else -1


async def _asyncpg(connection: Connection, adapted: Any, text: str, parameters: Any) -> Fetched:
    dialect: Any = connection.dialect
    async with adapted._execute_mutex:
        if adapted._transaction is None:
            await adapted._start_transaction()
        try:
            # Core throws away what was prepared before it has seen DDL.
            statement, attributes = await adapted._prepare(text, dialect._invalidate_schema_cache_asof)
            return _OfAsyncpg(await statement.fetch(*parameters), attributes, statement.get_statusmsg())
        except Exception as err:
            if any(class_.__name__ in _STALE for class_ in type(err).__mro__):
                dialect._invalidate_schema_cache()
            raise


_STALE = ("InvalidCachedStatementError", "InternalServerError")  # DDL that Core has not seen

# -- psycopg ----------------------------------------------------------------------------------


class _OfPsycopg(Fetched):
    __slots__ = ("_cursor",)

    lastrowid = None

    def __init__(self, rows: Sequence[Any], cursor: Any) -> None:
        super().__init__(rows)
        self._cursor = cursor

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount  # type: ignore[no-any-return]


async def _psycopg(connection: Connection, adapted: Any, text: str, parameters: Any) -> Fetched:
    cursor = adapted.driver_connection.cursor()
    await cursor.execute(text, parameters)
    return _OfPsycopg(await cursor.fetchall() if cursor.pgresult.nfields else [], cursor)


_AIOSQLITE = "AsyncAdapt_aiosqlite_connection"
_TRIPS: dict[str, Callable[[Connection, Any, str, Any], Coroutine[Any, Any, Fetched]]] = {
    _AIOSQLITE: _sqlite,
    "AsyncAdapt_asyncpg_connection": _asyncpg,
    "AsyncAdapt_psycopg_connection": _psycopg,
}
