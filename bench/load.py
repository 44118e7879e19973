"""Rows to objects."""

from .databases import sum_of_x
from .harness import Bar, Run, Work, expect


def load(run: Run) -> None:
    with run.session() as session:
        with run.timed():
            items = session.scalars(run.select(run.item)).all()
        expect(len(items), run.count, "objects")
        expect(sum(item.x for item in items), sum_of_x(run.count), "sum of x")
        expect(len(session.identity_map), run.count, "objects in the identity map")


def load_by_driver(run: Run) -> None:
    with run.database.connection() as connection:
        with run.timed():
            rows = connection.execute("SELECT id, name, x, y FROM item").fetchall()
        expect(len(rows), run.count, "rows")
        expect(sum(row[2] for row in rows), sum_of_x(run.count), "sum of x")


def works() -> list[Work]:
    return [
        Work(
            "load",
            "load 20,000 rows (4 columns) as objects",
            load,
            load_by_driver,
            count=20_000,
            rows=20_000,
            bars={"sqlite": Bar(4.5), "postgresql": Bar(4)},
        )
    ]
