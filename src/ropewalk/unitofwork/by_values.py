"""The quick road on SQLite, MySQL and MariaDB: parameters by position.

SQLite gives 10,000 rows their keys in 0.5 µs each when one INSERT has many VALUES and
RETURNING; chunks of 100 to 1,000 rows do equally well. Rows whose keys are known go in
one executemany, which costs the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Connection
from sqlalchemy.engine import Dialect

from ..exc import FlushError
from ..kernel.core import run_many, run_text
from .dialects import column_names, converter, placeholder_of, table_name
from .plan import DeleteShape, InsertShape, Row, UpdateShape
from .results import Results
from .through_core import CoreInsert

CHUNK = 250
"""Rows in one statement."""


class ValuesInsert:
    """INSERT of one shape.

    :ivar fetches: the columns whose values it brings back.
    :ivar chunk: how many rows it takes at once, or None for any number.
    """

    def __init__(self, shape: InsertShape, dialect: Dialect, fetches: Sequence[Column[Any]]) -> None:
        self.fetches = tuple(fetches)
        self.convert = converter(shape.columns, dialect, f"insert {shape.plan.mapper.class_.__name__}")
        sign = placeholder_of(dialect)
        names = column_names(shape.columns, dialect)
        self._head = f"INSERT INTO {table_name(shape.plan.table, dialect)} ({', '.join(names)}) VALUES "
        self._group = f"({', '.join([str(sign)] * len(names))})"
        self._returning = bool(fetches) and dialect.insert_returning and shape.plan.table.implicit_returning
        self._tail = f" RETURNING {', '.join(column_names(self.fetches, dialect))}" if self._returning else ""
        # lastrowid needs no second trip to the cursor; it knows the key and nothing else
        self._by_lastrowid = self._cursor_stays_open and len(self.fetches) == 1
        self._by_lastrowid &= not (self._returning and dialect.favor_returning_over_lastrowid)
        self.single = self._head + self._group
        self.chunk: int | None = None
        if self._returning:
            most = dialect.insertmanyvalues_max_parameters or 32_700
            self.chunk = max(1, min(CHUNK, most // len(names)))
        elif fetches:
            self.chunk = 1
        # sqlite3 takes one row after the other, while drivers of MySQL put them together again
        self.one_by_one = dialect.name == "sqlite" and not fetches
        self._texts: dict[int, str] = {}
        self._results = Results(self.fetches, dialect)
        self._table = table_name(shape.plan.table, dialect)
        #: finds rows by all that they were given, where keys may come at random
        self._finder: str | None = None
        if self._returning and dialect.name == "sqlite":
            (key,) = column_names(self.fetches[:1], dialect)
            alike = " AND ".join(f"{name} IS {sign} COLLATE BINARY" for name in names)
            self._finder = f"SELECT {key} FROM {self._table} WHERE {alike} AND {key} IN "

    def run(self, connection: Connection, rows: list[Row]) -> list[Row]:
        """Insert the rows and return what the database made for each."""
        execute = self._execute
        if not self.fetches:
            if len(rows) == 1:
                execute(connection, self.single, rows[0])
            else:
                run_many(connection, self.single, rows)
            return []
        if len(rows) == 1:
            if self._by_lastrowid:
                return [(execute(connection, self.single, rows[0]).lastrowid,)]
            return self._results.all_of(execute(connection, self.single + self._tail, rows[0]))
        text = self._texts.get(len(rows))
        if text is None:
            text = self._head + ", ".join([self._group] * len(rows)) + self._tail
            if len(rows) == self.chunk:  # remainders are of all lengths
                self._texts[len(rows)] = text
        cursor = execute(connection, text, tuple(chain.from_iterable(rows)))
        return self._results.all_of(cursor, partial(self._in_our_order, connection, rows))

    def _in_our_order(self, connection: Connection, rows: list[Row], found: list[Row]) -> list[Row]:
        """Put what RETURNING gave, which promises no order, in the order of the rows that were inserted.

        Each row gets the next higher key as its turn comes, in the order of VALUES: SQLite takes the largest
        rowid plus one, and InnoDB reserves the keys of a statement as one rising run. So the lowest key belongs
        to the first row. (InsertShape sees to it that generated keys are the table's own counter, which stands
        first in RETURNING.) SQLite ends a run where the largest rowid there can be is taken: from then on it
        draws free ones at random. Then, and where a trigger puts rows between ours, the values must tell.
        """
        found = sorted(found, key=itemgetter(0))
        if self._finder is None or len(found) != len(rows) or found[-1][0] - found[0][0] == len(rows) - 1:
            return found
        by_key = {row[0]: row for row in found}
        finder = f"{self._finder}({', '.join(map(str, by_key))})"
        ordered: list[Row] = []
        for row in rows:
            cursor = run_text(connection, finder, row)
            match = next((by_key.pop(key) for (key,) in cursor.fetchall() if key in by_key), None)
            cursor.close()
            if match is None:
                raise FlushError(
                    f"{self._table}: the keys of the rows just inserted do not rise one by one, and row "
                    f"{len(ordered) + 1} of {len(rows)} cannot be found again by its values, as a trigger that changes "
                    f"them would have it. Let the program give the keys."
                )
            ordered.append(match)  # rows that are alike in all that was given may have any of their keys
        return ordered

    _execute = staticmethod(run_text)
    _cursor_stays_open = True


def _run_loudly(connection: Connection, text: str, parameters: Row) -> Any:
    return connection.exec_driver_sql(text, parameters).cursor


class LoudInsert(ValuesInsert):
    """The same INSERT, shown to whoever listens.

    Core's own way to insert many rows and get their keys takes one statement for each on SQLite. A single row
    goes through Core, so that those who listen for statements, and not for their text, see it too.
    """

    def __init__(self, shape: InsertShape, connection: Connection, fetches: Sequence[Column[Any]]) -> None:
        super().__init__(shape, connection.dialect, fetches)
        self._convert, self.convert = self.convert, None
        self._single = CoreInsert(shape, connection, fetches)

    def run(self, connection: Connection, rows: list[Row]) -> list[Row]:
        if len(rows) == 1:
            return self._single.run(connection, rows)
        return super().run(connection, rows if self._convert is None else self._convert(rows))

    def apart(self, dialect: Dialect, rows: list[Row]) -> tuple[str, list[Row]]:
        """Return what the driver would be sent for each row alone."""
        return self.single, rows if self._convert is None else self._convert(rows)

    _execute = staticmethod(_run_loudly)
    _cursor_stays_open = False


class ValuesUpdate:
    """UPDATE by key; each parameter row holds the new values and then the key."""

    chunk = None
    one_by_one = True

    def __init__(self, shape: UpdateShape, dialect: Dialect) -> None:
        pk = shape.plan.match_columns
        self.convert = converter((*shape.columns, *pk), dialect, f"update {shape.plan.mapper.class_.__name__}")
        sign = placeholder_of(dialect)
        changes = ", ".join(f"{name} = {sign}" for name in column_names(shape.columns, dialect))
        keys = " AND ".join(f"{name} = {sign}" for name in column_names(pk, dialect))
        self.single = f"UPDATE {table_name(shape.plan.table, dialect)} SET {changes} WHERE {keys}"

    def run(self, connection: Connection, rows: list[Row]) -> int:
        """Update the rows and return how many matched."""
        if len(rows) == 1:
            return int(run_text(connection, self.single, rows[0]).rowcount)
        return int(run_many(connection, self.single, rows).rowcount)


class ValuesDelete:
    """DELETE by key: ``IN`` for a single column, which saves two thirds; executemany for several."""

    def __init__(self, shape: DeleteShape, dialect: Dialect) -> None:
        self.convert = converter(shape.columns, dialect, f"delete {shape.plan.mapper.class_.__name__}")
        self._sign = str(placeholder_of(dialect))
        names = column_names(shape.columns, dialect)
        self._head = f"DELETE FROM {table_name(shape.plan.table, dialect)} WHERE "
        self.single = self._head + " AND ".join(f"{name} = {self._sign}" for name in names)
        self._column = names[0] if len(names) == 1 else None
        self.chunk = None if self._column is None else 500
        self.one_by_one = self._column is None

    def run(self, connection: Connection, rows: list[Row]) -> int:
        """Delete the rows and return how many there were."""
        if len(rows) == 1:
            cursor = run_text(connection, self.single, rows[0])
        elif self._column is not None:
            signs = ", ".join([self._sign] * len(rows))
            text = f"{self._head}{self._column} IN ({signs})"
            cursor = run_text(connection, text, tuple(chain.from_iterable(rows)))
        else:
            cursor = run_many(connection, self.single, rows)
        return int(cursor.rowcount)
