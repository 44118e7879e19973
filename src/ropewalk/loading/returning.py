"""INSERT, UPDATE and DELETE of mapped classes: what their values and their RETURNING clause mean.

Core asks the plugin named in a statement's entity, wherever the statement is compiled. Ours lets
``values()`` name attributes, and ``returning(User)`` mean the columns that ``select(User)`` would fetch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import CompileError
from sqlalchemy.util import LRUCache

from ..kernel.bundles import bundle_of
from ..kernel.core import PLUGIN, CompileState, attribute_key_of, cache_key, result_name, statement_entity
from ..kernel.dml import DeleteState, InsertState, UpdateState, returning_of, with_returning
from ..kernel.names import flattened
from ..kernel.options import options_of
from ..mapping.mapper import Mapper
from ..state.instance import InstanceState
from .entities import EntityColumns, entity_in
from .grouping import groups_in, whole_members
from .peers import Peers
from .results import metadata_of
from .rows import Loader, compile_loader, hold
from .wishes import Node, wishes_in

_known: Any = LRUCache(500)


class _Entities:
    """What is the same for the three kinds of statement."""

    @classmethod
    def pairs_of(cls, statement: Any, key: Any, value: Any) -> list[tuple[Any, Any]]:
        entity = statement_entity(statement)
        column = None if entity is None else column_for(entity.mapper, key)
        return [(key if column is None else column, value)]

    @classmethod
    def expanded(cls, statement: Any) -> Any:
        given = returning_of(statement)
        if not any(entity_in(column) is not None or bundle_of(column) is not None for column in given):
            return statement
        return with_returning(statement, Returning(given, options_of(statement)).columns)


@CompileState.plugin_for(PLUGIN, "insert")
class EntityInsertState(_Entities, InsertState):
    """The compile state of an INSERT of a mapped class."""


@CompileState.plugin_for(PLUGIN, "update")
class EntityUpdateState(_Entities, UpdateState):
    """The compile state of an UPDATE of a mapped class."""


@CompileState.plugin_for(PLUGIN, "delete")
class EntityDeleteState(_Entities, DeleteState):
    """The compile state of a DELETE of a mapped class."""


def prop_for(mapper: Mapper[Any], key: Any) -> Any:
    """Return the column property that a name, an attribute or a column means; None where it means none."""
    name = key
    if not isinstance(key, str):
        clause = key.__clause_element__() if hasattr(key, "__clause_element__") else key
        name = attribute_key_of(clause) or (mapper.key_of.get(clause) if hasattr(clause, "type") else None)
    prop: Any = mapper.props.get(name)
    while prop is not None and prop.is_synonym:
        prop = mapper.props.get(prop.name)
    return prop if prop is not None and prop.is_column and prop.writable else None


def column_for(mapper: Mapper[Any], key: Any) -> Any:
    """Return the column of the mapped table that a key of ``values()`` means, or None."""
    if not isinstance(key, str) and not hasattr(key, "__clause_element__"):
        return None
    prop = prop_for(mapper, key)
    if prop is None:
        return None
    return next((c for c in prop.columns if c.table is mapper.local_table), prop.columns[0])


class Returning:
    """What a RETURNING clause gives: entities, and plain columns.

    :ivar columns: the clause as Core shall have it.
    :ivar slots: for each member of a row an :class:`EntityColumns`, or None for a plain column.
    """

    def __init__(self, given: Sequence[Any], options: Sequence[Any]) -> None:
        wishes = wishes_in(options)
        self.columns: list[Any] = []
        self.slots: list[EntityColumns | None] = []
        names = []
        self.groups = groups_in(given, None)
        for column in flattened(given):
            entity = entity_in(column)
            if entity is None:
                self.slots.append(None)
                self.columns.append(column)
                names.append(result_name(column))
                continue
            node = Node(entity, wishes)
            table = entity.mapper.local_table
            # a column property is computed by a SELECT, which RETURNING is not
            props = [p for p in node.columns if any(c.table is table for c in p.columns if hasattr(c, "table"))]
            slot = EntityColumns(entity, props, node.forbidden, node if node.matters else None)
            self.slots.append(slot)
            self.columns += slot.expressions
            names.append(slot.name)
        self.types = [getattr(column, "type", None) for column in self.columns]
        for group in reversed(self.groups):
            names[group.start : group.stop] = [group.name]
        self.single = len(names) == 1
        self.metadata = metadata_of(names, whole_members(self.slots, self.groups))
        self._loaders: dict[Any, Loader] = {}

    @property
    def has_entities(self) -> bool:
        return bool(self.groups) or any(slot is not None for slot in self.slots)

    def load(
        self,
        rows: Sequence[Sequence[Any]],
        connection: Connection,
        description: Any,
        owner: Any,
        populate: bool,
        options: Mapping[str, Any] | None = None,
    ) -> Iterator[Any]:
        """Yield the objects, or tuples, that the driver's rows stand for.

        The objects are made, or filled, when the first one is asked for.

        :param options: execution options for what is loaded along.
        """
        width = len(self.columns)
        dialect = connection.dialect
        loader = self._loaders.get((dialect, populate))
        if loader is None:
            loader = self._loaders[dialect, populate] = compile_loader(
                self.slots, self.types, dialect, description, self.single, populate, (), self.groups
            )

        def loaded() -> Iterator[Any]:
            peers: list[InstanceState] = Peers() if self.has_entities else []
            cut = rows if not rows or len(rows[0]) == width else [tuple(row)[:width] for row in rows]
            session = owner.session
            before, session.options_now = session.options_now, options
            try:
                result = loader(cut, owner, peers)
            finally:
                session.options_now = before
            if owner.held is not None:
                hold(owner, peers)
            yield from result

        return loaded()


def returning_for(statement: Any) -> Returning | None:
    """Return what a statement's RETURNING clause gives, or None where it has none."""
    given = returning_of(statement)
    if not given:
        return None
    key = cache_key(statement)
    found: Returning | None = None if key is None else _known.get(key.key)
    if found is None:
        found = Returning(given, options_of(statement))
        if key is not None:
            _known[key.key] = found
    return found


def refuse_star(statement: Any) -> None:
    """Refuse ``RETURNING *`` where a statement is executed for many rows.

    :raises CompileError: it is there.
    """
    for column in returning_of(statement):
        if getattr(column, "is_literal", False) and str(column) == "*":
            raise CompileError("RETURNING * cannot be used with a bulk INSERT of a mapped class: name the columns.")
