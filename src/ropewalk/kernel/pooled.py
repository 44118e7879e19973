"""What is to be undone on a driver's connection before its pool hands it to somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def before_return(pooled: Any, work: Callable[[Any], None]) -> None:
    """Have ``work`` called with the driver's connection when it goes back to its pool, in whatever way that happens.

    The pool's own list of such work is used, since its events would be told of every connection of the engine, for
    good. A connection that fails here is thrown away: nobody may get it half undone.

    :param pooled: what ``Connection.connection`` is.
    """
    record = pooled._connection_record
    if record is None:
        return  # detached: it goes back to no pool

    def undo(dbapi_connection: Any) -> None:
        try:
            work(dbapi_connection)
        except Exception as error:
            record.invalidate(error)

    record.finalize_callback.append(undo)
