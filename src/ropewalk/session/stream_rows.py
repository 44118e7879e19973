"""The rows of a stream, as the driver gives them.

A connection of MySQL's drivers can do nothing else while rows wait for it on the server: whatever is sent next has the
driver throw them away, with a warning at best. So what a stream has not read by then, of a lazy load for instance, is
read into memory first. Other databases keep the rows, in a cursor of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, CursorResult, event

from ..exc import InvalidRequestError
from ..kernel.core import raw_rows


class StreamRows:
    """Reads a result by parts.

    :ivar cursor: what knows the columns, as soon as the driver does; None when all rows are read.
    """

    def __init__(self, connection: Connection, opened: CursorResult[Any]) -> None:
        self._opened = opened

    @property
    def cursor(self) -> Any:
        return self._opened.cursor

    def read(self, size: int) -> Sequence[Any]:
        """Return the next rows, at most ``size``; none at the end."""
        return raw_rows(self._opened, size)  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let go of what was needed for reading."""


class UnbufferedRows(StreamRows):
    """Reads the rows of MySQL's and MariaDB's drivers."""

    def __init__(self, connection: Connection, opened: CursorResult[Any]) -> None:
        super().__init__(connection, opened)
        self._connection = connection
        self._description = opened.cursor.description
        self._ahead: Iterator[Any] | None = None  # what had to be read too early
        self._lost = False
        self._listening = (
            ("before_cursor_execute", self._read_ahead),
            ("commit", self._read_ahead),
            ("rollback", self._lose),
        )
        for name, listener in self._listening:
            event.listen(connection, name, listener)

    @property
    def cursor(self) -> Any:
        if self._ahead is None and not self._lost:
            return self._opened.cursor
        return SimpleNamespace(description=self._description)

    def read(self, size: int) -> Sequence[Any]:
        if self._lost:
            raise InvalidRequestError(
                "The rest of this stream is lost: its transaction was rolled back before all of it was read. Read it "
                "to its end first, or in a session of its own."
            )
        if self._ahead is not None:
            return list(islice(self._ahead, size))
        return super().read(size)

    def end(self) -> None:
        for name, listener in self._listening:
            event.remove(self._connection, name, listener)

    def _read_ahead(self, *args: Any) -> None:
        if self._ahead is None and not self._lost and self._opened.cursor is not None:
            self._ahead = iter(raw_rows(self._opened))

    def _lose(self, connection: Connection) -> None:
        self._lost = self._ahead is None and self._opened.cursor is not None


def rows_of(connection: Connection, opened: CursorResult[Any]) -> StreamRows:
    """Return what reads the rows of a result of this connection."""
    kind = UnbufferedRows if connection.dialect.name in ("mysql", "mariadb") else StreamRows
    return kind(connection, opened)
