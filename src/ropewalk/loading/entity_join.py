"""``join(User, User.orders)``: a join as a FROM clause, along a relationship where one is named."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.selectable import FromClause, Join

from ..exc import ArgumentError
from ..instrumentation.relationship_attribute import RelationshipAttribute
from ..kernel.core import as_from, entity_of, propagated
from .along import legs, relationship_in


class EntityJoin(Join):
    """A join that mapped classes, aliases and relationships may be joined to."""

    inherit_cache = True

    def __init__(self, left: Any, right: Any, onclause: Any = None, isouter: bool = False, full: bool = False) -> None:
        super().__init__(left, right, onclause, isouter, full)
        entity = entity_of(self.left) or entity_of(self.right)
        if entity is not None:
            self._propagate_attrs = propagated(entity)

    def join(self, right: Any, onclause: Any = None, isouter: bool = False, full: bool = False) -> EntityJoin:
        """Join something to what is joined already; see :func:`join`."""
        return join(self, right, onclause, isouter, full)

    def outerjoin(self, right: Any, onclause: Any = None, full: bool = False) -> EntityJoin:
        """Join something, and keep rows that meet nothing there."""
        return join(self, right, onclause, True, full)


def join(left: Any, right: Any, onclause: Any = None, isouter: bool = False, full: bool = False) -> EntityJoin:
    """Return a join of two FROM clauses, to be given to ``select_from()``.

    ::

        select(User.name, Order.total).select_from(join(User, Order, User.orders).join(Order.items))

    :param left: a mapped class, an alias, a table, a subquery, or another join.
    :param right: the same, or a relationship of the left side, such as ``User.orders``.
    :param onclause: the condition, or a relationship; the foreign key between the two where none is given.
    :param isouter: keep rows that meet nothing on the right.
    :param full: keep the rows of either side that meet nothing on the other.
    :raises ArgumentError: the relationship does not lead from one to the other.
    """
    start = as_from(left)
    attribute = relationship_in(right, onclause)
    if attribute is None:
        return EntityJoin(start, as_from(right), onclause, isouter, full)
    if right is not attribute and not hasattr(right, "__clause_element__"):
        raise ArgumentError(
            f"{attribute} cannot be followed to {right!r}, which is no mapped class and no alias of one. Join "
            f"{attribute} itself, or {attribute}.of_type(alias)."
        )
    followed = _from_here(attribute, start)
    target = followed if right is attribute else right
    joined = start
    for leg in legs(followed, target, None if onclause is attribute else onclause, isouter or full):
        joined = EntityJoin(joined, leg.right, leg.onclause, isouter, full)
    return joined  # type: ignore[no-any-return]


def outerjoin(left: Any, right: Any, onclause: Any = None, full: bool = False) -> EntityJoin:
    """Return a left outer join of two FROM clauses; see :func:`join`."""
    return join(left, right, onclause, True, full)


def _from_here(attribute: RelationshipAttribute[Any], left: FromClause) -> RelationshipAttribute[Any]:
    """Return the attribute as one of the alias on the left, where its own class is not to be found there."""
    entity = entity_of(left)
    own = attribute.parent
    if entity is None or entity is own or own.is_aliased_class or not entity.is_aliased_class:
        return attribute
    return attribute.adapt_to(entity, entity.adapt)  # type: ignore[no-any-return]
