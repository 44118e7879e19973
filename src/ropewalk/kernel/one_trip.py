"""One trip to aiosqlite's thread for each statement.

aiosqlite runs a database in a thread of its own, and each call there and back costs as much as a short
SELECT (some 40 µs). Core's adapter makes four trips for a statement: cursor, execute, fetchall, close. Here one
function does all of it over there. Other drivers have no such thread, and go by their adapter.

It takes two private names of aiosqlite, whose public ``execute_fetchall()`` tells neither columns nor row count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.util import await_only

if TYPE_CHECKING:
    import sqlite3


class Fetched:
    """What a statement gave, looking like the cursor that it came from."""

    __slots__ = ("_place", "_rows", "description", "lastrowid", "rowcount")

    def __init__(self, rows: list[Any], description: Any, rowcount: int, lastrowid: int | None) -> None:
        self._rows = rows
        self._place = 0
        self.description = description
        self.rowcount = rowcount
        self.lastrowid = lastrowid

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows, place = self._rows, self._place
        self._place = len(rows)
        return rows[place:] if place else rows

    def fetchmany(self, size: int) -> list[Any]:
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


def execute(pooled: Any, text: str, parameters: Any) -> Fetched | None:
    """Execute and fetch all rows; None where the connection is of another driver.

    :param pooled: the connection as Core's pool gives it.
    """
    return _trip(pooled, _execute, text, parameters)


def execute_many(pooled: Any, text: str, parameters: Sequence[Any]) -> Fetched | None:
    """Execute once for each of ``parameters``; None where the connection is of another driver."""
    return _trip(pooled, _execute_many, text, parameters)


def _trip(pooled: Any, work: Any, text: str, parameters: Any) -> Fetched | None:
    adapted = pooled.dbapi_connection
    driver = adapted.driver_connection
    run = getattr(driver, "_execute", None)
    if run is None or not type(driver).__module__.startswith("aiosqlite"):
        return None
    try:
        return await_only(run(work, driver._conn, text, parameters))  # type: ignore[no-any-return]
    except Exception as err:
        adapted._handle_exception(err)  # raises what the adapter raises
        raise


def _execute(database: sqlite3.Connection, text: str, parameters: Any) -> Fetched:
    return _all_of(database.execute(text, parameters))


def _execute_many(database: sqlite3.Connection, text: str, parameters: Any) -> Fetched:
    return _all_of(database.executemany(text, parameters))


def _all_of(cursor: sqlite3.Cursor) -> Fetched:
    description = cursor.description
    rows = [] if description is None else cursor.fetchall()
    found = Fetched(rows, description, cursor.rowcount, cursor.lastrowid)
    cursor.close()
    return found
