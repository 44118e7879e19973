"""INSERT: from new objects to rows, and their keys back to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection

from ..exc import FlushError
from .batches import Batch, send
from .changes import ChangeSet
from .defaults import fill_in
from .errors import explain, no_key
from .given import fetch_now
from .journal import Journal
from .plan import InsertShape, Row, TablePlan, Values
from .roads import fetched_columns, insert_road
from .through_core import insert_expressions
from .values import is_expression, rows_with_expressions
from .versions import fetch_versions, first_versions

if TYPE_CHECKING:
    from ..state.instance import InstanceState


def write_inserts(change_set: ChangeSet, connection: Connection, journal: Journal) -> None:
    """Insert the rows of a change set."""
    plan = change_set.plan
    if plan.client_defaults:
        fill_in(plan, connection, change_set.objects, journal)
    if plan.version is not None:
        first_versions(plan.version, change_set.objects, change_set.states, journal)
    if plan.required:
        _require_keys(plan, change_set)
    for shape, states, objects in _by_shape(plan, change_set):
        batch = Batch("insert", shape, shape.columns, states, objects, shape.read(objects))
        computed = rows_with_expressions(batch.rows)
        if not computed:
            _insert(shape, batch, connection, journal)
            continue
        for special, run in itertools.groupby(range(len(states)), computed.__contains__):
            places = list(run)
            if special:
                for i in places:
                    _insert_expressions(shape, batch.part(i, i + 1), connection, journal)
            else:
                _insert(shape, batch.part(places[0], places[-1] + 1), connection, journal)


def _require_keys(plan: TablePlan, change_set: ChangeSet) -> None:
    """Refuse objects without a key, before the database does it in words of its own."""
    for key in plan.required:
        if plan.partial_keys and plan.column_of[key].nullable:
            continue
        for state, values in zip(change_set.states, change_set.objects, strict=True):
            if values.get(key) is None:
                raise no_key(plan, state, key)
    if plan.partial_keys:
        for state, values in zip(change_set.states, change_set.objects, strict=True):
            if all(values.get(key) is None for key in plan.pk_keys) and len(plan.required) == len(plan.pk_keys):
                raise no_key(plan, state, plan.pk_keys[0])


def _by_shape(
    plan: TablePlan, change_set: ChangeSet
) -> Iterator[tuple[InsertShape, list[InstanceState], list[Values]]]:
    """Divide rows by which columns they leave to the database.

    Where it counts up the keys, the order of the rows is kept, so that keys rise in the order
    in which objects were added; else there is one batch for each shape.
    """
    states, objects = change_set.states, change_set.objects
    given = _given(plan, objects)
    if given.count(given[0]) == len(given):
        yield plan.insert_shape(given[0]), states, objects
        return
    places: Iterable[tuple[tuple[bool, ...], list[int]]]
    if any(column in plan.pk_columns for column, _, _ in plan.optional):
        runs = itertools.groupby(range(len(given)), given.__getitem__)
        places = [(shape, list(run)) for shape, run in runs]
    else:
        groups: dict[tuple[bool, ...], list[int]] = {}
        for i, shape in enumerate(given):
            groups.setdefault(shape, []).append(i)
        places = groups.items()
    for shape, chosen in places:
        yield plan.insert_shape(shape), [states[i] for i in chosen], [objects[i] for i in chosen]


def _given(plan: TablePlan, objects: list[Values]) -> list[tuple[bool, ...]]:
    """Return for each object which of the optional columns it has a value for."""
    optional = plan.optional
    if not optional:
        return [()] * len(objects)
    if len(optional) == 1:  # the most usual: a key that the database makes
        _, key, keeps_none = optional[0]
        if not keeps_none:
            return [(values.get(key) is not None,) for values in objects]
    return [
        tuple([key in values if keeps else values.get(key) is not None for _, key, keeps in optional])
        for values in objects
    ]


def _insert(shape: InsertShape, batch: Batch, connection: Connection, journal: Journal) -> None:
    for part, statement, found in send(batch, insert_road, connection, journal):
        if statement.fetches:
            _take(shape, statement.fetches, part, found, journal)
        if shape.defaulted:
            _leave(shape, statement.fetches, part, connection, journal)
        version = shape.plan.version
        if version is not None and version.column in shape.defaulted and version.column not in statement.fetches:
            fetch_versions(shape.plan, part, connection, journal)


def _leave(
    shape: InsertShape, fetched: tuple[Column[Any], ...], batch: Batch, connection: Connection, journal: Journal
) -> None:
    """Note the values that the database made and did not tell."""
    plan, version = shape.plan, shape.plan.version
    left = [
        column
        for column in shape.defaulted
        if column not in fetched and (version is None or column is not version.column)
    ]
    if needed := [column for column in left if plan.columns[column] in journal.sources]:
        fetch_now(plan, needed, batch, connection, journal)
        left = [column for column in left if column not in needed]
    if left and plan.mapper.eager_defaults is True:
        fetch_now(plan, left, batch, connection, journal, at_once=False)
        left = []
    journal.outdated(batch.states, batch.objects, [plan.columns[column] for column in left])


def _take(
    shape: InsertShape, columns: tuple[Column[Any], ...], batch: Batch, found: list[Row], journal: Journal
) -> None:
    """Take what an INSERT brought back: keys at once, other values at the end."""
    plan = shape.plan
    objects = batch.objects
    if len(found) != len(objects):
        raise FlushError(
            f"INSERT of {len(objects)} {plan.mapper.class_.__name__} objects into table {plan.table.name!r} returned "
            f"{len(found)} rows, so their keys cannot be told apart. A trigger that skips or diverts rows does that: "
            f"let the program give the keys, or create the table with implicit_returning=False."
        )
    for place, column in enumerate(columns):
        key = plan.columns[column]
        values = [row[place] for row in found]
        if column in plan.pk_columns or (plan.version is not None and column is plan.version.column):
            if None in values:
                raise no_key(plan, batch.states[values.index(None)], key, asked=True)
            journal.fill(key, objects, values, replaces=column not in shape.generated)
        elif key in journal.sources:
            journal.fill(key, objects, values, replaces=True)
        else:
            journal.fetched(key, objects, values)


def _insert_expressions(shape: InsertShape, batch: Batch, connection: Connection, journal: Journal) -> None:
    """Insert one object that has SQL among its values, by a statement of its own."""
    columns = dict(zip(shape.columns, batch.rows[0], strict=True))
    computed = [column for column, value in columns.items() if is_expression(value)]
    keys = [column for column in computed if column in shape.plan.pk_columns]
    returning = connection.dialect.insert_returning and shape.plan.table.implicit_returning
    wanted = computed if returning and shape.plan.mapper.eager_defaults is True else keys
    fetches = (*fetched_columns(shape, connection.dialect), *wanted)
    try:
        found = insert_expressions(connection, shape.plan, columns, fetches)
    except Exception as error:
        explain(error, None, batch, connection)
        raise
    journal.statements += 1
    if fetches:
        _take(shape, fetches, batch, [found], journal)
    _leave(shape, fetches, batch, connection, journal)
    unknown = [column for column in computed if column not in wanted]
    if unknown and shape.plan.mapper.eager_defaults is True:
        fetch_now(shape.plan, unknown, batch, connection, journal, at_once=False)
    else:
        journal.outdated(batch.states, batch.objects, [shape.plan.columns[column] for column in unknown])
