"""The road through Core's ``Connection.execute``, which serves every database and shows listeners all.

It is taken where somebody listens, where the driver is not one that we know, and where a
type or default needs SQL of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, and_, bindparam, delete, insert, update
from sqlalchemy.engine import Dialect

from ..exc import InvalidRequestError
from ..kernel.statements import as_driver_text
from .plan import DeleteShape, InsertShape, Row, TablePlan, UpdateShape

KEY = "_key_{}"  # a parameter's name must not be that of a column


class CoreInsert:
    """INSERT of one shape.

    :ivar fetches: the columns whose values it brings back.
    :ivar chunk: how many rows it takes at once, or None for any number.
    :ivar row_by_row: whether a driver, or Core, may make a statement of each.
    """

    convert = None
    row_by_row = True

    def __init__(self, shape: InsertShape, connection: Connection, fetches: Sequence[Column[Any]]) -> None:
        dialect = connection.dialect
        table = shape.plan.table
        self.fetches = tuple(fetches)
        self._names = [column.key for column in shape.columns]
        self._statement = insert(table)
        self._keys = [place_of(column, table) for column in fetches]
        self.chunk: int | None = None
        self._returning = bool(fetches) and dialect.insert_returning and table.implicit_returning
        if self._returning:
            self._sorted = self._statement.returning(*fetches, sort_by_parameter_order=True)
            self._statement = self._statement.returning(*fetches)
        if fetches and not (self._returning and dialect.insert_executemany_returning_sort_by_parameter_order):
            self.chunk = 1

    def run(self, connection: Connection, rows: list[Row]) -> list[Row]:
        """Insert the rows and return what the database made for each."""
        parameters = [dict(zip(self._names, row, strict=True)) for row in rows]
        if not self.fetches:
            connection.execute(self._statement, parameters if len(rows) > 1 else parameters[0])
            return []
        if len(rows) > 1:
            return [tuple(row) for row in connection.execute(self._sorted, parameters)]
        result = connection.execute(self._statement, parameters[0])
        if self._returning:
            return [tuple(row) for row in result]
        made: Any = result.inserted_primary_key
        return [tuple(None if place is None else made[place] for place in self._keys)]

    def apart(self, dialect: Dialect, rows: list[Row]) -> tuple[str, list[Any]]:
        """Return what the driver would be sent for each row alone."""
        return as_driver_text(self._statement, self._names, dialect, rows)


def place_of(column: Column[Any], table: Any) -> int | None:
    """Return where a column stands in its table's primary key, or None where it does not."""
    for i, key in enumerate(table.primary_key):
        if key is column:
            return i
    return None


def insert_expressions(
    connection: Connection, plan: TablePlan, values: Mapping[Column[Any], Any], fetches: Sequence[Column[Any]]
) -> Row:
    """Insert a row some of whose values are SQL, and return what the database made for ``fetches``."""
    table = plan.table
    statement = insert(table).values({column.key: value for column, value in values.items()})
    if fetches and connection.dialect.insert_returning and table.implicit_returning:
        return tuple(connection.execute(statement.returning(*fetches)).one())
    made: Any = connection.execute(statement).inserted_primary_key
    places = [place_of(column, table) for column in fetches]
    return tuple(None if place is None else made[place] for place in places)


class CoreUpdate:
    """UPDATE by key; each parameter row holds the new values and then the key."""

    convert = None
    chunk = None

    def __init__(self, shape: UpdateShape) -> None:
        pk = shape.plan.match_columns
        self._names = [f"_new_{i}" for i in range(len(shape.columns))]
        values = {
            column.key: bindparam(name, type_=column.type)
            for column, name in zip(shape.columns, self._names, strict=True)
        }
        self._names += [KEY.format(i) for i in range(len(pk))]
        self._statement = update(shape.plan.table).where(key_matches(shape.plan)).values(values)

    def run(self, connection: Connection, rows: list[Row]) -> int:
        """Update the rows and return how many matched."""
        parameters = [dict(zip(self._names, row, strict=True)) for row in rows]
        return connection.execute(self._statement, parameters if len(rows) > 1 else parameters[0]).rowcount

    def run_returning(self, connection: Connection, row: Row, fetches: Sequence[Column[Any]]) -> tuple[int, Row | None]:
        """Update one row and return also what the database made of ``fetches``."""
        parameters = dict(zip(self._names, row, strict=True))
        found = connection.execute(self._statement.returning(*fetches), parameters).all()
        return len(found), tuple(found[0]) if found else None

    def apart(self, dialect: Dialect, rows: list[Row]) -> tuple[str, list[Any]]:
        """Return what the driver would be sent for each row alone."""
        return as_driver_text(self._statement, self._names, dialect, rows)


def update_expressions(
    connection: Connection,
    plan: TablePlan,
    values: Mapping[Column[Any], Any],
    key: Row,
    fetches: Sequence[Column[Any]],
) -> tuple[int, Row]:
    """Update one row with values some of which are SQL.

    :return: how many rows matched, and the new values of ``fetches``.
    """
    statement = update(plan.table).where(key_matches(plan)).values({c.key: v for c, v in values.items()})
    parameters = {KEY.format(i): part for i, part in enumerate(key)}
    if not fetches:
        return connection.execute(statement, parameters).rowcount, ()
    if not connection.dialect.update_returning:
        raise InvalidRequestError(
            f"A primary key of {plan.mapper.class_.__name__} cannot be set to a SQL expression in an UPDATE here: "
            f"{connection.dialect.name} does not return the value. Compute the key in Python."
        )
    found = connection.execute(statement.returning(*fetches), parameters).all()
    return len(found), tuple(found[0]) if found else ()


class CoreDelete:
    """DELETE by key: ``IN`` for a single column, executemany for several."""

    convert = None

    def __init__(self, shape: DeleteShape) -> None:
        plan = shape.plan
        self._count = len(shape.columns)
        self.chunk = 500 if self._count == 1 else None
        if self._count == 1:
            (column,) = shape.columns
            among = column.in_(bindparam("_keys", expanding=True, type_=column.type))
            self._among = delete(plan.table).where(among)
        self._single = delete(plan.table).where(key_matches(plan))
        self._names = [KEY.format(i) for i in range(self._count)]

    def run(self, connection: Connection, rows: list[Row]) -> int:
        """Delete the rows and return how many there were."""
        if self._count == 1 and len(rows) > 1:
            return connection.execute(self._among, {"_keys": [key for (key,) in rows]}).rowcount
        parameters = [dict(zip(self._names, row, strict=True)) for row in rows]
        return connection.execute(self._single, parameters if len(rows) > 1 else parameters[0]).rowcount

    def apart(self, dialect: Dialect, rows: list[Row]) -> tuple[str, list[Any]]:
        """Return what the driver would be sent for each row alone."""
        return as_driver_text(self._single, self._names, dialect, rows)


def key_matches(plan: TablePlan) -> Any:
    """Return the condition that finds a row by its key, with parameters ``_key_0`` and so on."""
    return and_(*(column == bindparam(KEY.format(i), type_=column.type) for i, column in enumerate(plan.match_columns)))
