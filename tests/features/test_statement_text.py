"""A statement shown as text is the statement that is executed, joins of eager loading included."""

import pytest
import sqlalchemy
from databases import count_statements
from shop import Customer, Item, Order, fill
from sqlalchemy import func

from ropewalk import Session, contains_eager, joinedload, select, selectinload, with_loader_criteria


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


@pytest.fixture
def session(shop):
    with Session(shop) as session:
        yield session


def plain(text):
    return " ".join(text.split())


STATEMENTS = {
    "joined": select(Customer).options(joinedload(Customer.orders).joinedload(Order.items)),
    "inner": select(Order).options(joinedload(Order.customer, innerjoin=True)),
    "limited": select(Customer).options(joinedload(Customer.orders)).order_by(Customer.id).limit(3),
    "contained": select(Customer).join(Customer.orders).options(contains_eager(Customer.orders)),
    "core": sqlalchemy.select(Customer).join(Customer.orders).options(joinedload(Customer.card)),
    "filtered": select(Customer).options(
        joinedload(Customer.orders),
        with_loader_criteria(Order, Order.id > 3),
        with_loader_criteria(Customer, Customer.id > 1),
    ),
    "many to many": select(Item).options(joinedload(Item.labels)),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_shown_is_what_is_executed(session, shop, name):
    statement = STATEMENTS[name]
    with count_statements(shop) as sent:
        session.execute(statement).unique().all()
    assert sent.count == 1
    assert plain(str(statement.compile(shop))) == plain(sent.statements[0])


def test_of_a_query(session, shop):
    query = session.query(Customer).options(joinedload(Customer.orders)).filter(Customer.id == 1)
    with count_statements(shop) as sent:
        query.all()
    assert plain(str(query)) == plain(sent.statements[0])
    assert "LEFT OUTER JOIN order_ AS order__1" in plain(str(query))


def test_what_is_loaded_by_statements_of_its_own_is_not_shown():
    assert "JOIN" not in str(select(Customer).options(selectinload(Customer.orders)))


def test_a_statement_inside_another_has_no_eager_joins(session):
    query = select(Customer).options(joinedload(Customer.orders))
    assert "JOIN" not in str(select(query.subquery()))
    assert "JOIN" not in str(sqlalchemy.union(query, query))
    assert session.scalar(select(func.count()).select_from(query.subquery())) == 11
