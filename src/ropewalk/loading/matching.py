"""Which column of a row is which attribute's, where a statement was written by hand.

A SELECT or ``text().columns(...)`` has column objects, and those decide. Plain text has only names: ``orders_id``
for the column id of the table orders, or the bare ``id`` if no other column goes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..exc import InvalidRequestError
from ..kernel.core import result_name
from .entities import EntityColumns, entity_in
from .joining import Link, contained_entity
from .wishes import Node, wishes_in

Place = Callable[[Any], int | None]


class Matched:
    """The members of a SELECT list, found in the rows of another statement.

    :param columns: the members: entities and columns.
    :param names: the names of the columns in a row.
    :param place_of: tells the place of a column object in a row, or None.
    :ivar slots: for each member its columns, or None for a plain column.
    :ivar links: what ``contains_eager`` says is there too.
    :ivar order: the places in a row of all that is wanted.
    :ivar types: the types, likewise.
    :raises InvalidRequestError: a column is not there, or an entity lacks its key.
    """

    def __init__(
        self,
        columns: Sequence[Any],
        options: Sequence[Any],
        names: Sequence[str],
        place_of: Callable[[Any], int | None],
    ) -> None:
        self.slots: list[EntityColumns | None] = []
        self.links: list[Link] = []
        self.order: list[int] = []
        self.types: list[Any] = []
        self._names = names
        self._places = {name: i for i, name in reversed(list(enumerate(names)))}
        self._place_of = place_of
        self._taken: dict[int, Any] = {}
        wishes = wishes_in(options)
        nodes = []
        for column in columns:
            entity = entity_in(column)
            if entity is None:
                self._member(column)
                self.slots.append(None)
            else:
                node = Node(entity, wishes)
                nodes.append((len(self.slots), node))
                self.slots.append(self._entity(node, entity))
        for number, node in nodes:
            self._follow(number, node)

    def _member(self, column: Any) -> None:
        place = self._find(column, result_name(column))
        if place is None:
            raise InvalidRequestError(
                f"The statement's rows have no column {result_name(column)!r}, which is asked for; they have "
                f"{', '.join(self._names)}."
            )
        self.order.append(place)
        self.types.append(column.type)

    def _entity(self, node: Node, entity: Any) -> EntityColumns:
        wanted = EntityColumns(entity, node.columns, node.forbidden, node)
        found = [
            (prop, place, expression.type)
            for prop, expression in zip(wanted.props, wanted.expressions, strict=True)
            if (place := self._find(expression, prop.key)) is not None
        ]
        slot = EntityColumns(entity, [prop for prop, _, _ in found], node.forbidden, node if node.matters else None)
        lacking = [key for key in entity.mapper.pk_keys if key not in slot.keys]
        if lacking:
            name = entity.mapper.class_.__name__
            table = getattr(entity.selectable, "name", "table")
            raise InvalidRequestError(
                f"The statement's rows cannot become {name} objects: the key column {', '.join(lacking)} is not among "
                f"{', '.join(self._names)}, or stands for another class. Name it {table}_{lacking[0]}, or tell the "
                f"columns of a text by text(...).columns({name}.{lacking[0]}, ...)."
            )
        self.order.extend(place for _, place, _ in found)
        self.types.extend(type_ for _, _, type_ in found)
        return slot

    def _follow(self, number: int, node: Node) -> None:
        """Find what ``contains_eager`` says of one entity, and of what stands with it in the rows."""
        for choice in node.joined:
            if choice.kind != "contains":
                continue  # nothing can be joined to this statement: loaded on demand
            self.links.append(Link(number, choice.prop, self._entity(choice.node, contained_entity(choice))))
            self._follow(len(self.slots) + len(self.links) - 1, choice.node)

    def _find(self, column: Any, key: str) -> int | None:
        place = self._place_of(column)
        if place is None:
            table = getattr(getattr(column, "table", None), "name", None)
            name = getattr(column, "name", None) or key
            place = self._named(f"{table}_{name}", name, key, column)
        if place is not None:
            self._taken.setdefault(place, column)
        return place

    def _named(self, label: str, name: str, key: str, column: Any) -> int | None:
        for candidate in (name, label, key):
            place = self._places.get(candidate)
            # marked as an attribute's or not, a column has one hash
            if place is not None and hash(self._taken.get(place, column)) == hash(column):
                return place
        return None
