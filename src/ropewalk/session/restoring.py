"""What the end of a transaction does to the session's objects: commit, rollback, release of a savepoint."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..exc import SAWarning
from ..instrumentation.losses import forget_loss
from ..kernel.listening import forget_silent
from ..state.instance import DELETED, DETACHED, PERSISTENT, InstanceState
from ..state.parting import Parting
from . import moves
from .depending import forget_what_depends
from .transaction import SUBTRANSACTION, SessionTransaction

if TYPE_CHECKING:
    from ..state.identity import IdentityMap


class Restoring:
    """The part of a Session that puts objects where the database has them."""

    if TYPE_CHECKING:
        identity_map: IdentityMap
        expire_on_commit: bool
        dispatch: Any
        _new: dict[InstanceState, Any]
        _deleted: dict[InstanceState, Any]
        _first_change: Any
        _heard: Any

        def _is_clean(self) -> bool: ...

    def _committed(self, transaction: SessionTransaction) -> None:
        told = self._detach_deleted(transaction.deleted) if transaction.deleted else ()
        identity_map = self.identity_map
        identity_map.orphans.clear()
        if identity_map.maps and self.expire_on_commit and transaction.origin is not SUBTRANSACTION:
            moves.expire(identity_map.all_states())
        for state in told:
            if (instance := state()) is not None:
                self.dispatch.deleted_to_detached(self, instance)

    def _detach_deleted(self, states: dict[InstanceState, None]) -> list[InstanceState]:
        """Let objects go whose deletion is committed; return those of which somebody wants to know."""
        parting = Parting("the commit of its deletion")
        told = []
        for state in states:
            if state.status == DELETED:
                state.set_extra("was_deleted", True)
                state.owner = None
                state.parting = parting
                if self._heard is not None:
                    told.append(state)
                state.status = DETACHED  # last, so that whoever was interrupted before does all of it again
        return told

    def _rolled_back(self, transaction: SessionTransaction) -> None:
        if transaction.origin is SUBTRANSACTION and not (
            transaction.born or transaction.deleted or transaction.rekeyed
        ):
            return  # a flush of its own took nothing over, so its objects stand as before
        self._restore(transaction)

    def _discard_late_changes(self, transaction: SessionTransaction) -> None:
        """At the rollback() that a failed flush asked for, drop what was done to objects after it."""
        if transaction.origin is not SUBTRANSACTION and not self._is_clean():
            warnings.warn(
                "Objects were added, changed or deleted after this session's transaction had been rolled back, and "
                "before rollback() was called: those changes are dropped.",
                SAWarning,
                stacklevel=4,
            )
            self._restore(transaction)

    def _restore(self, transaction: SessionTransaction | None) -> None:
        """Put every object where the database has it."""
        identity_map = self.identity_map
        born = transaction.born if transaction is not None else {}
        born = {**born, **_loaded_again(identity_map, born)}
        for state, (old, instance) in (transaction.rekeyed if transaction is not None else {}).items():
            if state.owner is identity_map and state.status in (PERSISTENT, DELETED):
                identity_map.remove(state)
                state.pk = old
                if state not in born and state.status == PERSISTENT:  # what was deleted comes in below
                    identity_map.put(state, instance)
        moves.release(self, [*born, *self._new], to_transient=True)  # type: ignore[arg-type]
        if self._heard is not None:
            for instance in self._deleted.values():
                self.dispatch.deleted_to_persistent(self, instance)
        marked = list(self._deleted)  # of which some are deleted, if a flush was interrupted
        self._deleted.clear()
        identity_map.orphans.clear()
        for state in [*(transaction.deleted if transaction is not None else ()), *marked]:
            instance = state()
            if state.status == DELETED and instance is not None:
                state.status = PERSISTENT
                if state.extra:
                    state.extra.pop("was_deleted", None)
                    forget_loss(state)
                identity_map.put(state, instance)
                if self._heard is not None:
                    self.dispatch.deleted_to_persistent(self, instance)
        if transaction is not None and transaction.nested and not transaction.past_objects:
            changed = {
                *transaction.dirty,
                *_loaded_again(identity_map, transaction.dirty),
                *transaction.deleted,
                *identity_map.modified,
                *identity_map.watched,
            }
            moves.expire([state for state in changed if state.status == PERSISTENT])
            removed = {state.mapper for state in (*transaction.deleted, *transaction.rekeyed)}
            forget_what_depends(identity_map, removed.union(state.mapper for state in (*changed, *born)), removed)
        else:
            moves.expire(identity_map.all_states())

    def _after_transaction(self) -> None:
        """Called when the outermost transaction has ended."""
        if self._heard is not None:
            forget_silent(self)
        identity_map = self.identity_map
        if self._first_change is not None and not identity_map.modified:
            identity_map.modified = self._first_change


def _loaded_again(identity_map: IdentityMap, states: Iterable[InstanceState]) -> dict[InstanceState, None]:
    """Return the states that came in place of some whose objects the program had let go of."""
    found: dict[InstanceState, None] = {}
    for state in states:
        if state() is None:
            other = identity_map.map_for(state.mapper, state.identity_token).get(state.pk)
            if other is not None:
                found[other] = None
    return found
