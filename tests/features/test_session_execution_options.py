"""Execution options of a session: under those of a statement, which are under those of a call."""

import pytest
from databases import count_statements
from shop import Customer, fill
from sqlalchemy import event

from ropewalk import Session, select


@pytest.fixture
def shop(sqlite_engine):
    fill(sqlite_engine)
    return sqlite_engine


def test_precedence(shop):
    with Session(shop, execution_options={"a": 1, "b": 1, "c": 1}) as session:
        seen = []
        event.listen(session, "do_orm_execute", lambda state: seen.append(dict(state.execution_options)))
        session.execute(select(Customer).execution_options(b=2, c=2), execution_options={"c": 3})
        session.get(Customer, 5, execution_options={"c": 3})
        session.query(Customer).execution_options(b=2).all()
        assert {key: seen[0][key] for key in "abc"} == {"a": 1, "b": 2, "c": 3}
        assert {key: seen[1][key] for key in "abc"} == {"a": 1, "b": 1, "c": 3}
        assert {key: seen[2][key] for key in "abc"} == {"a": 1, "b": 2, "c": 1}


def test_options_that_mean_something(shop):
    with Session(shop, execution_options={"populate_existing": True, "autoflush": False}) as session:
        customer = session.get(Customer, 1)
        customer.name = "changed"
        with count_statements(shop) as sent:
            session.scalars(select(Customer)).all()
            assert customer.name == "c1"
            customer.name = "changed"
            session.query(Customer).all()
            assert customer.name == "c1"
        assert sent.count == 2
