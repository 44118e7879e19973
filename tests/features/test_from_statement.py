"""Objects from the rows of a statement written by hand: which column is whose."""

import pytest
from databases import count_statements
from shop import Customer, Item, Order, fill
from sqlalchemy import bindparam, text

from ropewalk import Session, aliased, contains_eager, joinedload, select
from ropewalk.exc import InvalidRequestError


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine) as session:
        yield session


customer, order, item = Customer.__table__, Order.__table__, Item.__table__
TOGETHER = customer.outerjoin(order).select().where(customer.c.id >= 10).order_by(customer.c.id, order.c.id)


def test_two_classes_whose_columns_have_the_same_names(session):
    rows = session.execute(select(Customer, Order).from_statement(TOGETHER)).all()
    assert [(c.id, o and o.id, o and o.customer_id) for c, o in rows] == [
        (10, 28, 10),
        (10, 29, 10),
        (10, 30, 10),
        (11, None, None),
    ]


def test_columns_in_any_order_by_their_objects(session):
    statement = text(
        f"SELECT o.id AS a, c.name AS b, c.id AS c FROM customer c JOIN {order.name} o ON o.customer_id = c.id"
    )
    statement = statement.columns(order.c.id, customer.c.name, customer.c.id)
    rows = session.execute(select(Customer.name, Order.id).from_statement(statement)).all()
    assert ("c4", 11) in rows


def test_a_bare_name_stands_for_one_class_alone(session):
    both = text(
        f"SELECT {customer.name}.*, o.* FROM {customer.name} JOIN {order.name} o ON o.customer_id = customer.id"
    )
    with pytest.raises(InvalidRequestError, match=f"cannot become Order objects.*{order.name}_id"):
        session.execute(select(Customer, Order).from_statement(both))


@pytest.mark.parametrize("write", ["select", "names", "alias", "aliased"])
def test_contains_eager_takes_the_objects_from_the_rows(session, write):
    labels = f"c.id AS {customer.name}_id, c.name AS {customer.name}_name, o.id AS {order.name}_id"
    other = order.alias("other")
    joined = customer.outerjoin(other).select().where(customer.c.id >= 10)
    query, statement = {
        "select": (contains_eager(Customer.orders), TOGETHER),
        "names": (
            contains_eager(Customer.orders),
            text(
                f"SELECT {labels} FROM {customer.name} c LEFT JOIN {order.name} o ON o.customer_id = c.id "
                f"WHERE c.id >= 10"
            ),
        ),
        "alias": (contains_eager(Customer.orders, alias=other), joined),
        "aliased": (contains_eager(Customer.orders, alias=aliased(Order, other)), joined),
    }[write]
    with count_statements(session.connection()) as sent:
        found = session.scalars(select(Customer).options(query).from_statement(statement)).unique().all()
        held = {c.id: sorted(o.id for o in c.orders) for c in found}
    assert held == {10: [28, 29, 30], 11: []}
    assert sent.count == 1, sent.statements


def test_two_levels(session):
    both = customer.join(order).join(item).select().where(customer.c.id == 2).order_by(item.c.id)
    query = select(Customer).options(contains_eager(Customer.orders).contains_eager(Order.items)).from_statement(both)
    with count_statements(session.connection()) as sent:
        (found,) = session.scalars(query).unique()
        items = [i.id for o in found.orders for i in o.items]
    assert items == session.scalars(select(Item.id).join(Item.order).where(Order.customer_id == 2)).all()
    assert sent.count == 1, sent.statements


def test_contains_eager_without_the_columns_says_what_lacks(session):
    query = select(Customer).options(contains_eager(Customer.orders)).from_statement(customer.select())
    with pytest.raises(InvalidRequestError, match="cannot become Order objects: the key column id"):
        session.scalars(query)


def test_parameters_given_later_go_first(session):
    inner = select(Customer).where(Customer.id.in_([bindparam("a"), bindparam("b")])).params(a=1, b=2)
    statement = select(Customer).from_statement(inner.order_by(Customer.id)).params({"a": 4})
    assert [c.id for c in session.scalars(statement)] == [2, 4]
    assert [c.id for c in session.scalars(statement, {"b": 5})] == [4, 5]
    plain = text(f"SELECT * FROM {customer.name} WHERE id = :id").bindparams(id=1)
    assert session.scalars(select(Customer).from_statement(plain).params(id=3)).one().id == 3


# -- beside joins of our own --------------------------------------------------------------------


def test_contains_eager_inside_the_subquery_that_a_limit_needs(session):
    query = (
        select(Order)
        .join(Order.customer)
        .options(contains_eager(Order.customer), joinedload(Order.items))
        .where(Customer.id == 4)
        .order_by(Order.id)
        .limit(2)
    )
    with count_statements(session.connection()) as sent:
        found = session.scalars(query).unique().all()
        seen = [(o.id, o.customer.id, len(o.items) > 0) for o in found]
    assert seen == [(10, 4, True), (11, 4, True)]
    assert sent.count == 1, sent.statements
