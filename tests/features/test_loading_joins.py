"""Statements joined along relationships."""

import pytest
import sqlalchemy
from databases import count_statements
from shop import Customer, Item, Label, Node, Order, fill
from sqlalchemy.exc import ArgumentError

from ropewalk import Session, aliased, join, outerjoin, select, with_parent
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


# The same with Core's own select(), which keeps the relationship until the statement is compiled.


def test_core_select_joins_along_relationships(session):
    query = sqlalchemy.select(Customer).join(Customer.orders).join(Order.items)
    assert ids(session.scalars(query.where(Item.name == "i40"))) == [5]
    query = sqlalchemy.select(Customer).outerjoin(Customer.orders).where(Order.id.is_(None))
    assert ids(session.scalars(query)) == [11]


def test_core_select_of_columns_joins_along_relationships(session):
    query = sqlalchemy.select(Label.id).join(Label.items.and_(Item.id == 5)).order_by(Label.id)
    assert session.scalars(query).all() == [2, 3]


def test_core_select_joins_aliases_along_relationships(session):
    parent = aliased(Node)
    query = sqlalchemy.select(Node).where(parent.id == 1).order_by(Node.id)
    assert ids(session.scalars(query.join(Node.parent.of_type(parent)))) == [2, 3]
    assert ids(session.scalars(query.join(parent, Node.parent))) == [2, 3]


def test_core_select_as_subquery(session):
    inner = sqlalchemy.select(Customer.id).join(Customer.orders).where(Order.id.in_([2, 7])).subquery()
    query = select(Customer).join(inner, Customer.id == inner.c.id).order_by(Customer.id)
    assert ids(session.scalars(query)) == [1, 3]


def test_core_select_that_asks_for_something_else_after_the_join(session):
    query = sqlalchemy.select(Customer).join(Customer.orders).with_only_columns(Order.id).where(Customer.id == 2)
    assert session.scalars(query.order_by(Order.id)).all() == [4, 5, 6]


def test_core_select_finds_names_in_what_was_joined(session):
    query = sqlalchemy.select(Customer).join(Customer.orders).filter_by(customer_id=3)
    assert ids(session.scalars(query).unique()) == [3]


def test_core_select_joined_to_what_the_relationship_does_not_lead_to():
    with pytest.raises(ArgumentError, match="Customer.orders does not lead to .* but to Order"):
        str(sqlalchemy.select(Customer).join(Item, Customer.orders))


# join() as a FROM clause


def test_join_as_a_from_clause(session):
    joined = join(Customer, Order, Customer.orders).join(Order.items)
    query = select(Customer.id, Item.id).select_from(joined).where(Order.id == 4).order_by(Item.id)
    assert [tuple(row) for row in session.execute(query)] == [(2, 10), (2, 11), (2, 12)]


def test_join_as_a_from_clause_of_a_query(session):
    query = session.query(Customer).select_from(outerjoin(Customer, Customer.orders)).filter(Order.id.is_(None))
    assert ids(query) == [11]


def test_join_by_the_foreign_key_where_no_condition_is_given(session):
    assert len(session.execute(select(Customer.id).select_from(join(Customer, Order))).all()) == 30


def test_join_from_an_alias_along_the_relationship_of_its_class(session):
    one = aliased(Customer)
    query = select(one.id).select_from(join(one, Order, Customer.orders)).where(Order.id == 7)
    assert session.scalars(query).all() == [3]


def test_join_over_an_association_table_as_a_from_clause(session):
    query = select(Label.id).select_from(join(Label, Item, Label.items)).where(Item.id == 5).order_by(Label.id)
    assert session.scalars(query).all() == [2, 3]
    query = select(Item.id).select_from(join(Item, Label, Item.labels, isouter=True)).where(Label.id == 1)
    assert len(session.scalars(query).all()) == 44


def test_join_of_a_table_that_refers_to_itself(session):
    parent = aliased(Node)
    query = select(Node.id).select_from(join(Node, parent, Node.parent)).where(parent.id == 1).order_by(Node.id)
    assert session.scalars(query).all() == [2, 3]


def test_join_to_what_is_no_class():
    with pytest.raises(ArgumentError, match="Customer.orders cannot be followed to <.*is no mapped class"):
        join(Customer, object(), Customer.orders)


# with_parent()


def test_with_parent_of_each_kind_of_relationship(session):
    assert ids(session.scalars(select(Order).where(with_parent(session.get(Customer, 2), Customer.orders)))) == [
        4,
        5,
        6,
    ]
    assert ids(session.scalars(select(Customer).where(with_parent(session.get(Order, 5), Order.customer)))) == [2]
    query = select(Label).where(with_parent(session.get(Item, 5), Item.labels)).order_by(Label.id)
    assert ids(session.scalars(query)) == [2, 3]
    assert ids(session.scalars(select(Node).where(with_parent(session.get(Node, 1), Node.children)))) == [2, 3]


def test_with_parent_of_an_alias(session):
    order = aliased(Order)
    customer = session.get(Customer, 2)
    expected = [4, 5, 6]
    assert ids(session.scalars(select(order).where(with_parent(customer, Customer.orders.of_type(order))))) == expected
    criterion = with_parent(customer, Customer.orders, from_entity=order)
    assert ids(session.scalars(select(order).where(criterion))) == expected


def test_with_parent_asks_for_the_key_when_the_statement_runs(session):
    customer = Customer(name="new")
    query = select(Order).where(with_parent(customer, Customer.orders))
    customer.id = 500
    session.add(customer)
    customer.orders.append(Order(id=500))
    assert ids(session.scalars(query)) == [500]


def test_with_parent_keeps_the_criteria_of_the_relationship(session):
    criterion = with_parent(session.get(Customer, 2), Customer.orders.and_(Order.id > 4))
    assert ids(session.scalars(select(Order).where(criterion))) == [5, 6]


@pytest.mark.parametrize("prop", ["orders", Customer.name, 7])
def test_with_parent_of_what_is_no_relationship(prop):
    with pytest.raises(ArgumentError, match=r"with_parent\(\) takes a relationship of a mapped class"):
        with_parent(Customer(), prop)


def test_with_parent_of_an_object_of_another_class():
    with pytest.raises(ArgumentError, match=r"Customer.orders is a relationship of Customer, and .* no object of that"):
        with_parent(Order(), Customer.orders)
