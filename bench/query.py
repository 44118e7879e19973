"""Small queries: a filter, an order and a limit."""

from collections.abc import Callable
from typing import Any

from .databases import group
from .harness import Bar, Run, Work, expect

LIMIT = 20


def _repeat(run: Run, query: Callable[[int], list[Any]]) -> None:
    """Ask for each group in turn, and look at what came back."""
    found = 0
    with run.timed():
        for number in range(run.count):
            found += len(query(group(number)))
    expect(found, LIMIT * run.count, "objects")
    expect({row.x for row in query(group(3))}, {group(3)}, "x of the objects")


def by_query(run: Run) -> None:
    item = run.item
    with run.session() as session:
        _repeat(
            run,
            lambda x: session.query(item).filter_by(x=x).order_by(item.id).limit(LIMIT).all(),
        )


def by_select(run: Run) -> None:
    item, select = run.item, run.select
    with run.session() as session:
        _repeat(
            run,
            lambda x: session.scalars(select(item).where(item.x == x).order_by(item.id).limit(LIMIT)).all(),
        )


def by_driver(run: Run) -> None:
    mark = "?" if run.database.name == "sqlite" else "%s"
    statement = f"SELECT id, name, x, y FROM item WHERE x = {mark} ORDER BY id LIMIT {mark}"
    with run.database.connection() as connection:
        cursor = connection.cursor()
        found = 0
        with run.timed():
            for number in range(run.count):
                found += len(cursor.execute(statement, (group(number), LIMIT)).fetchall())
        expect(found, LIMIT * run.count, "rows")


def works() -> list[Work]:
    return [
        Work(
            "query-filter",
            "filter, order, limit 20 by query.filter_by",
            by_query,
            by_driver,
            count=1_000,
            rows=10_000,
            bars={"sqlite": Bar(4)},
        ),
        Work(
            "query-select",
            "filter, order, limit 20 by select().where()",
            by_select,
            by_driver,
            count=1_000,
            rows=10_000,
            bars={"sqlite": Bar(3)},
        ),
    ]
