"""DELETE, by key."""

from __future__ import annotations

from sqlalchemy import Connection

from .batches import Batch, send
from .changes import ChangeSet
from .errors import check_matched, refuse_null_keys
from .journal import Journal
from .roads import delete_road
from .updating import parts_to_count
from .versions import present_rows


def write_deletes(change_set: ChangeSet, connection: Connection, journal: Journal) -> None:
    """Delete the rows of a change set."""
    plan = change_set.plan
    shape = plan.delete_shape
    states = change_set.states
    rows = present_rows(plan, states, plan.old_keys(states), journal)
    refuse_null_keys("DELETE", plan, states, rows)
    batch = Batch("delete", shape, shape.columns, states, change_set.objects, rows)
    for part in parts_to_count(batch, connection):
        matched = 0
        for _, _, count in send(part, delete_road, connection, journal):
            matched = -1 if count < 0 or matched < 0 else matched + count
        if plan.mapper.confirm_deleted_rows:
            check_matched("DELETE", part, matched, connection)
