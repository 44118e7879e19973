"""Rows of association tables, which stand for pairs of objects and have no objects of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, TableClause, and_, bindparam, delete, insert, update

from ..exc import InvalidRequestError, StaleDataError
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
        self._rekeyed: list[Pair] = []

    def __bool__(self) -> bool:
        return bool(self._added or self._removed or self._rekeyed)

    def add(self, relation: RelationPlan, instance: Any, other: Any) -> None:
        self._added.append((relation, instance, other))

    def remove(self, relation: RelationPlan, instance: Any, other: Any) -> None:
        self._removed.append((relation, instance, other))

    def rekey(self, relation: RelationPlan, instance: Any, other: Any) -> None:
        """The row of a pair follows a key that changed."""
        self._rekeyed.append((relation, instance, other))

    def relations(self) -> set[RelationPlan]:
        """Return the relationships that the pairs are of."""
        return {relation for relation, _, _ in self._added}

    def write(self, connect: Callable[[Any, Any], Connection], journal: Journal) -> None:
        """Delete what went, let what stays follow its keys, and insert what came.

        :param connect: gives the connection for a mapper, and a shard or None.
        :raises StaleDataError: fewer rows were deleted than there should have been.
        """
        for (table, columns, token), rows in _by_table(self._removed, former=True).items():
            connection = connect(_first(rows)[0].prop.parent, token)
            self._delete(table, columns, rows, connection, journal)
        for (table, columns, token), rows in _by_table(self._rekeyed, former=True).items():
            connection = connect(_first(rows)[0].prop.parent, token)
            self._update(table, columns, rows, connection, journal)
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
        names, found = _found_by(columns)
        parameters = [dict(zip(names, row, strict=True)) for row in rows]
        _change("delete", delete(table).where(found), parameters, rows, connection, journal)

    def _update(self, table: Any, columns: Any, rows: Rows, connection: Connection, journal: Journal) -> None:
        names, found = _found_by(columns)
        names += [f"_new_{i}" for i in range(len(columns))]
        values = {c.key: bindparam(name, type_=c.type) for c, name in zip(columns, names[len(columns) :], strict=True)}
        parameters = []
        for old, pair in rows.items():
            new = _values(pair, former=False)
            parameters.append(dict(zip(names, [*old, *[new[c] for c in columns]], strict=True)))
        _change("update", update(table).where(found).values(values), parameters, rows, connection, journal)


def _found_by(columns: Any) -> tuple[list[str], Any]:
    """Return the names of parameters, and the condition, by which a row is found."""
    names = [f"_key_{i}" for i in range(len(columns))]
    return names, and_(*[c == bindparam(name, type_=c.type) for c, name in zip(columns, names, strict=True)])


def _change(
    verb: str, statement: Any, parameters: list[Any], rows: Rows, connection: Connection, journal: Journal
) -> None:
    """Delete or update rows, and count them."""
    table = statement.table
    journal.statements += 1
    try:
        matched = connection.execute(statement, parameters).rowcount
    except Exception as error:
        explain_association(error, verb, table, list(rows.values()))
        raise
    dialect = connection.dialect
    counts = dialect.supports_sane_rowcount if len(rows) == 1 else dialect.supports_sane_multi_rowcount
    if counts and 0 <= matched != len(rows):
        relation, instance, other = _first(rows)
        raise StaleDataError(
            f"{verb.upper()} statement on table {table.name!r} expected to {verb} {len(rows)} row(s); Only {matched} "
            f"were matched. They stand for {relation.prop}, from {instance._sa_instance_state.describe()} to "
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
    for pair in pairs:
        found = _values(pair, former)
        secondary = pair[0].prop.secondary
        columns = tuple(column for column in secondary.columns if column in found)
        if not isinstance(secondary, TableClause):
            raise InvalidRequestError(
                f"{pair[0].prop} cannot be written: its association is {type(secondary).__name__}, and rows go into "
                f"tables. Declare it viewonly=True, and map the tables between as classes to write them."
            )
        rows = tables.setdefault((secondary, columns, pair[1]._sa_instance_state.identity_token), {})
        rows[tuple(found[c] for c in columns)] = pair
    return tables


def _values(pair: Pair, former: bool) -> dict[Any, Any]:
    """Return what the row of a pair holds, by column."""
    relation, instance, other = pair
    prop = relation.prop
    found = {}
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
    return found
