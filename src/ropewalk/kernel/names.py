"""How the members of a row are called: Core's own rules, which it keeps to itself. It belongs to ``core.py``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, FromClause, TextClause
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.selectable import SelectLabelStyle, SelectState

from .bundles import unbundled
from .core import anonymous_label, attribute_key_of

LEGACY = SelectLabelStyle.LABEL_STYLE_LEGACY_ORM
"""The style of a Query: SQL names columns after their tables, and rows name them as the attributes."""


def as_sent(statement: Any) -> Any:
    """Return a SELECT with a label style that Core knows."""
    if statement._label_style is LEGACY:
        return statement.set_label_style(SelectLabelStyle.LABEL_STYLE_TABLENAME_PLUS_COL)
    return statement


def naming_of(statement: Any) -> Callable[[Any], str | None]:
    """Return what names the columns of a SELECT's rows, called for each in turn; None for a piece of text."""
    if statement._label_style is LEGACY:
        return lambda column: attribute_key_of(column) or getattr(column, "key", None)
    return SelectState._column_naming_convention(statement._label_style)


def is_made_up(name: Any) -> bool:
    """Whether Core made a name up, which nobody can ask for then."""
    return isinstance(name, anonymous_label)


def members_of(statement: Any, whole: bool = False) -> list[Any]:
    """Return what stands in the SELECT list; of a bundle, or a FROM clause that is no entity, its columns.

    :param whole: leave bundles together, as rows have them.
    """
    return flattened(statement._raw_columns, whole)


def flattened(given: Iterable[Any], whole: bool = False) -> list[Any]:
    """Return these members with the columns of a bundle, or of a FROM clause that is no entity, one by one."""
    found: list[Any] = []
    for member in given:
        # to Core a function is both, but to a SELECT list it is a value
        is_from = isinstance(member, FromClause) and not isinstance(member, ColumnElement)
        if is_from and "parententity" not in member._annotations:
            found.extend(member.c)
        elif whole:
            found.append(member)
        else:
            found.extend(unbundled(member))
    return found


def is_open_ended(member: Any) -> bool:
    """Whether a member of a SELECT list is a star, of which nobody can tell how many columns it stands for."""
    name = member.text if isinstance(member, TextClause) else member.name if isinstance(member, ColumnClause) else ""
    return name.strip() == "*" or name.rstrip().endswith(".*")


def is_lasting(column: Any) -> bool:
    """Whether the same column object comes again with the next such statement: one of a table is there for good."""
    table = getattr(column, "table", None)
    return table is None or getattr(table, "is_table", getattr(table, "__visit_name__", None) == "table")


def result_metadata(
    names: Sequence[str | None],
    filters: Sequence[Callable[[Any], Any]],
    others: Sequence[tuple[Any, ...]] | None = None,
) -> SimpleResultMetaData:
    """Return what Core's results want to know of a row.

    :param others: for each member the objects by which it can be had, too.
    :param filters: for each member of a row what ``unique()`` compares it by. The parameter for
        them has one name in SQLAlchemy 2.0 and another in 2.1.
    """
    if _UNIQUE_BY_FACTORY:
        return SimpleResultMetaData(names, others, _create_unique_filters=lambda _: filters)  # type: ignore
    return SimpleResultMetaData(names, others, _unique_filters=filters)  # type: ignore


_UNIQUE_BY_FACTORY = "_create_unique_filters" in inspect.signature(SimpleResultMetaData).parameters
