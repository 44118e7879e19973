"""What a Session offers around its transaction: begin, commit, rollback, savepoints, close, run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..exc import ArgumentError, InvalidRequestError
from . import moves
from .arguments import as_function, as_options
from .callbacks import add_callback
from .retrying import Retries
from .transaction import AUTOBEGIN, BEGIN, BEGIN_NESTED, SUBTRANSACTION, SessionTransaction, SessionTransactionOrigin

if TYPE_CHECKING:
    from ..state.identity import IdentityMap
    from ..state.instance import InstanceState
    from .guard import Guard

T = TypeVar("T")


class Transacting:
    """The part of a Session that begins and ends transactions; what one is stands in ``transaction.py``."""

    if TYPE_CHECKING:
        identity_map: IdentityMap
        autobegin: bool
        transactional: bool
        close_resets_only: bool | None
        _new: dict[InstanceState, Any]
        _deleted: dict[InstanceState, Any]
        _transaction: SessionTransaction | None
        _first_change: Any
        _context: SessionTransaction | None
        _guard: Guard
        _closed_for_good: bool
        _heard: frozenset[str] | None

        def flush(self) -> None: ...

        def _autobegin(self) -> None: ...

        def _restore(self, transaction: SessionTransaction | None) -> None: ...

        def _is_clean(self) -> bool: ...

        def _is_flushing(self, calls: int = 1) -> bool: ...

    # -- begin ------------------------------------------------------------------------------

    def begin(
        self,
        nested: bool = False,
        *,
        subtransactions: bool = False,
        execution_options: Mapping[str, Any] | None = None,
    ) -> SessionTransaction:
        """Begin a transaction; use it in a ``with`` statement or end it with ``commit()``.

        :param nested: begin a savepoint, as ``begin_nested()`` does.
        :param subtransactions: inside a transaction, begin one that is a part of it: its ``commit()`` only
            flushes, its ``rollback()`` rolls all of it back (the manner of SQLAlchemy 0.4).
        :param execution_options: for the connections of this transaction, such as
            ``{"isolation_level": "SERIALIZABLE"}``.
        :raises InvalidRequestError: one has begun already.
        """
        if execution_options is not None:
            as_options(execution_options)
        with self._guard("begin()"):
            if nested:
                return self.begin_nested()
            outer = self._transaction
            if outer is None:
                return self._begin(BEGIN, execution_options)
            outer.check_active()
            if subtransactions and not execution_options:
                return self._enter(SessionTransaction(self, outer, SUBTRANSACTION))  # type: ignore[arg-type]
            raise InvalidRequestError(
                "This session is in a transaction already: it begins with the first use of the session. "
                "Call begin() before anything else, or use begin_nested() for a savepoint."
            )

    def begin_nested(self) -> SessionTransaction:
        """Begin a savepoint: its ``rollback()`` undoes what came after it, and nothing else.

        What is pending is flushed first. The databases learn of the savepoint when they are next used.
        """
        with self._guard("begin_nested()"):
            outer = self._transaction or self._begin(SessionTransactionOrigin.BEGIN)
            outer.check_active()
            if self._is_flushing():
                raise InvalidRequestError(
                    "begin_nested() was called inside a flush, whose objects its rollback would take for undone. For "
                    "statements of your own there, use session.connection().begin_nested()."
                )
            self.flush()
            return self._enter(SessionTransaction(self, outer, BEGIN_NESTED))  # type: ignore[arg-type]

    def _begin(
        self, origin: SessionTransactionOrigin, execution_options: Mapping[str, Any] | None = None
    ) -> SessionTransaction:
        if self._context is not None:
            self._context.refuse_after_end()
        if self._closed_for_good:
            raise InvalidRequestError("This session was closed for good (close_resets_only=False); make another one.")
        return self._enter(SessionTransaction(self, None, origin, execution_options))  # type: ignore[arg-type]

    def _enter(self, transaction: SessionTransaction) -> SessionTransaction:
        self._transaction = transaction
        if self.identity_map.modified is self._first_change:
            self.identity_map.modified = {}
        if self._heard is not None:
            transaction.tell("after_transaction_create", None, transaction)
        return transaction

    def _need_transaction(self) -> SessionTransaction:
        if self._transaction is None:
            if not self.autobegin and self.transactional:
                raise InvalidRequestError(
                    "Autobegin is off on this session (autobegin=False): call session.begin() first."
                )
            return self._begin(AUTOBEGIN)
        return self._transaction

    # -- end --------------------------------------------------------------------------------

    def commit(self) -> None:
        """Flush what is left and commit the transaction, savepoints included.

        :raises CommitOutcomeUnknown: the connection was lost before the database had answered.
        """
        with self._guard("commit()"):
            if self._transaction is None and not self.transactional:
                self.flush()
                return
            root = self._transaction or self._need_transaction()
            while root.parent is not None and not root.is_subtransaction:
                root = root.parent
            root.commit()

    def on_commit(self, callback: Callable[[], Any]) -> None:
        """Have ``callback()`` called once what is done now is committed, by the outermost commit.

        Then the connection is back in the pool, so that slow work, such as sending a mail, holds up nobody. A
        rollback drops the callback, that of a savepoint too. Where ``transactional=False`` and no transaction has
        begun, it is called at once. If it raises, the commit stands; the others are called nevertheless.
        """
        self._guard.check("on_commit()")
        self._autobegin()
        add_callback(self._transaction, callback)

    def prepare(self) -> None:
        """Flush what is left, and have every database promise that it can commit.

        With ``twophase=True`` alone, ``commit()`` does it by itself. After ``prepare()`` nothing but
        ``commit()`` or ``rollback()`` can follow.

        :raises InvalidRequestError: the session has no ``twophase=True``.
        """
        with self._guard("prepare()"):
            self._need_transaction().prepare()

    def rollback(self) -> None:
        """Roll back, and put every object where the database has it.

        New objects are transient again, deleted ones persistent; changes are dropped and
        attributes read anew.
        """
        with self._guard("rollback()"):
            transaction = self._transaction
            if transaction is None:
                if self._new or self._deleted or self.identity_map.modified:
                    self._restore(None)
                return
            while transaction.closed:  # its end was interrupted
                transaction.let_go()
                if self._transaction is None or self._transaction is transaction:
                    return
                transaction = self._transaction
            while transaction.parent is not None and not transaction.is_subtransaction:
                transaction = transaction.parent
            transaction.rollback()

    # -- what there is ----------------------------------------------------------------------

    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""
        return self._transaction is not None

    def in_nested_transaction(self) -> bool:
        """Whether a savepoint has begun."""
        return self._transaction is not None and self._transaction.nested

    def get_transaction(self) -> SessionTransaction | None:
        """Return the outermost transaction, or None."""
        transaction = self._transaction
        while transaction is not None and transaction.parent is not None:
            transaction = transaction.parent
        return transaction

    def get_nested_transaction(self) -> SessionTransaction | None:
        """Return the innermost savepoint, or None."""
        return self._transaction if self.in_nested_transaction() else None

    # -- close ------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of every object and of the connection; the session may be used again.

        Whatever was not committed is rolled back. With ``close_resets_only=False`` the session cannot be used
        again.
        """
        with self._guard("close()"):
            self._close("close()")
            if self.close_resets_only is False:
                self._closed_for_good = True

    def reset(self) -> None:
        """Let go of every object and of the connection; the session is as new."""
        with self._guard("reset()"):
            self._close("reset()")

    def invalidate(self) -> None:
        """Close, and have the connections thrown away instead of used again."""
        with self._guard("invalidate()"):
            self._close("invalidate()", invalidate=True)

    def _close(self, what: str, invalidate: bool = False) -> None:
        transaction = innermost = self._transaction
        while transaction is not None:
            transaction.check_idle(what)
            transaction = transaction.parent
        moves.detach_all(self, f"session.{what}")  # type: ignore[arg-type]
        transaction = innermost
        while transaction is not None:
            outer = transaction.parent
            transaction.let_go(invalidate)
            transaction = outer

    # -- a unit of work, run again where that helps ---------------------------------------------

    def run(self, work: Callable[..., T], *args: Any, retries: int | Retries = 3, **kwargs: Any) -> T:
        """Call ``work(session, ...)`` in a transaction and commit; do it again where the database asks for that.

        A serialization failure, a deadlock, a lock that is not free, a connection lost before the COMMIT: after
        these the session is emptied and the work done anew, after a pause. Before the first attempt it is emptied
        too: ``work`` loads what it needs by itself. ::

            def transfer(session, source, target, amount):
                session.get_one(Account, source).balance -= amount
                session.get_one(Account, target).balance += amount

            session.run(transfer, 1, 2, 100, retries=5)

        :param retries: how often to try again, or :class:`ropewalk.Retries` that also says after what pause.
        :return: what ``work`` returned.
        :raises InvalidRequestError: the session is in a transaction, which could not be done again as a whole.
        :raises CommitOutcomeUnknown: the connection was lost while the COMMIT was under way; it is not tried again.
        """
        policy = Retries.of(retries)
        self._check_run(work)

        def attempt() -> T:
            self.reset()
            with self.begin():
                result = work(self, *args, **kwargs)
                if isinstance(result, Coroutine):
                    result.close()
                    raise ArgumentError(
                        f"{work!r} is a coroutine function, which a Session cannot run: use AsyncSession.run(), of "
                        f"ropewalk.ext.asyncio."
                    )
                return result

        return policy.run(attempt)

    def _check_run(self, work: Any) -> None:
        """Refuse to run what is no work, or where it could not be done again as a whole."""
        as_function(work, "run()", "transfer, which is called as transfer(session, ...)")
        if self._transaction is not None or not self._is_clean():
            raise InvalidRequestError(
                "run() begins a transaction of its own, and this session is in one or holds changes already: they "
                "could not be done again. End it with commit() or rollback(), or use a session of its own."
            )
