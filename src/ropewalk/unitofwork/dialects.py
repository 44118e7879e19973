"""What our own SQL text needs to know of a database.

Only text that is the same on every version is written here: INSERT, UPDATE and DELETE of
plain columns. Names are quoted by Core's own preparer. Whatever is not known for certain
goes through Core instead.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Time,
    TypeDecorator,
    TypeEngine,
    Uuid,
)

from ..kernel.codegen import compile_function, identifier
from ..kernel.core import bind_processor, has_bind_expression
from .plan import Row

Convert = Callable[[list[Row]], list[Row]]


def speaks_arrays(dialect: Dialect) -> bool:
    """Whether rows can be sent as arrays: PostgreSQL with psycopg 3, which has them in binary."""
    return dialect.name == "postgresql" and dialect.driver in ("psycopg", "psycopg_async")


def placeholder_of(dialect: Dialect) -> str | None:
    """Return the sign for a parameter by position, or None where the driver has none."""
    if dialect.name in ("sqlite", "mysql", "mariadb"):
        return {"qmark": "?", "format": "%s", "pyformat": "%s"}.get(dialect.paramstyle)
    return None


def table_name(table: Table, dialect: Dialect) -> str:
    return dialect.identifier_preparer.format_table(table)


def column_names(columns: Sequence[Column[Any]], dialect: Dialect) -> list[str]:
    return [dialect.identifier_preparer.format_column(column) for column in columns]


def all_plain(columns: Sequence[Column[Any]], dialect: Dialect) -> bool:
    """Whether no column's type wraps its parameter in SQL."""
    return not any(has_bind_expression(column.type, dialect) for column in columns)


def converter(columns: Sequence[Column[Any]], dialect: Dialect, label: str) -> Convert | None:
    """Return what turns rows of Python values into rows for the driver, or None where they are that already.

    For (id, name, born) with a date type it is, as source, ::

        def convert(rows):
            return [(v0_id, v1_name, p2(v2_born)) for v0_id, v1_name, v2_born in rows]
    """
    processors = {f"p{i}": bind_processor(column.type, dialect) for i, column in enumerate(columns)}
    if not any(processors.values()):
        return None
    names = [identifier(i, column.key) for i, column in enumerate(columns)]
    values = [f"p{i}({name})" if processors[f"p{i}"] else name for i, name in enumerate(names)]
    source = f"def convert(rows):\n    return [({', '.join(values)},) for {', '.join(names)}, in rows]\n"
    return compile_function("convert", source, processors, label)


class ArrayType:
    """How a column's values travel in a PostgreSQL array.

    :ivar name: the element type, as SQL. It has no length or precision: an array cast to ``VARCHAR(3)``
        would shorten its texts in silence, where the column itself refuses them.
    :ivar classes: the Python classes that psycopg sends as such an array; all values must be of one of them.
    """

    def __init__(self, name: str, *classes: type) -> None:
        self.name = name
        self.classes = frozenset(classes)


# The first that fits; subclasses stand before their bases.
_ARRAYS: tuple[tuple[type[TypeEngine[Any]], ArrayType], ...] = (
    (Boolean, ArrayType("BOOLEAN", bool)),
    (BigInteger, ArrayType("BIGINT", int)),
    (SmallInteger, ArrayType("SMALLINT", int)),
    (Integer, ArrayType("INTEGER", int)),
    (Float, ArrayType("FLOAT", float, int)),
    (Numeric, ArrayType("NUMERIC", decimal.Decimal, int, float)),
    (Date, ArrayType("DATE", datetime.date)),
    (Uuid, ArrayType("UUID", uuid.UUID, str)),
    (LargeBinary, ArrayType("BYTEA", bytes)),
)


def array_type(type_: TypeEngine[Any], dialect: Dialect) -> ArrayType | None:
    """Return how values of a type travel in an array, or None where they had better not."""
    impl: Any = type_.dialect_impl(dialect)
    while isinstance(impl, TypeDecorator):
        impl = impl.impl_instance.dialect_impl(dialect)
    if isinstance(impl, Enum) and impl.native_enum:
        return ArrayType(impl.compile(dialect), str)
    if isinstance(impl, String):
        return ArrayType("VARCHAR" if impl.length or impl.collation else impl.compile(dialect), str)
    if isinstance(impl, DateTime):
        return ArrayType(impl.compile(dialect), datetime.datetime)
    if isinstance(impl, Time):
        return ArrayType(impl.compile(dialect), datetime.time)
    if isinstance(impl, Uuid) and not impl.native_uuid:
        return ArrayType("VARCHAR", str)
    for class_, array in _ARRAYS:
        if isinstance(impl, class_):
            return array
    if isinstance(type_, Interval):
        return ArrayType("INTERVAL", datetime.timedelta)
    return None
