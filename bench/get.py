"""One object at a time, by its key."""

from .databases import sum_of_x
from .harness import Bar, Run, Work, expect


def get_distinct(run: Run) -> None:
    item = run.item
    with run.session() as session:
        found = []
        with run.timed():
            for key in range(1, run.count + 1):
                found.append(session.get(item, key))
        expect(sum(one.x for one in found), sum_of_x(run.count), "sum of x")


def get_known(run: Run) -> None:
    item = run.item
    with run.session() as session:
        known = session.scalars(run.select(item).order_by(item.id)).all()
        found = []
        with run.timed():
            for key in range(1, run.count + 1):
                found.append(session.get(item, key))
        expect(all(one is other for one, other in zip(known, found, strict=True)), True, "same objects")


def get_in_new_sessions(run: Run) -> None:
    assert run.orm is not None
    item, new_session, engine = run.item, run.orm.module.sessionmaker(run.engine), run.engine
    total = 0
    with run.timed():
        for key in range(1, run.count + 1):
            with new_session() as session:
                total += session.get(item, key).x
    expect(total, sum_of_x(run.count), "sum of x")
    assert engine is not None
    expect(engine.pool.checkedout(), 0, "connections still out")  # type: ignore[attr-defined]


def _by_driver(run: Run, *, transaction_each: bool) -> None:
    """The connection is kept, as a pool would keep it; a transaction of its own for each if asked."""
    mark = "?" if run.database.name == "sqlite" else "%s"
    statement = f"SELECT id, name, x, y FROM item WHERE id = {mark}"
    with run.database.connection() as connection:
        cursor = connection.cursor()
        total = 0
        with run.timed():
            for key in range(1, run.count + 1):
                total += cursor.execute(statement, (key,)).fetchone()[2]
                if transaction_each:
                    connection.rollback()
        expect(total, sum_of_x(run.count), "sum of x")


def get_by_driver(run: Run) -> None:
    _by_driver(run, transaction_each=False)


def get_in_transactions_by_driver(run: Run) -> None:
    _by_driver(run, transaction_each=True)


def works() -> list[Work]:
    return [
        Work(
            "get",
            "get of distinct keys, one session",
            get_distinct,
            get_by_driver,
            count=2_000,
            rows=2_000,
            bars={"sqlite": Bar(4), "postgresql": Bar(2.5)},
        ),
        Work(
            "get-known",
            "get of an object already there",
            get_known,
            None,
            count=20_000,
            rows=20_000,
            bars={"sqlite": Bar(4)},
        ),
        Work(
            "get-session",
            "new session, get, close",
            get_in_new_sessions,
            get_in_transactions_by_driver,
            count=2_000,
            rows=2_000,
            bars={"sqlite": Bar(4)},
        ),
    ]
