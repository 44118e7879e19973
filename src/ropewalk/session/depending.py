"""What untouched objects know of touched ones, and must read anew when a savepoint's rollback undoes what was done.

Only what a savepoint has written is expired by its rollback. But a collection that was loaded inside it shows what
was true then, and so do references, foreign keys that the database followed up, and values that are subqueries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column

from ..unitofwork.plan import refers_to
from . import moves

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..state.identity import IdentityMap


def forget_what_depends(identity_map: IdentityMap, touched: set[Mapper[Any]], removed: set[Mapper[Any]]) -> None:
    """Have the session's objects read anew what they may have loaded of touched ones.

    :param touched: whose objects were added, changed or deleted.
    :param removed: whose objects were deleted, or got other keys; the database may have seen to those who referred
        to them.
    """
    if not touched:
        return
    classes = {mapper.base_mapper for mapper in touched}
    tables = {table for mapper in removed for table in mapper.tables}
    keys_of: dict[Any, list[str]] = {}
    for state in identity_map.all_states():
        mapper = state.mapper
        if mapper not in keys_of:
            keys_of[mapper] = _depending(mapper, classes, tables)
        if keys_of[mapper]:
            held = state.dict
            loaded = [key for key in keys_of[mapper] if key in held]
            if loaded:
                moves.expire_keys(state, loaded)


def _depending(mapper: Any, classes: set[Any], tables: set[Any]) -> list[str]:
    related = [key for key, prop in mapper.relationship_props.items() if prop.mapper.base_mapper in classes]
    referring = {
        column
        for table in mapper.tables
        for other, constraints in refers_to(table, deferred=True).items()
        if other in tables
        for constraint in constraints
        for column in constraint.columns
    }
    computed = [
        key
        for key, prop in mapper.column_props.items()
        if not isinstance(prop.columns[0], Column) or not referring.isdisjoint(prop.columns)
    ]
    return related + computed
