"""What it costs to read and write one attribute of a loaded object, beside a plain Python object.

Nothing is subtracted for the loop; ten accesses stand in one turn of it, so that it weighs little.
"""

import timeit
from typing import Any

from .databases import group
from .harness import Bar, Run, Work, expect

UNROLLED = 10


class Plain:
    """The "driver" of these works: an object with no ORM behind it."""

    def __init__(self) -> None:
        self.x = 1


def _nanoseconds(statement: str, item: Any, count: int) -> float:
    """Time one statement on `item`, with the garbage collector at work as it is in a program."""
    timer = timeit.Timer("\n".join([statement] * UNROLLED), "import gc; gc.enable()", globals={"item": item})
    turns = max(1, count // UNROLLED)
    return timer.timeit(turns) / turns / UNROLLED * 1e9


def read(run: Run) -> None:
    with run.session() as session:
        item = session.scalars(run.select(run.item)).first()
        expect(item.x, group(item.id), "x of the first row")
        run.record(_nanoseconds("item.x", item, run.count))


def read_plain(run: Run) -> None:
    run.record(_nanoseconds("item.x", Plain(), run.count))


def first_write(run: Run) -> None:
    with run.session() as session:
        items = session.scalars(run.select(run.item)).all()
        with run.timed():
            for item in items:
                item.x = -1
        expect(len(session.dirty), run.count, "objects in session.dirty")


def first_write_plain(run: Run) -> None:
    items = [Plain() for _ in range(run.count)]
    with run.timed():
        for item in items:
            item.x = -1


def next_write(run: Run) -> None:
    with run.session() as session:
        item = session.scalars(run.select(run.item)).first()
        item.x = -1
        run.record(_nanoseconds("item.x = -2", item, run.count))
        expect((item.x, item in session.dirty), (-2, True), "x and dirty")


def next_write_plain(run: Run) -> None:
    run.record(_nanoseconds("item.x = -2", Plain(), run.count))


def works() -> list[Work]:
    return [
        Work(
            "read",
            "read a loaded attribute",
            read,
            read_plain,
            count=500_000,
            rows=10,
            bars={"sqlite": Bar(5)},
            only_on="sqlite",
            unit="ns",
        ),
        Work(
            "first-write",
            "first write of a loaded attribute",
            first_write,
            first_write_plain,
            count=10_000,
            rows=10_000,
            bars={"sqlite": Bar(5)},
            only_on="sqlite",
            unit="ns",
        ),
        Work(
            "next-write",
            "next write of a loaded attribute",
            next_write,
            next_write_plain,
            count=500_000,
            rows=10,
            bars={"sqlite": Bar(3.5)},
            only_on="sqlite",
            unit="ns",
        ),
    ]
