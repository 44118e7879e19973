"""What a SELECT of an entity fetches: which attributes, by which columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..mapping.mapper import Mapper
from ..mapping.properties import ColumnProperty


class EntityColumns:
    """The columns of one entity in one SELECT.

    :ivar entity: the mapper, or the alias.
    :ivar keys: attribute names, in the order of their columns in a row.
    :ivar props: the properties, likewise.
    :ivar expressions: the columns, likewise.
    :ivar forbidden: attributes that must not be loaded on demand either.
    :ivar node: what more there is to load of it, or None.
    """

    __slots__ = ("entity", "expressions", "forbidden", "keys", "mapper", "name", "node", "props")

    def __init__(
        self, entity: Any, props: Iterable[ColumnProperty], forbidden: frozenset[str] = frozenset(), node: Any = None
    ) -> None:
        self.forbidden = forbidden
        self.node = node
        self.entity = entity
        self.mapper: Mapper[Any] = entity.mapper
        self.props = tuple(props)
        self.keys = tuple(prop.key for prop in self.props)
        given = node.expressions if node is not None else None
        if given:
            self.expressions = [given.get(prop.key, prop.expression) for prop in self.props]
        else:
            self.expressions = [prop.expression for prop in self.props]
        if entity.is_aliased_class:
            self.name: str = entity.name
            self.expressions = [entity.adapt(expression) for expression in self.expressions]
        else:
            self.name = self.mapper.class_.__name__

    @property
    def pk_positions(self) -> tuple[int, ...]:
        return tuple(self.keys.index(key) for key in self.mapper.pk_keys)

    @property
    def complete(self) -> bool:
        """Whether all attributes that are not deferred by their mapping are among them."""
        return set(self.keys) >= {p.key for p in default_props(self.mapper)}


def default_props(mapper: Mapper[Any]) -> list[ColumnProperty]:
    """The attributes that a plain SELECT of the mapper fetches: all that are not deferred."""
    pk = set(mapper.pk_keys)
    return [p for p in mapper.column_props.values() if p.key in pk or not p.left_out]


def entity_in(column: Any) -> Any:
    """Return the entity that a member of a SELECT list stands for as a whole, or None."""
    if not getattr(column, "is_selectable", False):
        return None
    annotations = getattr(column, "_annotations", None)
    return annotations.get("parententity") if annotations else None
