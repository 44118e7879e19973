"""What ``column_descriptions`` shows of a statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnClause

from ..kernel.bundles import bundle_of
from ..kernel.core import entity_of, statement_entity
from ..kernel.names import members_of
from .entities import entity_in
from .naming import RowNames


def described(statement: Any) -> list[dict[str, Any]]:
    """Return name, type, expression and entity of each member of a SELECT's rows."""
    found = []
    for member, name in zip(members_of(statement, whole=True), RowNames(statement).names, strict=True):
        entity, bundle = entity_in(member), bundle_of(member)
        if entity is not None:
            type_, expr, owner = entity.mapper.class_, entity.entity, entity
        elif bundle is not None:
            type_, expr, owner = type(bundle), bundle, bundle.of
        else:
            type_, expr, owner = getattr(member, "type", None), member, entity_of(member)
            if owner is None and not isinstance(member, ColumnClause):
                owner = statement_entity(member)  # of a label or a function: whose attribute is in it
        found.append(
            {
                "name": name,
                "type": type_,
                "aliased": bool(owner is not None and owner.is_aliased_class),
                "expr": expr,
                "entity": None if owner is None else owner.entity,
            }
        )
    return found
