"""Columns that several objects lack, fetched by one statement: after a commit, or where they are deferred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect

from ..kernel.core import result_processor
from ..kernel.in_lists import KeyedStatement, among_keys, most_keys
from ..kernel.listening import anybody
from ..mapping.mapper import Mapper
from ..state.instance import InstanceState
from . import peers
from .entities import EntityColumns
from .rows import compile_loader, fill
from .selecting import select
from .telling import refill


class ByKeys:
    """``SELECT attributes FROM table WHERE primary key IN (...)``."""

    def __init__(self, mapper: Mapper[Any], keys: frozenset[str]) -> None:
        wanted = keys.union(mapper.pk_keys)
        self.slot = EntityColumns(mapper, [p for p in mapper.column_props.values() if p.key in wanted])
        self.statement = select(*self.slot.expressions).where(among_keys(mapper.primary_key))
        self.prepared: dict[Dialect, KeyedStatement] = {}


def lacking_too(state: InstanceState, instance: Any, key: str) -> list[tuple[InstanceState, Any]]:
    """Return an object that lacks a column, and those of its peers that lack it for the same reason."""
    mapper, expired = state.mapper, state.expired

    def lacks(peer: InstanceState, held: dict[str, Any]) -> bool:
        return (
            key not in held
            and peer.mapper is mapper
            and peer.expired is expired
            and (peer.first_key is None or key not in (peer.committed or ()))
        )

    return peers.around(state, instance, lacks, False)


def by_keys(mapper: Mapper[Any], keys: frozenset[str]) -> ByKeys:
    """Return the prepared statement, made on the first call."""
    known: dict[frozenset[str], ByKeys] = mapper.__dict__.setdefault("_by_keys", {})
    query = known.get(keys)
    if query is None:
        query = known[keys] = ByKeys(mapper, keys)
    return query


def load_keys(
    mapper: Mapper[Any],
    lacking: Sequence[tuple[InstanceState, Any]],
    keys: frozenset[str],
    connection: Connection,
    owner: Any,
    statement: Any = None,
) -> None:
    """Fetch some attributes of several objects; an object whose row is gone stays as it is.

    :param statement: in place of the usual one.
    """
    query = by_keys(mapper, keys)
    dialect = connection.dialect
    prepared = query.prepared.get(dialect)
    if statement is not None:
        prepared = KeyedStatement(statement, dialect)
    elif prepared is None:
        prepared = query.prepared[dialect] = KeyedStatement(query.statement, dialect)
    size = most_keys(dialect, len(mapper.primary_key))
    sent = 0
    for start in range(0, len(lacking), size):
        rows, description = prepared.rows(connection, [state.pk for state, _ in lacking[start : start + size]])
        _take(query.slot, prepared, rows, description, dialect, owner, lacking[0][0].peers)
        sent += 1
    peers.saved.note(f"{mapper.class_.__name__}: {', '.join(query.slot.keys)}", len(lacking), sent)


def _take(
    slot: EntityColumns, prepared: KeyedStatement, rows: Any, description: Any, dialect: Dialect, owner: Any, near: Any
) -> None:
    """Put the values of the rows into the objects that lack them."""
    if slot.complete:
        loader = prepared.loaders.get("all")
        if loader is None:
            types = [expression.type for expression in slot.expressions]
            loader = prepared.loaders["all"] = compile_loader([slot], types, dialect, description, True, False)
        loader(rows, owner, [] if near is None else near)
        return
    converters = prepared.loaders.get("some")
    if converters is None:
        converters = prepared.loaders["some"] = [
            result_processor(e.type, dialect, description[i][1]) for i, e in enumerate(slot.expressions)
        ]
    entries = owner.map_for(slot.mapper)
    places = slot.pk_positions
    for row in rows:
        values = [value if convert is None else convert(value) for convert, value in zip(converters, row, strict=True)]
        state = entries.get(values[places[0]] if len(places) == 1 else tuple([values[i] for i in places]))
        instance = None if state is None else state()
        if instance is not None:
            if anybody.refresh:
                refill(state, instance, slot.keys, values, False, owner)
            else:
                fill(state, instance, slot.keys, values, False)
