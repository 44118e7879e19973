"""A database that rolls a transaction back by itself: what came before the error is gone, and the session says so.

MariaDB does it after a deadlock, SQLite when its disk is full; PostgreSQL answers a COMMIT with a rollback. Here the
program catches the error and goes on, as it must not.
"""

import contextlib
import os
import sqlite3
import threading

import pytest
from sqlalchemy import create_engine, delete, event, insert, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from ropewalk import DeclarativeBase, Mapped, Retries, Session, mapped_column, select, transient_reason
from ropewalk.exc import PendingRollbackError

BY_ITSELF = "rolled back this session's whole transaction by itself"


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]


@pytest.fixture
def bank(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Account.__table__), [{"id": n, "balance": 100} for n in (1, 2, 3)])
    return engine


def balances(engine):
    with engine.connect() as connection:
        rows = connection.execute(Account.__table__.select().order_by(Account.__table__.c.id)).all()
    return dict(tuple(row) for row in rows)


def by_statement(session):
    session.execute(update(Account).where(Account.id == 2).values(balance=Account.balance + 10))


def by_flush(session):
    session.get(Account, 2).balance += 10
    session.flush()


def by_locked_read(session):
    session.get(Account, 2, with_for_update=True)


def by_connection(session):
    session.connection().exec_driver_sql("UPDATE account SET balance = balance + 10 WHERE id = 2")


WAYS = [by_statement, by_flush, by_locked_read, by_connection]


@contextlib.contextmanager
def opponent(engine):
    """Another transaction that holds row 2, has done more than the session's, and waits for row 1.

    MariaDB rolls back the one that has changed fewer rows, so the session loses.
    """
    locked, done = threading.Event(), threading.Event()

    def work():
        with engine.connect() as connection, contextlib.suppress(DBAPIError):
            connection.execute(insert(Account.__table__), [{"id": n, "balance": 0} for n in range(10, 60)])
            connection.exec_driver_sql("UPDATE account SET balance = balance + 1 WHERE id = 2")
            locked.set()
            connection.exec_driver_sql("UPDATE account SET balance = balance + 1 WHERE id = 1")
            done.wait(60)
            connection.rollback()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert locked.wait(60)
        yield
    finally:
        done.set()
        thread.join(60)


@pytest.mark.databases("mariadb")
@pytest.mark.parametrize("way", WAYS)
def test_a_deadlock_that_the_program_catches(bank, way):
    with Session(bank) as session:
        one = session.get_one(Account, 1)
        one.balance = 0
        session.flush()
        with opponent(bank):
            with pytest.raises(OperationalError) as caught:
                way(session)
            assert transient_reason(caught.value) == "deadlock", caught.value
            for go_on in (lambda: session.get(Account, 3), session.commit, session.connection, session.begin_nested):
                with pytest.raises(PendingRollbackError, match=BY_ITSELF) as refused:
                    go_on()
                assert refused.value.__cause__ is caught.value
                assert transient_reason(refused.value) == "deadlock"
            assert not session.is_active
        session.rollback()
        assert one.balance == 100
        one.balance = 7
        session.commit()
    assert balances(bank)[1] == 7
    assert bank.pool.checkedout() == 0


@pytest.mark.databases("mariadb")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("used", [True, False])
def test_a_deadlock_inside_a_savepoint_takes_all_with_it(bank, way, used):
    with Session(bank) as session:
        one = session.get_one(Account, 1)
        one.balance = 0
        session.flush()
        with opponent(bank):
            nested = session.begin_nested()
            if used:
                session.add(Account(id=5, balance=5))
                session.flush()
            with pytest.raises(OperationalError):
                way(session)
            with pytest.raises(PendingRollbackError, match=BY_ITSELF):
                session.get(Account, 3)
            nested.rollback()  # of what is not there any more
            with pytest.raises(PendingRollbackError, match=BY_ITSELF):
                session.get(Account, 3)
            with pytest.raises(PendingRollbackError, match=BY_ITSELF):
                session.commit()
        session.rollback()
        assert one.balance == 100
        assert session.get(Account, 5) is None
    assert balances(bank) == {1: 100, 2: 100, 3: 100}
    assert bank.pool.checkedout() == 0


