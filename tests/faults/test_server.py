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


def test_server_killed_in_mid_flush(own_server, own_engine):
    with Session(own_engine) as session:
        transfer(session)
        TRAPS.append(own_server.kill)
        try:
            with pytest.raises(DBAPIError) as caught:
                session.flush()
            assert caught.value.connection_invalidated
            session.rollback()
            assert own_engine.pool.checkedout() == 0
            with pytest.raises(OperationalError):
                session.get(Account, 1)
            session.rollback()
        finally:
            own_server.start()
        assert_nothing_is_left(own_engine, session)
        assert assert_all_or_nothing(own_engine, session) == "nothing"
        assert_usable(own_engine, session)


def test_server_killed_in_mid_commit(own_server, own_engine):
    with Session(own_engine) as session:
        transfer(session)
        session.flush()
        when(own_engine, "commit", own_server.kill)
        try:
            with pytest.raises(CommitOutcomeUnknown):
                session.commit()
        finally:
            own_server.start()
        assert_nothing_is_left(own_engine, session)
        assert_all_or_nothing(own_engine, session)
        assert_usable(own_engine, session)


def test_server_killed_between_prepare_and_commit(own_server, own_engine):
    """The prepared transaction outlives the crash, and can be committed or rolled back by its name."""
    with Session(own_engine, twophase=True) as session:
        transfer(session)
        session.prepare()
        own_server.kill()
        try:
            with pytest.raises(CommitOutcomeUnknown) as caught:
                session.commit()
        finally:
            own_server.start()
        assert_nothing_is_left(own_engine, session)
        ((engine, xid),) = caught.value.prepared.items()
        assert engine is own_engine
        assert repr(xid) in str(caught.value)
    waiting = PreparedTransactions(own_engine)
    assert xid in waiting
    assert balances(own_engine) == BEFORE
    waiting.commit(xid)
    assert balances(own_engine) == AFTER
    assert list(waiting) == []
    assert own_engine.pool.checkedout() == 0
