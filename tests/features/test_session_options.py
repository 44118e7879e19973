"""Execution options of a session, a statement and a call; what they mean for loads beside the statement."""

import pytest
from shop import Customer, Order, fill
from sqlalchemy import event, update

from ropewalk import Session, select, selectinload


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


def options_sent(engine, work):
    """Return the value of the option ``colour`` of each statement that ``work`` sends."""
    found = []

    def look(connection, cursor, statement, parameters, context, many):
        found.append(context.execution_options.get("colour"))

    event.listen(engine, "before_cursor_execute", look)
    work()
    event.remove(engine, "before_cursor_execute", look)
    return found


def test_options_of_a_query_hold_for_what_it_loads_besides(shop):
    query = select(Customer).options(selectinload(Customer.orders)).execution_options(colour="red")
    with Session(shop) as session:
        assert options_sent(shop, lambda: session.scalars(query).all()) == ["red", "red"]
        assert (
            options_sent(shop, lambda: session.scalars(query, execution_options={"colour": "blue"}).all())
            == ["blue"] * 2
        )
        customer = session.get(Customer, 1)
        session.expire(customer)
        assert options_sent(shop, lambda: customer.name) == [None]


def test_the_session_s_own_are_the_least(shop):
    with Session(shop, execution_options={"colour": "green", "autoflush": False}) as session:
        assert options_sent(shop, lambda: session.scalars(select(Customer)).all()) == ["green"]
        red = select(Customer).execution_options(colour="red")
        assert options_sent(shop, lambda: session.scalars(red).all()) == ["red"]
        session.add(Order(id=1000))
        assert session.scalars(select(Order).where(Order.id == 1000)).all() == []
        assert session.new


def test_populate_existing_for_a_session_a_call_and_get(shop):
    def changed_behind(session):
        customer = session.get(Customer, 1)
        session.connection().execute(update(Customer.__table__).where(Customer.__table__.c.id == 1).values(name="new"))
        return customer

    with Session(shop) as session:
        customer = changed_behind(session)
        assert session.get(Customer, 1, execution_options={"populate_existing": False}).name == "c1"
        session.get(Customer, 1, populate_existing=False, execution_options={"populate_existing": True})
        assert customer.name == "c1"
        session.get(Customer, 1, execution_options={"populate_existing": True})
        assert customer.name == "new"
    with Session(shop, execution_options={"populate_existing": True}) as session:
        customer = changed_behind(session)
        session.scalars(select(Customer)).all()
        assert customer.name == "new"


def test_flush_of_an_object_takes_its_new_children_along(shop):
    with Session(shop) as session:
        parent = Customer(id=500, name="p", orders=[Order(id=501), Order(id=502)])
        other = Order(id=503)
        session.add_all([parent, other])
        session.flush([parent])
        assert set(session.new) == {other}
        assert [order.customer_id for order in parent.orders] == [500, 500]


def test_flush_of_a_child_takes_no_parent_along(shop):
    with Session(shop) as session:
        parent = Customer(id=500, name="p")
        child, sibling = Order(id=501, customer=parent), Order(id=502, customer=parent)
        session.add(parent)
        session.flush([child])
        assert set(session.new) == {parent, sibling}


@pytest.fixture
def loads_on_pending(monkeypatch):
    monkeypatch.setattr(Order.customer.property, "load_on_pending", True)
    monkeypatch.setattr(Customer.orders.property, "load_on_pending", True)


def test_a_pending_object_loads_what_its_key_refers_to_if_asked(shop, loads_on_pending):
    with Session(shop, autoflush=False) as session:
        order = Order(id=900, customer_id=3)
        assert order.customer is None  # in no session
        del order.__dict__["customer_id"], order
        order = Order(id=900, customer_id=3)
        session.add(order)
        assert order.customer is session.get(Customer, 3)
        customer = Customer(id=1)
        session.add(customer)
        assert [o.id for o in customer.orders] == [1, 2, 3]


def test_a_pending_object_loads_nothing_of_itself(shop):
    with Session(shop, autoflush=False) as session:
        order = Order(id=900, customer_id=3)
        session.add(order)
        assert order.customer is None
        transient = Order(id=901, customer_id=4)
        session.enable_relationship_loading(transient)
        assert transient.customer is session.get(Customer, 4)
        assert transient not in session.new
