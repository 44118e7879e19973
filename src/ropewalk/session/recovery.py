"""Prepared transactions that nobody has ended: what a crash between the two phases leaves behind.

They hold their locks until somebody commits them or rolls them back, across restarts of the server. Which it is
to be, the other databases of the same transaction tell: if one of them has committed, so must the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from ..exc import ArgumentError, InvalidRequestError


class PreparedTransactions:
    """The prepared transactions that wait in a database, by the names that they were given.

    ::

        try:
            session.commit()
        except CommitOutcomeUnknown as error:
            for engine, xid in error.prepared.items():
                waiting = PreparedTransactions(engine)
                if xid in waiting:  # else it has been committed
                    waiting.commit(xid)

    A transaction that is just being committed by a living program appears here too: leave alone what you do not
    know. All databases of a server share the list; on PostgreSQL each ends only its own.

    :param engine: the engine of the database, with rights to see and end them.
    """

    def __init__(self, engine: Engine) -> None:
        if not isinstance(engine, Engine):
            raise ArgumentError(f"PreparedTransactions() takes the Engine of one database; got {engine!r:.100}.")
        self.engine = engine

    def __iter__(self) -> Iterator[str]:
        with self._connection() as connection:
            return iter([_name(xid) for xid in connection.recover_twophase()])

    def __contains__(self, xid: object) -> bool:
        return any(waiting == _name(xid) for waiting in self)

    def commit(self, xid: Any) -> None:
        """Commit a prepared transaction.

        :raises InvalidRequestError: there is none of that name.
        """
        with self._connection() as connection:
            connection.commit_prepared(self._found(connection, xid), recover=True)

    def rollback(self, xid: Any) -> None:
        """Roll a prepared transaction back.

        :raises InvalidRequestError: there is none of that name.
        """
        with self._connection() as connection:
            connection.rollback_prepared(self._found(connection, xid), recover=True)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        # MariaDB ends somebody else's transaction only outside of any; with autocommit off one is always inside.
        with self.engine.connect() as connection:
            try:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
            except NotImplementedError:
                raise InvalidRequestError(
                    f"{self.engine!r} has no prepared transactions: {connection.dialect.name} has no two-phase commit."
                ) from None

    def _found(self, connection: Connection, xid: Any) -> Any:
        """Return a name as the driver wants it."""
        for waiting in connection.recover_twophase():
            if _name(waiting) == _name(xid):
                return waiting.decode() if isinstance(waiting, bytes) else waiting
        raise InvalidRequestError(
            f"No prepared transaction {_name(xid)!r} waits in {self.engine!r}: it has been committed or rolled back."
        )


def _name(xid: Any) -> str:
    return xid.decode() if isinstance(xid, bytes) else str(xid)
