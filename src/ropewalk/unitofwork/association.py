"""Rows of association tables, which stand for pairs of objects and have no objects of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, bindparam, delete, insert

from ..exc import StaleDataError
from .errors import explain_association
from .journal import Journal
from .relating import value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .relating import RelationPlan

Pair = tuple["RelationPlan", Any, Any]
Rows = dict[Any, Pair]


class AssociationRows:
    """Pairs whose rows are to be inserted or deleted.

    Both ends of a relationship name the same pair; its row is written once.
    """

    def __init__(self) -> None:
        self._added: list[Pair] = []
        self._removed: list[Pair] = []

    def __bool__(self) -> bool:
        return bool(self._added or self._removed)

    def add(self, relation: RelationPlan, instance: Any, other: Any) -> None:
        self._added.append((relation, instance, other))

    def remove(self, relation: RelationPlan, instance: Any, other: Any) -> None:
        self._removed.append((relation, instance, other))

    def relations(self) -> set[RelationPlan]:
        """Return the relationships that the pairs are of."""
        return {relation for relation, _, _ in self._added}

    def write(self, connect: Callable[[Any, Any], Connection], journal: Journal) -> None:
        """Delete what went and insert what came.

        :param connect: gives the connection for a mapper, and a shard or None.
        :raises StaleDataError: fewer rows were deleted than there should have been.
        """
        for (table, columns, token), rows in _by_table(self._removed, former=True).items():
            connection = connect(_first(rows)[0].prop.parent, token)
            self._delete(table, columns, rows, connection, journal)
        for (table, columns, token), rows in _by_table(self._added, former=False).items():
            connection = connect(_first(rows)[0].prop.parent, token)
            parameters = [dict(zip([c.key for c in columns], row, strict=True)) for row in rows]
            journal.statements += 1
            try:
                connection.execute(insert(table), parameters)
            except Exception as error:
                explain_association(error, "insert", table, list(rows.values()))
                raise

    def _delete(self, table: Any, columns: Any, rows: Rows, connection: Connection, journal: Journal) -> None:
        names = [f"_key_{i}" for i in range(len(columns))]
        found = [c == bindparam(name, type_=c.type) for c, name in zip(columns, names, strict=True)]
        parameters = [dict(zip(names, row, strict=True)) for row in rows]
        journal.statements += 1
        try:
            matched = connection.execute(delete(table).where(and_(*found)), parameters).rowcount
        except Exception as error:
            explain_association(error, "delete", table, list(rows.values()))
            raise
        dialect = connection.dialect
        counts = dialect.supports_sane_rowcount if len(rows) == 1 else dialect.supports_sane_multi_rowcount
        if counts and 0 <= matched != len(rows):
            relation, instance, other = _first(rows)
            raise StaleDataError(
                f"DELETE statement on table {table.name!r} expected to delete {len(rows)} row(s); Only {matched} were "
                f"matched. They stand for {relation.prop}, from {instance._sa_instance_state.describe()} to "
                f"{other._sa_instance_state.describe()}{' and others' if len(rows) > 1 else ''}: another transaction "
                f"has deleted some, or two relationships without back_populates write the same table.",
                relation.prop.parent,
                len(rows),
                matched,
            )


def _first(rows: Rows) -> Pair:
    return next(iter(rows.values()))


def _by_table(pairs: list[Pair], former: bool) -> dict[Any, Rows]:
    """Return the rows of the pairs, each once, by table, columns and shard.

    :param former: the keys that the database has, not those that a flush has just written.
    """
    tables: dict[Any, Rows] = {}
    for relation, instance, other in pairs:
        found = {}
        prop = relation.prop
        for mapper, one, copied in (
            (prop.parent, instance, prop.synchronize_pairs),
            (prop.mapper, other, prop.secondary_synchronize_pairs),
        ):
            state = one._sa_instance_state
            for source, column in copied:
                key = mapper.key_of[source]
                if former and state.pk is not None and key in state.mapper.pk_keys:
                    found[column] = state.identity[state.mapper.pk_keys.index(key)]
                elif former:
                    found[column] = state.original(key)
                else:
                    found[column] = value_of(state, one.__dict__, key)
        columns = tuple(column for column in prop.secondary.columns if column in found)
        rows = tables.setdefault((prop.secondary, columns, instance._sa_instance_state.identity_token), {})
        rows[tuple(found[c] for c in columns)] = relation, instance, other
    return tables
