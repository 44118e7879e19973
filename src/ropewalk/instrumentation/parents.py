"""``with_parent(user, User.orders)``: the criterion that rows belong to one object."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.util import ClauseAdapter

from ..exc import ArgumentError
from ..kernel.core import alias_of, marks_of
from ..mapping.adapting import adapted
from ..mapping.marks import only_marks, replace_columns
from .compared import values_of
from .relationship_attribute import RelationshipAttribute


def with_parent(instance: object, prop: Any, from_entity: Any = None) -> ColumnElement[bool]:
    """Return the criterion that selects what an object has in a relationship.

    ::

        select(Order).where(with_parent(ed, User.orders)).order_by(Order.total.desc()).limit(5)

    The object's key is asked for when the statement runs; the object need not be in a session.

    :param prop: the relationship, such as ``User.orders`` or ``User.orders.of_type(alias)``.
    :param from_entity: the class or alias that is selected, if it is not simply the relationship's target.
    :raises ArgumentError: ``prop`` is no relationship, or none of the object's class.
    """
    if not isinstance(prop, RelationshipAttribute):
        raise ArgumentError(
            f"with_parent() takes a relationship of a mapped class, such as User.orders; got {prop!r}, which is "
            f"{'a string' if isinstance(prop, str) else 'none'}."
        )
    relationship = prop.relationship
    if not isinstance(instance, relationship.parent.class_):
        raise ArgumentError(
            f"{prop} is a relationship of {relationship.parent.class_.__name__}, and with_parent() was given "
            f"{instance!r:.80}, which is no object of that class."
        )
    entity = prop.target_entity
    if from_entity is not None:
        entity = getattr(from_entity, "_aliased_insp", None) or getattr(from_entity, "__mapper__", from_entity)
    far = entity.selectable if entity.is_aliased_class else None
    secondary = None if relationship.secondary is None else alias_of(relationship.secondary)
    near = far if secondary is None else secondary
    condition = values_of(instance, relationship.primaryjoin, lambda column: "remote" not in marks_of(column))
    condition = replace_columns(condition, lambda column: adapted(column, near))
    parts = [only_marks(condition, frozenset())]
    if secondary is not None:
        parts.append(relationship.join_conditions(None, far, secondary)[1])
    criteria = list(prop.criteria)
    if far is not None:
        criteria = [ClauseAdapter(far).traverse(criterion) for criterion in criteria]
    return and_(*parts, *criteria)
