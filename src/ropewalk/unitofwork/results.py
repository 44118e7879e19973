"""Values that the database made, on their way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column
from sqlalchemy.engine import Dialect

from ..kernel.core import result_processor
from .plan import Row


class Results:
    """Reads the rows of a RETURNING clause."""

    def __init__(self, columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        self._columns = tuple(columns)
        self._dialect = dialect
        self._processors: list[Callable[[Any], Any] | None] | None = None

    def all_of(self, cursor: Any, arrange: Callable[[list[Row]], list[Row]] | None = None) -> list[Row]:
        """Return all rows of a cursor of the driver, as Python values.

        :param arrange: puts the driver's rows in order first.
        """
        rows = cursor.fetchall()
        if arrange is not None:
            rows = arrange(rows)
        processors = self._processors
        if processors is None:
            # Which converter a type needs may depend on what the driver says of the column.
            processors = self._processors = [
                result_processor(column.type, self._dialect, described[1])
                for column, described in zip(self._columns, cursor.description, strict=True)
            ]
            if not any(processors):
                self._processors = processors = []
        if not processors:
            return list(rows)
        return [
            tuple(process(value) if process else value for process, value in zip(processors, row, strict=True))
            for row in rows
        ]
