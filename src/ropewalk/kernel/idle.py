"""Transactions that have begun for Core, and not in the database.

SQLite's driver begins one at the first write. To end what only read is, on aiosqlite, a trip to another thread for
nothing, and a second one when the pool resets the connection; each costs as much as the SELECT did.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import RootTransaction

from .core import is_quiet


def is_left(connection: Connection, transaction: Any) -> bool:
    """Leave a transaction without a word to the database if it has begun none, and nobody listens; tell whether.

    The connection must be closed next: Core then finds an inactive transaction, for which it sends nothing, and tells
    the pool that no reset is needed.
    """
    dialect = connection.dialect
    if not dialect.is_async or dialect.driver != "aiosqlite":
        return False
    if type(transaction) is not RootTransaction or connection.invalidated or not is_quiet(connection):
        return False
    driver: Any = connection.connection.driver_connection
    if transaction.is_active and not driver.in_transaction:
        transaction.is_active = False
    return not transaction.is_active and connection.get_transaction() is transaction
