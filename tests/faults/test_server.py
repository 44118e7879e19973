"""The server, or the connection to it, goes away: in a flush, in a commit, between prepare and commit, while idle."""

import pytest
from faults.accounts import (
    AFTER,
    BEFORE,
    TRAPS,
    Account,
    assert_all_or_nothing,
    assert_nothing_is_left,
    assert_usable,
    balances,
    transfer,
)
from faults.servers import cut, cut_idle
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from ropewalk import PreparedTransactions, Session, inspect
from ropewalk.exc import CommitOutcomeUnknown, PendingRollbackError

servers = pytest.mark.databases("postgresql", "mariadb")


def when(engine, name, act, *, sent=""):
    """Do something at the first occurrence of an event of the engine."""
    waiting = [act]

    def listener(*args):
        if waiting and (not sent or sent in args[2]):
            waiting.pop()()

    event.listen(engine, name, listener)


@servers
@pytest.mark.parametrize("where", ["UPDATE", "INSERT", "default"])
def test_connection_cut_in_mid_flush(bank, where):
    with Session(bank) as session:
        one, _ = transfer(session)
        connection = session.connection()
        if where == "default":  # nobody listens, so the statements take the short road
            TRAPS.append(lambda: cut(bank, connection))
        else:
            when(bank, "before_cursor_execute", lambda: cut(bank, connection), sent=where)
        with pytest.raises(DBAPIError) as caught:
            session.flush()
        assert caught.value.connection_invalidated
        with pytest.raises(PendingRollbackError) as then:
            session.get(Account, 2)
        assert then.value.__cause__ is caught.value
        assert_nothing_is_left(bank, session)
        assert assert_all_or_nothing(bank, session) == "nothing"
        assert one.balance == 100
        assert_usable(bank, session)


@servers
def test_connection_cut_between_statements(bank):
    with Session(bank) as session:
        transfer(session)
        session.flush()
        cut(bank, session.connection())
        with pytest.raises(DBAPIError) as caught:
            session.get(Account, 2, populate_existing=True)
        assert caught.value.connection_invalidated
        assert_nothing_is_left(bank, session)
        assert assert_all_or_nothing(bank, session) == "nothing"
        assert_usable(bank, session)


@servers
def test_connection_cut_in_mid_commit(bank):
    with Session(bank) as session:
        transfer(session)
        session.flush()
        connection = session.connection()
        when(bank, "commit", lambda: cut(bank, connection))
        with pytest.raises(CommitOutcomeUnknown) as caught:
            session.commit()
        assert caught.value.unknown == (bank,)
        assert caught.value.__cause__.orig is caught.value.orig
        assert_nothing_is_left(bank, session)
        assert_all_or_nothing(bank, session)
        assert_usable(bank, session)


@servers
def test_connection_cut_in_the_rollback_is_no_error_of_its_own(bank):
    with Session(bank) as session:
        one, _ = transfer(session)
        session.flush()
        cut(bank, session.connection())
        session.rollback()
        assert inspect(one).persistent
        assert bank.pool.checkedout() == 0
        assert_usable(bank, session)


@servers
def test_connection_cut_inside_a_savepoint(bank):
    with Session(bank) as session:
        with pytest.raises(DBAPIError) as caught, session.begin_nested():
            transfer(session)
            session.flush()
            cut(bank, session.connection())
            session.get(Account, 2, populate_existing=True)
        assert caught.value.connection_invalidated
        assert_nothing_is_left(bank, session)
        assert_usable(bank, session)


@servers
@pytest.mark.parametrize("pre_ping", [True, False])
def test_connections_cut_while_idle_in_the_pool(bank, pre_ping):
    engine = create_engine(bank.url, pool_pre_ping=pre_ping, pool_size=3)
    cut_idle(engine, 3)
    with Session(engine) as session:
        if not pre_ping:
            with pytest.raises(DBAPIError) as caught:
                session.get(Account, 1)
            assert caught.value.connection_invalidated
            session.rollback()  # the whole pool is replaced at the first of them
        assert_usable(engine, session)
    engine.dispose()


@servers
def test_a_retried_unit_of_work_survives_idle_connections_that_were_cut(bank):
    engine = create_engine(bank.url)
    cut_idle(engine, 2)
    with Session(engine) as session:
        session.run(transfer)
    assert balances(engine) == AFTER
    assert engine.pool.checkedout() == 0
    engine.dispose()


# The server itself


def test_server_killed_in_mid_flush(mortal, mortal_engine):
    with Session(mortal_engine) as session:
        transfer(session)
        TRAPS.append(mortal.kill)
        try:
            with pytest.raises(DBAPIError) as caught:
                session.flush()
            assert caught.value.connection_invalidated
            session.rollback()
            assert mortal_engine.pool.checkedout() == 0
            with pytest.raises(OperationalError):
                session.get(Account, 1)
            session.rollback()
        finally:
            mortal.start()
        assert_nothing_is_left(mortal_engine, session)
        assert assert_all_or_nothing(mortal_engine, session) == "nothing"
        assert_usable(mortal_engine, session)


def test_server_killed_in_mid_commit(mortal, mortal_engine):
    with Session(mortal_engine) as session:
        transfer(session)
        session.flush()
        when(mortal_engine, "commit", mortal.kill)
        try:
            with pytest.raises(CommitOutcomeUnknown):
                session.commit()
        finally:
            mortal.start()
        assert_nothing_is_left(mortal_engine, session)
        assert_all_or_nothing(mortal_engine, session)
        assert_usable(mortal_engine, session)


def test_server_killed_between_prepare_and_commit(mortal, mortal_engine):
    """The prepared transaction outlives the crash, and can be committed or rolled back by its name."""
    with Session(mortal_engine, twophase=True) as session:
        transfer(session)
        session.prepare()
        mortal.kill()
        try:
            with pytest.raises(CommitOutcomeUnknown) as caught:
                session.commit()
        finally:
            mortal.start()
        assert_nothing_is_left(mortal_engine, session)
        ((engine, xid),) = caught.value.prepared.items()
        assert engine is mortal_engine
        assert repr(xid) in str(caught.value)
    waiting = PreparedTransactions(mortal_engine)
    assert xid in waiting
    assert balances(mortal_engine) == BEFORE
    waiting.commit(xid)
    assert balances(mortal_engine) == AFTER
    assert list(waiting) == []
    assert mortal_engine.pool.checkedout() == 0


@pytest.mark.databases("mariadb")
@pytest.mark.parametrize("in_savepoint", [True, False])
def test_a_lock_wait_that_undoes_all_by_the_wish_of_the_server(mortal_engine, in_savepoint):
    """It has innodb_rollback_on_timeout; tests/features/test_undone_by_the_database.py has one that has not."""
    with Session(mortal_engine) as session, mortal_engine.connect() as other:
        one, two = transfer(session)
        session.flush()
        other.exec_driver_sql("INSERT INTO account (id, balance) VALUES (4, 0)")
        if in_savepoint:
            session.begin_nested()
        with pytest.raises(OperationalError, match="1205") as caught:
            session.connection().exec_driver_sql("INSERT INTO account (id, balance) VALUES (4, 0)")
        other.close()
        with pytest.raises(PendingRollbackError, match="rolled back this session's whole transaction") as refused:
            session.commit()
        assert refused.value.__cause__ is caught.value
        assert_nothing_is_left(mortal_engine, session)
        assert (one.balance, two.balance) == (100, 100)
        session.rollback()
        assert assert_all_or_nothing(mortal_engine, session) == "nothing"
        assert_usable(mortal_engine, session)
