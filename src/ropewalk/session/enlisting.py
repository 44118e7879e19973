"""How a connection comes to take part in a session's transaction."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Engine

from ..exc import InvalidRequestError, NoTwoPhaseError, SAWarning
from ..kernel.cancelling import interrupt_what_is_cancelled
from .forks import remember
from .holders import here
from .undone import listen_to_failures
from .waiting import connect

if TYPE_CHECKING:
    from .transaction import SessionTransaction


class Entry(NamedTuple):
    """A connection that takes part.

    :ivar transaction: Core's transaction, or savepoint, on it.
    :ivar commits: whether ours to commit: in somebody else's transaction it may not be.
    :ivar owned: whether we took the connection from an engine and must give it back.
    """

    connection: Connection
    transaction: Any
    commits: bool
    owned: bool


def enlist(
    transaction: SessionTransaction, bind: Engine | Connection, options: Mapping[str, Any] | None = None
) -> Connection:
    """Return the connection that serves ``bind`` in a transaction, taking one in if there is none.

    :param options: execution options for the connection. They can only be set when it is taken.
    """
    entries = transaction._connections
    found = entries.get(bind)
    if found is not None:
        if options:
            warnings.warn(
                f"The transaction uses {found.connection!r} already, so the execution options {dict(options)!r} come "
                f"too late and are not used. Give them with the first use, as session.connection(execution_options=...)"
                f" or session.begin(execution_options=...).",
                SAWarning,
                stacklevel=4,
            )
        return found.connection
    parent = transaction.parent
    if parent is not None:
        if not transaction.nested:
            return enlist(parent, bind, options)  # into the dictionary that both share
        connection = enlist(parent, bind, options)
        _enter(transaction, Entry(connection, _savepoint(connection), True, False))
        if transaction.session._heard is not None:
            transaction.tell("after_begin", None, transaction, connection)
        return connection
    owned = not isinstance(bind, Connection)
    if isinstance(bind, Connection):
        connection = bind
        if connection.engine in entries:
            raise InvalidRequestError(
                f"This session uses another connection of {connection.engine!r} in the same transaction already; "
                f"two of them would not see each other's work."
            )
    else:
        connection = connect(bind)
        if transaction.taken is None:
            transaction.taken = here()
    if remember(connection.engine):
        listen_to_failures(connection.engine)
        interrupt_what_is_cancelled(connection.engine)
    try:
        if transaction.execution_options or transaction.session.execution_options:
            options = _all_options(transaction, options)
        if options:
            connection = connection.execution_options(**options)
        entry = _begin(transaction, connection, owned)
    except BaseException:
        if owned:
            connection.close()
        raise
    _enter(transaction, entry)
    if transaction.session._heard is not None:
        transaction.tell("after_begin", None, transaction, connection)
    return connection


def _all_options(transaction: SessionTransaction, options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {**transaction.session.execution_options, **(transaction.execution_options or {}), **(options or {})}


def _enter(transaction: SessionTransaction, entry: Entry) -> None:
    """Have a connection found again, by itself and by its engine."""
    connection = entry.connection
    transaction._connections[connection.engine] = transaction._connections[connection] = entry


def _begin(transaction: SessionTransaction, connection: Connection, owned: bool) -> Entry:
    if transaction.session.twophase:
        try:
            return Entry(connection, connection.begin_twophase(), True, owned)
        except NotImplementedError:
            raise NoTwoPhaseError(
                f"{connection.engine!r} cannot take part in this session, which has twophase=True: "
                f"{connection.dialect.name} has no two-phase commit, as PostgreSQL, MySQL and MariaDB have. Leave "
                f"twophase=True out, or give its classes a session of their own."
            ) from None
    if not connection.in_transaction():
        return Entry(connection, connection.begin(), True, owned)
    if owned:  # a listener was the first to use it
        return Entry(connection, connection.get_transaction(), True, owned)
    return _join(connection, transaction.session.join_transaction_mode)


def _join(connection: Connection, mode: str) -> Entry:
    """Take part in the transaction that a given connection is in already."""
    if mode == "conditional_savepoint":
        mode = "create_savepoint" if connection.in_nested_transaction() else "rollback_only"
    if mode == "create_savepoint":
        return Entry(connection, _savepoint(connection), True, False)
    around = connection.get_nested_transaction() or connection.get_transaction()
    return Entry(connection, around, mode == "control_fully", False)


def _savepoint(connection: Connection) -> Any:
    """Make a savepoint, inside a transaction.

    SQLite's driver waits with BEGIN for the first write. A SAVEPOINT that comes before it would be a transaction
    of its own, whose release commits.
    """
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        waits = getattr(driver, "isolation_level", None) is not None and not driver.in_transaction
        if waits and not getattr(driver, "autocommit", -1) == 1:  # 3.12: autocommit=True is a wish to be obeyed
            connection.exec_driver_sql("BEGIN")
    return connection.begin_nested()
