"""The flush: find changes → commit order → batches → statements → take over.

::

    find_changes      which objects differ from their rows      changes.py
    settle_orphans    which others go with those that go        orphans.py
    find_dependencies what relationships ask for                dependencies.py, relating.py
    meet_existing_…   new objects that take over a row          changes.py
    commit_order      parents before children, by foreign keys  order.py
    Synchronizer      keys of parents to their children         synchronize.py
    write_inserts …   rows of one shape, in batches             inserting.py, updating.py, deleting.py
    roads             own SQL text, or Core's execute           by_values.py, by_arrays.py, through_core.py
    fetch_now         values the database made, as others need them  given.py
    write_late_keys   rows that refer to one another            late.py
    associations      rows that stand for pairs of objects      association.py
    take_over         keys, states, identity map                takeover.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from ..kernel.listening import anybody
from .changes import Changes, ChangeSet, Kind, find_changes, meet_existing_rows
from .deleting import write_deletes
from .dependencies import Dependencies, find_dependencies
from .given import sources_of
from .inserting import write_inserts
from .journal import Journal
from .late import clear_before_deletes, write_late_keys
from .order import commit_order
from .orphans import settle_orphans
from .synchronize import Synchronizer, hand_on_known_keys, make_known
from .takeover import take_over
from .told import is_told, write_told
from .updating import write_updates
from .upserting import write_inserts_and_upserts
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
    lost: list[InstanceState] = []
    dependencies: Dependencies | None = None
    if changes.are_related():
        lost = settle_orphans(work, changes)
        dependencies = find_dependencies(work, changes)
    if not changes:
        outcome = Outcome()
        outcome.lost = lost
        return outcome
    journal = Journal()
    try:
        if work.starting is not None:
            work.starting(changes.held)
        if dependencies is not None:
            hand_on_known_keys(dependencies, journal)
        if work.new:
            meet_existing_rows(work, changes)
        order = commit_order(changes.change_sets(), dependencies)
        if dependencies is None:
            for change_set in order:
                _write(work, changes, change_set, journal)
        else:
            _write_related(work, changes, order, dependencies, journal)
        if work.written is not None:
            work.written()
    except BaseException:
        journal.undo()
        raise
    finally:
        if work.identity_map.home.upserts:
            work.identity_map.home.forget_upserts(work.new)
    outcome = take_over(work, changes, journal)
    if lost:
        outcome.lost = lost
    return outcome


def _write_related(
    work: Work, changes: Changes, order: list[ChangeSet], dependencies: Dependencies, journal: Journal
) -> None:
    """Write rows that get keys from one another, and what lies between rows: association rows, late keys."""
    synchronizer = Synchronizer(dependencies, order, journal)
    journal.sources = sources_of(dependencies)
    saves = [change_set for change_set in order if change_set.kind is not Kind.DELETE]
    for change_set in saves:
        synchronizer.before(change_set)
        _write(work, changes, change_set, journal)
    if dependencies.late:
        write_late_keys(dependencies, work.connection_at, journal)
    for copies in dependencies.known:
        make_known(copies, journal)
    if dependencies.associations:
        dependencies.associations.write(work.connection_at, journal)
    if dependencies.before_delete:
        clear_before_deletes(dependencies, work.connection_at, journal)
    for change_set in order[len(saves) :]:
        _write(work, changes, change_set, journal)


def _write(work: Work, changes: Changes, change_set: ChangeSet, journal: Journal) -> None:
    plan = change_set.plan

    def connect() -> Connection:
        return work.connection_at(plan.mapper, plan.token)

    if (plan.mapper.tells_rows or anybody.refresh_flush) and is_told(plan.mapper):
        write_told(work, change_set, connect, journal, lambda: _send(work, changes, change_set, connect, journal))
    else:
        _send(work, changes, change_set, connect, journal)


def _send(
    work: Work, changes: Changes, change_set: ChangeSet, connect: Callable[[], Connection], journal: Journal
) -> None:
    if change_set.kind is Kind.INSERT:
        upserts = work.identity_map.home.upserts
        if upserts:
            write_inserts_and_upserts(change_set, connect(), journal, upserts)
        else:
            write_inserts(change_set, connect(), journal)
    elif change_set.kind is Kind.UPDATE:
        write_updates(change_set, connect, journal, changes.switched)
    else:
        write_deletes(change_set, connect(), journal)
