"""Two-phase commit over several databases that really prepare: PostgreSQL and MariaDB."""

import pytest
from faults.accounts import Account, balances
from faults.servers import cut
from sqlalchemy import Integer, String, event
from sqlalchemy.exc import DBAPIError, IntegrityError

from ropewalk import DeclarativeBase, Mapped, PreparedTransactions, Session, mapped_column
from ropewalk.exc import CommitOutcomeUnknown, IllegalStateChangeError, InvalidRequestError


class Other(DeclarativeBase):
    pass


class Entry(Other):
    """A row of another database."""

    __tablename__ = "entry"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    note: Mapped[str | None] = mapped_column(String(20))


@pytest.fixture
def second(mariadb_engine):
    Other.metadata.create_all(mariadb_engine)
    begun = []
    event.listen(mariadb_engine, "begin_twophase", lambda connection, xid: begun.append(xid))
    yield mariadb_engine
    waiting = PreparedTransactions(mariadb_engine)
    for xid in {*begun} & {*waiting}:  # of a test that failed; it would keep the database from being dropped
        waiting.rollback(xid)


@pytest.fixture
def pair(own_engine, second):
    """PostgreSQL with accounts, MariaDB with entries."""
    return {Account: own_engine, Entry: second}


@pytest.fixture
def session(pair):
    with Session(binds=pair, twophase=True) as session:
        yield session


def entries(engine):
    with engine.connect() as connection:
        return connection.scalars(Entry.__table__.select()).all()


def prepared(engine):
    return list(PreparedTransactions(engine))


def work(session):
    session.get_one(Account, 1).balance = 0
    session.add(Entry(id=1, note="new"))


def assert_done(pair, done):
    assert balances(pair[Account])[1] == (0 if done else 100)
    assert entries(pair[Entry]) == ([1] if done else [])
    assert prepared(pair[Account]) == []  # the other server may have those of other programs
    for engine in pair.values():
        assert engine.pool.checkedout() == 0


def test_both_are_committed(session, pair):
    work(session)
    session.commit()
    assert_done(pair, True)


def test_both_are_rolled_back(session, pair):
    work(session)
    session.flush()
    session.rollback()
    assert_done(pair, False)


def test_prepare_then_commit(session, pair):
    work(session)
    session.prepare()
    assert len(prepared(pair[Account])) == 1
    with pytest.raises(InvalidRequestError, match="prepared"):
        session.get(Account, 2)
    with pytest.raises(InvalidRequestError, match="prepared"):
        session.prepare()
    session.commit()
    assert_done(pair, True)


@pytest.mark.parametrize("end", ["rollback", "close"])
def test_prepare_then_give_up(session, pair, end):
    work(session)
    session.prepare()
    getattr(session, end)()
    assert_done(pair, False)
    work(session)
    session.commit()
    assert_done(pair, True)


def test_a_with_block_prepares_and_commits(session, pair):
    with session.begin():
        work(session)
    assert_done(pair, True)


def test_a_savepoint_in_a_two_phase_transaction(session, pair):
    work(session)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(Entry(id=1))
        session.expunge(session.get(Entry, 1))
        session.flush()
    session.commit()
    assert_done(pair, True)


def test_where_one_cannot_prepare_nothing_is_committed(session, pair):
    work(session)
    session.flush()
    event.listen(pair[Entry], "prepare_twophase", lambda connection, xid: cut(pair[Entry], connection))
    with pytest.raises(DBAPIError) as caught:
        session.commit()
    assert not isinstance(caught.value, CommitOutcomeUnknown)
    assert "PreparedTransactions" in caught.value.__notes__[0]
    session.rollback()
    assert_done(pair, False)


def test_one_that_is_lost_in_the_second_phase_keeps_the_other_from_nothing(session, pair):
    """All have promised: what can be committed is, and the error names what is left to be done."""
    work(session)
    session.flush()
    event.listen(pair[Account], "commit_twophase", lambda connection, xid, _: cut(pair[Account], connection))
    with pytest.raises(CommitOutcomeUnknown) as caught:
        session.commit()
    error = caught.value
    assert (error.committed, error.unknown, error.undone) == ((pair[Entry],), (pair[Account],), ())
    session.rollback()
    assert entries(pair[Entry]) == [1]
    (xid,) = error.prepared.values()
    PreparedTransactions(pair[Account]).commit(xid)
    assert_done(pair, True)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_mariadb_recovers_a_prepared_transaction_of_a_lost_connection(second, end):
    with Session(second, twophase=True) as session:
        session.add(Entry(id=1))
        session.prepare()
        (connection,) = session.get_transaction().connections
        xid = connection.get_transaction().xid
        cut(second, connection)
        with pytest.raises(CommitOutcomeUnknown) as caught:
            session.commit()
        assert caught.value.prepared == {second: xid}
    waiting = PreparedTransactions(second)
    assert xid in waiting
    assert entries(second) == []
    getattr(waiting, end)(xid)
    assert xid not in waiting
    with pytest.raises(InvalidRequestError, match=xid):
        waiting.commit(xid)
    assert entries(second) == ([1] if end == "commit" else [])
    assert second.pool.checkedout() == 0


def test_without_two_phases_it_is_known_which_have_committed(pair):
    with Session(binds=pair) as session:
        work(session)
        session.flush()
        last = session.connection(Entry)
        event.listen(pair[Entry], "commit", lambda connection: cut(pair[Entry], last))
        with pytest.raises(CommitOutcomeUnknown) as caught:
            session.commit()
        assert caught.value.committed == (pair[Account],)
        assert caught.value.unknown == (pair[Entry],)
        session.rollback()
    assert balances(pair[Account])[1] == 0
    for engine in pair.values():
        assert engine.pool.checkedout() == 0


# What may be done when


@pytest.mark.parametrize("call", ["prepare", "nested"])
def test_prepare_wants_the_outermost_transaction_of_a_two_phase_session(own_engine, call):
    with Session(own_engine, twophase=call == "nested") as session:
        session.get(Account, 1)
        if call == "nested":
            session.begin_nested()
        with pytest.raises(InvalidRequestError, match="twophase=True"):
            session.prepare()


@pytest.mark.parametrize("call", ["commit", "rollback", "close", "prepare", "reset", "invalidate"])
@pytest.mark.parametrize("moment", ["before_commit", "before_flush"])
def test_a_transaction_cannot_be_ended_from_inside_its_commit(own_engine, call, moment):
    with Session(own_engine, twophase=True) as session:
        session.get_one(Account, 1).balance = 0
        event.listen(session, moment, lambda *args: getattr(session, call)())
        with pytest.raises(IllegalStateChangeError, match=r"while commit\(\) of the same session is under way"):
            session.commit()
    assert balances(own_engine)[1] == 100
    assert own_engine.pool.checkedout() == 0
