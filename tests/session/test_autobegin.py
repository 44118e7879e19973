"""What begins a transaction: also the change of an attribute, at no cost to those that follow."""

import pytest
from sqlalchemy import String

from ropewalk import DeclarativeBase, Mapped, Session, SessionTransactionOrigin, mapped_column
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class Lamp(Base):
    __tablename__ = "lamp"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


@pytest.fixture
def engine(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Lamp(id=1, name="red"))
        session.commit()
    return sqlite_engine


@pytest.fixture
def lamp(engine):
    with Session(engine, expire_on_commit=False) as session:
        lamp = session.get(Lamp, 1)
        session.commit()
        yield lamp
        session.close()


def session_of(lamp):
    return lamp._sa_instance_state.session


def test_a_change_begins_a_transaction_that_takes_no_connection(lamp, engine):
    session = session_of(lamp)
    assert not session.in_transaction()
    lamp.name = "blue"
    assert session.in_transaction()
    assert engine.pool.checkedout() == 0
    assert lamp in session.dirty


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_each_transaction_is_begun_by_its_first_change(lamp, end):
    session = session_of(lamp)
    for name in ("blue", "green", "white"):
        assert not session.in_transaction()
        lamp.name = name
        assert session.in_transaction()
        lamp.name += "!"
        getattr(session, end)()
    assert lamp.name == ("white!" if end == "commit" else "red")


def test_without_autobegin_a_change_is_refused_and_not_made(engine):
    with Session(engine, autobegin=False, expire_on_commit=False) as session:
        with session.begin():
            lamp = session.get(Lamp, 1)
        with pytest.raises(InvalidRequestError, match="begin"):
            lamp.name = "blue"
        assert lamp.name == "red"
        assert not session.dirty
        with session.begin():
            lamp.name = "green"
        assert not session.dirty
    with Session(engine) as session:
        assert session.get(Lamp, 1).name == "green"


def test_a_change_in_a_with_block_whose_transaction_has_ended_is_refused(engine):
    with Session(engine, expire_on_commit=False) as session:
        with session.begin():
            lamp = session.get(Lamp, 1)
            session.commit()
            with pytest.raises(InvalidRequestError, match="with block"):
                lamp.name = "blue"
        assert lamp.name == "red"


def test_a_session_without_transactions_begins_none(engine):
    session = Session(engine, transactional=False)
    lamp = session.get(Lamp, 1)
    lamp.name = "blue"
    assert not session.in_transaction()
    session.flush()
    assert not session.in_transaction()
    session.close()
    with Session(engine) as session:
        assert session.get(Lamp, 1).name == "blue"


def test_a_change_after_the_session_is_gone(engine):
    session = Session(engine, expire_on_commit=False)
    lamp = session.get(Lamp, 1)
    session.commit()
    del session
    lamp.name = "blue"
    assert lamp.name == "blue"


def test_a_savepoint_begins_its_transaction_explicitly(engine):
    with Session(engine, autobegin=False) as session:
        with session.begin_nested() as savepoint:
            assert savepoint.parent.origin is SessionTransactionOrigin.BEGIN
            session.add(Lamp(id=2, name="green"))
        session.commit()
        with pytest.raises(InvalidRequestError, match="begin"):
            session.get(Lamp, 2)
        with session.begin():
            assert session.get(Lamp, 2).name == "green"
