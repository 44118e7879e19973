"""Marks on the columns of a join condition: foreign, remote, local."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause

from ..kernel.core import as_column_element, forget_entities, marked, marks_of, unmarked

MARKS = frozenset({"foreign", "remote", "local"})


def foreign(expr: Any) -> Any:
    """Mark the columns of ``expr``, a part of a ``primaryjoin``, as foreign key: they hold copied values."""
    return replace_columns(as_column_element(expr), lambda column: marked(column, foreign=True))


def remote(expr: Any) -> Any:
    """Mark the columns of ``expr``, a part of a ``primaryjoin``, as those of the row at the other end."""
    return replace_columns(as_column_element(expr), lambda column: marked(column, remote=True))


def replace_columns(expression: Any, replace: Callable[[Any], Any], tables: Mapping[Any, Any] | None = None) -> Any:
    """Return ``expression`` with ``replace(column)`` for each column in it; None leaves one as it is.

    :param tables: table → what a subquery inside the expression names instead of it.
    """

    def visit(element: Any, **_: Any) -> Any:
        if isinstance(element, ColumnClause):
            return replace(element)
        return tables.get(element) if tables and isinstance(element, FromClause) else None

    return visitors.replacement_traverse(expression, {}, visit)


def columns_in(expression: Any, *marks: str) -> Iterator[Any]:
    """Yield the columns of an expression that have all these marks, marks and all."""
    if expression is None:
        return
    for element in visitors.iterate(expression):
        if isinstance(element, ColumnClause) and all(mark in marks_of(element) for mark in marks):
            yield element


def has_mark(expression: Any, mark: str) -> bool:
    return next(columns_in(expression, mark), None) is not None


def comparisons_in(expression: Any) -> Iterator[BinaryExpression[Any]]:
    for element in visitors.iterate(expression):
        if isinstance(element, BinaryExpression):
            yield element


def mark_comparisons(expression: Any, visit: Callable[[Any], None]) -> Any:
    """Return a copy of ``expression`` in which ``visit`` may set the sides of each comparison."""
    return visitors.cloned_traverse(expression, {}, {"binary": visit})


def only_marks(expression: Any, keep: frozenset[str] = MARKS) -> ColumnElement[Any]:
    """Return ``expression`` over plain columns, which know of no entity and keep only the marks in ``keep``."""

    def plain(column: Any) -> Any:
        kept = {name: value for name, value in marks_of(column).items() if name in keep}
        return marked(unmarked(column), **kept) if kept else unmarked(column)

    expression = visitors.cloned_traverse(replace_columns(expression, plain), {}, {})
    forget_entities(expression)
    return expression  # type: ignore[no-any-return]


def reversed_ends(expression: Any) -> Any:
    """Return a join condition as the other side of the relationship sees it."""

    def swap(column: Any) -> Any:
        marks = {name: value for name, value in marks_of(column).items() if name in MARKS}
        remote, local = marks.pop("remote", False), marks.pop("local", False)
        column = unmarked(column)
        if local:
            marks["remote"] = True
        if remote:
            marks["local"] = True
        return marked(column, **marks) if marks else column

    return replace_columns(expression, swap)
