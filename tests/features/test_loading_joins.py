"""Statements joined along relationships."""

import pytest
from databases import count_statements
from shop import Customer, Item, Label, Node, Order, fill
from sqlalchemy.exc import ArgumentError

from ropewalk import Session, aliased, select
from ropewalk.loading.options import contains_eager


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


@pytest.fixture
def session(shop):
    with Session(shop) as session:
        yield session


def ids(found):
    return [one.id for one in found]


def test_join_of_a_collection(session):
    query = select(Customer).join(Customer.orders).where(Order.id.in_([2, 7])).order_by(Customer.id)
    assert ids(session.scalars(query)) == [1, 3]


def test_join_of_a_reference(session):
    query = select(Order).join(Order.customer).where(Customer.name == "c4").order_by(Order.id)
    assert ids(session.scalars(query)) == [10, 11, 12]


def test_join_through_several(session):
    query = select(Customer).join(Customer.orders).join(Order.items).where(Item.name == "i40")
    assert ids(session.scalars(query)) == [5]


def test_outer_join(session):
    query = select(Customer).outerjoin(Customer.orders).where(Order.id.is_(None))
    assert ids(session.scalars(query)) == [11]


def test_join_over_an_association_table(session):
    query = select(Label).join(Label.items).where(Item.id == 5).order_by(Label.id)
    assert ids(session.scalars(query)) == [2, 3]
    assert len(session.scalars(select(Item).outerjoin(Item.labels).where(Label.id == 1)).all()) == 44


def test_join_of_an_alias(session):
    parent = aliased(Node)
    query = select(Node).join(Node.parent.of_type(parent)).where(parent.id == 1).order_by(Node.id)
    assert ids(session.scalars(query)) == [2, 3]
    assert ids(session.scalars(select(Node).join(parent, Node.parent).where(parent.id == 4))) == [5]


def test_join_from_an_alias(session):
    child = aliased(Node)
    query = select(child).join(child.children).where(Node.id == 4)
    assert ids(session.scalars(query)) == [2]


def test_join_with_further_criteria(session):
    query = select(Customer).join(Customer.orders.and_(Order.id > 28))
    assert ids(session.scalars(query)) == [10, 10]


def test_filter_by_after_a_join_means_the_joined_class(session):
    assert ids(session.scalars(select(Customer).join(Customer.orders).filter_by(customer_id=3)))[:1] == [3]
    assert ids(session.query(Customer).join(Customer.orders).filter_by(id=8)) == [3]


def test_query_joins(session):
    query = session.query(Customer).join(Customer.orders).join(Order.items).filter(Item.id < 12)
    assert ids(query.order_by(Customer.id)) == [1, 2]
    assert ids(session.query(Customer).outerjoin(Customer.orders).filter(Order.id.is_(None))) == [11]


def test_contains_eager_over_a_join(session, shop):
    query = select(Customer).join(Customer.orders).join(Order.items).where(Item.id.in_([4, 6, 7])).order_by(Item.id)
    option = contains_eager(Customer.orders).contains_eager(Order.items)
    with count_statements(shop) as sent:
        (customer,) = session.scalars(query.options(option)).unique().all()
        assert [(o.id, ids(o.items)) for o in customer.orders] == [(2, [4, 6]), (3, [7])]
    assert sent.count == 1


def test_any_and_has(session):
    assert ids(session.scalars(select(Customer).where(Customer.orders.any(Order.id == 4)))) == [2]
    assert ids(session.scalars(select(Order).where(Order.customer.has(name="c2")).order_by(Order.id))) == [4, 5, 6]


def test_a_relationship_that_leads_elsewhere():
    with pytest.raises(ArgumentError, match="Customer.orders does not lead to .*Item.* but to Order"):
        select(Customer).join(Item, Customer.orders)
