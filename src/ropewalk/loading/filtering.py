"""Criteria of ``with_loader_criteria()`` put into a SELECT, before its entities become columns.

An entity that is joined has them in its ON clause, any other in WHERE. Subqueries are compiled on their own, and
look at the options of the statement around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, SelectBase, and_
from sqlalchemy import exc as core_exc
from sqlalchemy.sql.selectable import Join
from sqlalchemy.sql.util import join_condition

from ..kernel.core import entity_of, raw_columns
from ..kernel.joins import (
    from_objects_of,
    setup_joins,
    where_criteria_of,
    with_from_objects,
    with_joins_replaced,
)
from ..kernel.options import options_of
from .criteria import LoaderCriteria, barred_in, criteria_in

Criteria = Sequence[LoaderCriteria]
Demand = Callable[[Any], list[Any]]
"""Gives what an entity must fulfil."""


def filtered(statement: Any, criteria: Criteria) -> Any:
    """Return a SELECT of which each entity fulfils the criteria that are for it.

    :param statement: has plain joins only, and its entities as they were given.
    """
    barred = barred_in(options_of(statement))
    joined: list[Any] = []

    def demand(entity: Any) -> list[Any]:
        return [option.over(entity, barred) for option in criteria if option.is_for(entity)]

    starts = [*from_objects_of(statement), *_tables(raw_columns(statement))]

    def replace(target: Any, onclause: Any, from_: Any, isouter: bool, full: bool) -> list[tuple[Any, Any, Any]]:
        known = starts if from_ is None else [from_]
        target, onclause = _join(target, onclause, known, demand, joined)
        starts.append(target)
        return [(from_, target, onclause)]

    if setup_joins(statement):
        statement = with_joins_replaced(statement, replace)
    elements = from_objects_of(statement)
    if any(isinstance(element, Join) for element in elements):
        statement = with_from_objects(statement, [_inside(element, demand, joined) for element in elements])
    others: dict[Any, None] = {}
    for element in (*elements, *raw_columns(statement), *where_criteria_of(statement)):
        others.update(dict.fromkeys(entities_named(element)))
    wanted = [criterion for entity in others if entity not in joined for criterion in demand(entity)]
    return statement.where(*wanted) if wanted else statement


def filtered_dml(statement: Any, mapper: Any) -> Any:
    """Return an UPDATE or DELETE of rows that fulfil the criteria for their class."""
    criteria = criteria_in(options_of(statement))
    wanted = [option.over(mapper) for option in criteria if option.is_for(mapper)]
    return statement.where(*wanted) if wanted else statement


def criteria_for_target(mapper: Any, entity: Any, criteria: Criteria) -> list[Any]:
    """Return what objects of a class must fulfil that a relationship joins to others, over ``entity``."""
    return [option.over(entity) for option in criteria if option.propagate_to_loaders and option.is_for_class(mapper)]


def _join(target: Any, onclause: Any, starts: Sequence[Any], demand: Demand, joined: list[Any]) -> tuple[Any, Any]:
    """Return target and condition of a join with the criteria for what is joined."""
    if isinstance(target, Join):  # an association table and what is behind it
        return _inside(target, demand, joined, whole=True), onclause
    entity = entity_of(target)
    if entity is None:
        return target, onclause
    joined.append(entity)
    wanted = demand(entity)
    if not wanted:
        return target, onclause
    if onclause is None:
        onclause = _condition(starts, target)
    return target, and_(onclause, *wanted)


def _inside(element: Any, demand: Demand, joined: list[Any], whole: bool = False) -> Any:
    """Return a FROM clause with the criteria in the ON clauses of the joins inside it.

    :param whole: what stands on the left is joined to something, too.
    """
    if not isinstance(element, Join):
        return element
    left = _inside(element.left, demand, joined, whole)
    right, onclause = _join(element.right, element.onclause, [left], demand, joined)
    entity = entity_of(left) if whole and not isinstance(left, Join) else None
    if entity is not None:
        joined.append(entity)
        onclause = and_(onclause, *demand(entity))
    if left is element.left and right is element.right and onclause is element.onclause:
        return element
    return type(element)(left, right, onclause, element.isouter, element.full)


def _condition(starts: Sequence[Any], target: Any) -> Any:
    """Return the condition that the foreign keys tell, as Core would find it."""
    error: Exception | None = None
    for start in starts:
        try:
            return join_condition(start, target)
        except core_exc.NoForeignKeysError as found:
            error = found
    raise error or core_exc.InvalidRequestError(f"There is nothing to join {target} to.")


def _tables(columns: Sequence[Any]) -> list[Any]:
    found: dict[Any, None] = {}
    for column in columns:
        if isinstance(column, FromClause):
            found[column] = None
        else:
            found.update(dict.fromkeys(entity.__clause_element__() for entity in entities_named(column)))
    return list(found)


def entities_named(element: Any) -> Iterator[Any]:
    """Yield the entities that an element names, but for those inside subqueries."""
    stack = [element]
    while stack:
        part = stack.pop()
        if isinstance(part, SelectBase):
            continue
        entity = entity_of(part)
        if entity is not None:
            yield entity
            if isinstance(part, FromClause) and not isinstance(part, Join):
                continue
        # to Core a function is a FROM clause too
        if isinstance(part, (Join, ColumnElement)) or not isinstance(part, FromClause):
            stack.extend(part.get_children())
