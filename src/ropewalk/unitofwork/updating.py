"""UPDATE: the columns that changed, of the rows that did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import add, attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from .batches import Batch, send
from .changes import ChangeSet, changed_keys, differs
from .defaults import onupdate_values
from .errors import check_matched, explain, refuse_null_keys
from .given import fetch_now
from .journal import Journal
from .plan import Row, TablePlan, UpdateShape, Values, plan_of
from .roads import update_road
from .through_core import CoreUpdate, update_expressions
from .values import is_expression, rows_with_expressions
from .versions import fetch_versions, refuse_no_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..state.instance import InstanceState

    Group = tuple[list[InstanceState], list[Values]]


_bare_key = attrgetter("pk")


def write_updates(
    change_set: ChangeSet,
    connect: Callable[[], Connection],
    journal: Journal,
    switched: Mapping[InstanceState, InstanceState],
) -> None:
    """Update the rows of a change set that differ from what the database has.

    :param connect: gives the connection; it is not called if nothing differs.
    :param switched: new objects → the deleted one whose row each takes over.
    """
    for shape, states, objects in _by_shape(change_set, switched):
        connection = connect()
        keys = shape.plan.old_keys([switched.get(state, state) for state in states] if switched else states)
        refuse_null_keys("UPDATE", shape.plan, states, keys)
        batch = make_batch(shape, states, objects, shape.read(objects), keys, connection)
        rows = batch.rows
        computed = rows_with_expressions(rows)
        for i in sorted(computed):
            _update_expressions(batch.part(i, i + 1), connection, journal)
        if computed:
            batch = batch.without(computed)
        if batch.rows:
            send_updates(shape, batch, connection, journal)


def make_batch(
    shape: UpdateShape,
    states: list[InstanceState],
    objects: list[Values],
    rows: list[Row],
    found: list[Row],
    connection: Connection,
    bumped: Collection[InstanceState] = (),
) -> Batch:
    """Return a batch of updates: new values, what goes with each update, and what finds the rows.

    :param bumped: the objects that this flush has given their next version already.
    """
    version = shape.plan.version
    if version is not None and version.key in shape.keys:
        refuse_no_version(version, objects, states)
    if shape.onupdates:
        rows = [
            (*row, *onupdate_values(shape.onupdates, shape.plan, connection, values))
            for row, values in zip(rows, objects, strict=True)
        ]
    if version is not None and shape.bumps:
        make = version.generate or (lambda last: last)  # an UPDATE that sets nothing else
        rows = [
            (*row, old[-1] if bumped and state in bumped else make(old[-1]))
            for state, row, old in zip(states, rows, found, strict=True)
        ]
    columns = (*shape.columns, *shape.plan.match_columns)
    return Batch("update", shape, columns, states, objects, list(map(add, rows, found)))


def _by_shape(
    change_set: ChangeSet, switched: Mapping[InstanceState, InstanceState]
) -> list[tuple[UpdateShape, list[InstanceState], list[Values]]]:
    """Divide rows by which of their columns changed; those where none did are left out."""
    plan = change_set.plan
    mapper_plan = plan_of(plan.mapper)
    groups: dict[tuple[str, ...], Group] = {}
    for state, values in zip(change_set.states, change_set.objects, strict=True):
        key = state.first_key
        if key and state.mutables is None and not switched:
            # By far the most usual: one attribute was written. This is changed_keys() without its overhead.
            new, old = values.get(key), state.first_value
            if new is old or not differs(mapper_plan, state, key, new, old):
                continue
            changed: tuple[str, ...] = (key,)
        else:
            changed = tuple(sorted(changed_keys(mapper_plan, state, values, switched.get(state))))
        group = groups.get(changed)
        if group is None:
            group = groups[changed] = ([], [])
        group[0].append(state)
        group[1].append(values)
    shapes = []
    for changed, (states, objects) in groups.items():
        keys = tuple([key for key in changed if key in plan.column_of])
        if keys or (plan.version is not None and not mapper_plan.mapper.column_props.keys().isdisjoint(changed)):
            shapes.append((plan.update_shape(keys), *_by_key(plan, states, objects)))
    return shapes


def _by_key(plan: TablePlan, states: list[InstanceState], objects: list[Values]) -> Group:
    """Sort rows by their keys: two transactions that lock rows in the same order cannot wait for each other."""
    keys = list(map(_bare_key, states))
    try:
        if any(plan.sort_keys):
            keys = [
                tuple([sort(part) if sort else part for sort, part in zip(plan.sort_keys, key, strict=True)])
                for key in plan.old_keys(states)
            ]
        if keys == sorted(keys):
            return states, objects
        order = sorted(range(len(keys)), key=keys.__getitem__)
    except TypeError:  # keys without an order, or none: a new object takes over a row
        return states, objects
    return [states[i] for i in order], [objects[i] for i in order]


def send_updates(shape: UpdateShape, batch: Batch, connection: Connection, journal: Journal) -> None:
    """Send a batch of updates, and count the rows that matched."""
    plan = shape.plan
    refreshed = shape.refreshed
    if refreshed and plan.mapper.eager_defaults is True and connection.dialect.update_returning:
        _update_returning(shape, batch, connection, journal)
        refreshed = ()
    else:
        for part in parts_to_count(batch, connection):
            matched = 0
            for _, _, count in send(part, update_road, connection, journal):
                matched = -1 if count < 0 or matched < 0 else matched + count
            check_matched("UPDATE", part, matched, connection)
    _note(shape, batch, journal, refreshed, connection)
    if shape.fetches_version:
        fetch_versions(plan, batch, connection, journal)


def parts_to_count(batch: Batch, connection: Connection) -> Iterable[Batch]:
    """Return the batch; row by row where versions are compared and the driver cannot count several."""
    if batch.plan.version is None or len(batch.rows) == 1 or connection.dialect.supports_sane_multi_rowcount:
        return (batch,)
    return [batch.part(i, i + 1) for i in range(len(batch.rows))]


def _update_returning(shape: UpdateShape, batch: Batch, connection: Connection, journal: Journal) -> None:
    """Update row by row, and fetch what the database makes of other columns at it."""
    columns = [shape.plan.column_of[key] for key in shape.refreshed]
    statement = CoreUpdate(shape)
    for i, row in enumerate(batch.rows):
        single = batch.part(i, i + 1)
        journal.statements += 1
        try:
            matched, found = statement.run_returning(connection, row, columns)
        except Exception as error:
            explain(error, None, single, connection)
            raise
        check_matched("UPDATE", single, matched, connection)
        for key, value in zip(shape.refreshed, found or (), strict=False):
            journal.fetched(key, single.objects, [value])


def _update_expressions(batch: Batch, connection: Connection, journal: Journal) -> None:
    """Update one row that gets SQL among its values, by a statement of its own."""
    shape: Any = batch.shape
    row: Row = batch.rows[0]
    plan = shape.plan
    columns = dict(zip(shape.columns, row, strict=False))
    computed = [column for column, value in columns.items() if is_expression(value)]
    fetches = [column for column in computed if column in plan.pk_columns]
    refreshed = shape.refreshed
    if plan.mapper.eager_defaults is True and connection.dialect.update_returning:
        fetches = [*computed, *(plan.column_of[key] for key in refreshed)]
        refreshed = ()
    journal.statements += 1
    try:
        matched, found = update_expressions(connection, plan, columns, row[len(shape.columns) :], fetches)
    except Exception as error:
        explain(error, None, batch, connection)
        raise
    check_matched("UPDATE", batch, matched, connection)
    for column, value in zip(fetches, found, strict=False):
        key = plan.columns[column]
        if column in plan.pk_columns:
            journal.fill(key, batch.objects, [value], replaces=True)
        else:
            journal.fetched(key, batch.objects, [value])
    outdated = [plan.columns[column] for column in computed if column not in fetches]
    _note(shape, batch, journal, (*outdated, *refreshed), connection)
    version = plan.version
    if version is not None and (shape.fetches_version or version.key in outdated):
        fetch_versions(plan, batch, connection, journal)


def _note(
    shape: UpdateShape, batch: Batch, journal: Journal, outdated: tuple[str, ...], connection: Connection
) -> None:
    """Note what is to be taken over once the flush has succeeded."""
    journal.updated.update(dict.fromkeys(batch.states))
    first = len(shape.keys)
    for place, (_, key) in enumerate(shape.onupdates, first):
        journal.fetched(key, batch.objects, [row[place] for row in batch.rows])
    version = shape.plan.version
    if version is not None:
        if shape.bumps:
            place = first + len(shape.onupdates)
            journal.fill(version.key, batch.objects, [row[place] for row in batch.rows], replaces=True)
        outdated = tuple([key for key in outdated if key != version.key])
    if outdated and shape.plan.mapper.eager_defaults is True:
        columns = [shape.plan.column_of[key] for key in outdated]
        fetch_now(shape.plan, columns, batch, connection, journal, at_once=False)
        outdated = ()
    journal.outdated(batch.states, batch.objects, outdated)
    if not set(shape.plan.mapper.pk_keys).isdisjoint(shape.keys):
        journal.rekeyed.extend(batch.states)
