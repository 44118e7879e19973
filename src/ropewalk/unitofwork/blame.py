"""Finding the row that a database refused, among those of one statement.

In this order: the only row; the row at which an executemany stopped; what the message
says (PostgreSQL names values, others at least a column); a second try, row by row, inside
a savepoint, where a failed statement leaves the transaction alive (SQLite, MySQL).
Nothing is claimed that was not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import length_hint
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError, StatementError
from sqlalchemy.types import BigInteger, Integer, SmallInteger, String

from .plan import Row
from .values import PLAIN

if TYPE_CHECKING:
    from .batches import Batch


class Counted(list[Row]):
    """Parameter rows that know how many of them a driver has taken."""

    _iterator: Iterator[Row] | None = None

    def __iter__(self) -> Iterator[Row]:
        self._iterator = super().__iter__()
        return self._iterator

    @property
    def last_taken(self) -> int:
        """The place of the row taken last; -1 if none was."""
        return -1 if self._iterator is None else len(self) - length_hint(self._iterator) - 1


def blamed_rows(error: BaseException, statement: Any, batch: Batch, connection: Connection, rows: Any) -> list[int]:
    """Return the places of the rows that an error can be about; empty if that cannot be told."""
    if len(batch.rows) == 1:
        return [0]
    if getattr(statement, "one_by_one", False) and isinstance(rows, Counted) and rows.last_taken >= 0:
        return [rows.last_taken]
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return []
    found = _from_message(error, batch)
    if len(found) != 1 and _is_about_a_row(error):
        tried = _by_trying(str(error.orig), statement, connection, rows)
        if tried is not None:
            return [tried]
    return found


# -- values that no driver takes ---------------------------------------------------------


def odd_value(error: BaseException, batch: Batch) -> tuple[int, Column[Any]] | None:
    """Return row and column of a value whose Python type the driver or column type cannot take."""
    cause = error.orig if isinstance(error, StatementError) else error
    if isinstance(cause, OverflowError):
        return _first(batch, lambda value, _: isinstance(value, int) and not -(2**63) <= value < 2**63)
    if isinstance(error, DBAPIError) and not isinstance(error, (InterfaceError, ProgrammingError, DataError)):
        return None
    if isinstance(error, DataError):
        return _first(batch, _too_large)
    return _first(batch, lambda value, _: type(value) not in PLAIN)


def _first(batch: Batch, test: Any) -> tuple[int, Column[Any]] | None:
    for i, row in enumerate(batch.rows):
        for column, value in zip(batch.columns, row, strict=True):
            if test(value, column):
                return i, column
    return None


def _too_large(value: Any, column: Column[Any]) -> bool:
    type_ = column.type
    if isinstance(value, str):
        return isinstance(type_, String) and type_.length is not None and len(value) > type_.length
    if isinstance(value, int) and isinstance(type_, Integer):
        bits = 63 if isinstance(type_, BigInteger) else 15 if isinstance(type_, SmallInteger) else 31
        return not -(2**bits) <= value < 2**bits
    return False


# -- what the message says ---------------------------------------------------------------

_NULL = (
    re.compile(r"NOT NULL constraint failed: (?:.+\.)?(.+)"),  # SQLite
    re.compile(r"Column '(.+?)' cannot be null"),  # MySQL
)
_UNIQUE = re.compile(r"UNIQUE constraint failed: (.+)")  # SQLite
_DUPLICATE = re.compile(r"Duplicate entry '(.*)' for key")  # MySQL
_KEY = re.compile(r"Key \((.+?)\)=\((.*)\) ", re.DOTALL)  # PostgreSQL
_FAILING = re.compile(r"Failing row contains \((.*)\)\.", re.DOTALL)  # PostgreSQL


def _from_message(error: DBAPIError, batch: Batch) -> list[int]:
    message = str(error.orig)
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return _from_diagnosis(diagnosis, batch)
    for pattern in _NULL:
        if (match := pattern.search(message)) is not None:
            return _where(batch, [match[1].strip()], [None])[:1]
    if (match := _UNIQUE.search(message)) is not None:
        names = [name.rpartition(".")[2] for name in match[1].split(", ")]
        return _second_of_equals(batch, names)
    if (match := _DUPLICATE.search(message)) is not None:
        return [i for i, row in enumerate(batch.rows) if match[1] in map(str, row)]
    return []


def _from_diagnosis(diagnosis: Any, batch: Batch) -> list[int]:
    detail = diagnosis.message_detail or ""
    if diagnosis.column_name and diagnosis.sqlstate == "23502":
        return _where(batch, [diagnosis.column_name], [None])[:1]
    if (match := _KEY.search(detail)) is not None:
        names = [name.strip('"') for name in match[1].split(", ")]
        values = match[2].split(", ") if len(names) > 1 else [match[2]]
        return _where(batch, names, [*values])
    if (match := _FAILING.search(detail)) is not None:
        names = [column.name for column in batch.plan.table.columns]
        values = match[1].split(", ")
        if len(values) == len(names):
            known = {column.name for column in batch.columns}
            pairs = [(n, v) for n, v in zip(names, values, strict=True) if n in known]
            return _where(batch, [n for n, _ in pairs], [None if v == "null" else v for _, v in pairs])
    return []


def _where(batch: Batch, names: list[str], values: list[str | None]) -> list[int]:
    """Return the rows that have these values, which the message gives as text, in these columns."""
    places = _places(batch, names)
    if places is None or len(names) != len(values):
        return []
    return [
        i
        for i, row in enumerate(batch.rows)
        if all(_text(row[place]) == value for place, value in zip(places, values, strict=True))
    ]


def _second_of_equals(batch: Batch, names: list[str]) -> list[int]:
    """Return the first row that has the same values in these columns as one before it."""
    places = _places(batch, names)
    if places is None:
        return []
    seen: set[str] = set()
    for i, row in enumerate(batch.rows):
        values = repr([row[place] for place in places])
        if values in seen:
            return [i]
        seen.add(values)
    return []


def _places(batch: Batch, names: list[str]) -> list[int] | None:
    columns = [column.name for column in batch.columns]
    return [columns.index(name) for name in names] if set(names) <= set(columns) else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "t" if value else "f"
    return None if value is None else str(value)


# -- trying again ------------------------------------------------------------------------


def _is_about_a_row(error: DBAPIError) -> bool:
    """Whether an error comes from the values of a row, and not from the state of a connection or transaction."""
    if isinstance(error, (IntegrityError, DataError)):
        return True
    # MariaDB: constraint failed, incorrect value; they come as operational errors
    return bool(error.orig and error.orig.args and error.orig.args[0] in (4025, 1366))


def _by_trying(message: str, statement: Any, connection: Connection, rows: Any) -> int | None:
    """Return the first row that fails when each is sent alone, or None.

    The flush has failed and will be rolled back; here all is undone at once. On PostgreSQL the
    transaction is dead after an error and answers nothing more. Who listens to statements is not told of these.
    """
    dialect = connection.dialect
    if rows is None or dialect.name not in ("sqlite", "mysql", "mariadb"):
        return None
    # Of the rows that SQLite was sent one by one, those before the refused one have gone in, and will not again.
    gone_in = dialect.name == "sqlite" and getattr(statement, "row_by_row", False)
    if gone_in and "UNIQUE" in message:
        return None
    failure: Any = dialect.loaded_dbapi.Error
    try:
        single, rows = statement.apart(dialect, rows) if hasattr(statement, "apart") else (statement.single, rows)
        cursor = connection.connection.cursor()
        cursor.execute("SAVEPOINT ropewalk_blame")
        try:
            for i, row in enumerate(rows):
                try:
                    cursor.execute(single, row)
                except failure as err:
                    if not gone_in or str(err) == message:
                        return i
        finally:
            cursor.execute("ROLLBACK TO SAVEPOINT ropewalk_blame")
            cursor.execute("RELEASE SAVEPOINT ropewalk_blame")
    except Exception:  # whatever goes wrong here must not hide the first error
        return None
    return None
