"""Counting what a session sends to its database."""

from collections import Counter
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, event


class StatementCounter:
    """Counts the statements of an engine within a ``with`` block, by their first word.

    A batch of rows that goes out in one call counts as one statement.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.kinds: Counter[str] = Counter()

    def __enter__(self) -> "StatementCounter":
        event.listen(self._engine, "before_cursor_execute", self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        event.remove(self._engine, "before_cursor_execute", self._count)

    def _count(self, connection: Any, cursor: Any, statement: str, *details: Any) -> None:
        self.kinds[statement.split(None, 1)[0].upper()] += 1

    def __str__(self) -> str:
        return " + ".join(f"{count} {kind}" for kind, count in self.kinds.items()) or "none"
