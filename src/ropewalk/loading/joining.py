"""Relationships loaded by the same SELECT: their tables joined to it, their columns after its own.

Each joined table has an alias of its own. Where the statement counts rows (LIMIT, DISTINCT, GROUP BY)
and a collection would multiply them, the statement becomes a subquery, and is joined as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_
from sqlalchemy import select as core_select
from sqlalchemy.sql.util import ClauseAdapter
from sqlalchemy.types import NULLTYPE

from ..instrumentation.aliases import AliasedClass, AliasedInsp, aliased
from ..kernel.core import (
    alias_of,
    columns_of,
    counts_rows,
    entity_column,
    entity_of,
    order_of,
    with_raw_columns,
)
from ..kernel.names import as_sent, members_of
from ..kernel.options import options_of
from ..kernel.parts import is_distinct, named_alias, with_joins_from
from .along import spelled_out
from .criteria import criteria_in
from .entities import EntityColumns, entity_in
from .filtering import criteria_for_target, filtered
from .wishes import Choice, Node, wishes_in


class Link(NamedTuple):
    """A relationship whose objects stand in the same rows.

    :ivar parent: the number of the entity that it belongs to, counted over members and links.
    :ivar slot: the columns of the entity at its other end.
    """

    parent: int
    prop: Any
    slot: EntityColumns


class Join(NamedTuple):
    """One join to be added to the statement."""

    left: Any
    right: Any
    onclause: Any
    outer: bool


class Assembled:
    """A SELECT of entities as a SELECT of columns.

    :param nodes: for each member of the SELECT list what to load of it, or None for a plain column.
    :ivar slots: for each member its columns, or None for a plain column.
    :ivar links: what was joined.
    :ivar types: the type of each column of a row.
    """

    def __init__(self, statement: Any, nodes: Sequence[Node | None]) -> None:
        self.slots: list[EntityColumns | None] = []
        self.links: list[Link] = []
        self._joins: list[Join] = []
        self._orders: list[Any] = []
        columns: list[Any] = []
        statement = as_sent(spelled_out(statement))
        criteria = criteria_in(options_of(statement))
        if criteria:
            statement = filtered(statement, criteria)
        for member, node in zip(members_of(statement), nodes, strict=True):
            if node is None:
                self.slots.append(None)
                columns.append(member)
            else:
                slot = slot_of(node, entity_in(member))
                self.slots.append(slot)
                columns.extend(slot.expressions)
        self.types = [getattr(column, "type", NULLTYPE) for column in columns]
        statement = with_joins_from(statement, entities_of(statement))
        self.statement = with_raw_columns(statement, columns)
        roots = [(i, node) for i, node in enumerate(nodes) if node is not None and node.joined]
        if not roots:
            return
        wraps = counts_rows(statement) and any(_multiplies(node) for _, node in roots)
        base: Any = None
        if wraps:
            held = [e for _, node in roots for e in _contained(node)]  # their joins stay inside
            base = _inner(self.statement, [*columns, *held], [slot for slot in self.slots if slot is not None])
            columns = list(base.c)[: len(columns)]
        for number, node in roots:
            entity = self.slots[number].entity  # type: ignore[union-attr]
            left = base if wraps else entity.selectable if entity.is_aliased_class else None
            self._follow(
                number, node, left if left is not None else entity.mapper.selectable, left, False, columns, base
            )
        if wraps:
            order = [ClauseAdapter(base).traverse(clause) for clause in order_of(statement)]
            self.statement = core_select(*columns).select_from(base).order_by(*order).options(*options_of(statement))
        else:
            self.statement = with_raw_columns(self.statement, columns)
        for join in self._joins:
            self.statement = self.statement.join_from(join.left, join.right, join.onclause, isouter=join.outer)
        if self._orders:
            self.statement = self.statement.order_by(*self._orders)

    def _follow(
        self, number: int, node: Node, left: Any, adapted: Any, outer: bool, columns: list[Any], base: Any
    ) -> None:
        """Join what is to be joined to one entity, and what is to be joined to that.

        :param left: what the entity's columns come from; ``adapted`` the same, or None if that is its own table.
        :param base: the subquery that holds what the statement itself joined, or None.
        """
        for choice in node.joined:
            is_outer = outer
            if choice.kind == "contains":
                insp = contained_entity(choice)
                if base is not None:
                    inner = insp if insp.is_aliased_class else None
                    insp = AliasedInsp(insp.mapper, base, "", None, inner)
            else:
                insp = choice.given_alias
                if insp is None or not insp.is_aliased_class:
                    insp = _fresh_alias(choice)
                inner = choice.prop.innerjoin if choice.detail is None else choice.detail
                is_outer = outer or not inner
                self._join(choice, left, adapted, insp, is_outer)
            slot = slot_of(choice.node, insp)
            self.links.append(Link(number, choice.prop, slot))
            columns.extend(slot.expressions)
            self.types.extend(expression.type for expression in slot.expressions)
            selectable = insp.selectable
            below = len(self.slots) + len(self.links) - 1
            adapted_below = selectable if insp.is_aliased_class else None
            self._follow(below, choice.node, selectable, adapted_below, is_outer, columns, base)

    def _join(self, choice: Choice, left: Any, adapted: Any, insp: AliasedInsp, outer: bool) -> None:
        prop, target = choice.prop, insp.selectable
        secondary = None if prop.secondary is None else alias_of(prop.secondary)
        primaryjoin, secondaryjoin, _ = prop.join_conditions(adapted, target, secondary)
        adapter = ClauseAdapter(target)
        criteria = [adapter.traverse(criterion) for criterion in choice.criteria]
        criteria += criteria_for_target(choice.node.mapper, insp, choice.node.criteria)
        if secondary is None:
            self._joins.append(Join(left, target, and_(primaryjoin, *criteria), outer))
        else:
            right = secondary.join(target, and_(secondaryjoin, *criteria))
            self._joins.append(Join(left, right, primaryjoin, outer))
        for clause in prop.order_by or ():
            clause = adapter.traverse(clause)
            self._orders.append(clause if secondary is None else ClauseAdapter(secondary).traverse(clause))


def contained_entity(choice: Choice) -> Any:
    """Return what the statement joins, in the words of ``contains_eager``."""
    asked = choice.detail if choice.detail is not None else choice.node.entity
    return asked if hasattr(asked, "mapper") else AliasedInsp(choice.node.mapper, asked, "", None)


def _contained(node: Node) -> list[Any]:
    """Return the columns of all that the statement joins itself, as seen from one entity."""
    found: list[Any] = []
    for choice in node.joined:
        if choice.kind == "contains":
            found += slot_of(choice.node, contained_entity(choice)).expressions
            found += _contained(choice.node)
    return found


def _fresh_alias(choice: Choice) -> AliasedInsp:
    entity = choice.node.entity
    if entity.is_aliased_class:  # the relationship itself leads to an alias
        return AliasedClass(entity.mapper, named_alias(entity.selectable, None))._aliased_insp
    return aliased(entity.class_)._aliased_insp  # type: ignore[no-any-return]


def slot_of(node: Node, entity: Any) -> EntityColumns:
    """Return what to fetch of an entity."""
    return EntityColumns(entity, node.columns, node.forbidden, node if node.matters else None)


def _multiplies(node: Node) -> bool:
    """Whether a join to this entity, or to what is joined to it, is of a collection."""
    return any(choice.kind == "joined" and (choice.prop.uselist or _multiplies(choice.node)) for choice in node.joined)


def _inner(statement: Any, columns: list[Any], slots: Iterable[EntityColumns]) -> Any:
    """Return the statement as a subquery that has all columns which joins and order need."""
    there = set(columns)
    lacking: dict[Any, None] = {}
    for slot in slots:
        for choice in slot.node.joined if slot.node is not None else ():
            for column in choice.prop.local_columns:
                found = slot.entity.adapt(column) if slot.entity.is_aliased_class else column
                if not any(found is c or found.shares_lineage(c) for c in there):
                    lacking[found] = None
    if not is_distinct(statement):
        for column in columns_of(order_of(statement)):
            if not any(column.shares_lineage(c) for c in there):
                lacking[column] = None
    return with_raw_columns(statement, [*columns, *lacking]).subquery()


def entities_of(statement: Any) -> list[Any]:
    """Return the entities that members of a SELECT list stand for, or are columns of."""
    return [entity for column in members_of(statement) if (entity := entity_of(column)) is not None]


def expand(statement: Any, options: Iterable[Any] = ()) -> Any:
    """Return ``statement`` with each entity in its SELECT list replaced by that entity's own columns."""
    wishes = wishes_in(options)
    columns: list[Any] = []
    statement = with_joins_from(statement, entities_of(statement))
    for column in members_of(statement):
        entity = entity_in(column)
        if entity is None:
            columns.append(column)
        else:
            shown = EntityColumns(entity, Node(entity, wishes).columns)
            # An expression bears the name under which a statement around this one knows it.
            columns.extend(
                expression if prop.writable else entity_column(expression, entity, prop.key)
                for prop, expression in zip(shown.props, shown.expressions, strict=True)
            )
    return with_raw_columns(statement, columns)
