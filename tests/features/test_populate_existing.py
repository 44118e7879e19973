"""populate_existing: a known object is taken as the database has it."""

import pytest
from shop import Customer, Item, Order, fill
from sqlalchemy import update

from ropewalk import Session, joinedload, select, selectinload

FRESH = {"populate_existing": True}


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine, autoflush=False) as session:
        yield session


def load_again(session, how):
    if how == "get":
        return session.get(Customer, 1, populate_existing=True)
    if how == "query":
        return session.query(Customer).populate_existing().filter_by(id=1).one()
    option = {"lazy": [], "joined": [joinedload(Customer.orders)], "selectin": [selectinload(Customer.orders)]}[how]
    statement = select(Customer).where(Customer.id == 1).options(*option)
    return session.scalars(statement, execution_options=FRESH).unique().one()


@pytest.mark.parametrize("how", ["get", "query", "lazy", "joined", "selectin"])
def test_collections_lose_what_was_changed_in_them(session, how):
    customer = session.get(Customer, 1)
    gone = customer.orders[0]
    customer.orders.remove(gone)
    customer.orders.append(Order(id=50))
    customer.name = "other"
    assert load_again(session, how) is customer
    assert customer not in session.dirty
    assert customer.name == "c1"
    assert [order.id for order in customer.orders] == [1, 2, 3]


@pytest.mark.parametrize("how", ["get", "lazy", "joined"])
def test_collections_show_what_others_have_changed(session, how):
    customer = session.get(Customer, 1)
    assert len(customer.orders) == 3
    session.execute(update(Order).where(Order.id == 4).values(customer_id=1), execution_options=NO_SYNC)
    load_again(session, how)
    assert [order.id for order in customer.orders] == [1, 2, 3, 4]


NO_SYNC = {"synchronize_session": False}


def test_references_too(session):
    order = session.get(Order, 1)
    order.customer = None
    session.scalars(select(Order), execution_options=FRESH).all()
    assert order.customer.id == 1
    assert not session.dirty


def test_what_the_same_statement_joins_stays_however_its_rows_are_ordered(session):
    query = select(Order).join(Order.items).order_by(Item.id % 3, Order.id).options(joinedload(Order.customer))
    session.scalars(query).all()
    orders = session.scalars(query, execution_options=FRESH).unique().all()
    assert all("customer" in order.__dict__ for order in orders)
    session.commit()


def test_a_child_that_was_taken_out_is_no_orphan_afterwards(session):
    customer = session.get(Customer, 1)
    order = customer.orders[0]
    customer.orders.remove(order)
    session.get(Customer, 1, populate_existing=True)
    session.get(Order, order.id, populate_existing=True)
    session.commit()
    assert order.customer is customer
