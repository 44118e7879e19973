"""Joins along relationships: ``select(User).join(User.orders)``, ``.join(alias, User.orders)``.

The relationship knows the other class and the condition; an association table is joined on the way.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_
from sqlalchemy.sql.util import ClauseAdapter

from ..exc import ArgumentError
from ..instrumentation.relationship_attribute import RelationshipAttribute


def relationship_in(target: Any, onclause: Any) -> RelationshipAttribute[Any] | None:
    """Return the relationship that a join is to follow, or None."""
    for thing in (target, onclause):
        if isinstance(thing, RelationshipAttribute):
            return thing
    return None


def join_along(
    statement: Any, attribute: RelationshipAttribute[Any], target: Any, onclause: Any, isouter: bool, full: bool
) -> Any:
    """Return ``statement`` joined along a relationship.

    :param target: the relationship itself, or the class or alias to which it is followed.
    :raises ArgumentError: it does not lead there.
    """
    prop = attribute.relationship
    entity = attribute.target_entity
    extra = []
    if target is attribute:
        if onclause is not None and onclause is not attribute:
            extra.append(onclause)
    else:
        entity = getattr(target, "_aliased_insp", None) or getattr(target, "__mapper__", None)
        if entity is None or not (entity.mapper.isa(prop.mapper) or prop.mapper.isa(entity.mapper)):
            raise ArgumentError(f"{attribute} does not lead to {target!r} but to {prop.mapper.class_.__name__}.")
    aliased = entity.is_aliased_class
    criteria = [*attribute.criteria, *extra]
    if aliased:
        criteria = [ClauseAdapter(entity.selectable).traverse(criterion) for criterion in criteria]
    own = attribute.parent.selectable if attribute.parent.is_aliased_class else None
    far = entity.selectable if aliased else None
    secondary = None if prop.secondary is None else prop.secondary.alias()
    primaryjoin, secondaryjoin, _ = prop.join_conditions(own, far, secondary)
    left, right = attribute.parent.__clause_element__(), entity.__clause_element__()
    how = {"isouter": isouter, "full": full}
    if secondary is None:
        return statement.join_from(left, right, and_(primaryjoin, *criteria), **how)
    if isouter or full:
        return statement.join_from(left, secondary.join(right, and_(secondaryjoin, *criteria)), primaryjoin, **how)
    return statement.join_from(left, secondary, primaryjoin).join_from(secondary, right, and_(secondaryjoin, *criteria))
