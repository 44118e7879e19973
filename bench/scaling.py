"""Whether cost grows in proportion: ten thousand rows, then a hundred times as many.

Each larger row is held against our own figure for ten thousand: ±20 % is as good as the same.
"""

from .databases import sum_of_x
from .harness import Bar, Run, Work, expect
from .load import load, load_by_driver
from .memory import traced
from .write import insert, insert_by_driver

SMALL, MIDDLE, LARGE = 10_000, 100_000, 1_000_000
CHUNK = 1_000


def stream(run: Run) -> None:
    """Walk through all rows in chunks; the figure is the most memory it ever took."""
    with run.session() as session:
        session.scalars(run.select(run.item)).first()
        statement = run.select(run.item).execution_options(yield_per=CHUNK)
        with traced() as grown:
            total = 0
            for item in session.scalars(statement):
                total += item.x
            run.record(grown()[1] / 1_000)
    expect(total, sum_of_x(run.count), "sum of x")


def stream_by_driver(run: Run) -> None:
    with run.database.connection() as connection, traced() as grown:
        total = 0
        cursor = connection.execute("SELECT id, name, x, y FROM item")
        while rows := cursor.fetchmany(CHUNK):
            total += sum(row[2] for row in rows)
        run.record(grown()[1] / 1_000)
    expect(total, sum_of_x(run.count), "sum of x")


def works() -> list[Work]:
    return [
        *(_load(size) for size in (SMALL, MIDDLE, LARGE)),
        *(_insert(size) for size in (SMALL, MIDDLE, LARGE)),
        *(_stream(size) for size in (SMALL, LARGE)),
    ]


def _bars(group: str, size: int) -> dict[str, Bar]:
    return {} if size == SMALL else {"sqlite": Bar(1.2, at_most=True, against=f"{group}-{SMALL}")}


def _rounds(size: int) -> int:
    """A million rows take a contender up to half a minute; ten thousand vary more."""
    return {SMALL: 7, MIDDLE: 3, LARGE: 1}[size]


def _load(size: int) -> Work:
    return Work(
        f"load-{size}",
        f"load {size:,} rows as objects",
        load,
        load_by_driver,
        count=size,
        rows=size,
        bars=_bars("load", size),
        only_on="sqlite",
        rounds=_rounds(size),
    )


def _insert(size: int) -> Work:
    return Work(
        f"insert-{size}",
        f"add and flush {size:,} new objects",
        insert,
        insert_by_driver,
        count=size,
        writes=True,
        bars=_bars("insert", size),
        only_on="sqlite",
        rounds=_rounds(size),
    )


def _stream(size: int) -> Work:
    return Work(
        f"stream-{size}",
        f"peak memory, yield_per={CHUNK:,} over {size:,} rows",
        stream,
        stream_by_driver,
        count=size,
        rows=size,
        bars=_bars("stream", size),
        only_on="sqlite",
        unit="kB",
        rounds=1,
    )
