"""Which road a batch takes: our own text where nobody listens, else Core.

What is prepared for a shape is kept with it, by dialect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Column, Connection
from sqlalchemy.engine import Dialect

from ..kernel.core import asks_for_statements, is_quiet
from .by_arrays import ArrayDelete, ArrayInsert, ArrayUpdate
from .by_values import LoudInsert, ValuesDelete, ValuesInsert, ValuesUpdate
from .dialects import ArrayType, Convert, all_plain, array_type, placeholder_of, speaks_arrays
from .plan import DeleteShape, InsertShape, Row, UpdateShape
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
    return _road(shape, connection, core, _make_insert)  # type: ignore[no-any-return]


def update_road(shape: UpdateShape, connection: Connection, core: bool = False) -> Change:
    """Return the UPDATE for a shape on this connection; through Core if ``core``."""
    core = core or shape.left_to_core or not is_quiet(connection)
    return _road(shape, connection, core, _make_update)  # type: ignore[no-any-return]


def delete_road(shape: DeleteShape, connection: Connection, core: bool = False) -> Change:
    """Return the DELETE for a table on this connection; through Core if ``core``."""
    return _road(shape, connection, core or not is_quiet(connection), _make_delete)  # type: ignore[no-any-return]


def _road(shape: Any, connection: Connection, core: bool, make: Callable[..., Any]) -> Any:
    """Return what is prepared for a shape and a dialect, or prepare it."""
    dialect = connection.dialect
    # A statement that shall be rewritten for other schemas, or by a listener, must be one of Core.
    translated = core and (
        "schema_translate_map" in connection.get_execution_options() or asks_for_statements(connection)
    )
    prepared = shape.prepared.get((dialect, core, translated))
    if prepared is None:
        prepared = make(shape, connection, core, translated)
        # A program has a handful of engines; one that makes them by the hundred, as a test run does,
        # must not find them all held here.
        if len(shape.prepared) >= 8:
            shape.prepared.clear()
        shape.prepared[dialect, core, translated] = prepared
    return prepared


def _make_insert(shape: InsertShape, connection: Connection, core: bool, translated: bool) -> Insert:
    dialect = connection.dialect
    fetches = fetched_columns(shape, dialect)
    if not shape.left_to_core and all_plain(shape.columns, dialect):
        if not core and speaks_arrays(dialect):
            types = _array_types(shape.columns, dialect)
            if types is not None:
                return ArrayInsert(shape, dialect, fetches, types)
        elif placeholder_of(dialect) and (shape.generated or not fetches):
            if not core:
                return ValuesInsert(shape, dialect, fetches)
            returning = dialect.insert_returning and shape.plan.table.implicit_returning
            if fetches and returning and not translated and dialect.name == "sqlite":
                return LoudInsert(shape, connection, fetches)
    return CoreInsert(shape, connection, fetches)


def _make_update(shape: UpdateShape, connection: Connection, core: bool, translated: bool) -> Change:
    dialect = connection.dialect
    columns = (*shape.columns, *shape.plan.match_columns)
    if not core and all_plain(columns, dialect):
        if speaks_arrays(dialect):
            # New keys need an order, in which each is free when its turn comes; a join has none.
            rekeys = not set(shape.columns).isdisjoint(shape.plan.pk_columns)
            types = None if rekeys else _array_types(columns, dialect)
            if types is not None:
                return ArrayUpdate(shape, dialect, types)
        elif placeholder_of(dialect):
            return ValuesUpdate(shape, dialect)
    return CoreUpdate(shape)


def _make_delete(shape: DeleteShape, connection: Connection, core: bool, translated: bool) -> Change:
    dialect = connection.dialect
    if not core and all_plain(shape.columns, dialect):
        if speaks_arrays(dialect):
            types = _array_types(shape.columns, dialect)
            if types is not None:
                return ArrayDelete(shape, dialect, types)
        elif placeholder_of(dialect):
            return ValuesDelete(shape, dialect)
    return CoreDelete(shape)


def fetched_columns(shape: InsertShape, dialect: Dialect) -> tuple[Column[Any], ...]:
    """Return the columns whose new values an INSERT shall bring back: generated keys, and defaults if asked for."""
    eager = shape.plan.mapper.eager_defaults
    if eager == "auto":
        eager = dialect.insert_executemany_returning
    returning = dialect.insert_returning and shape.plan.table.implicit_returning
    if not (eager and returning):
        version = shape.plan.version
        if returning and version is not None and version.column in shape.defaulted:
            return (*shape.generated, version.column)
        return shape.generated
    return (*shape.generated, *shape.defaulted)


def _array_types(columns: tuple[Column[Any], ...], dialect: Dialect) -> list[ArrayType] | None:
    types = [array_type(column.type, dialect) for column in columns]
    return None if None in types else types  # type: ignore[return-value]
