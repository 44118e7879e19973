"""Faults that come from the data, from the program, or from another session: the first cause is the one raised."""

import threading

import pytest
from faults.accounts import (
    BEFORE,
    Account,
    assert_all_or_nothing,
    assert_nothing_is_left,
    assert_usable,
    balances,
    transfer,
)
from sqlalchemy import Integer, TypeDecorator, create_engine, event, insert
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column
from ropewalk.exc import PendingRollbackError


class Odd(Exception):
    pass


class Touchy(TypeDecorator):
    """A type that refuses 13, going in and coming out."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value == 13:
            raise Odd("in")
        return value

    def process_result_value(self, value, dialect):
        if value == 14:
            raise Odd("out")
        return value


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Touchy)


def test_unique_violation_in_row_731_of_a_batch(bank):
    with Session(bank) as session:
        one, _ = transfer(session)
        new = [Account(id=100 + n, balance=0, owner=n) for n in range(1000)]
        new[731].owner = 5
        session.add_all(new)
        with pytest.raises(IntegrityError) as caught:
            session.commit()
        assert any(f"id={100 + 731}" in note for note in caught.value.__notes__), caught.value.__notes__
        with pytest.raises(PendingRollbackError) as then:
            session.get(Account, 1)
        assert then.value.__cause__ is caught.value
        assert_nothing_is_left(bank, session)
        assert all(inspect(account).transient for account in new)
        assert one.balance == 100
        session.rollback()
        assert assert_all_or_nothing(bank, session) == "nothing"
        assert_usable(bank, session)


def test_a_type_that_raises_on_the_way_in(bank):
    Base.metadata.create_all(bank)
    with Session(bank) as session:
        transfer(session)
        session.add_all(Thing(id=n, number=n) for n in range(20))
        with pytest.raises(StatementError) as caught:
            session.commit()
        assert isinstance(caught.value.orig, Odd)
        assert any("id=13" in note for note in caught.value.__notes__)
        assert_nothing_is_left(bank, session)
        assert assert_all_or_nothing(bank, session) == "nothing"
        assert_usable(bank, session)


def test_a_type_that_raises_on_the_way_out(bank):
    Base.metadata.create_all(bank)
    with bank.begin() as connection:
        connection.execute(insert(Thing.__table__), [{"id": n, "number": n} for n in range(14, 24)])
    with Session(bank) as session:
        transfer(session)
        with pytest.raises(Odd, match="out"):
            session.query(Thing).all()
        assert session.get(Thing, 15).number == 15
        session.commit()
        assert_usable(bank, session)


@pytest.mark.databases("postgresql", "mariadb")
def test_deadlock_between_two_sessions(bank):
    barrier = threading.Barrier(2, timeout=30)
    lost, won = [], []

    def cross(first):
        with Session(bank) as session:
            try:
                session.get(Account, first).balance += 1
                session.flush()
                barrier.wait()
                session.get(Account, 3 - first).balance += 10
                session.commit()
                won.append(first)
            except DBAPIError as error:
                lost.append(error)
                session.rollback()
                assert session.get(Account, first).balance is not None
                session.rollback()

    threads = [threading.Thread(target=cross, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(won), len(lost)) == (1, 1)
    expected = {won[0]: 101, 3 - won[0]: 110}
    assert balances(bank) == expected
    assert bank.pool.checkedout() == 0


def test_an_exhausted_pool_says_so_and_leaves_the_session_usable(bank):
    engine = create_engine(bank.url, pool_size=2, max_overflow=0, pool_timeout=0.05)
    holders = [Session(engine) for _ in range(2)]
    for holder in holders:
        holder.get(Account, 1)
    with Session(engine) as session:
        with pytest.raises(PoolTimeout) as caught:
            session.get(Account, 1)
        told = "\n".join(caught.value.__notes__)
        for holder in holders:
            assert f"session {holder.hash_key}" in told
        assert "test_an_exhausted_pool" in told
        for holder in holders:
            holder.close()
        session.rollback()
        assert_usable(engine, session)
    engine.dispose()


@pytest.mark.parametrize("name", ["begin", "commit", "rollback", "before_cursor_execute", "checkout"])
def test_a_listener_of_the_engine_that_raises(bank, name):
    def fail(*args):
        if armed:
            raise Odd(name)

    armed = []
    event.listen(bank, name, fail)
    with Session(bank) as session:
        armed.append(1)
        with pytest.raises(Odd, match=name):
            transfer(session)
            if name == "rollback":
                session.rollback()
            session.commit()
        armed.clear()
        assert_nothing_is_left(bank, session)
        assert balances(bank) == BEFORE
        assert_usable(bank, session)
