"""What a SQLite file can do to a session: full, read-only, locked."""

import os
import sqlite3
import threading

import pytest
from faults.accounts import (
    BEFORE,
    Account,
    assert_all_or_nothing,
    assert_nothing_is_left,
    assert_usable,
    balances,
    fill,
    transfer,
)
from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError

from ropewalk import Session, select, transient_reason


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bank.db"


@pytest.fixture
def bank(path):
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0.05})
    fill(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("moment", ["flush", "commit"])
def test_disk_full(bank, moment):
    with Session(bank) as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
        one, _ = transfer(session)
        session.add_all(Account(id=n, balance=0) for n in range(10, 20_000))
        with pytest.raises(OperationalError, match="full"):
            getattr(session, moment)()
        assert_nothing_is_left(bank, session)
        assert assert_all_or_nothing(bank, session) == "nothing"
        assert one.balance == 100
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1000000")
        session.rollback()
        assert_usable(bank, session)


def test_read_only_file(bank, path):
    bank.dispose()
    reader = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    with Session(reader) as session:
        one, _ = transfer(session)
        with pytest.raises(OperationalError, match="readonly"):
            session.commit()
        assert_nothing_is_left(reader, session)
        assert one.balance == 100
        with pytest.raises(OperationalError):
            transfer(session)
            session.commit()
        session.rollback()
    assert balances(reader) == BEFORE
    reader.dispose()
    assert os.path.exists(path)


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_database_is_locked(bank, path, lock):
    other = sqlite3.connect(path, isolation_level=None)
    with Session(bank) as session:
        transfer(session)
        session.rollback()
        other.execute(lock)
        with pytest.raises(OperationalError, match="locked") as caught:
            transfer(session)
            session.commit()
        assert transient_reason(caught.value) == "lock not available"
        assert_nothing_is_left(bank, session)
        other.execute("ROLLBACK")
        assert assert_all_or_nothing(bank, session) == "nothing"
        assert_usable(bank, session)
    other.close()


def test_locked_at_the_commit(bank, path):
    """A reader keeps the COMMIT, and that alone, from going through."""
    other = sqlite3.connect(path, isolation_level=None)
    with Session(bank) as session:
        transfer(session)
        session.flush()
        other.execute("BEGIN")
        other.execute("SELECT * FROM account").fetchall()
        with pytest.raises(OperationalError, match="locked"):
            session.commit()
        assert_nothing_is_left(bank, session)
        other.execute("ROLLBACK")
        assert assert_all_or_nothing(bank, session) == "nothing"
        assert_usable(bank, session)
    other.close()


def test_writers_that_lock_one_another_out_all_get_through_with_retries(bank):
    errors = []

    def work(session):
        account = session.get_one(Account, 1)
        account.balance += 1
        session.flush()

    def run():
        try:
            for _ in range(10):
                with Session(bank) as session:
                    session.run(work, retries=1000)
        except BaseException as error:
            errors.append(error)

    @event.listens_for(bank, "begin")
    def immediately(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(bank, "connect")
    def quickly(connection, record):
        connection.isolation_level = None

    bank.dispose()
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert balances(bank)[1] == 140
    assert bank.pool.checkedout() == 0
    with Session(bank) as session:
        assert [a.balance for a in session.scalars(select(Account).order_by(Account.id))] == [140, 100]
