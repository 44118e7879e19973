"""Shards that commit together: two phases over the databases of one class."""

import pytest
from faults.accounts import Account, Base, balances
from faults.servers import cut
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from ropewalk import PreparedTransactions, select
from ropewalk.exc import CommitOutcomeUnknown
from ropewalk.ext.horizontal_shard import ShardedSession


@pytest.fixture
def shards(own_engine, mariadb_engine):
    """Accounts 1 and 2 on PostgreSQL, 11 and 12 on MariaDB."""
    Base.metadata.create_all(mariadb_engine)
    with mariadb_engine.begin() as connection:
        connection.execute(Account.__table__.insert(), [{"id": i, "balance": 100} for i in (11, 12)])
    yield {"low": own_engine, "high": mariadb_engine}
    waiting = PreparedTransactions(mariadb_engine)
    for xid in [xid for xid in waiting if xid in BEGUN]:  # of a test that failed
        waiting.rollback(xid)


BEGUN = set()


@pytest.fixture
def session(shards):
    event.listen(shards["high"], "begin_twophase", lambda connection, xid: BEGUN.add(xid))
    with ShardedSession(
        shards=shards,
        twophase=True,
        shard_chooser=lambda mapper, instance, clause=None: "low" if instance.id < 10 else "high",
        identity_chooser=lambda mapper, key, **kw: ["low" if key[0] < 10 else "high"],
    ) as session:
        yield session


def move(session, amount):
    session.get_one(Account, 1).balance -= amount
    session.get_one(Account, 11).balance += amount
    session.add(Account(id=13, balance=0))


def assert_moved(shards, amount):
    assert balances(shards["low"]) == {1: 100 - amount, 2: 100}
    assert balances(shards["high"]) == {11: 100 + amount, 12: 100, **({13: 0} if amount else {})}
    assert list(PreparedTransactions(shards["low"])) == []
    assert not BEGUN & {*PreparedTransactions(shards["high"])}
    assert [engine.pool.checkedout() for engine in shards.values()] == [0, 0]


def test_all_shards_commit(session, shards):
    move(session, 30)
    assert session.scalars(select(Account.balance).order_by(Account.id)).all() == [70, 100, 130, 100, 0]
    session.commit()
    assert_moved(shards, 30)


def test_all_shards_are_rolled_back(session, shards):
    move(session, 30)
    session.flush()
    session.rollback()
    assert session.get_one(Account, 11).balance == 100
    session.close()
    assert_moved(shards, 0)


def test_where_one_shard_cannot_prepare_none_commits(session, shards):
    move(session, 30)
    event.listen(shards["high"], "prepare_twophase", lambda connection, xid: cut(shards["high"], connection))
    with pytest.raises(DBAPIError):
        session.commit()
    session.close()
    assert_moved(shards, 0)


def test_a_shard_that_is_lost_in_the_second_phase_is_named(session, shards):
    move(session, 30)
    event.listen(shards["high"], "commit_twophase", lambda connection, xid, _: cut(shards["high"], connection))
    with pytest.raises(CommitOutcomeUnknown) as caught:
        session.commit()
    assert list(caught.value.committed) == [shards["low"]]
    ((engine, xid),) = caught.value.prepared.items()
    assert engine is shards["high"]
    PreparedTransactions(engine).commit(xid)
    assert_moved(shards, 30)
