"""The tables behind what a class is mapped to: of a join its tables, of a mapped SELECT those that it selects from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Alias, Column, FromClause, Join, Table
from sqlalchemy.sql import visitors


def tables_of(selectable: FromClause) -> Iterator[Table]:
    """Yield the tables that objects of a class are written to: none where a SELECT shows no whole primary key."""
    if isinstance(selectable, Table):
        yield selectable
    elif isinstance(selectable, Join):
        yield from tables_of(selectable.left)
        yield from tables_of(selectable.right)
    elif not isinstance(selectable, Alias) or not isinstance(selectable.element, Table):
        bases = [base for column in selectable.c for base in column.base_columns]
        shown = {base for base in bases if isinstance(base, Column)}
        # whose rows can be told apart
        written = {base.table for base in shown if shown.issuperset(base.table.primary_key)}
        # in the order in which they are selected from
        yield from dict.fromkeys(part for part in visitors.iterate(selectable) if part in written)


def columns_behind(column: Any) -> Iterator[Column[Any]]:
    """Yield the columns of tables that a column of a mapped SELECT shows; of a table's own column, none."""
    if isinstance(getattr(column, "table", None), (Table, type(None))):
        return
    for base in column.base_columns:
        if isinstance(base, Column) and base is not column:
            yield base


def table_behind(column: Any) -> Table | None:
    """Return the table that a value of the column is written to, or None."""
    table = getattr(column, "table", None)
    if isinstance(table, Table):
        return table
    return next((base.table for base in columns_behind(column)), None)


def attribute_of(mapper: Any, column: Any) -> str | None:
    """Return the attribute that stands for a column, or for what is behind it where that is of an alias; or None."""
    found: str | None = mapper.key_of.get(column)
    if found is None:
        found = next((mapper.key_of[base] for base in columns_behind(column) if base in mapper.key_of), None)
    return found
