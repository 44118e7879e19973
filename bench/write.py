"""Objects to rows: inserts, updates and deletes through the unit of work."""

from itertools import chain
from typing import Any

from .databases import content, sum_of_x
from .harness import Bar, Run, Work, expect

SQLITE_BATCH = 500
"""Rows in one INSERT by hand; tried from 1 to 5,000: from 100 to 1,000 is fastest."""


def _new_items(run: Run) -> list[Any]:
    item = run.item
    return [item(name=name, x=x, y=y) for name, x, y in map(content, range(1, run.count + 1))]


def insert(run: Run) -> None:
    with run.session() as session:
        with run.timed():
            items = _new_items(run)
            session.add_all(items)
            session.flush()
            keys = [item.id for item in items]
        expect(keys, list(range(1, run.count + 1)), "keys")
        session.commit()
    expect(run.database.totals(), (run.count, sum_of_x(run.count)), "count and sum of x")


def insert_by_driver(run: Run) -> None:
    on_sqlite = run.database.name == "sqlite"
    with run.database.connection() as connection:
        with run.timed():
            rows = [content(number) for number in range(1, run.count + 1)]
            keys = _insert_sqlite(connection, rows) if on_sqlite else _insert_postgresql(connection, rows)
        expect(keys, list(range(1, run.count + 1)), "keys")
        connection.commit()
    expect(run.database.totals(), (run.count, sum_of_x(run.count)), "count and sum of x")


def _insert_sqlite(connection: Any, rows: list[tuple[str, int, float]]) -> list[int]:
    keys: list[int] = []
    for start in range(0, len(rows), SQLITE_BATCH):
        batch = rows[start : start + SQLITE_BATCH]
        values = ", ".join(["(?, ?, ?)"] * len(batch))
        cursor = connection.execute(
            f"INSERT INTO item (name, x, y) VALUES {values} RETURNING id",
            tuple(chain.from_iterable(batch)),
        )
        keys.extend(key for (key,) in cursor)
    return keys


def _insert_postgresql(connection: Any, rows: list[tuple[str, int, float]]) -> list[int]:
    # %b sends the arrays in binary: half the time of text.
    cursor = connection.execute(
        "INSERT INTO item (name, x, y) SELECT * FROM unnest(%b::varchar[], %b::integer[], %b::float[]) RETURNING id",
        [list(column) for column in zip(*rows, strict=True)],
    )
    return [key for (key,) in cursor.fetchall()]


def flush_each(run: Run) -> None:
    with run.session() as session:
        keys = []
        with run.timed():
            for item in _new_items(run):
                session.add(item)
                session.flush()
                keys.append(item.id)
            session.commit()
        expect(keys, list(range(1, run.count + 1)), "keys")
    expect(run.database.totals(), (run.count, sum_of_x(run.count)), "count and sum of x")


def flush_each_by_driver(run: Run) -> None:
    keys = []
    with run.database.connection() as connection:
        cursor = connection.cursor()
        with run.timed():
            rows = [content(number) for number in range(1, run.count + 1)]
            if run.database.name == "sqlite":
                for row in rows:
                    cursor.execute("INSERT INTO item (name, x, y) VALUES (?, ?, ?)", row)
                    keys.append(cursor.lastrowid)
            else:
                for row in rows:
                    cursor.execute("INSERT INTO item (name, x, y) VALUES (%s, %s, %s) RETURNING id", row)
                    keys.append(cursor.fetchone()[0])
            connection.commit()
    expect(keys, list(range(1, run.count + 1)), "keys")
    expect(run.database.totals(), (run.count, sum_of_x(run.count)), "count and sum of x")


def change(run: Run) -> None:
    with run.session() as session:
        items = session.scalars(run.select(run.item)).all()
        with run.timed():
            for item in items:
                item.x += 100
            session.commit()
    expect(run.database.totals(), (run.count, sum_of_x(run.count) + 100 * run.count), "count and sum of x")


def change_by_driver(run: Run) -> None:
    with run.database.connection() as connection:
        rows = connection.execute("SELECT id, x FROM item").fetchall()
        with run.timed():
            if run.database.name == "sqlite":
                connection.executemany("UPDATE item SET x = ? WHERE id = ?", [(x + 100, key) for key, x in rows])
            else:
                connection.execute(
                    "UPDATE item SET x = new.x FROM unnest(%b::integer[], %b::integer[]) AS new (id, x)"
                    " WHERE item.id = new.id",
                    ([key for key, _ in rows], [x + 100 for _, x in rows]),
                )
            connection.commit()
    expect(run.database.totals(), (run.count, sum_of_x(run.count) + 100 * run.count), "count and sum of x")


def delete(run: Run) -> None:
    with run.session() as session:
        items = session.scalars(run.select(run.item)).all()
        with run.timed():
            for item in items:
                session.delete(item)
            session.commit()
    expect(run.database.totals(), (0, 0), "count and sum of x")


def delete_by_driver(run: Run) -> None:
    with run.database.connection() as connection:
        keys = connection.execute("SELECT id FROM item").fetchall()
        with run.timed():
            if run.database.name == "sqlite":
                connection.executemany("DELETE FROM item WHERE id = ?", keys)
            else:
                connection.execute("DELETE FROM item WHERE id = ANY(%b)", ([key for (key,) in keys],))
            connection.commit()
    expect(run.database.totals(), (0, 0), "count and sum of x")


def works() -> list[Work]:
    return [
        Work(
            "insert",
            "add and flush 10,000 new objects, keys known after",
            insert,
            insert_by_driver,
            count=10_000,
            writes=True,
            bars={"sqlite": Bar(5), "postgresql": Bar(3)},
        ),
        Work(
            "flush-each",
            "flush after each of 10,000 objects, one transaction",
            flush_each,
            flush_each_by_driver,
            count=10_000,
            writes=True,
            bars={"sqlite": Bar(4)},
            rounds=3,
        ),
        Work(
            "change",
            "change one column of 5,000 loaded objects, commit",
            change,
            change_by_driver,
            count=5_000,
            rows=5_000,
            writes=True,
            bars={"sqlite": Bar(4.5), "postgresql": Bar(3)},
        ),
        Work(
            "delete",
            "delete 5,000 loaded objects, commit",
            delete,
            delete_by_driver,
            count=5_000,
            rows=5_000,
            writes=True,
            bars={"sqlite": Bar(4), "postgresql": Bar(3)},
        ),
    ]
