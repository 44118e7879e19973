"""What a database does to a transaction by itself when one of its statements fails.

MariaDB undoes all of it after a deadlock, savepoints included, and the next statement begins another one there, of
which nobody has been told. So does SQLite when its disk is full. PostgreSQL refuses every further statement, and
answers a COMMIT as if nothing were amiss. A program that catches the error and goes on would lose what came before it
without a word. So the session's transaction is marked as one that must be rolled back first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ..kernel.failures import tell_of_failures
from .retrying import ABORTED, ROLLED_BACK, ROLLED_BACK_AT_TIMES, code_of

if TYPE_CHECKING:
    from .session import Session
    from .transaction import SessionTransaction

_sessions: list[Callable[[], list[Session]]] = []
_on_timeout: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()  # whether a server undoes all after a lock wait


def watch_failures(sessions: Callable[[], list[Session]]) -> None:
    """Say where the sessions are to be found whose statements may fail."""
    _sessions.append(sessions)


def listen_to_failures(engine: Any) -> None:
    """Be told of the failures of an engine's statements; what only looks like an engine has none."""
    if isinstance(engine, Engine):
        tell_of_failures(engine, _note)


def _note(context: Any) -> None:
    connection, error = context.connection, context.sqlalchemy_exception
    if connection is None or not isinstance(error, DBAPIError) or context.is_disconnect:
        return
    kind, code = code_of(error)
    if kind == "postgresql":
        for transaction in _holding(connection):
            _doubt(transaction, connection, error, code == ABORTED)
    elif code in ROLLED_BACK.get(kind, ()) or (
        code in ROLLED_BACK_AT_TIMES.get(kind, ()) and _AT_TIMES[kind](connection, code)
    ):
        for transaction in _holding(connection):
            _mark(transaction.session, error)


def _holding(connection: Connection) -> Iterator[SessionTransaction]:
    """Give the innermost transaction of each session that uses a connection."""
    for sessions in _sessions:
        for session in sessions():
            transaction = session._transaction
            while transaction is not None and (
                transaction.is_subtransaction or connection not in transaction._connections
            ):
                transaction = transaction.parent
            if transaction is not None:
                yield transaction


def _mysql_did(connection: Connection, code: int) -> bool:
    """Whether the server undoes all after a wait for a lock has timed out (``innodb_rollback_on_timeout``)."""
    found = _on_timeout.get(connection.dialect)
    if found is None:
        answer = _ask(connection, "SELECT @@innodb_rollback_on_timeout")
        found = _on_timeout[connection.dialect] = answer == 1
    return found


def _ask(connection: Connection, text: str) -> Any:
    """Ask the driver itself: another failure in here is not to be handled like one of the program's."""
    try:
        cursor: Any = connection.connection.cursor()
        try:
            cursor.execute(text)
            return cursor.fetchone()[0]
        finally:
            cursor.close()
    except connection.dialect.loaded_dbapi.Error:
        return None


def _sqlite_did(connection: Connection, code: int) -> bool:
    driver: Any = connection.connection.driver_connection
    if code == _CONSTRAINT and driver.isolation_level is None:
        return False  # there may have been no transaction: each statement is one of its own
    return not driver.in_transaction


_CONSTRAINT = 19
_AT_TIMES: dict[str, Callable[[Connection, int], bool]] = {"mysql": _mysql_did, "sqlite": _sqlite_did}


def _mark(session: Session, error: BaseException) -> None:
    """Have the session's transaction refuse everything until it is rolled back."""
    transaction = session._transaction
    while transaction is not None:
        if transaction.is_active:
            transaction.give_up(error)
        transaction = transaction.parent


def _doubt(transaction: SessionTransaction, connection: Connection, error: BaseException, aborted: bool) -> None:
    """Note an error after which the database may refuse to go on.

    :param aborted: it says that it does.
    """
    if transaction.doubts is None:
        transaction.doubts = {}
    first = transaction.doubts.setdefault(connection, error)
    if aborted and first is not error:
        error.add_note(
            "The transaction is of no use since an earlier statement failed. Call rollback(): of the savepoint, if "
            f"there was one at that time, else of the session. The first error was: {described(first)}"
        )


def settle_doubts(transaction: SessionTransaction) -> None:
    """Refuse to commit what the database has given up: it would roll back, and say nothing.

    :raises PendingRollbackError: it has. Of a savepoint it says so by itself.
    """
    if transaction.parent is None:
        for connection, error in (transaction.doubts or {}).items():
            if _is_aborted(connection):
                _mark(transaction.session, error)
                transaction.check_active()


def described(error: BaseException) -> str:
    """Return an error with its class, as it stands under a traceback."""
    return f"({type(error).__module__}.{type(error).__qualname__}) {error}"


def _is_aborted(connection: Connection) -> bool:
    """Whether PostgreSQL would answer a COMMIT with a rollback; it is asked, whichever its driver."""
    try:
        connection.exec_driver_sql("SELECT 1")
    except DBAPIError as err:
        if code_of(err)[1] == ABORTED:
            return True
        raise
    return False
