"""The flush: find changes → commit order → batches → statements → take over.

::

    find_changes      which objects differ from their rows      changes.py
    commit_order      parents before children, by foreign keys  order.py
    write_inserts …   rows of one shape, in batches             inserting.py, updating.py, deleting.py
    roads             own SQL text, or Core's execute           by_values.py, by_arrays.py, through_core.py
    take_over         keys, states, identity map                takeover.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from .changes import Changes, ChangeSet, Kind, find_changes
from .deleting import write_deletes
from .inserting import write_inserts
from .journal import Journal
from .order import commit_order
from .takeover import take_over
from .updating import write_updates
from .work import Outcome, Work

if TYPE_CHECKING:
    from ..state.instance import InstanceState


def flush(work: Work, only: set[InstanceState] | None = None) -> Outcome:
    """Write what changed to the database.

    If it raises, no state and no identity map has changed, and the objects hold what they held
    before; the transaction is for the caller to roll back.

    :param only: of the modified objects, write only these.
    :raises sqlalchemy.exc.DBAPIError: what the database refused, with a note that names the object.
    :raises FlushError: an object that cannot be written as it is.
    :raises StaleDataError: a row that was to be updated is not there.
    """
    identity_map = work.identity_map
    if not (work.new or work.deleted or identity_map.modified or identity_map.watched):
        return Outcome()
    changes = find_changes(work, only)
    if not changes:
        return Outcome()
    journal = Journal()
    try:
        for change_set in commit_order(changes.change_sets()):
            _write(work, changes, change_set, journal)
    except BaseException:
        journal.undo()
        raise
    return take_over(work, changes, journal)


def _write(work: Work, changes: Changes, change_set: ChangeSet, journal: Journal) -> None:
    mapper = change_set.plan.mapper

    def connect() -> Connection:
        return work.connection_for(mapper)

    if change_set.kind is Kind.INSERT:
        write_inserts(change_set, connect(), journal)
    elif change_set.kind is Kind.UPDATE:
        write_updates(change_set, connect, journal, changes.switched)
    else:
        write_deletes(change_set, connect(), journal)
