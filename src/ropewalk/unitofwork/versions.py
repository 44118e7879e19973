"""Optimistic locking: a column that counts, or otherwise tells, the versions of a row.

An UPDATE or DELETE finds its row by key *and* version; whoever comes second with an old version matches none,
and gets a StaleDataError in place of overwriting what the first one wrote. (Pattern: Fowler, *Patterns of
Enterprise Application Architecture*, "Optimistic Offline Lock".)

A new version is made in Python (the next number, or ``version_id_generator``), by the database
(``version_id_generator=False`` and a column that it fills, such as PostgreSQL's ``xmin``), or set by the program.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Table, select, tuple_

from ..exc import FlushError, SAWarning
from ..kernel.symbols import NO_VALUE
from ..mapping.behind import columns_behind

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..state.instance import InstanceState
    from .batches import Batch
    from .journal import Journal
    from .plan import Row, TablePlan, Values


class Version:
    """The version column of one mapper.

    :ivar generate: makes the next version from the last, None before the first; or is None where the database or
        the program does it.
    :ivar by_server: whether the database fills the column.
    """

    __slots__ = ("by_server", "column", "generate", "key")

    def __init__(self, column: Column[Any], key: str, generate: Callable[[Any], Any] | None) -> None:
        self.column = column
        self.key = key
        self.generate = generate
        default: Any = column.default
        self.by_server = generate is None and (
            column.server_default is not None
            or column.server_onupdate is not None
            or (default is not None and not (default.is_scalar or default.is_callable))
        )


def version_of(mapper: Mapper[Any], table: Table, columns: dict[Column[Any], str]) -> Version | None:
    """Return the version column that stands in a table, or None."""
    column = mapper.version_id_col
    if column is None:
        return None
    if column.table is not table:  # of a class mapped to a SELECT, the column behind
        key = mapper.key_of[column]
        column = next((own for own in columns_behind(column) if columns.get(own) == key), None)
    if column is None or column not in columns:
        return None
    return Version(column, columns[column], mapper.version_id_generator or None)


def last_version(state: InstanceState, version: Version) -> Any:
    """Return the version that an object was loaded with, from the database where it has none."""
    found = state.original(version.key)
    if found is NO_VALUE:
        instance = state()
        found = None if instance is None else getattr(instance, version.key)
    return found


def with_versions(
    version: Version, old_keys: Callable[[Iterable[Any]], list[Row]]
) -> Callable[[Iterable[Any]], list[Row]]:
    """Return what gives keys and versions, as tuples, that the rows of some states have in the database."""

    def read(states: Iterable[Any]) -> list[Row]:
        states = list(states)
        found = [(*row, last_version(state, version)) for row, state in zip(old_keys(states), states, strict=True)]
        for row, state in zip(found, states, strict=True):
            if row[-1] is None:
                raise no_version(state, version)
        return found

    return read


def present_rows(plan: TablePlan, states: Sequence[InstanceState], rows: list[Row], journal: Journal) -> list[Row]:
    """Return the rows to find with the versions that this flush has given them, where it has done so."""
    version = plan.version
    if version is None or not journal.updated:
        return rows
    return [
        (*row[:-1], state.dict[version.key]) if state in journal.updated else row
        for state, row in zip(states, rows, strict=True)
    ]


def first_versions(version: Version, objects: list[Values], states: list[InstanceState], journal: Journal) -> None:
    """Give new objects their first version."""
    if version.generate is not None:
        journal.fill(version.key, objects, [version.generate(None) for _ in objects], replaces=True)
    elif not version.by_server:
        refuse_no_version(version, objects, states)


def refuse_no_version(version: Version, objects: Iterable[Values], states: Iterable[InstanceState]) -> None:
    """Raise for an object that would be written without a version."""
    for values, state in zip(objects, states, strict=True):
        if values.get(version.key) is None:
            raise no_version(state, version)


def no_version(state: InstanceState, version: Version) -> FlushError:
    return FlushError(
        f"{state.describe()} has no version: its attribute {version.key!r} is NULL, which no comparison finds. Set it, "
        f"or let one be made with version_id_generator or a default of {version.column}."
    )


def fetch_versions(plan: TablePlan, batch: Batch, connection: Connection, journal: Journal) -> None:
    """Read the versions that the database has just given to rows; nobody else can change them before we commit."""
    version = plan.version
    assert version is not None
    pk = plan.pk_columns
    keys = [tuple([_by_now(state, key) for key in plan.pk_keys]) for state in batch.states]
    found: dict[Row, Any] = {}
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        among = pk[0].in_([key for (key,) in part]) if len(pk) == 1 else tuple_(*pk).in_(part)
        journal.statements += 1
        for *key, value in connection.execute(select(*pk, version.column).where(among)):
            found[tuple(key)] = value
    values = [found.get(key) for key in keys]
    journal.fill(version.key, batch.objects, values, replaces=True)


def _by_now(state: InstanceState, key: str) -> Any:
    return state.dict.get(key, state.original(key))


def cannot_verify(verb: str, connection: Connection) -> None:
    """Warn that this driver does not tell how many rows matched."""
    warnings.warn(
        f"The driver of dialect {connection.dialect.name!r} does not tell how many rows {verb} has matched, so "
        f"versions cannot be compared: another transaction's changes may be overwritten.",
        SAWarning,
        stacklevel=2,
    )
