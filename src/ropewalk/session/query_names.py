"""What the arguments of a Query stand for: entities, and the names that ``filter_by`` takes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.sql.selectable import Join

from ..exc import InvalidRequestError
from ..kernel.bundles import bundle_of
from ..kernel.core import as_column_element, entity_of, statement_entity
from ..loading.entities import entity_in
from ..loading.plan import check_selectable


def mapped_class(thing: Any) -> bool:
    """Whether ``thing`` is a class that is mapped itself, and not only derived from one that is."""
    return isinstance(thing, type) and "__mapper__" in thing.__dict__


def as_entities(given: Any) -> tuple[Any, ...]:
    """Return what a Query is asked for as classes and column expressions; a table gives its columns.

    :raises ArgumentError: something is neither mapped nor a SQL expression.
    """
    if not isinstance(given, (tuple, list)):
        given = (given,)
    entities: list[Any] = []
    for thing in given:
        if getattr(thing, "is_mapper", False) and not isinstance(thing, type):
            thing = thing.class_
        if mapped_class(thing):
            entities.append(thing)
            continue
        if not hasattr(thing, "__clause_element__"):
            check_selectable(thing)
        element = as_column_element(thing)
        if _is_from(element) and entity_in(element) is None:
            entities.extend(element.c)
        else:
            entities.append(element)
    return tuple(entities)


def namespace_of(thing: Any) -> Any:
    """Return where ``filter_by`` looks names up: a mapped class, an alias of one, or a table's columns."""
    if mapped_class(thing):
        return thing
    clause = thing.__clause_element__() if hasattr(thing, "__clause_element__") else thing
    bundle = bundle_of(clause)
    if bundle is not None:
        return bundle.c
    entity = entity_of(clause)
    if entity is not None:
        return entity.entity
    if isinstance(clause, Join):
        return namespace_of(clause.left)
    if isinstance(getattr(clause, "table", None), FromClause):
        clause = clause.table
    if _is_from(clause):
        return clause.c
    inside = statement_entity(clause)  # count(User.id), (User.age + 1).label("next")
    return clause if inside is None or inside.entity is None else inside.entity


def _is_from(clause: Any) -> bool:
    # to Core a function is both, but to a query it is a value
    return isinstance(clause, FromClause) and not isinstance(clause, ColumnElement)


def attribute_in(namespace: Any, name: str) -> Any:
    """Return the SQL expression called ``name``.

    :raises InvalidRequestError: there is none; names what comes close.
    """
    mapper = getattr(namespace, "__mapper__", None) or getattr(
        getattr(namespace, "_aliased_insp", None), "mapper", None
    )
    if mapper is not None:
        found = getattr(namespace, name, None)
        if found is not None and (name in mapper.props or hasattr(found, "__clause_element__")):
            return found
        raise unknown_name(
            name, f"filter_by() was given {name!r}, but {mapper.class_.__name__} has no such attribute", mapper.props
        )
    if hasattr(namespace, "keys") and hasattr(namespace, "__getitem__"):
        if name in namespace:
            return namespace[name]
        table = next((getattr(column, "table", None) for column in namespace), None)
        owner = getattr(table, "name", "the FROM clause")
        raise unknown_name(name, f"filter_by() was given {name!r}, but {owner} has no such column", namespace.keys())
    raise InvalidRequestError(
        f"filter_by({name}=...) has nothing to look {name!r} up in: this query starts with {namespace}, which is "
        f"neither a mapped class nor a table. Use filter(expression) instead."
    )


def unknown_name(name: str, problem: str, names: Iterable[str]) -> InvalidRequestError:
    """Return the error for a name that is not among ``names``; it says which of them come close."""
    known = list(names)
    close = difflib.get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {', '.join(known)}."
    return InvalidRequestError(f"{problem}: {hint}")
