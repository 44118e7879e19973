"""Transactions: what a session adds to Core's, and what their ends do to ten thousand objects.

The "driver" of the first two lines is Core: its connection, its transaction, its savepoint.
"""

from typing import Any

from .harness import DRIVER, Bar, Run, Work, expect

MANY = 10_000
ROUNDS = 1_000


def _ping(connection: Any) -> None:
    connection.exec_driver_sql("SELECT 1")


def empty(run: Run) -> None:
    """A transaction of the session with nothing in it: no connection is needed, so none is taken."""
    with run.session() as session:
        with run.timed():
            for _ in range(run.count):
                session.begin()
                session.commit()
        expect(session.in_transaction(), False, "in a transaction at the end")


def connected(run: Run) -> None:
    """A transaction of the session that takes a connection, does nothing on it and commits."""
    with run.session() as session:
        with run.timed():
            for _ in range(run.count):
                session.begin()
                session.connection()
                session.commit()
        expect(session.in_transaction(), False, "in a transaction at the end")


def empty_by_core(run: Run) -> None:
    engine = run.database.engine()
    with run.timed():
        for _ in range(run.count):
            with engine.connect() as connection:
                transaction = connection.begin()
                transaction.commit()
    engine.dispose()


def savepoint(run: Run) -> None:
    """A savepoint with a statement inside, released."""
    with run.session() as session:
        connection = session.connection()
        with run.timed():
            for _ in range(run.count):
                inner = session.begin_nested()
                _ping(session.connection())
                inner.commit()
        expect(connection.in_nested_transaction(), False, "in a savepoint at the end")


def savepoint_by_core(run: Run) -> None:
    engine = run.database.engine()
    with engine.connect() as connection, connection.begin():
        with run.timed():
            for _ in range(run.count):
                inner = connection.begin_nested()
                _ping(connection)
                inner.commit()
    engine.dispose()


def clean_flush(run: Run) -> None:
    """A flush with nothing to do; the figure is that of one flush, however many objects there are."""
    with run.session() as session:
        items = session.scalars(run.select(run.item)).all()
        expect(len(items), run.work.rows, "objects")
        with run.timed():
            for _ in range(run.count):
                session.flush()


def rollback(run: Run) -> None:
    with run.session() as session:
        items = session.scalars(run.select(run.item)).all()
        for item in items:
            item.x += 1
        session.flush()
        with run.timed():
            session.rollback()
        expect(len(session.dirty), 0, "changed objects")
        expect("x" in items[0].__dict__, False, "still loaded")


def commit(run: Run) -> None:
    """A commit that expires every object."""
    with run.session() as session:
        items = session.scalars(run.select(run.item)).all()
        with run.timed():
            session.commit()
        expect("x" in items[0].__dict__, False, "still loaded")


def works() -> list[Work]:
    core = {"sqlite": Bar(1.3, at_most=True, against=DRIVER), "postgresql": Bar(1.3, at_most=True, against=DRIVER)}
    nested = {"sqlite": Bar(1.5, at_most=True, against=DRIVER), "postgresql": Bar(1.5, at_most=True, against=DRIVER)}
    four = {"sqlite": Bar(4), "postgresql": Bar(4)}
    return [
        Work("empty", "empty transaction: begin, commit", empty, empty_by_core, count=ROUNDS, bars=core),
        Work("connected", "the same with a connection taken", connected, empty_by_core, count=ROUNDS),
        Work("savepoint", "savepoint round trip", savepoint, savepoint_by_core, count=ROUNDS, bars=nested),
        Work("clean-flush", "one flush of 10,000 clean objects; bar: 20 µs", clean_flush, None, count=100, rows=MANY),
        Work("rollback", "roll back 10,000 changed objects", rollback, None, count=MANY, rows=MANY, bars=four),
        Work("expire", "commit that expires 10,000 objects", commit, None, count=MANY, rows=MANY, bars=four),
    ]
