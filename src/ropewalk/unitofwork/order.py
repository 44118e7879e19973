"""In which order change sets are written, so that no foreign key points at nothing.

Tables that others refer to come first; deletes come last, the other way round. Where
tables refer to each other in a circle, or a table to itself, single rows are ordered:
through the values of their foreign keys and through relationships.

Keys that the database is still to make cannot be seen in a foreign key; such bonds are
known from relationships (see dependencies.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.exc import CircularDependencyError

from ..kernel.graph import CycleError, components, topological
from ..kernel.symbols import NO_VALUE
from .changes import ChangeSet, Kind
from .dependencies import Dependencies
from .plan import refers_to

Position = tuple[ChangeSet, int]


def commit_order(change_sets: list[ChangeSet], dependencies: Dependencies | None = None) -> list[ChangeSet]:
    """Return the change sets in the order in which they can be written; some may be divided.

    :param dependencies: what relationships know beyond foreign keys.
    :raises CircularDependencyError: rows that all wait for each other.
    """
    related = {} if dependencies is None else dependencies.tables
    if len(change_sets) == 1:
        table = change_sets[0].plan.table
        if table not in change_sets[0].plan.refers_to and table not in related.get(table, ()):
            return change_sets
    by_table: dict[Table, list[ChangeSet]] = {}
    for change_set in change_sets:
        by_table.setdefault(change_set.plan.table, []).append(change_set)
    saves: list[ChangeSet] = []
    deletes: list[ChangeSet] = []
    for tables, bonds, linked in _groups(by_table, related):
        found = [change_set for table in tables for change_set in by_table.get(table, ())]
        saved = [c for c in found if c.kind is not Kind.DELETE]
        deleted = [c for c in found if c.kind is Kind.DELETE]
        if bonds or linked:
            saved = _by_row(saved, bonds, dependencies)
            deleted = _by_row(deleted, bonds, dependencies)
        saves.extend(saved)
        deletes.extend(deleted)
    return saves + deletes[::-1]


# -- tables ----------------------------------------------------------------------------


def _groups(
    tables: Iterable[Table], related: Mapping[Table, Iterable[Table]]
) -> Iterator[tuple[list[Table], list[ForeignKeyConstraint], bool]]:
    """Yield groups of tables, those referred to first, each with the constraints inside it.

    Tables in between count too: the database may cascade through them. Whether a relationship
    leads from a table of the group to one of the same group is told as well.
    """
    edges: dict[Table, dict[Table, list[ForeignKeyConstraint]]] = {}
    waiting = list(tables)
    order = list(waiting)
    while waiting:
        table = waiting.pop()
        if table not in edges:
            edges[table] = refers_to(table)
            for target in related.get(table, ()):
                edges[table].setdefault(target, [])
            new = [t for t in edges[table] if t not in edges]
            waiting.extend(new)
            order.extend(new)
    for group in components(dict.fromkeys(order), edges):
        inside = set(group)
        within = [cs for t in group for target, cs in edges[t].items() if target in inside]
        yield group, [c for cs in within for c in cs], bool(within)


# -- rows ------------------------------------------------------------------------------


def _by_row(
    change_sets: list[ChangeSet], bonds: list[ForeignKeyConstraint], dependencies: Dependencies | None
) -> list[ChangeSet]:
    """Divide change sets so that each row comes after the one that its foreign key names.

    For deletes that order is right as well: it is read backwards. Their values are those
    that the rows have in the database.
    """
    if not change_sets:
        return change_sets
    after: dict[Position, list[Position]] = {}
    loose: set[Any] = set()
    if dependencies is not None:
        after = _related(change_sets, dependencies)
        loose = _loose_columns(change_sets[0].kind, dependencies)
    for bond in bonds:
        if loose and loose.issuperset(element.parent for element in bond.elements):
            continue
        referring = [element.parent for element in bond.elements]
        referred = [element.column for element in bond.elements]
        targets: dict[Hashable, Position] = dict(_values_of(change_sets, referred))
        if not targets:
            continue
        for value, position in _values_of(change_sets, referring):
            target = targets.get(value)
            if target is not None and target != position:
                after.setdefault(position, []).append(target)
    if not after:
        return change_sets
    positions = [(c, i) for c in change_sets for i in range(len(c.states))]
    try:
        ordered = topological(positions, after)
    except CycleError as error:
        raise _circular(error.cycle) from None
    # Rows at the same distance from the first can go together.
    level: dict[Position, int] = {}
    for position in ordered:
        level[position] = 1 + max([level[p] for p in after.get(position, ())], default=-1)
    parts: dict[tuple[int, int], list[int]] = {}
    place = {id(change_set): i for i, change_set in enumerate(change_sets)}
    for position in positions:
        parts.setdefault((level[position], place[id(position[0])]), []).append(position[1])
    return [change_sets[which].part(parts[depth, which]) for depth, which in sorted(parts)]


def _related(change_sets: list[ChangeSet], dependencies: Dependencies) -> dict[Position, list[Position]]:
    """Return for each row those of related objects that must come before it."""
    after: dict[Position, list[Position]] = {}
    position: dict[Any, Position] = {}
    for change_set in change_sets:
        position.update((state, (change_set, i)) for i, state in enumerate(change_set.states))
    for giver, taker in dependencies.bonds(change_sets[0].kind is Kind.DELETE):
        if giver is not taker and giver in position and taker in position:
            after.setdefault(position[taker], []).append(position[giver])
    return after


def _loose_columns(kind: Kind, dependencies: Dependencies) -> set[Any]:
    """Return the columns that are NULL by the time of a delete, so that they name nothing any more."""
    if kind is not Kind.DELETE:
        return set()
    return {column for relation, _ in dependencies.before_delete for _, column in relation.prop.synchronize_pairs}


def _values_of(change_sets: list[ChangeSet], columns: list[Any]) -> Iterator[tuple[Hashable, Position]]:
    """Yield what each row has, or is to have, in ``columns``, where it is known and complete."""
    for change_set in change_sets:
        keys = [change_set.plan.columns.get(column) for column in columns]
        if None in keys:
            continue
        for i, (state, values) in enumerate(zip(change_set.states, change_set.objects, strict=True)):
            if change_set.kind is Kind.DELETE:
                value = tuple([state.original(key) for key in keys])  # type: ignore[arg-type]
            elif change_set.kind is Kind.INSERT or any(key in (state.committed or ()) for key in keys):
                value = tuple([values.get(key) for key in keys])  # type: ignore[arg-type]
            else:
                continue
            if any(part is None or part is NO_VALUE for part in value):
                continue
            try:
                hash(value)
            except TypeError:
                continue
            yield value, (change_set, i)


def _circular(cycle: list[Any]) -> CircularDependencyError:
    objects = [change_set.states[i].describe() for change_set, i in cycle]
    kind = cycle[0][0].kind
    return CircularDependencyError(
        f"No order of {kind.value} statements can satisfy the foreign keys between "
        f"{', '.join(objects[:10])}{', …' if len(objects) > 10 else ''}: each refers to another of them. Make one of "
        f"the foreign keys nullable and set it in a second flush, or declare it deferrable=True, "
        f'initially="DEFERRED".',
        [change_set.states[i] for change_set, i in cycle],
        [],
    )
