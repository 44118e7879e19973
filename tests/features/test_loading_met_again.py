"""Objects that a second query meets: the options of the first go on, unless it says otherwise or all is read anew."""

import pytest
from databases import count_statements
from shop import Customer, Order, fill
from sqlalchemy.exc import InvalidRequestError

from ropewalk import (
    Session,
    joinedload,
    lazyload,
    raiseload,
    select,
    selectinload,
    undefer,
    with_loader_criteria,
)


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine, peers=True) as session:
        yield session


FORBIDDEN = select(Customer).options(raiseload(Customer.orders)).order_by(Customer.id)
PLAIN = select(Customer).order_by(Customer.id)
FILTERED = PLAIN.options(with_loader_criteria(Order, Order.id > 2))


def ids(found):
    return [one.id for one in found]


def test_a_ban_outlives_a_plain_query(session):
    first, *_ = session.scalars(FORBIDDEN).all()
    assert session.scalars(PLAIN).all()[0] is first
    with pytest.raises(InvalidRequestError):
        first.orders  # noqa: B018


@pytest.mark.parametrize("by_name", [False, True])
def test_a_ban_of_the_second_query_holds_for_what_is_not_loaded(session, by_name):
    before = PLAIN.options(undefer(Customer.note)) if by_name else PLAIN
    first, second, *_ = session.scalars(before).all()
    assert ids(first.orders) == [1, 2, 3]
    session.expire(second, ["orders"])
    session.scalars(FORBIDDEN).all()
    assert ids(first.orders) == [1, 2, 3]
    with pytest.raises(InvalidRequestError):
        second.orders  # noqa: B018


def test_a_second_query_may_lift_a_ban_by_naming_the_relationship(session):
    first, *_ = session.scalars(FORBIDDEN).all()
    session.scalars(PLAIN.options(lazyload(Customer.orders))).all()
    assert ids(first.orders) == [1, 2, 3]


@pytest.mark.parametrize(
    "read_anew",
    [
        pytest.param(
            lambda session: session.scalars(PLAIN, execution_options={"populate_existing": True}), id="populate"
        ),
        pytest.param(lambda session: (session.expire_all(), session.scalars(PLAIN)), id="expired"),
    ],
)
def test_what_is_read_anew_by_a_plain_query_is_free_of_bans_and_keeps_filters(session, read_anew):
    first, *_ = session.scalars(FORBIDDEN.options(with_loader_criteria(Order, Order.id > 2))).all()
    read_anew(session)
    assert ids(first.orders) == [3]


def test_an_expired_object_that_is_refreshed_alone_keeps_the_ban(session):
    first, *_ = session.scalars(FORBIDDEN).all()
    session.expire_all()
    assert first.name == "c1"
    with pytest.raises(InvalidRequestError):
        first.orders  # noqa: B018


def test_a_filter_outlives_a_plain_query(session):
    first, *_ = session.scalars(FILTERED).all()
    session.scalars(PLAIN).all()
    assert ids(first.orders) == [3]


def test_of_two_filters_that_of_the_first_query_stands(session):
    first, *_ = session.scalars(FILTERED).all()
    session.scalars(PLAIN.options(with_loader_criteria(Order, Order.id < 2))).all()
    assert ids(first.orders) == [3]


def test_populate_existing_takes_the_options_of_its_query(session):
    first, *_ = session.scalars(FILTERED).all()
    again = PLAIN.options(with_loader_criteria(Order, Order.id < 2)).execution_options(populate_existing=True)
    session.scalars(again).all()
    assert ids(first.orders) == [1]


def test_what_one_query_wished_below_a_relationship_and_another_beside_it_holds_together(session, engine):
    first, *_ = session.scalars(PLAIN.options(lazyload(Customer.orders).raiseload(Order.items))).all()
    session.scalars(PLAIN.options(raiseload(Customer.card))).all()
    with pytest.raises(InvalidRequestError):
        first.card  # noqa: B018
    assert ids(first.orders) == [1, 2, 3]
    with pytest.raises(InvalidRequestError):
        first.orders[0].items  # noqa: B018


def test_an_object_that_another_query_joins_keeps_what_its_own_wished(session):
    first, *_ = session.scalars(FORBIDDEN).all()
    order = session.scalars(select(Order).options(joinedload(Order.customer)).where(Order.id == 1)).one()
    assert order.customer is first
    with pytest.raises(InvalidRequestError):
        first.orders  # noqa: B018


def test_those_whom_a_second_query_met_are_still_loaded_together(session, engine):
    customers = session.scalars(PLAIN.options(undefer(Customer.note))).all()
    session.scalars(PLAIN.options(lazyload(Customer.orders).joinedload(Order.items))).all()
    with count_statements(engine) as sent:
        for customer in customers:
            for order in customer.orders:
                assert len(order.items) == 3
    assert sent.count == 1


def test_the_same_query_again_keeps_its_objects_together_with_the_new_ones(session, engine):
    query = PLAIN.options(selectinload(Customer.card))
    kept = session.scalars(query.where(Customer.id < 4)).all()
    customers = session.scalars(query.where(Customer.id < 7)).all()
    assert kept == customers[:3]
    with count_statements(engine) as sent:
        for customer in customers:
            customer.orders  # noqa: B018
    assert sent.count == 1
