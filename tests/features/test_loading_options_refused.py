"""Loader options that cannot mean anything, or contradict one another: the message says where and what to do."""

import pytest
from shop import Customer, Item, Order, fill
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from ropewalk import (
    Load,
    Session,
    aliased,
    contains_eager,
    defaultload,
    defer,
    joinedload,
    lazyload,
    load_only,
    noload,
    raiseload,
    select,
    selectinload,
    subqueryload,
    undefer,
    undefer_group,
)


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine) as session:
        yield session


@pytest.mark.parametrize("ask", ["select", "query"])
@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([selectinload(Customer.orders), joinedload(Customer.orders)], "selectinload.*joinedload.Customer.orders"),
        ([lazyload(Customer.orders), raiseload(Customer.orders)], "lazyload.*raiseload.Customer.orders"),
        ([noload(Customer.orders), contains_eager(Customer.orders)], "noload.*contains_eager.Customer.orders"),
        ([defer(Customer.name), undefer(Customer.name)], "defer.*undefer.Customer.name"),
        ([defer(Customer.name), load_only(Customer.name)], "defer.*load_only.Customer.name"),
        ([defer(Customer.name), defer(Customer.name, raiseload=True)], "defer.Customer.name.*defer.Customer.name"),
    ],
)
def test_two_options_that_contradict_each_other(session, ask, options, shown):
    with pytest.raises(InvalidRequestError, match=f"The options {shown}.* contradict each other.*Leave one of them"):
        if ask == "select":
            session.scalars(select(Customer).options(*options))
        else:
            session.query(Customer).options(*options).all()


@pytest.mark.parametrize(
    "options",
    [
        [lazyload("*"), selectinload(Customer.orders)],
        [Load(Item).lazyload("*")],
        [lazyload("*"), raiseload("*")],
        [selectinload(Customer.orders), selectinload(Customer.orders).joinedload(Order.items)],
        [selectinload(Customer.orders), defaultload(Customer.orders).defer(Order.customer_id)],
        [undefer(Customer.note), load_only(Customer.note)],
        [defer("*"), undefer(Customer.name)],
        [undefer_group("notes"), undefer(Customer.name), defer(Customer.note)],
    ],
)
def test_options_that_go_together(session, options):
    assert len(session.scalars(select(Customer).options(*options)).all()) == 11


def test_a_name_in_place_of_an_attribute():
    with pytest.raises(ArgumentError, match=r"not their names in a string; got 'ordres'\. .* such as Customer\.orders"):
        Load(Customer).selectinload("ordres")
    with pytest.raises(
        ArgumentError, match=r"defer\(\) takes mapped column attributes, not .* got 'nam'.*Customer\.name"
    ):
        Load(Customer).defer("nam")
    with pytest.raises(ArgumentError, match="not their names in a string; got 'orders'"):
        joinedload("orders")


def test_a_way_to_load_for_a_column():
    with pytest.raises(ArgumentError, match=r"Customer.name is no relationship.*there are defer\(Customer.name\)"):
        selectinload(Customer.name)


def test_a_column_option_for_a_relationship():
    with pytest.raises(
        ArgumentError, match=r"defer\(\) is for columns and Customer.orders is a relationship.*lazyload"
    ):
        defer(Customer.orders)


@pytest.mark.parametrize("wrong", [Customer, None, 5, Customer.__table__.c.id], ids=str)
def test_what_is_no_attribute_at_all(wrong):
    with pytest.raises(
        ArgumentError, match=r"Loader options take mapped attributes, such as User\.orders, or '\*'; got"
    ):
        selectinload(wrong)


def test_nothing_at_all():
    with pytest.raises(ArgumentError, match=r"joinedload\(\) takes a relationship, such as joinedload\(User.orders\)"):
        joinedload()


def test_a_path_that_does_not_exist():
    with pytest.raises(ArgumentError, match=r'Item.labels does not come next here: "Customer.orders" leads to Order'):
        selectinload(Customer.orders).selectinload(Item.labels)
    with pytest.raises(ArgumentError, match="Item.labels does not come next here"):
        selectinload(Customer.orders, Item.labels)
    with pytest.raises(ArgumentError, match="Item.name does not come next here: .* leads to Order, which has id"):
        selectinload(Customer.orders).load_only(Item.name)


def test_an_attribute_of_another_entity():
    with pytest.raises(ArgumentError, match="Order.items does not come next here: these options are for Customer"):
        Load(Customer).selectinload(Order.items)


def test_an_option_for_a_class_that_is_not_loaded(session):
    with pytest.raises(ArgumentError, match="starts at Order, which this statement does not load: it loads Customer"):
        session.scalars(select(Customer).options(selectinload(Order.items)))


def test_an_option_of_the_class_where_an_alias_is_loaded(session):
    customer = aliased(Customer)
    with pytest.raises(ArgumentError, match="starts at Customer, which this statement does not load"):
        session.scalars(select(customer).options(selectinload(Customer.orders)))


@pytest.mark.parametrize(
    "follow",
    [
        lambda: subqueryload("*", Customer.orders),
        lambda: lazyload(Customer.orders).joinedload("*").selectinload(Order.items),
        lambda: Load(Customer).lazyload("*").defer(Customer.name),
    ],
)
def test_nothing_follows_a_wildcard(follow):
    with pytest.raises(
        ArgumentError, match=r"cannot follow '\*': that stands for all attributes, and leads to no class"
    ):
        follow()
