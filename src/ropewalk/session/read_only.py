"""Sessions that only read: a flush is refused here, and what goes past the session by the database where it can."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event

from ..exc import InvalidRequestError

# Both databases have the statement; PostgreSQL means the transaction under way, MySQL and MariaDB the next one.
SET_READ_ONLY = "SET TRANSACTION READ ONLY"
HAVE_IT = frozenset({"postgresql", "mysql", "mariadb"})


def make_read_only(session: Any, why: str) -> None:
    """Let a session write nothing any more, whether it is one of ours or of SQLAlchemy's.

    :param why: says for the error who wanted it so.
    """
    session = getattr(session, "sync_session", session)

    def refuse(what: str) -> None:
        raise InvalidRequestError(f"{what} cannot be done in this session, which only reads: {why}.")

    def before_flush(session: Any, context: Any, instances: Any) -> None:
        changed = [*session.new, *session.deleted, *(one for one in session.dirty if session.is_modified(one))]
        if changed:
            others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            refuse(f"The flush of {changed[0]!r}{others}")

    def do_orm_execute(state: Any) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            refuse("An INSERT, UPDATE or DELETE")

    def after_begin(session: Any, transaction: Any, connection: Connection) -> None:
        if connection.dialect.name in HAVE_IT and not connection.in_nested_transaction():
            connection.exec_driver_sql(SET_READ_ONLY)

    event.listen(session, "before_flush", before_flush)
    event.listen(session, "do_orm_execute", do_orm_execute)
    event.listen(session, "after_begin", after_begin)
