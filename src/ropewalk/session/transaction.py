"""The session's transaction: one, over the connections of any number of engines.

It is virtual until a statement needs a connection; then the engine's connection joins,
inside a transaction of its own, and leaves when the session's transaction ends. What a
rollback must undo in memory is remembered by state: born in this transaction, deleted in
it, given another key in it.
"""

from __future__ import annotations

import enum
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

from ..exc import InvalidRequestError, PendingRollbackError, ResourceClosedError

if TYPE_CHECKING:
    from sqlalchemy.engine import Transaction

    from ..state.instance import InstanceState
    from .session import Session


class TransactionState(enum.Enum):
    ACTIVE = "active"
    DEACTIVE = "rolled back, awaiting rollback()"
    COMMITTED = "committed"
    CLOSED = "closed"


class SessionTransactionOrigin(enum.Enum):
    """What began a transaction."""

    AUTOBEGIN = 0
    BEGIN = 1
    BEGIN_NESTED = 2
    SUBTRANSACTION = 3


class SessionTransaction:
    """One transaction of a session, or one savepoint within it.

    Returned by ``session.begin()`` and ``session.begin_nested()``; a context manager that
    commits, or rolls back when an exception passes.
    """

    def __init__(self, session: Session, parent: SessionTransaction | None, origin: SessionTransactionOrigin) -> None:
        self.session = session
        self.parent = parent
        self.origin = origin
        self.nested = origin is SessionTransactionOrigin.BEGIN_NESTED
        self.state = TransactionState.ACTIVE
        self.cause: BaseException | None = None
        self._outer_context: SessionTransaction | None = None
        self.connections: dict[Any, tuple[Connection, Transaction, bool, bool]] = {}
        self.born: dict[InstanceState, None] = {}
        self.dirty: dict[InstanceState, None] = {}
        self.deleted: dict[InstanceState, None] = {}
        self.rekeyed: dict[InstanceState, Any] = {}

    @property
    def is_active(self) -> bool:
        return self.state is TransactionState.ACTIVE

    @property
    def closed(self) -> bool:
        return self.state is TransactionState.CLOSED

    def check_active(self) -> None:
        """Refuse to go on after a failed flush, or when it is over."""
        if self.state is TransactionState.ACTIVE:
            return
        if self.state is TransactionState.DEACTIVE:
            raise PendingRollbackError(
                "This session's transaction was rolled back when a flush failed, so whatever came before is undone. "
                "Call session.rollback() to begin anew. The first cause was: "
                f"({type(self.cause).__module__}.{type(self.cause).__qualname__}) {self.cause}",
                code="7s2a",
            ) from self.cause
        raise InvalidRequestError(f"This transaction is {self.state.value}: begin another one with session.begin().")

    def _check_open(self) -> None:
        if self.closed:
            raise ResourceClosedError("This transaction is closed: it was committed or rolled back before.")

    def refuse_after_end(self) -> None:
        """Refuse to begin anew inside a ``with`` block whose own transaction has ended."""
        if self.state is TransactionState.ACTIVE:
            return
        why = "" if self.cause is None else f" It was rolled back because of an error: {self.cause}"
        raise InvalidRequestError(
            f"The transaction of this with block has ended, so nothing more can be done in the session before the "
            f"block does.{why}"
        )

    # -- connections --------------------------------------------------------------------

    def connection(self, bind: Engine | Connection, options: Any = None) -> Connection:
        """Return the connection that serves ``bind`` in this transaction, taking one in if needed."""
        found = self.connections.get(bind)
        if found is not None:
            return found[0]
        for connection, _, _, _ in self.connections.values():
            if connection is bind:
                return connection
        self.check_active()
        owned = False
        if self.parent is not None:
            connection = self.parent.connection(bind, options)
            self.connections[bind] = (connection, connection.begin_nested(), False, True)
            return connection
        if isinstance(bind, Connection):
            connection = bind
        else:
            connection = bind.connect()
            owned = True
        try:
            if owned and options:
                connection = connection.execution_options(**options)
            transaction: Any
            if owned and connection.in_transaction():  # a listener was the first to use it
                transaction, commits = connection.get_transaction(), True
            elif connection.in_transaction():
                transaction, commits = self._join(connection)
            elif self.session.twophase:
                transaction, commits = connection.begin_twophase(), True
            else:
                transaction, commits = connection.begin(), True
        except BaseException:
            if owned:
                connection.close()
            raise
        self.connections[bind] = (connection, transaction, owned, commits)
        return connection

    def _join(self, connection: Connection) -> tuple[Any, bool]:
        """Take part in the transaction that a given connection is in already."""
        mode = self.session.join_transaction_mode
        if mode == "conditional_savepoint":
            mode = "create_savepoint" if connection.in_nested_transaction() else "rollback_only"
        if mode == "create_savepoint":
            return connection.begin_nested(), True
        transaction = connection.get_nested_transaction() or connection.get_transaction()
        if mode == "control_fully":
            return transaction, True
        return transaction, False

    # -- the end ------------------------------------------------------------------------

    def commit(self) -> None:
        """Flush, commit every connection, and let go of them."""
        session = self.session
        self._check_open()
        self._end_inner()
        self.check_active()
        if self.origin is not SessionTransactionOrigin.SUBTRANSACTION:
            session._flush_for_commit()  # where that fails, fail() has been called
        try:
            if self.parent is None and session.twophase:
                for _, transaction, _, commits in list(self.connections.values()):
                    if commits:
                        transaction.prepare()  # type: ignore[attr-defined]
            for _, transaction, _, commits in list(self.connections.values()):
                if commits:
                    transaction.commit()
        except BaseException as err:
            if self.state is TransactionState.ACTIVE:
                self._undo(err)
            self.close()
            raise
        self.state = TransactionState.COMMITTED
        if self.parent is not None:
            self._hand_to_parent(self.parent)
        else:
            session._committed(self)
        self.close()

    def rollback(self) -> None:
        """Roll every connection back and put the objects where the database has them."""
        self._check_open()
        self._end_inner(rollback=True)
        if self.state is TransactionState.ACTIVE:
            self._undo(None)
        self.close()

    def fail(self, cause: BaseException) -> None:
        """Roll back because a flush failed; ``rollback()`` must be called before anything else."""
        if self.state is TransactionState.ACTIVE:
            self._undo(cause)
            self.state = TransactionState.DEACTIVE
            self.cause = cause

    def _undo(self, cause: BaseException | None) -> None:
        first: BaseException | None = None
        for _, transaction, _, _ in list(self.connections.values()):
            try:
                transaction.rollback()
            except BaseException as err:
                if cause is not None:
                    cause.add_note(f"The rollback that followed failed too: {err!r}")
                elif first is None:
                    first = err
        self.session._rolled_back(self)
        self.state = TransactionState.DEACTIVE
        self.cause = cause
        if first is not None:
            self.close()
            raise first

    def _hand_to_parent(self, parent: SessionTransaction) -> None:
        parent.born.update(self.born)
        parent.dirty.update(self.dirty)
        parent.deleted.update(self.deleted)
        for state, old in self.rekeyed.items():
            parent.rekeyed.setdefault(state, old)

    def _end_inner(self, rollback: bool = False) -> None:
        """End the savepoints begun within this transaction first."""
        inner = self.session._transaction
        while inner is not None and inner is not self:
            outer = inner.parent
            if rollback:
                inner.rollback()
            else:
                inner.commit()
            inner = outer

    def close(self) -> None:
        """Give the connections back; whatever was not committed is rolled back."""
        if self.state is TransactionState.CLOSED:
            return
        finished = self.state is TransactionState.COMMITTED
        self.state = TransactionState.CLOSED
        session = self.session
        if session._transaction is self:
            session._transaction = self.parent
            if self.parent is None:
                session._after_transaction()
        for connection, transaction, owned, commits in list(self.connections.values()):
            if owned:
                connection.close()  # which rolls back what has not ended
            elif not finished and commits and transaction.is_active:
                transaction.close()
        self.connections.clear()

    def __enter__(self) -> SessionTransaction:
        self.check_active()
        self._outer_context, self.session._context = self.session._context, self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session._context, self._outer_context = self._outer_context, None
        if kind is None and self.state in (TransactionState.ACTIVE, TransactionState.DEACTIVE):
            try:
                self.commit()
            except BaseException:
                if not self.closed:
                    self.rollback()
                raise
        elif self.state is not TransactionState.CLOSED:
            self.rollback()
