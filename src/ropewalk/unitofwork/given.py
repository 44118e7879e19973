"""Values that the database made and that are wanted in the same flush.

A foreign key may refer to a column that is no primary key and has its value from a default of the
server. What an INSERT brings back of such columns goes into the objects at once; what it leaves is selected.
So is all that ``eager_defaults=True`` asks for, where a statement cannot bring it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, select, tuple_

from .plan import Row, TablePlan

if TYPE_CHECKING:
    from .batches import Batch
    from .dependencies import Dependencies
    from .journal import Journal

_MOST = 500  # rows in one SELECT


def sources_of(dependencies: Dependencies) -> frozenset[str]:
    """Return the names of the attributes that relationships hand on in this flush."""
    relations = {relation for _, relation in dependencies.copies}
    relations |= {copies.relation for copies in dependencies.late}
    found = {giver for relation in relations for giver, _ in relation.pairs}
    for relation in dependencies.associations.relations():
        prop = relation.prop
        for column, _ in (*prop.synchronize_pairs, *(prop.secondary_synchronize_pairs or ())):
            found |= {m.key_of[column] for m in (prop.parent, prop.mapper) if column in m.key_of}
    return frozenset(found)


def fetch_now(
    plan: TablePlan,
    columns: Iterable[Column[Any]],
    batch: Batch,
    connection: Connection,
    journal: Journal,
    at_once: bool = True,
) -> None:
    """Select columns of rows that were just written, for their objects.

    :param at_once: put the values into the objects now, and not when the flush is over.
    """
    pk, columns = plan.pk_columns, list(columns)
    keys = [tuple([values[key] for key in plan.pk_keys]) for values in batch.objects]
    found: dict[Row, Row] = {}
    for start in range(0, len(keys), _MOST):
        part = keys[start : start + _MOST]
        among = pk[0].in_([key for (key,) in part]) if len(pk) == 1 else tuple_(*pk).in_(part)
        journal.statements += 1
        for row in connection.execute(select(*pk, *columns).where(among)):
            found[tuple(row[: len(pk)])] = tuple(row[len(pk) :])
    for place, column in enumerate(columns):
        values = [found[key][place] if key in found else None for key in keys]
        if at_once:
            journal.fill(plan.columns[column], batch.objects, values, replaces=True)
        else:
            journal.fetched(plan.columns[column], batch.objects, values)
