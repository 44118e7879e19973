"""Isolation levels and other options of connections: per session, per transaction, per connection."""

import pytest
from sqlalchemy.exc import SAWarning

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
