"""From a Query's pieces to a Core Select."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import FromClause, Select
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import SelectLabelStyle
from sqlalchemy.sql.util import ClauseAdapter

from ..exc import InvalidRequestError
from ..instrumentation.aliases import AliasedInsp
from ..kernel.core import as_column_element
from ..loading.entities import entity_in
from ..loading.options import not_eager
from ..loading.selecting import select

TABLE_AND_COLUMN = SelectLabelStyle.LABEL_STYLE_TABLENAME_PLUS_COL
DEFAULT_STYLE = SelectLabelStyle.LABEL_STYLE_DISAMBIGUATE_ONLY

# Steps whose arguments mean columns of the entities, which may be those of a subquery.
_OF_COLUMNS = frozenset({"where", "having", "order_by", "group_by", "distinct", "join"})


def select_of(query: Any, style: SelectLabelStyle = DEFAULT_STYLE) -> Select[Any]:
    """Return the Select that a Query stands for.

    :param style: how to name columns, where the query itself does not say.
    :raises InvalidRequestError: the query asks for nothing, or was given a complete statement.
    """
    if query._statement is not None:
        raise InvalidRequestError("This query has the statement of from_statement() and no SELECT of its own.")
    if not query._entities:
        raise InvalidRequestError(
            "There is nothing to select: give session.query() a class, an attribute or a SQL expression."
        )
    base = query._base
    adapt = _same if base is None else _adapter(base)
    entities = query._first_entities or query._entities
    statement: Any = select(*(adapt(entity) for entity in entities))
    if base is not None:
        statement = statement.select_from(base)
    if query._from:
        statement = statement.select_from(*query._from)
    statement = statement.set_label_style(query._label_style or style)
    values = iter(query._values)
    for name, args, options in query._steps:
        if name == "filter_by":
            class_, *keys = args
            statement = statement.where(*(getattr(class_, key) == next(values) for key in keys))
        elif name == "with_only_columns":
            entities = args
            statement = statement.with_only_columns(*map(adapt, args))
        elif name == "join":
            target, onclause = args
            statement = statement.join(target, None if onclause is None else adapt(onclause), **dict(options))
        else:
            statement = getattr(statement, name)(*(map(adapt, args) if name in _OF_COLUMNS else args), **dict(options))
    if query._first_entities is not None and entities is not query._entities:
        statement = statement.with_only_columns(*map(adapt, query._entities))
    if query._limit is not None:
        statement = statement.limit(query._limit)
    if query._offset is not None:
        statement = statement.offset(query._offset)
    options = query._loader_options if query._eager else not_eager(query._loader_options)
    if options:
        statement = statement.options(*options)
    return statement  # type: ignore[no-any-return]


def _same(thing: Any) -> Any:
    return thing


def _adapter(base: FromClause) -> Callable[[Any], Any]:
    """Return what makes entities and expressions come from ``base``, a subquery that has their columns."""
    adapter = ClauseAdapter(base)

    def adapt(thing: Any) -> Any:
        element = thing if isinstance(thing, ClauseElement) else as_column_element(thing)
        entity = entity_in(element)
        if entity is None:
            return adapter.traverse(element)
        inner = entity if entity.is_aliased_class else None
        name = entity.name if inner is not None else entity.class_.__name__
        return AliasedInsp(entity.mapper, base, name, entity.entity, inner).__clause_element__()

    return adapt
