"""Sessions that only read: what would write is refused here, and what goes past the session by the database."""

from __future__ import annotations

from typing import Any, NoReturn

from sqlalchemy import Connection, event

from ..exc import InvalidRequestError
from ..kernel.pooled import before_return

# Both databases have the statement; PostgreSQL means the transaction under way, MySQL and MariaDB the next one.
SET_READ_ONLY = "SET TRANSACTION READ ONLY"
HAVE_IT = frozenset({"postgresql", "mysql", "mariadb"})


def make_read_only(session: Any, why: str) -> None:
    """Let a session write nothing any more, whether it is one of ours or of SQLAlchemy's.

    :param why: says for the error who wanted it so.
    """
    session = getattr(session, "sync_session", session)
    locks: list[tuple[Any, _QueryOnly]] = []  # by the transactions that have them
    if hasattr(session, "_reads_because"):  # SQLAlchemy's own sends what is written in bulk, and the database refuses
        session._reads_because = why

    def before_flush(session: Any, context: Any, instances: Any) -> None:
        changed = [*session.new, *session.deleted, *(one for one in session.dirty if session.is_modified(one))]
        if changed:
            others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            refuse_to_write(f"The flush of {changed[0]!r}{others}", why)

    def do_orm_execute(state: Any) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            refuse_to_write("An INSERT, UPDATE or DELETE", why)

    def after_begin(session: Any, transaction: Any, connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            lock = _QueryOnly(connection.connection)
            if lock.on:
                locks.append((transaction, lock))
        elif (
            connection.dialect.name in HAVE_IT
            and not connection.in_nested_transaction()
            and connection is not session.bind  # its transaction is the program's, which may write in it later
        ):
            connection.exec_driver_sql(SET_READ_ONLY)

    def after_transaction_end(session: Any, transaction: Any) -> None:
        for whose, lock in locks:
            if whose is transaction:
                lock.undo_if_kept()
        locks[:] = [one for one in locks if one[0] is not transaction]

    event.listen(session, "before_flush", before_flush)
    event.listen(session, "do_orm_execute", do_orm_execute)
    event.listen(session, "after_begin", after_begin)
    event.listen(session, "after_transaction_end", after_transaction_end)


def refuse_to_write(what: str, why: str) -> NoReturn:
    """Raise the error of a session that only reads."""
    raise InvalidRequestError(f"{what} cannot be done in this session, which only reads: {why}.")


class _QueryOnly:
    """A connection to SQLite that is kept from writing, until it goes back to its pool or the transaction has ended.

    SQLite has no transactions that only read, so what is set is the connection's.
    """

    def __init__(self, pooled: Any) -> None:
        self.pooled = pooled
        self.on = not _execute(pooled.dbapi_connection, "PRAGMA query_only")[0]  # else it is not ours to undo
        if self.on:
            before_return(pooled, self._undo)
            _execute(pooled.dbapi_connection, "PRAGMA query_only = ON")

    def undo_if_kept(self) -> None:
        """Undo it where the connection was the program's, or is another session's of this thread too."""
        if self.pooled.dbapi_connection is not None:
            self._undo(self.pooled.dbapi_connection)

    def _undo(self, dbapi_connection: Any) -> None:
        if self.on:
            self.on = False
            _execute(dbapi_connection, "PRAGMA query_only = OFF")


def _execute(dbapi_connection: Any, statement: str) -> Any:
    """Execute a statement that is no business of who listens to the session's."""
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(statement)
        return cursor.fetchone()
    finally:
        cursor.close()
