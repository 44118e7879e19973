"""Transfers between accounts by many processes, while connections are cut and processes killed at random.

``python -m faults.soak --url URL --processes 8 --seconds 600`` (``make soak``), from the folder of the tests. The sum
of all balances never changes, no account is written to twice for one transfer, and no connection is left behind.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import time
from typing import Any

from sqlalchemy import Engine, create_engine, event, func
from sqlalchemy.exc import DBAPIError

from ropewalk import DeclarativeBase, Mapped, Retries, Session, mapped_column, retried, select, sessionmaker
from ropewalk.exc import CommitOutcomeUnknown, StaleDataError

ACCOUNTS, EACH = 20, 1_000
RETRIES = Retries(50, first=0.005, longest=0.2, on=(StaleDataError,))


class Base(DeclarativeBase):
    pass


class Holding(Base):
    __tablename__ = "holding"

    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column()
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


class Transfer(Base):
    """One for each transfer; the key is the program's, so that a second one would not go in."""

    __tablename__ = "transfer"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[int] = mapped_column()


def fill(engine: Engine) -> None:
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Holding(id=n, balance=EACH) for n in range(1, ACCOUNTS + 1))
        session.commit()


def engine_for(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=2, max_overflow=0)
    engine = create_engine(url, connect_args={"timeout": 5})

    @event.listens_for(engine, "connect")
    def ours(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous = OFF")

    @event.listens_for(engine, "begin")
    def immediate(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def cut(session: Session) -> None:
    """Have the server end the connection that a session works on."""
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    dialect = connection.dialect.name
    if dialect == "sqlite":
        return
    other = create_engine(connection.engine.url)
    with other.connect() as killer:
        if dialect == "postgresql":
            killer.exec_driver_sql(f"SELECT pg_terminate_backend({driver.info.backend_pid})")
        else:
            killer.exec_driver_sql(f"KILL CONNECTION {driver.thread_id()}")
    other.dispose()


def worker(url: str, seed: int, until: float, counts: Any) -> None:
    """Transfer until the time is over."""
    engine = engine_for(url)
    chance = random.Random(seed)

    @retried(sessionmaker(engine), RETRIES)
    def transfer(session: Session, number: int, source: int, target: int, amount: int, trouble: float) -> None:
        holdings = {n: session.get_one(Holding, n) for n in (source, target)}
        holdings[source].balance -= amount
        with session.begin_nested():
            holdings[target].balance += amount
            session.flush()
            if trouble < 0.02:
                cut(session)
        session.add(Transfer(id=number, amount=amount))
        if trouble > 0.98:
            session.flush()
            raise ZeroDivisionError
        if 0.02 <= trouble < 0.03:
            connection = session.connection()
            session.flush()
            cut(session)
            assert connection is session.connection()

    done = unknown = failed = given_up = 0
    number = seed * 1_000_000
    while time.time() < until:
        number += 1
        source, target = chance.sample(range(1, ACCOUNTS + 1), 2)
        try:
            transfer(number, source, target, chance.randint(1, 50), chance.random())
            done += 1
        except CommitOutcomeUnknown:
            unknown += 1
        except (ZeroDivisionError, DBAPIError):
            failed += 1
        except StaleDataError:  # lost the race for a row in each attempt: nothing was moved
            given_up += 1
        if engine.pool.checkedout():
            os._exit(3)
    engine.dispose()
    counts.put((done, unknown, failed, given_up))


def run(url: str, processes: int, seconds: float, kill: bool = True) -> dict[str, int]:
    """Let processes make transfers, kill some of them, and check what is in the database.

    :raises AssertionError: money was lost or made, or a process met something unexpected.
    """
    engine = engine_for(url)
    fill(engine)
    engine.dispose()
    context = multiprocessing.get_context("spawn")
    counts: Any = context.Queue()
    until = time.time() + seconds
    seeds = iter(range(1, 1_000_000))
    chance = random.Random(0)
    killed = 0

    def start() -> Any:
        process = context.Process(target=worker, args=(url, next(seeds), until, counts))
        process.start()
        return process

    running = [start() for _ in range(processes)]
    next_kill = time.time() + max(2.0, seconds / 20)
    while time.time() < until:
        time.sleep(0.05)
        if kill and time.time() > next_kill and until - time.time() > 2:
            next_kill += max(2.0, seconds / 20)
            victim = chance.randrange(processes)
            os.kill(running[victim].pid, signal.SIGKILL)
            running[victim].join()
            killed += 1
            running[victim] = start()
        for process in running:
            assert process.exitcode in (None, 0), f"a process ended with {process.exitcode}"
    for process in running:
        process.join(60)
        assert process.exitcode == 0, f"a process ended with {process.exitcode}"
    total = {"done": 0, "unknown": 0, "failed": 0, "given up": 0}
    for _ in running:
        for name, count in zip(total, counts.get(timeout=10), strict=True):
            total[name] += count
    total["killed"] = killed
    with Session(engine) as session:
        balances = session.scalars(select(Holding.balance)).all()
        total["rows"] = session.scalar(select(func.count(Transfer.id))) or 0
        versions = sum(session.scalars(select(Holding.version)))
    assert sum(balances) == ACCOUNTS * EACH, f"the sum is {sum(balances)}"
    # Each transfer wrote to two accounts, once each: lost updates and doubled work would show here.
    assert versions - ACCOUNTS == 2 * total["rows"], f"{versions - ACCOUNTS} versions for {total['rows']} transfers"
    assert total["rows"] >= total["done"]
    engine.dispose()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    total = run(options.url, options.processes, options.seconds)
    print(", ".join(f"{name}: {count}" for name, count in total.items()))
    sys.exit(0)


if __name__ == "__main__":
    main()
