"""Expired objects that are deleted: they are read once more, while their rows are there.

Afterwards nobody can, and a program may go on with what it has deleted: show its name, log it, make it
transient and add it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..exc import ObjectDeletedError
from ..state.instance import InstanceState

if TYPE_CHECKING:
    from .session import Session

_is_expired = attrgetter("expired")


def read_before_deletion(session: Session, deleted: Mapping[InstanceState, Any]) -> None:
    """Read those of the objects to be deleted that hold nothing; those that came together by one statement."""
    if True not in map(_is_expired, deleted):
        return
    for state, instance in list(deleted.items()):
        if state.expired and (key := state.mapper.pk_keys[0]) not in instance.__dict__:
            try:
                session.load_attribute(state, instance, key)
            except ObjectDeletedError:
                pass  # the DELETE that meets no row tells of it
