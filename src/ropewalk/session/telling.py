"""How a Session tells of objects that come and go, and of flushes. Nothing here runs while nobody listens."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..state.instance import DELETED, PENDING, PERSISTENT, InstanceState
from ..unitofwork.told import FlushContext
from .transaction import CLOSED, SUBTRANSACTION, SessionTransaction

if TYPE_CHECKING:
    from ..unitofwork.work import Outcome, Work
    from .session import Session


def attaching(session: Session, state: InstanceState, instance: Any) -> None:
    """An object is about to come in."""
    session._autobegin()
    session.dispatch.before_attach(session, instance)


def attached(session: Session, state: InstanceState, instance: Any) -> None:
    """An object has come in."""
    dispatch = session.dispatch
    dispatch.after_attach(session, instance)
    if state.pk is None:
        dispatch.transient_to_pending(session, instance)
    else:
        dispatch.detached_to_persistent(session, instance)


def left(session: Session, instance: Any, before: int, to_transient: bool) -> None:
    """An object has left.

    :param before: the status that it had.
    """
    if instance is None:
        return
    dispatch = session.dispatch
    if before == PERSISTENT:
        if to_transient:
            dispatch.persistent_to_transient(session, instance)
        else:
            dispatch.persistent_to_detached(session, instance)
    elif before == DELETED:
        dispatch.deleted_to_detached(session, instance)
    elif before == PENDING:
        dispatch.pending_to_transient(session, instance)


class FlushListeners:
    """Those who listen to one flush of a session."""

    def __init__(self, session: Session, objects: Iterable[Any] | None) -> None:
        self.session = session
        self.objects = objects
        self.context = FlushContext(session)
        self._part: SessionTransaction | None = None
        self._changed: Mapping[InstanceState, Any] = {}

    def before(self) -> None:
        self.session.dispatch.before_flush(self.session, self.context, self.objects)

    def attend(self, transaction: SessionTransaction, work: Work) -> None:
        """Have the flush say when it starts, and when all is written."""
        context = self.context
        context.see(work)
        work.context = context
        work.starting = functools.partial(self.starting, transaction)
        work.written = self.written

    def starting(self, transaction: SessionTransaction, changed: Mapping[InstanceState, Any]) -> None:
        """There is something to do; the flush is a part of the transaction, and told of like one."""
        self._changed = changed  # of deleted ones is told after the flush, when nobody else may hold them
        self._part = part = SessionTransaction(self.session, transaction, SUBTRANSACTION)
        self.session.dispatch.after_transaction_create(self.session, part)

    def written(self) -> None:
        """All statements were sent, and nothing was taken over yet."""
        self.session.dispatch.after_flush(self.session, self.context)

    def taken_over(self, outcome: Outcome, deleted: Mapping[InstanceState, Any]) -> None:
        """The objects have their new states."""
        session, dispatch = self.session, self.session.dispatch
        for state in outcome.deleted:
            instance = deleted.get(state) or state()
            if instance is not None:
                dispatch.persistent_to_deleted(session, instance)
        for state in outcome.inserted:
            dispatch.pending_to_persistent(session, state())

    def over(self) -> None:
        """The session has done its own part."""
        if self._part is not None:
            self.session.dispatch.after_flush_postexec(self.session, self.context)

    def end(self, cause: BaseException | None) -> None:
        """The flush has ended in whatever way."""
        if self._part is not None:
            self._part.state = CLOSED
            self._part.tell("after_transaction_end", cause, self._part)
            if cause is not None:
                self._part.tell("after_soft_rollback", cause, self._part)
