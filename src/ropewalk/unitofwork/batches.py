"""Batches: rows of one shape on their way to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection

from .blame import Counted
from .by_arrays import Unsuitable
from .errors import explain, refused_value
from .journal import Journal
from .plan import Row, Shape, TablePlan, Values

if TYPE_CHECKING:
    from ..state.instance import InstanceState


class Batch:
    """Rows that one statement can take.

    :ivar columns: what the parameters stand for, in their order.
    :ivar rows: the parameters as Python values, one row for each state.
    """

    __slots__ = ("columns", "objects", "rows", "shape", "states", "verb")

    def __init__(
        self,
        verb: str,
        shape: Shape,
        columns: tuple[Column[Any], ...],
        states: list[InstanceState],
        objects: list[Values],
        rows: list[Row],
    ) -> None:
        self.verb = verb
        self.shape = shape
        self.columns = columns
        self.states = states
        self.objects = objects
        self.rows = rows

    @property
    def plan(self) -> TablePlan:
        return self.shape.plan

    def part(self, start: int, stop: int) -> Batch:
        """Return some of the rows; the batch itself if they are all."""
        if start == 0 and stop >= len(self.rows):
            return self
        cut = slice(start, stop)
        return Batch(self.verb, self.shape, self.columns, self.states[cut], self.objects[cut], self.rows[cut])

    def without(self, places: set[int]) -> Batch:
        """Return the batch without some of its rows."""
        kept = [i not in places for i in range(len(self.rows))]
        return Batch(
            self.verb,
            self.shape,
            self.columns,
            list(compress(self.states, kept)),
            list(compress(self.objects, kept)),
            list(compress(self.rows, kept)),
        )


def send(
    batch: Batch, road: Callable[..., Any], connection: Connection, journal: Journal
) -> Iterator[tuple[Batch, Any, Any]]:
    """Send a batch in chunks; yield each with the statement it went by and what came back.

    :param road: gives the prepared statement for a shape and a connection.
    """
    statement = road(batch.shape, connection)
    start = 0
    while start < len(batch.rows):
        part = batch.part(start, start + (statement.chunk or len(batch.rows)))
        rows = part.rows
        if statement.convert is not None:
            try:
                rows = statement.convert(rows)
            except Exception as error:
                raise refused_value(error, statement, part, connection) from error
        if len(rows) > 1:
            rows = Counted(rows)
        try:
            result = statement.run(connection, rows)
        except Unsuitable:
            statement = road(batch.shape, connection, core=True)
            continue
        except Exception as error:
            explain(error, statement, part, connection, rows)
            raise
        journal.statements += 1
        yield part, statement, result
        start += len(part.rows)
