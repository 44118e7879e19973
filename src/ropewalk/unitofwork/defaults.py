"""Values that Python makes for a column: ``default=`` at INSERT, ``onupdate=`` at UPDATE."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Column, Connection

from .journal import Journal
from .plan import TablePlan, Values


class RowContext:
    """What a default function is given that takes an argument: the row that it works for.

    Core hands over its execution context here. Rows of ours are made before there is one, so
    this has of it what such functions are documented to use.
    """

    def __init__(self, plan: TablePlan, connection: Connection, values: Values, isinsert: bool) -> None:
        self._plan = plan
        self._values = values
        self.connection = self.root_connection = connection
        self.engine = connection.engine
        self.dialect = connection.dialect
        self.isinsert = isinsert
        self.isupdate = not isinsert

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:
        """Return column name → value of the row; None where there is no value yet."""
        return {column.key: self._values.get(key) for column, key in self._plan.columns.items()}

    current_parameters = property(get_current_parameters)


def maker(default: Any, plan: TablePlan, connection: Connection, isinsert: bool = True) -> Callable[[Values], Any]:
    """Return what computes a column's default for the row with the given values."""
    make: Any = default.arg
    if default.is_scalar:
        return lambda values: make
    return lambda values: make(RowContext(plan, connection, values, isinsert))


def fill_in(plan: TablePlan, connection: Connection, objects: list[Values], journal: Journal) -> None:
    """Give the objects what their columns' defaults make, where they have no value.

    None counts as no value, unless None means something in that type (JSON null).
    """
    for column, key, keeps_none in plan.client_defaults:
        if keeps_none:
            lacking = [values for values in objects if key not in values]
        else:
            lacking = [values for values in objects if values.get(key) is None]
        if lacking:
            make = maker(column.default, plan, connection)
            journal.fill(key, lacking, map(make, lacking))


def onupdate_values(
    columns: Iterable[tuple[Column[Any], str]], plan: TablePlan, connection: Connection, values: Values
) -> list[Any]:
    """Return what ``onupdate`` gives for each of the columns of one row."""
    return [maker(column.onupdate, plan, connection, False)(values) for column, _ in columns]
