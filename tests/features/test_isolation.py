"""Isolation levels and other options of connections: per session, per transaction, per connection."""

from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ArgumentError, DBAPIError, SAWarning

from ropewalk import Session

SERIALIZABLE = {"isolation_level": "SERIALIZABLE"}


def level(session):
    return session.connection().get_isolation_level()


@pytest.fixture
def usual(engine):
    with engine.connect() as connection:
        return connection.default_isolation_level


@pytest.mark.databases("postgresql", "mariadb")
def test_of_a_session(engine, usual):
    with Session(engine, execution_options=SERIALIZABLE) as session:
        for _ in range(2):
            assert level(session) == "SERIALIZABLE"
            session.commit()
    with Session(engine) as session:
        assert level(session) == usual


@pytest.mark.databases("postgresql", "mariadb")
def test_of_a_transaction(engine, usual):
    with Session(engine) as session:
        with session.begin(execution_options=SERIALIZABLE):
            assert level(session) == "SERIALIZABLE"
        assert level(session) == usual


@pytest.mark.databases("postgresql", "mariadb")
def test_of_a_connection(engine, usual):
    with Session(engine) as session:
        assert session.connection(execution_options=SERIALIZABLE).get_isolation_level() == "SERIALIZABLE"
        session.commit()
        assert level(session) == usual


def test_options_that_come_too_late_are_told_of(engine):
    with Session(engine) as session:
        session.connection()
        with pytest.warns(SAWarning, match="too late"):
            session.connection(execution_options={"a": 1})


# The level is the connection's again when the pool has it


@pytest.fixture
def other(engine):
    """Another level than the usual one."""
    return {"isolation_level": "READ UNCOMMITTED" if engine.dialect.name == "sqlite" else "SERIALIZABLE"}


def ended_by_an_error(session):
    with suppress(ZeroDivisionError), session.begin_nested():
        raise ZeroDivisionError
    with suppress(DBAPIError):
        session.execute(text("SELECT nothing FROM nowhere"))
    session.rollback()


ENDS = {
    "commit": lambda s: s.commit(),
    "rollback": lambda s: s.rollback(),
    "close": lambda s: s.close(),
    "reset": lambda s: s.reset(),
    "an error": ended_by_an_error,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("of", ["session", "transaction", "connection"])
def test_it_is_set_back(engine, usual, other, of, end):
    with Session(engine, execution_options=other if of == "session" else None) as session:
        if of == "transaction":
            session.begin(execution_options=other)
        connection = session.connection(execution_options=other if of == "connection" else None)
        assert connection.get_isolation_level() == other["isolation_level"]
        ENDS[end](session)
        with engine.connect() as connection:
            assert connection.get_isolation_level() == usual
    with Session(engine) as session:
        assert level(session) == usual


def test_of_an_engine(engine, usual, other):
    with Session(engine.execution_options(**other)) as session:
        assert level(session) == other["isolation_level"]
    with Session(engine) as session:
        assert level(session) == usual


def test_of_one_of_several_transactions_on_one_session(engine, usual, other):
    with Session(engine) as session:
        with session.begin(execution_options=other), session.begin_nested():
            assert level(session) == other["isolation_level"]
        with session.begin(), session.begin_nested():
            assert level(session) == usual


def test_autocommit_is_a_level_too(engine):
    with Session(engine) as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        session.execute(text("CREATE TABLE note (id INTEGER)"))
        session.execute(text("INSERT INTO note VALUES (1)"))
        session.rollback()
        assert session.scalar(text("SELECT count(*) FROM note")) == 1


def test_a_level_that_there_is_not_is_the_databases_error_and_takes_no_connection(engine):
    with Session(engine) as session:
        with pytest.raises(ArgumentError, match="NO SUCH LEVEL"):
            session.connection(execution_options={"isolation_level": "NO SUCH LEVEL"})
        assert session.scalar(text("SELECT 1")) == 1


def test_of_a_statement_it_is_refused(engine, other):
    with Session(engine) as session, pytest.raises(ArgumentError, match="isolation_level"):
        session.execute(text("SELECT 1"), execution_options=other)
