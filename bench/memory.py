"""What one loaded object occupies, with all its session keeps for it."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .harness import Bar, Run, Work, expect


@contextmanager
def traced() -> Iterator[Callable[[], tuple[int, int]]]:
    """Give a function that tells how many bytes are (now, at most) allocated since the block began."""
    gc.collect()
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()

        def grown() -> tuple[int, int]:
            now, peak = tracemalloc.get_traced_memory()
            return now - start, peak - start

        yield grown
    finally:
        tracemalloc.stop()


def loaded(run: Run) -> None:
    with run.session() as session:
        # What is kept once per statement or per connection is no object's.
        session.scalars(run.select(run.item).limit(1)).all()
        session.scalars(run.select(run.item)).first()
        with traced() as grown:
            items = session.scalars(run.select(run.item)).all()
            gc.collect()
            run.record(grown()[0] / run.count)
        expect(len(items), run.count, "objects")


class Plain:
    """An object made by hand."""

    def __init__(self, id: int, name: str, x: int, y: float) -> None:
        self.id = id
        self.name = name
        self.x = x
        self.y = y


def loaded_by_hand(run: Run) -> None:
    """The least that a program must keep: the objects, and a dictionary to find them by their keys."""
    with run.database.connection() as connection, traced() as grown:
        rows = connection.execute("SELECT id, name, x, y FROM item")
        items = {row[0]: Plain(*row) for row in rows}
        gc.collect()
        run.record(grown()[0] / run.count)
        expect(len(items), run.count, "objects")


def works() -> list[Work]:
    return [
        Work(
            "memory",
            "memory per loaded object",
            loaded,
            loaded_by_hand,
            count=20_000,
            rows=20_000,
            bars={"sqlite": Bar(0.55, at_most=True)},
            only_on="sqlite",
            unit="bytes",
            rounds=2,
        )
    ]
