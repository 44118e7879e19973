"""``post_update``: foreign keys of rows that refer to one another, by an UPDATE of their own.

A row goes in without its foreign key, and gets it when the row that it refers to is there too;
before rows are deleted, those keys become NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from .changes import differs
from .dependencies import Dependencies
from .journal import Journal
from .plan import MapperPlan, Row, plan_for
from .relating import value_of
from .synchronize import hand_on
from .updating import make_batch, send_updates
from .versions import last_version

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper

Connect = Callable[["Mapper[Any]", Any], Connection]
Takers = dict[Any, None]


def write_late_keys(dependencies: Dependencies, connect: Connect, journal: Journal) -> None:
    """Update the rows whose foreign keys were left out so far."""
    late = sorted(dependencies.late, key=lambda copies: copies.givers[:1] != [None])  # what is lost, then what comes
    groups: dict[tuple[MapperPlan, tuple[str, ...]], Takers] = {}
    for copies in late:
        hand_on(copies, journal)
        keys = tuple(key for _, key in copies.relation.pairs)
        for taker in copies.takers:
            state = taker._sa_instance_state
            groups.setdefault((plan_for(state), keys), {})[state] = None
    for (plan, keys), takers in groups.items():
        states = [state for state in takers if _is_due(plan, state, keys)]
        if states:
            values = [tuple([state.dict.get(key) for key in keys]) for state in states]
            _update(plan, keys, states, values, connect, journal)


def clear_before_deletes(dependencies: Dependencies, connect: Connect, journal: Journal) -> None:
    """Set foreign keys between rows that are about to be deleted to NULL."""
    groups: dict[tuple[MapperPlan, tuple[str, ...]], Takers] = {}
    for relation, taker in dependencies.before_delete:
        state = taker._sa_instance_state
        keys = tuple(key for _, key in relation.pairs)
        if any(state.original(key) is not None for key in keys):
            groups.setdefault((plan_for(state), keys), {})[state] = None
    for (plan, keys), takers in groups.items():
        _update(plan, keys, list(takers), [(None,) * len(keys)] * len(takers), connect, journal)


def _is_due(plan: MapperPlan, state: Any, keys: tuple[str, ...]) -> bool:
    values = state.dict
    if state.pk is None:
        return any(values.get(key) is not None for key in keys)
    return any(differs(plan, state, key, values.get(key), state.original(key)) for key in keys)


def _update(
    plan: MapperPlan, keys: tuple[str, ...], states: list[Any], values: list[Row], connect: Connect, journal: Journal
) -> None:
    table = next(table for table in plan.tables if keys[0] in table.column_of)
    shape = table.update_shape(tuple(sorted(keys)))
    order = [keys.index(key) for key in shape.keys]
    rows = [tuple([row[place] for place in order]) for row in values]
    found = [tuple([_key(state, key) for key in table.pk_keys]) for state in states]
    bumped: set[Any] = set()
    if (version := table.version) is not None:
        bumped = {state for state in states if state.pk is None or state in journal.updated}
        found = [
            (*row, state.dict.get(version.key) if state in bumped else last_version(state, version))
            for row, state in zip(found, states, strict=True)
        ]
    objects = [state.dict for state in states]
    connection = connect(plan.mapper, plan.token)
    send_updates(shape, make_batch(shape, states, objects, rows, found, connection, bumped), connection, journal)


def _key(state: Any, key: str) -> Any:
    """Return a part of the key that a row has by now."""
    return value_of(state, state.dict, key)
