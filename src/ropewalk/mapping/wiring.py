"""Wiring the relationships of a set of mappers: targets, joins, backrefs, pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause

from ..exc import ArgumentError, UnmappedClassError
from ..kernel.core import as_argument, as_column_element, unmarked
from . import configuring
from .joins import JoinCondition
from .late import evaluate
from .marks import only_marks
from .pairing import check_cascade, make_backref, pair, warn_of_overlaps

if TYPE_CHECKING:
    from .mapper import Mapper
    from .relationships import RelationshipProperty


class Wiring:
    """One run over mappers that are not configured, and over those that they refer to.

    All relationships are joined before any two are paired, so that the order of classes does not matter.
    """

    def __init__(self, mappers: Iterable[Mapper[Any]]) -> None:
        self.waiting = list(mappers)
        self.mappers: dict[Mapper[Any], None] = {}
        self.props: dict[RelationshipProperty, None] = {}

    def run(self) -> None:
        """:raises ArgumentError: a relationship makes no sense; its mapper remembers that."""
        try:
            while self.waiting:
                self._join_all(self.waiting.pop(0))
            for step in (pair, check_cascade, warn_of_overlaps):
                for prop in self.props:
                    self._guarded(step, prop)
        except BaseException:
            for prop in self.props:
                prop.forget_wiring()
            raise
        for prop in self.props:
            prop.configured = True
        for mapper in self.mappers:
            configuring.done(mapper)

    def _join_all(self, mapper: Mapper[Any]) -> None:
        self.mappers[mapper] = None
        for prop in configuring.unconfigured(mapper):
            if prop not in self.props:
                self.props[prop] = None
                self._guarded(resolve, prop)
                self._guarded(make_backref, prop)
                if not prop.mapper.configured:
                    self.waiting.append(prop.mapper)

    def _guarded(self, step: Any, prop: RelationshipProperty) -> None:
        try:
            step(prop)
        except Exception as error:
            prop.parent.failure = error
            raise


def resolve(prop: RelationshipProperty) -> None:
    """Find the class that a relationship refers to, and how the two are joined."""
    _find_target(prop)
    prop.secondary = _secondary(prop)
    prop.joined(
        JoinCondition(
            prop,
            _condition(prop, "primaryjoin"),
            _condition(prop, "secondaryjoin"),
            _columns(prop, "foreign_keys"),
            _columns(prop, "remote_side"),
        )
    )
    prop.order_by = _order_by(prop)


def _late(prop: RelationshipProperty, name: str, *, tables_first: bool = False) -> Any:
    given = getattr(prop, f"given_{name}", None)
    return evaluate(given, prop.parent, f"{prop}: {name}", tables_first=tables_first)


def _find_target(prop: RelationshipProperty) -> None:
    target = evaluate(prop.argument, prop.parent, f"{prop}: its target")
    entity = getattr(target, "_aliased_insp", None) or getattr(target, "__mapper__", target)
    if isinstance(target, type) and "__mapper__" not in vars(target):
        raise UnmappedClassError(
            target,
            f"{prop} refers to {target.__name__}, which is not mapped; a relationship needs a mapped class, or the "
            "name of one.",
        )
    if not (getattr(entity, "is_mapper", False) or getattr(entity, "is_aliased_class", False)):
        raise ArgumentError(
            f"{prop} refers to {target!r}; a relationship needs a mapped class, an alias of one, or its name."
        )
    prop.entity = entity
    prop.mapper = entity.mapper
    prop.target = entity.selectable if entity.is_aliased_class else entity.persist_selectable


def _secondary(prop: RelationshipProperty) -> FromClause | None:
    secondary = _late(prop, "secondary", tables_first=True)
    if secondary is not None and not isinstance(secondary, FromClause):
        hint = ""
        if isinstance(secondary, type) and hasattr(secondary, "__table__"):
            hint = f" For a mapped class say secondary={secondary.__name__}.__table__."
        raise ArgumentError(
            f"{prop}: secondary must be a Table or another FROM clause, or the name of a table; it is "
            f"{secondary!r}.{hint}"
        )
    return secondary


def _condition(prop: RelationshipProperty, name: str) -> Any:
    value = _late(prop, name)
    if value is None:
        return None
    clause = _expression(value)
    if clause is None:
        raise ArgumentError(f"{prop}: {name} must be a SQL expression; it is {value!r}.")
    return clause


def _expression(value: Any) -> ColumnElement[Any] | None:
    """Return ``value`` as an expression over columns, or None if it is something else."""
    if not hasattr(value, "__clause_element__") and not isinstance(value, ColumnElement):
        return None
    found = as_column_element(value)
    return found if isinstance(found, ColumnElement) else None


def _columns(prop: RelationshipProperty, name: str) -> list[Any]:
    value = _late(prop, name)
    if value is None:
        return []
    items = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return [_column(prop, name, item) for item in items]


def _column(prop: RelationshipProperty, name: str, item: Any) -> Any:
    column = _argument(prop, name, item)
    if not isinstance(column, ColumnElement):
        raise ArgumentError(f"{prop}: {name} must consist of columns; it has {item!r}.")
    return unmarked(column)


def _argument(prop: RelationshipProperty, name: str, item: Any) -> Any:
    try:
        return as_argument(item, name)
    except ArgumentError as error:
        raise ArgumentError(
            f"{prop}: {error} What stands in a list is taken as it is; names of classes and attributes are understood "
            f"in one string around all of it, such as {name}={_as_one_string(prop, name)!r}."
        ) from error


def _as_one_string(prop: RelationshipProperty, name: str) -> str:
    """Show how an argument that was given as a list of strings is to be written."""
    given = getattr(prop, f"given_{name}")
    return f"[{', '.join(map(str, given))}]" if isinstance(given, (list, tuple)) else str(given)


def _order_by(prop: RelationshipProperty) -> Any:
    value = _late(prop, "order_by")
    if value is False or value is None:
        return False
    items = value if isinstance(value, (list, tuple)) else [value]
    return [only_marks(_argument(prop, "order_by", item), frozenset()) for item in items]
