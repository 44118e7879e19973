"""Which road a batch takes: our own text where nobody listens, else Core.

What is prepared for a shape is kept with it, by dialect.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Column, Connection
from sqlalchemy.engine import Dialect

from ..kernel.core import is_quiet
from .by_arrays import ArrayDelete, ArrayInsert, ArrayUpdate
from .by_values import ValuesDelete, ValuesInsert, ValuesUpdate
from .dialects import ArrayType, Convert, all_plain, array_type, placeholder_of, speaks_arrays
from .plan import DeleteShape, InsertShape, Row, Shape, UpdateShape
from .through_core import CoreDelete, CoreInsert, CoreUpdate


class Insert(Protocol):
    """A prepared INSERT."""

    fetches: tuple[Column[Any], ...]

    @property
    def convert(self) -> Convert | None: ...

    @property
    def chunk(self) -> int | None: ...

    def run(self, connection: Connection, rows: list[Row]) -> list[Row]: ...


class Change(Protocol):
    """A prepared UPDATE or DELETE, which tells how many rows matched."""

    @property
    def convert(self) -> Convert | None: ...

    @property
    def chunk(self) -> int | None: ...

    def run(self, connection: Connection, rows: list[Row]) -> int: ...


def insert_road(shape: InsertShape, connection: Connection, core: bool = False) -> Insert:
    """Return the INSERT for a shape on this connection; through Core if ``core``."""
    core = core or shape.left_to_core or not is_quiet(connection)
    prepared: Insert | None = _prepared(shape, connection.dialect, core)
    if prepared is None:
        dialect = connection.dialect
        fetches = fetched_columns(shape, dialect)
        quick = not core and all_plain(shape.columns, dialect)
        if quick and speaks_arrays(dialect):
            types = _array_types(shape.columns, dialect)
            prepared = ArrayInsert(shape, dialect, fetches, types) if types else None
        elif quick and placeholder_of(dialect) and (shape.generated or not fetches):
            prepared = ValuesInsert(shape, dialect, fetches)
        prepared = prepared or CoreInsert(shape, connection, fetches)
        _keep(shape, dialect, core, prepared)
    return prepared


def update_road(shape: UpdateShape, connection: Connection, core: bool = False) -> Change:
    """Return the UPDATE for a shape on this connection; through Core if ``core``."""
    core = core or shape.left_to_core or not is_quiet(connection)
    prepared: Change | None = _prepared(shape, connection.dialect, core)
    if prepared is None:
        dialect = connection.dialect
        columns = (*shape.columns, *shape.plan.pk_columns)
        quick = not core and all_plain(columns, dialect)
        if quick and speaks_arrays(dialect):
            types = _array_types(columns, dialect)
            prepared = ArrayUpdate(shape, dialect, types) if types else None
        elif quick and placeholder_of(dialect):
            prepared = ValuesUpdate(shape, dialect)
        prepared = prepared or CoreUpdate(shape)
        _keep(shape, dialect, core, prepared)
    return prepared


def delete_road(shape: DeleteShape, connection: Connection, core: bool = False) -> Change:
    """Return the DELETE for a table on this connection; through Core if ``core``."""
    core = core or not is_quiet(connection)
    prepared: Change | None = _prepared(shape, connection.dialect, core)
    if prepared is None:
        dialect = connection.dialect
        quick = not core and all_plain(shape.columns, dialect)
        if quick and speaks_arrays(dialect):
            types = _array_types(shape.columns, dialect)
            prepared = ArrayDelete(shape, dialect, types) if types else None
        elif quick and placeholder_of(dialect):
            prepared = ValuesDelete(shape, dialect)
        prepared = prepared or CoreDelete(shape)
        _keep(shape, dialect, core, prepared)
    return prepared


def fetched_columns(shape: InsertShape, dialect: Dialect) -> tuple[Column[Any], ...]:
    """Return the columns whose new values an INSERT shall bring back: generated keys, and defaults if asked for."""
    eager = shape.plan.mapper.eager_defaults
    if eager == "auto":
        eager = dialect.insert_executemany_returning
    if not (eager and dialect.insert_returning and shape.plan.table.implicit_returning):
        return shape.generated
    return (*shape.generated, *shape.defaulted)


def _array_types(columns: tuple[Column[Any], ...], dialect: Dialect) -> list[ArrayType] | None:
    types = [array_type(column.type, dialect) for column in columns]
    return None if None in types else types  # type: ignore[return-value]


def _prepared(shape: Shape, dialect: Dialect, core: bool) -> Any:
    return shape.prepared.get((dialect, core))


def _keep(shape: Shape, dialect: Dialect, core: bool, prepared: Any) -> None:
    # A program has a handful of engines; one that makes them by the hundred, as a test run does,
    # must not find them all held here.
    if len(shape.prepared) >= 8:
        shape.prepared.clear()
    shape.prepared[dialect, core] = prepared