@pytest.mark.databases("mariadb")
@pytest.mark.parametrize("nested", [True, False])
def test_a_with_block_that_swallowed_a_deadlock_cannot_commit(bank, nested):
    with Session(bank) as session:
        with pytest.raises(PendingRollbackError, match=BY_ITSELF), session.begin():
            session.get_one(Account, 1).balance = 0
            session.flush()
            with opponent(bank), session.begin_nested() if nested else contextlib.nullcontext():
                with contextlib.suppress(OperationalError):
                    by_statement(session)
        assert not session.in_transaction()
    assert balances(bank) == {1: 100, 2: 100, 3: 100}
    assert bank.pool.checkedout() == 0


@pytest.mark.databases("mariadb")
def test_without_transactions_the_failed_unit_is_over(bank):
    with Session(bank, transactional=False, autoflush=False) as session:
        session.begin()
        session.get_one(Account, 1).balance = 0
        session.flush()
        with opponent(bank):
            with pytest.raises(OperationalError):
                by_statement(session)
            with pytest.raises(PendingRollbackError, match=BY_ITSELF):
                session.get(Account, 3)
        session.rollback()
        assert session.get(Account, 1).balance == 100
    assert bank.pool.checkedout() == 0


@pytest.mark.databases("mariadb")
def test_work_that_caught_a_deadlock_is_done_again_as_a_whole(bank):
    attempts = []

    def work(session):
        attempts.append(1)
        session.get_one(Account, 1).balance -= 30
        session.flush()
        if len(attempts) == 1:
            with opponent(bank), contextlib.suppress(OperationalError):
                by_statement(session)
        session.get_one(Account, 3).balance += 30

    with Session(bank) as session:
        session.run(work, retries=Retries(3, first=0))
    assert len(attempts) == 2
    assert balances(bank) == {1: 70, 2: 100, 3: 130}


@pytest.mark.databases("mariadb")
def test_a_lock_that_was_not_given_undoes_its_statement_alone(bank):
    """As long as the server has innodb_rollback_on_timeout = OFF, which is asked; tests/faults has one with ON."""
    with Session(bank) as session, bank.connect() as other:
        assert session.scalar(text("SELECT @@innodb_rollback_on_timeout")) == 0
        session.execute(text("SET innodb_lock_wait_timeout = 1"))
        session.get_one(Account, 1).balance = 0
        session.flush()
        other.exec_driver_sql("UPDATE account SET balance = 1 WHERE id = 2")
        with pytest.raises(OperationalError, match="1205"):
            by_statement(session)
        other.rollback()
        session.commit()
    assert balances(bank)[1] == 0


# PostgreSQL


@pytest.mark.databases("postgresql")
def test_a_commit_that_postgresql_would_answer_with_a_rollback(bank):
    with Session(bank) as session:
        one = session.get_one(Account, 1)
        one.balance = 0
        session.flush()
        with pytest.raises(DBAPIError) as caught:
            session.execute(text("SELECT * FROM no_such_table"))
        with pytest.raises(PendingRollbackError, match=BY_ITSELF) as refused:
            session.commit()
        assert refused.value.__cause__ is caught.value
        assert "no_such_table" in str(refused.value)
        session.rollback()
        assert one.balance == 100
        one.balance = 7
        session.commit()
    assert balances(bank)[1] == 7
    assert bank.pool.checkedout() == 0


@pytest.mark.databases("postgresql")
def test_a_statement_after_an_error_names_the_first_one(bank):
    with Session(bank) as session:
        with pytest.raises(DBAPIError):
            session.execute(text("SELECT * FROM no_such_table"))
        with pytest.raises(DBAPIError) as caught:
            session.get(Account, 1)
        assert any("no_such_table" in note and "rollback()" in note for note in caught.value.__notes__)


