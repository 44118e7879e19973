"""Entities taken from the rows of a statement that was written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ..exc import InvalidRequestError
from ..kernel.core import result_name
from ..state.instance import InstanceState
from .entities import EntityColumns, entity_in
from .peers import Peers
from .results import metadata_of
from .rows import compile_loader, hold
from .wishes import Node, wishes_in


class FromStatement:
    """What ``select(User).from_statement(text("SELECT ..."))`` gives.

    The columns of the rows are matched to the entity's by name (or by the columns of a
    ``text().columns(...)`` or SELECT); an attribute whose column is missing stays unloaded.
    """

    def __init__(self, columns: Sequence[Any], element: Any, options: tuple[Any, ...] = ()) -> None:
        self.columns = list(columns)
        self.element = element
        self.with_options = options
        self.execution: dict[str, Any] = {}

    def options(self, *options: Any) -> FromStatement:
        new = FromStatement(self.columns, self.element, self.with_options + options)
        new.execution = dict(self.execution)
        return new

    def execution_options(self, **options: Any) -> FromStatement:
        new = FromStatement(self.columns, self.element, self.with_options)
        new.execution = {**self.execution, **options}
        return new

    def get_execution_options(self) -> dict[str, Any]:
        return self.execution

    @property
    def entities(self) -> list[Any]:
        return [entity for column in self.columns if (entity := entity_in(column)) is not None]

    @property
    def single(self) -> bool:
        return len(self.columns) == 1

    @property
    def metadata(self) -> Any:
        """What a result needs to know of the rows."""
        entities = [entity_in(column) for column in self.columns]
        names = [
            result_name(column) if entity is None else EntityColumns(entity, ()).name
            for column, entity in zip(self.columns, entities, strict=True)
        ]
        return metadata_of(names, entities)

    def load_all(
        self,
        connection: Connection,
        owner: Any,
        given: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        single: bool = False,
        populate: bool = False,
        alone: bool = False,
    ) -> list[Any]:
        """Execute and return all objects (``single``) or tuples; see :meth:`Bound.load_all`."""
        result = connection.execute(self.element, given, execution_options=options or {})
        places = {name: i for i, name in reversed(list(enumerate(result.keys())))}
        slots, order, types = self._match(places)
        cursor = result.cursor
        assert cursor is not None
        description = [cursor.description[i] for i in order]
        rows = [tuple(row[i] for i in order) for row in cursor.fetchall()]
        result.close()
        loader = compile_loader(slots, types, connection.dialect, description, single, populate)
        peers: list[InstanceState] = Peers(alone=True) if alone else []
        loaded = loader(rows, owner, peers)
        if owner.held is not None:
            hold(owner, peers)
        return loaded

    def _match(self, places: dict[str, int]) -> tuple[list[Any], list[int], list[Any]]:
        """Find, for each entity and column wanted, where it stands in a row."""
        slots: list[Any] = []
        order: list[int] = []
        types: list[Any] = []
        for column in self.columns:
            entity = entity_in(column)
            if entity is None:
                name = result_name(column)
                if name not in places:
                    raise InvalidRequestError(f"The statement's rows have no column {name!r}, which is asked for.")
                slots.append(None)
                order.append(places[name])
                types.append(column.type)
                continue
            node = Node(entity, wishes_in(self.with_options))
            wanted = node.columns
            given = node.expressions
            found = [
                (p, places[n]) for p in wanted if (n := _name_in(p, given.get(p.key, p.expression), places)) is not None
            ]
            slot = EntityColumns(entity, [p for p, _ in found], node.forbidden, node if node.matters else None)
            lacking = [key for key in entity.mapper.pk_keys if key not in slot.keys]
            if lacking:
                raise InvalidRequestError(
                    f"The statement's rows cannot become {entity.mapper.class_.__name__} objects: the key column "
                    f"{', '.join(lacking)} is not among {', '.join(places)}."
                )
            slots.append(slot)
            order.extend(place for _, place in found)
            types.extend(given.get(p.key, p).type for p, _ in found)
        return slots, order, types


def _name_in(prop: Any, column: Any, places: dict[str, int]) -> str | None:
    table = getattr(getattr(column, "table", None), "name", None)
    name = getattr(column, "name", None)
    for candidate in (name, f"{table}_{name}", prop.key):
        if candidate in places:
            return candidate
    return None
