"""Joins along relationships: ``select(User).join(User.orders)``, ``.join(alias, User.orders)``.

The relationship knows the other class and the condition; an association table is joined on the way.
Ropewalk's own ``select()`` spells such a join out at once. In a statement of Core's ``select()`` the relationship
stands as it is, until :func:`spelled_out` replaces it when the statement is compiled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import and_
from sqlalchemy.sql.util import ClauseAdapter

from ..exc import ArgumentError
from ..instrumentation.aliases import AliasedInsp
from ..instrumentation.relationship_attribute import RelationshipAttribute
from ..kernel.core import alias_of, entity_of
from ..kernel.joins import has_join_targets, with_joins_replaced


class Leg(NamedTuple):
    """One plain join: two FROM clauses and the condition between them."""

    left: Any
    right: Any
    onclause: Any


def relationship_in(target: Any, onclause: Any) -> RelationshipAttribute[Any] | None:
    """Return the relationship that a join is to follow, or None."""
    for thing in (target, onclause):
        if isinstance(thing, RelationshipAttribute):
            return thing
    return None


def legs(attribute: RelationshipAttribute[Any], target: Any, onclause: Any, outer: bool, left: Any = None) -> list[Leg]:
    """Return the plain joins that one along a relationship consists of.

    :param target: the relationship itself, or the class or alias to which it is followed.
    :param outer: rows of the left side that meet nothing are kept.
    :param left: what to join to; the relationship's own class or alias where None.
    :raises ArgumentError: it does not lead there.
    """
    prop = attribute.relationship
    entity = attribute.target_entity
    extra = []
    if target is attribute:
        if onclause is not None and onclause is not attribute:
            extra.append(onclause)
    else:
        entity = _entity_of(target)
        if entity is None or not (entity.mapper.isa(prop.mapper) or prop.mapper.isa(entity.mapper)):
            raise ArgumentError(f"{attribute} does not lead to {target!r} but to {prop.mapper.class_.__name__}.")
    aliased = entity.is_aliased_class
    criteria = [*attribute.criteria, *extra]
    if aliased:
        criteria = [ClauseAdapter(entity.selectable).traverse(criterion) for criterion in criteria]
    own = attribute.parent.selectable if attribute.parent.is_aliased_class else None
    far = entity.selectable if aliased else None
    secondary = None if prop.secondary is None else alias_of(prop.secondary)
    primaryjoin, secondaryjoin, _ = prop.join_conditions(own, far, secondary)
    if left is None:
        left = attribute.parent.__clause_element__()
    right = entity.__clause_element__()
    if secondary is None:
        return [Leg(left, right, and_(primaryjoin, *criteria))]
    if outer:
        return [Leg(left, secondary.join(right, and_(secondaryjoin, *criteria)), primaryjoin)]
    return [Leg(left, secondary, primaryjoin), Leg(secondary, right, and_(secondaryjoin, *criteria))]


def _entity_of(target: Any) -> Any:
    """Return the mapper or alias that a target of a join stands for, as the program or Core has it; or None."""
    if isinstance(target, AliasedInsp) or getattr(target, "is_mapper", False):
        return target
    found = getattr(target, "_aliased_insp", None) or getattr(target, "__mapper__", None)
    return entity_of(target) if found is None else found


def join_along(
    statement: Any, attribute: RelationshipAttribute[Any], target: Any, onclause: Any, isouter: bool, full: bool
) -> Any:
    """Return ``statement`` joined along a relationship; see :func:`legs`."""
    for leg in legs(attribute, target, onclause, isouter or full):
        statement = statement.join_from(leg.left, leg.right, leg.onclause, isouter=isouter, full=full)
    return statement


def spelled_out(statement: Any) -> Any:
    """Return a SELECT in which no join is a relationship any more."""
    return with_joins_replaced(statement, _plain) if has_join_targets(statement) else statement


def _plain(target: Any, onclause: Any, from_: Any, isouter: bool, full: bool) -> list[Leg]:
    attribute = relationship_in(target, onclause)
    if attribute is None:
        return [Leg(from_, target, onclause)]
    return legs(attribute, target, onclause, isouter or full)