@pytest.mark.databases("postgresql")
def test_a_savepoint_keeps_what_came_before_an_error(bank):
    with Session(bank) as session:
        session.get_one(Account, 1).balance = 0
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(text("SELECT * FROM no_such_table"))
        with session.connection().begin_nested() as core, pytest.raises(DBAPIError):  # and so does one of Core's
            try:
                session.execute(text("SELECT * FROM no_such_table"))
            finally:
                core.rollback()
        session.commit()
    assert balances(bank)[1] == 0


@pytest.mark.databases("postgresql")
def test_an_error_where_each_statement_is_its_own_transaction(bank):
    with Session(bank.execution_options(isolation_level="AUTOCOMMIT")) as session:
        session.get_one(Account, 1).balance = 0
        session.flush()
        with pytest.raises(DBAPIError):
            session.execute(text("SELECT * FROM no_such_table"))
        session.commit()
    assert balances(bank)[1] == 0


# SQLite


@pytest.mark.databases("sqlite")
def test_a_full_disk_undoes_what_came_before(bank):
    with Session(bank) as session:
        session.get_one(Account, 1).balance = 0
        session.flush()
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OperationalError, match="full"):
            session.execute(insert(Account), [{"id": n, "balance": 0} for n in range(10, 20_000)])
        with pytest.raises(PendingRollbackError, match=BY_ITSELF):
            session.commit()
        session.rollback()
        session.execute(text("PRAGMA max_page_count = 1000000"))
        assert session.get(Account, 1).balance == 100
    assert balances(bank) == {1: 100, 2: 100, 3: 100}


@pytest.mark.databases("sqlite")
def test_a_constraint_that_rolls_back(bank):
    with bank.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE strict_thing (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)")
        connection.exec_driver_sql("INSERT INTO strict_thing VALUES (1)")
    with Session(bank) as session:
        session.get_one(Account, 1).balance = 0
        session.flush()
        with pytest.raises(IntegrityError):
            session.execute(text("INSERT INTO strict_thing VALUES (1)"))
        with pytest.raises(PendingRollbackError, match=BY_ITSELF):
            session.get(Account, 2)
        session.rollback()
        assert session.get(Account, 1).balance == 100


@pytest.mark.databases("sqlite", "mariadb")  # PostgreSQL undoes all, up to a savepoint
@pytest.mark.parametrize("how", ["fails", "fails in autocommit"])
def test_an_error_that_undoes_nothing_but_its_statement_lets_the_transaction_go_on(bank, how):
    engine = bank if how == "fails" else bank.execution_options(isolation_level="AUTOCOMMIT")
    with Session(engine) as session:
        session.get_one(Account, 1).balance = 0
        session.flush()
        with pytest.raises(IntegrityError):
            session.execute(text("INSERT INTO account VALUES (2, 0)"))
        session.execute(delete(Account).where(Account.id == 3))
        session.commit()
    assert balances(bank) == {1: 0, 2: 100}


@pytest.mark.skipif(os.environ.get("ROPEWALK_FAST_PATH") == "0", reason="there is no short road then")
def test_who_listens_to_errors_alone_leaves_statements_their_short_road(bank):
    from ropewalk.kernel.core import is_quiet

    with Session(bank) as session:
        connection = session.connection()
        assert is_quiet(connection)
        event.listen(bank, "handle_error", lambda context: None)
        assert not is_quiet(connection)


def test_an_engine_with_other_options_is_listened_to_once(bank):
    for options in ({"a": 1}, {"a": 2}):
        with Session(bank.execution_options(**options)) as session:
            session.get(Account, 1)
    assert len(list(bank.dialect.dispatch.handle_error)) == 1


def test_a_listener_that_was_there_before_is_told_too(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    told = []
    event.listen(engine, "handle_error", told.append)
    with Session(engine) as session:
        with pytest.raises(OperationalError):
            session.execute(text("SELECT * FROM no_such_table"))
        assert isinstance(told[0].original_exception, sqlite3.OperationalError)
        assert session.scalars(select(text("1"))).all() == [1]
    engine.dispose()
