"""The session's transaction: one, over the connections of any number of engines.

It is virtual until a statement needs a connection; then the engine's connection joins (``enlisting.py``),
inside a transaction of its own, and leaves when the session's transaction ends (``ending.py``). What a
rollback must undo in memory is remembered by state: born in this transaction, deleted in it, given another
key in it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

from ..exc import IllegalStateChangeError, InvalidRequestError, PendingRollbackError, ResourceClosedError
from .callbacks import run_callbacks
from .ending import commit_all, give_back, has_committed, prepare_all, roll_back_all
from .enlisting import Entry, enlist
from .holders import Place
from .retrying import mark_committed
from .running import calls_of
from .undone import described, settle_doubts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..state.instance import InstanceState
    from .session import Session


class TransactionState(enum.Enum):
    ACTIVE = "active"
    PREPARED = "prepared"
    DEACTIVE = "rolled back, awaiting rollback()"
    COMMITTED = "committed"
    CLOSED = "closed"


class SessionTransactionOrigin(enum.Enum):
    """What began a transaction."""

    AUTOBEGIN = 0
    BEGIN = 1
    BEGIN_NESTED = 2
    SUBTRANSACTION = 3


# A member of an Enum is found by a method call on Python 3.11, and each transaction asks a dozen times.
ACTIVE, PREPARED, DEACTIVE, COMMITTED, CLOSED = TransactionState
AUTOBEGIN, BEGIN, BEGIN_NESTED, SUBTRANSACTION = SessionTransactionOrigin


class SessionTransaction:
    """One transaction of a session, or one savepoint within it.

    Returned by ``session.begin()`` and ``session.begin_nested()``; a context manager that
    commits, or rolls back when an exception passes.

    :ivar session: whose it is.
    :ivar parent: what it is nested in, or None for the outermost.
    :ivar nested: whether it is a savepoint.
    :ivar origin: what began it.
    :ivar execution_options: for the connections that it takes, beside those of the session.
    :ivar is_subtransaction: whether it only takes part in the transaction around it (``begin(subtransactions=True)``).
    """

    # What most transactions never need stands here.
    callbacks: list[Callable[[], Any]] | None = None  # to be called when all is committed
    cause: BaseException | None = None  # of its rollback
    by_itself = False  # whether that was the database's doing
    doubts: dict[Connection, BaseException] | None = None  # which errors may have aborted it in the database
    past_objects = False  # whether a savepoint has seen statements that wrote rows past the session's objects
    taken: Place | None = None  # when and where the first connection was
    finished = False  # committed, whatever came after
    _with_outer = False  # whether it is rolled back as a part of what is around it
    _restored = False  # objects have been put back
    _gone = False  # connections have been given back
    _doing = ""  # what is under way and must not be interrupted by another such call
    _outer_context: SessionTransaction | None = None

    def __init__(
        self,
        session: Session,
        parent: SessionTransaction | None,
        origin: SessionTransactionOrigin,
        execution_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.session = session
        self.parent = parent
        self.origin = origin
        self.nested = origin is BEGIN_NESTED
        self.is_subtransaction = parent is not None and not self.nested
        self.state = ACTIVE
        self.execution_options = execution_options
        self.committed: list[Any] = []  # the connections that have committed
        self._connections: dict[Any, Entry] = {}
        self.born: dict[InstanceState, None] = {}
        self.dirty: dict[InstanceState, None] = {}
        self.deleted: dict[InstanceState, None] = {}
        self.rekeyed: dict[InstanceState, tuple[Any, Any]] = {}  # → the key before, and the object: it must not go
        if parent is not None and self.is_subtransaction:  # part of it in all but its end
            self._connections = parent._connections
            self.born, self.dirty = parent.born, parent.dirty
            self.deleted, self.rekeyed = parent.deleted, parent.rekeyed

    @property
    def _parent(self) -> SessionTransaction | None:  # the name in the field's recipe for tests in a savepoint
        return self.parent

    @property
    def is_active(self) -> bool:
        """Whether work can be done in it."""
        return self.state is ACTIVE

    @property
    def closed(self) -> bool:
        return self.state is CLOSED

    # -- what may be done when --------------------------------------------------------------

    def check_active(self) -> None:
        """Refuse to go on after a failed flush, or when it is over."""
        state = self.state
        if state is ACTIVE:
            return
        if state is not DEACTIVE:
            raise InvalidRequestError(
                f"This session's transaction is {state.value}, so no statement can be sent in it any more"
                + (
                    ": end it with commit() or rollback()."
                    if state is PREPARED
                    else ". What is to follow belongs into the next one, which begins once this call has returned."
                )
            )
        if self.by_itself and self.cause is not None:
            raise PendingRollbackError(
                "The database has rolled back this session's whole transaction by itself, savepoints included, when a "
                "statement failed. Call session.rollback(), then do all of its work again; session.run() does that by "
                f"itself. The statement's error was: {described(self.cause)}",
                code="7s2a",
            ) from self.cause
        if self.session._context is self:
            self.refuse_after_end()
        if self._doing:
            raise InvalidRequestError(
                "This session's transaction is being rolled back, so no statement can be sent in it any more. What is "
                "to follow belongs into the next one, which begins once this call has returned."
            )
        if self.cause is None:
            raise PendingRollbackError(
                "A transaction within this session's transaction was rolled back, which undid all of it. Call "
                "session.rollback() to begin anew.",
                code="8s2a",
            )
        raise PendingRollbackError(
            "This session's transaction was rolled back when a flush failed, so whatever came before is undone. "
            "Call session.rollback() to begin anew. The first cause was: "
            f"{described(self.cause)}",
            code="7s2a",
        ) from self.cause

    def _check_open(self, what: str) -> None:
        if self.state is CLOSED:
            raise ResourceClosedError("This transaction is closed: it was committed or rolled back before.")
        if self._doing or self.session._flushing:
            self.check_idle(what, 1)

    def check_idle(self, what: str, itself: int = 0) -> None:
        """Refuse a call that would end the transaction while another one is at it.

        :param itself: how many of the calls under way are this one.
        """
        doing = "flush()" if self.session._is_writing_in(self) else self._doing
        if doing == "flush()" or (doing and calls_of(_ENDING, self) > itself):
            raise IllegalStateChangeError(
                f"{what} was called while {doing} of the same session is under way, which it would pull the ground "
                f"from under. A listener, a property or a type that runs there must leave the transaction alone: let "
                f"it raise an exception to have all rolled back."
            )

    def refuse_after_end(self) -> None:
        """Refuse to do more inside a ``with`` block whose own transaction has ended."""
        if self.state is ACTIVE:
            return
        cause = self.cause
        if cause is not None:
            why = (
                f" Let an error leave the block, or try what may fail in a session.begin_nested() block. It was rolled "
                f"back because of this one: {cause}"
            )
        elif self.finished:
            why = " It was committed inside the block, whose end does that by itself."
        else:
            why = " It was rolled back or closed inside the block."
        raise PendingRollbackError(
            f"The transaction of this with block has ended, so nothing more can be done in the session before the "
            f"block does.{why}"
        ) from cause

    # -- connections --------------------------------------------------------------------

    @property
    def connections(self) -> frozenset[Connection]:
        """The connections that take part, or took part; a savepoint's are those used since it began."""
        return frozenset(entry.connection for entry in self._connections.values())

    def bound_connection(self, bind_key: Any = None, **bind_arguments: Any) -> Connection:
        """Return the connection that takes part for a mapper, as ``session.connection()`` would; none is taken.

        :raises InvalidRequestError: there is none yet.
        """
        bind = self.session.get_bind(bind_key, **bind_arguments)
        entry = self._connections.get(bind)
        if entry is None:
            raise InvalidRequestError(f"This transaction has not acquired a connection to {bind!r} so far.")
        return entry.connection

    def connection(self, bind: Engine | Connection, options: Mapping[str, Any] | None = None) -> Connection:
        """Return the connection that serves ``bind`` in this transaction, taking one in if needed."""
        self.check_active()
        return enlist(self, bind, options)

    # -- the end ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Flush, and have every database promise that it can commit; ``commit()`` or ``rollback()`` must follow.

        :raises InvalidRequestError: the session has no ``twophase=True``, or this is a savepoint.
        """
        if self.parent is not None or not self.session.twophase:
            raise InvalidRequestError(
                "Only the outermost transaction of a session with twophase=True can be prepared: make it with "
                "Session(twophase=True)."
            )
        self._check_open("prepare()")
        self.check_active()
        self._doing = "prepare()"
        try:
            self._prepare()
        finally:
            self._doing = ""

    def _prepare(self) -> None:
        session = self.session
        if session._transaction is not self:
            self._finish_inner()
        if session._heard is not None and not self.is_subtransaction:
            self.tell("before_commit", None)
        if self.origin is not SUBTRANSACTION or self.parent is not None:
            if not session._is_clean():
                session._flush_for_commit()  # where that fails, fail() has been called
        if self.doubts:
            settle_doubts(self)
        if self.parent is None and session.twophase and self._connections:
            try:
                prepare_all(self)
            except BaseException as err:
                self._undo(err)
                self.let_go(cause=err)
                raise
        self.state = PREPARED

    def commit(self) -> None:
        """Flush, commit every connection, and let go of them.

        :raises CommitOutcomeUnknown: the connection was lost before the database had answered.
        """
        if self.state is not ACTIVE or self._doing or self.session._flushing:
            self._check_open("commit()")
            if self.state is not PREPARED:
                self.check_active()
        failure: BaseException | None = None
        self._doing = "commit()"
        try:
            if self.state is not PREPARED:
                self._prepare()
            if self._connections and not self.is_subtransaction:
                try:
                    commit_all(self)
                except BaseException as err:
                    if not has_committed(self):
                        self._undo(err)
                        self.let_go(cause=err)
                        raise
                    failure = err  # an interrupt that came too late
            self.finished = True
            self.state = COMMITTED
            try:
                if self.session._heard is not None and not self.is_subtransaction:
                    self.tell("after_commit", None)
            except BaseException as err:  # which changes nothing about what the database has
                failure = failure or err
            try:
                self._settle()
            except BaseException as err:
                failure = failure or err
                with suppress(BaseException):
                    self._settle()  # to its end
            finally:
                try:
                    self.let_go(cause=failure)
                except BaseException as err:
                    failure = failure or err
        finally:
            self._doing = ""
        if self.callbacks and self.parent is None:
            failure = run_callbacks(self.callbacks, failure)
        if failure is not None:
            if self.parent is None:
                mark_committed(failure)
            raise failure

    def _settle(self) -> None:
        """Make known to the objects that what was flushed is committed."""
        if self.parent is None:
            self.session._committed(self)
        elif self.nested:
            self._hand_to_parent(self.parent)

    def rollback(self) -> None:
        """Roll every connection back and put the objects where the database has them."""
        self._check_open("rollback()")
        self._doing = "rollback()"
        try:
            self._finish_inner(rollback=True)
            if self.is_subtransaction:
                self._deactivate_around(self.cause)
            elif self.finished or has_committed(self):  # and interrupted before that was known to the objects
                self._settle()
            elif self.state is not DEACTIVE or not self._restored:
                self._undo(None)
            else:
                self.session._discard_late_changes(self)
        finally:
            self._doing = ""
        self.let_go()
        self.tell("after_soft_rollback", None, self)

    def fail(self, cause: BaseException) -> None:
        """Roll back because a flush failed; ``rollback()`` must be called before anything else."""
        if self.is_subtransaction:
            self._deactivate_around(cause)
        elif self._is_to_be_undone():
            self._undo(cause)

    def give_up(self, cause: BaseException) -> None:
        """Note that the database has rolled it back by itself; ``rollback()`` must be called before anything else."""
        self.state, self.cause, self.by_itself = DEACTIVE, cause, True

    def _is_to_be_undone(self) -> bool:
        """Whether it is at work, or was rolled back by the database alone."""
        return self.state is ACTIVE or (self.state is DEACTIVE and not self._restored)

    def _deactivate_around(self, cause: BaseException | None) -> None:
        """Roll back the transaction that this one is a part of, up to a savepoint."""
        whole: SessionTransaction = self
        while whole.is_subtransaction and whole.parent is not None:
            whole.state, whole.cause = DEACTIVE, cause
            whole = whole.parent
        if whole._is_to_be_undone():
            whole._undo(cause)

    def _undo(self, cause: BaseException | None) -> None:
        """Roll back, in the databases and in memory; what fails on the way is told, after all has been tried."""
        first = roll_back_all(self, cause)
        self.state = DEACTIVE
        self.cause = cause
        try:
            self.tell("after_rollback", cause or first)
        except BaseException as err:
            first = err
        if self._with_outer and self.parent is not None:
            self._hand_to_parent(self.parent)
        else:
            self.session._rolled_back(self)
        self._restored = True
        if first is not None:
            self.let_go(cause=first)
            raise first

    def _hand_to_parent(self, parent: SessionTransaction) -> None:
        parent.born.update(self.born)
        parent.dirty.update(self.dirty)
        parent.deleted.update(self.deleted)
        parent.past_objects |= self.past_objects
        for state, before in self.rekeyed.items():
            parent.rekeyed.setdefault(state, before)
        if self.callbacks:
            parent.callbacks = [*(parent.callbacks or ()), *self.callbacks]

    def tell(self, event: str, cause: BaseException | None, *arguments: Any) -> None:
        """Call those who listen to an event of the session.

        :param cause: an error that is on its way already; one of a listener is a note on it.
        """
        session = self.session
        if session._heard is None:
            return
        try:
            getattr(session.dispatch, event)(session, *arguments)
        except BaseException as err:
            if cause is None:
                raise
            cause.add_note(f"A listener to {event} failed too: {err!r}")

    def _finish_inner(self, rollback: bool = False) -> None:
        """End the savepoints begun within this transaction first."""
        inner = self.session._transaction
        if inner is self:
            return
        if not self.is_around(inner):
            raise InvalidRequestError("This transaction is none of its session's any more: another one has begun.")
        while inner is not None and inner is not self:
            outer = inner.parent
            if rollback:
                inner._with_outer = True  # which restores the objects once, and loses no values of new ones on the way
                inner.rollback()
            else:
                inner.commit()
            inner = outer

    def is_around(self, inner: SessionTransaction | None) -> bool:
        """Whether another transaction is within this one, or this one itself."""
        while inner is not None and inner is not self:
            inner = inner.parent
        return inner is self

    def close(self, invalidate: bool = False) -> None:
        """Give the connections back; whatever was not committed is rolled back. Objects stay as they are.

        :param invalidate: throw the connections away.
        """
        if not self._gone:
            self.check_idle("close()")
        self.let_go(invalidate)

    def let_go(self, invalidate: bool = False, cause: BaseException | None = None) -> None:
        """Give the connections back, as its last act.

        :param invalidate: throw the connections away.
        :param cause: an error that is on its way already.
        """
        if self._gone:
            return
        was_prepared, self.state = self.state is PREPARED, CLOSED
        session = self.session
        try:
            if was_prepared and invalidate:
                roll_back_all(self, cause)  # or it would outlive its connection
            if self._connections and not self.is_subtransaction:
                give_back(self, self.finished, invalidate)
        finally:
            # Last, so that whoever was interrupted before finds it here and can close it again.
            if session._transaction is self or self.is_around(session._transaction):  # a listener began another
                session._transaction = self.parent
            if self.parent is None:
                session._after_transaction()
            self._gone = True
        if session._heard is not None:
            self.tell("after_transaction_end", cause, self)

    def __enter__(self) -> SessionTransaction:
        self.check_active()
        self._outer_context, self.session._context = self.session._context, self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session._context, self._outer_context = self._outer_context, None
        if error is not None and self.finished and self.parent is None:
            mark_committed(error)  # the block has committed by itself before it failed
        if kind is None and self.state is not COMMITTED and self.state is not CLOSED:
            try:
                self.commit()
            except BaseException:
                if not self.closed:
                    self.rollback()
                raise
        elif self.state is not CLOSED:
            if error is None:
                self.rollback()
                return
            try:
                self.rollback()
            except Exception as err:  # the first cause is the one to tell
                error.add_note(f"The rollback that followed failed too: {err!r}")


_ENDING = frozenset(
    method.__code__ for method in (SessionTransaction.commit, SessionTransaction.rollback, SessionTransaction.prepare)
)
