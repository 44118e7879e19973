"""The parts of a SELECT, for what takes one apart: a query over several shards.

It belongs to ``core.py``, and stands apart for its length: Core has no public way to read a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from sqlalchemy import CTE, FromClause, Join, Select, Subquery
from sqlalchemy.sql import visitors


def limits_of(statement: Any) -> tuple[int | None, int | None]:
    """Return LIMIT and OFFSET as numbers; None where there is none.

    :raises ValueError: one is an expression, or rows are counted by FETCH.
    """
    if getattr(statement, "_fetch_clause", None) is not None:
        raise ValueError("fetch()")
    found: list[int | None] = []
    for name in ("_limit_clause", "_offset_clause"):
        clause = getattr(statement, name, None)
        if clause is None:
            found.append(None)
        elif hasattr(clause, "effective_value"):
            found.append(clause.effective_value)
        else:
            raise ValueError("limit() or offset() with an expression")
    return found[0], found[1]


def groups_of(statement: Any) -> tuple[Any, ...]:
    """Return what a SELECT is grouped by."""
    return tuple(getattr(statement, "_group_by_clauses", ()))


def has_having(statement: Any) -> bool:
    """Whether groups are chosen by HAVING."""
    return bool(getattr(statement, "_having_criteria", ()))


def distinct_on(statement: Any) -> tuple[Any, ...]:
    """Return what PostgreSQL's DISTINCT ON was given."""
    return tuple(getattr(statement, "_distinct_on", ()))


def with_columns_added(statement: Any, columns: list[Any]) -> Any:
    """Return the SELECT with more columns at the end of its list, even if it has these already."""
    new = statement._clone()
    new._raw_columns = [*statement._raw_columns, *columns]
    new.__dict__.pop("_generate_cache_key", None)
    return new


def with_columns_replaced(statement: Any, columns: list[Any]) -> Any:
    """Return the SELECT with another list of columns and whatever else it had."""
    new = statement._clone()
    new._raw_columns = list(columns)
    new.__dict__.pop("_generate_cache_key", None)
    return new


def locks_rows(statement: Any) -> bool:
    """Whether a SELECT locks what it reads (``with_for_update()``)."""
    return getattr(statement, "_for_update_arg", None) is not None


def is_distinct(statement: Any) -> bool:
    """Whether a SELECT leaves out rows that it has given."""
    return bool(statement._distinct)


def subqueries_in(statement: Any) -> Iterator[Any]:
    """Yield the SELECTs that stand in the FROM clause, of subqueries and common table expressions."""
    named = [*getattr(statement, "_from_obj", ()), *(target for target, *_ in getattr(statement, "_setup_joins", ()))]
    named += [getattr(column, "table", None) for column in getattr(statement, "_raw_columns", ())]
    for clause in named:
        for part in () if clause is None else visitors.iterate(clause) if hasattr(clause, "get_children") else ():
            if isinstance(part, (Subquery, CTE)) and isinstance(part.element, Select):
                yield part.element


def named_alias(selectable: FromClause, name: str | None, flat: bool = False) -> FromClause:
    """Return an alias of a FROM clause; of a join, a subquery, or the join of aliases where it is to be ``flat``."""
    if isinstance(selectable, Join):  # Core's public alias() would put the bare join under a name
        return cast("FromClause", selectable._anonymous_fromclause(name=name, flat=flat))
    return selectable.alias(name)


def with_joins_from(statement: Any, entities: Iterable[Any]) -> Any:
    """Return a SELECT whose FROM has the joins that these entities are read from: their columns name only tables."""
    read = [getattr(entity, "selectable", None) for entity in entities]
    lacking = [found for found in read if isinstance(found, Join) and found not in statement._from_obj]
    return statement.select_from(*dict.fromkeys(lacking)) if lacking else statement


def places_in(result: Any) -> Callable[[Any], int | None]:
    """Return what tells where in a result's rows a column stands; None for one that the statement does not name."""
    index_for_key = result._metadata._index_for_key
    return lambda column: index_for_key(column, False)
