"""Loader options, and objects that remember those they were loaded with, through pickle and deepcopy."""

import copy
import pickle
import subprocess
import sys

import pytest
from databases import count_statements
from shop import Customer, Item, Node, Order, fill

from ropewalk import (
    Session,
    aliased,
    defaultload,
    defer,
    exc,
    inspect,
    joinedload,
    lazyload,
    load_only,
    raiseload,
    select,
    selectinload,
)
from ropewalk.loading.options import Load

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


def again(thing, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(thing, protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "option",
    [
        joinedload(Customer.orders).selectinload(Order.items),
        Load(Customer).joinedload(Customer.orders, innerjoin=True).raiseload("*"),
        defer(Customer.name),
        load_only(Customer.name, raiseload=True),
        raiseload("*"),
        defaultload(Customer.orders).defer(Order.customer_id),
    ],
    ids=repr,
)
def test_an_option_means_the_same_after_the_journey(option, protocol):
    arrived = again(option, protocol)
    assert (arrived.path, arrived.wishes, arrived.root) == (option.path, option.wishes, option.root)


def test_an_option_that_arrived_works(shop):
    option = again(selectinload(Customer.orders).joinedload(Order.items))
    with Session(shop) as session, count_statements(shop) as sent:
        customers = session.scalars(select(Customer).options(option)).all()
        assert sum(len(order.items) for customer in customers for order in customer.orders) == 90
    assert sent.count == 2


def test_an_object_loads_as_its_query_said_after_the_journey(shop):
    with Session(shop) as session:
        query = select(Customer).options(lazyload(Customer.orders).joinedload(Order.items), raiseload(Customer.card))
        one, two = again(session.scalars(query.limit(2).order_by(Customer.id)).all())
    with Session(shop) as session:
        session.add_all([one, two])
        with count_statements(shop) as sent:
            assert [len(o.items) for o in one.orders] == [3, 3, 3]
        assert sent.count == 1
        with pytest.raises(exc.InvalidRequestError, match="Customer.card"):
            _ = two.card


def test_peers_stay_behind(shop):
    with Session(shop) as session:
        customers = session.scalars(select(Customer).options(lazyload(Customer.orders))).all()
        assert b"c1" in pickle.dumps(customers[0])
        assert b"c2" not in pickle.dumps(customers[0])


def test_criteria_stay_behind_with_a_warning():
    option = selectinload(Customer.orders.and_(Order.id > 1))
    with pytest.warns(exc.SAWarning, match="Customer.orders is pickled without the criteria"):
        arrived = again(option)
    assert arrived.path[0].prop is option.path[0].prop
    assert arrived.path[0].criteria == ()


def test_an_alias_arrives_as_its_class(shop):
    other = aliased(Customer)
    with Session(shop) as session:
        customer = again(session.scalars(select(other).options(lazyload(other.orders).joinedload(Order.items))).first())
    with Session(shop) as session:
        session.add(customer)
        assert len(customer.orders) == 3


def test_an_option_of_a_relationship_that_is_none_here():
    make, (root, path, wishes) = selectinload(Customer.orders).__reduce__()
    (entity, of_type, owner, _key), *_ = path
    with pytest.raises(exc.InvalidRequestError, match=r"Customer\.gone, which is no relationship here; there are"):
        make(root, ((entity, of_type, owner, "gone"),), wishes)


def test_the_programs_own_notes_travel(shop):
    with Session(shop) as session:
        item = session.get(Item, 1)
        inspect(item).info["colour"] = "red"
        assert inspect(again(item)).info == {"colour": "red"}


def test_a_class_that_is_not_mapped_there(tmp_path):
    module = tmp_path / "things.py"
    module.write_text(
        "import sys\n"
        "class Thing: pass\n"
        "if 'map' in sys.argv:\n"
        "    from sqlalchemy import Column, Integer, MetaData, Table\n"
        "    from ropewalk import registry\n"
        "    table = Table('thing', MetaData(), Column('id', Integer, primary_key=True))\n"
        "    registry().map_imperatively(Thing, table)\n"
    )
    write = (
        "import things, pickle, ropewalk, sys; thing = things.Thing(id=1); ropewalk.inspect(thing);"
        "sys.stdout.buffer.write(pickle.dumps(thing))"
    )
    read = "import things, pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    run = [sys.executable, "-c"]
    data = subprocess.run([*run, write, "map"], cwd=tmp_path, capture_output=True, check=True).stdout
    failed = subprocess.run([*run, read], cwd=tmp_path, input=data, capture_output=True)
    assert b"UnmappedInstanceError: An object of things.Thing cannot be unpickled" in failed.stderr


@pytest.mark.parametrize("class_", [Customer, Node], ids=lambda c: c.__name__)
def test_a_deep_copy_has_collections_of_its_own(class_):
    key = "orders" if class_ is Customer else "children"
    member = Order if class_ is Customer else Node
    owner = class_(id=1, **{key: [member(id=1)]})
    twin = copy.deepcopy(owner)
    getattr(twin, key).append(member(id=2))
    assert [m.id for m in getattr(twin, key)] == [1, 2]
    assert [m.id for m in getattr(owner, key)] == [1]
    assert getattr(twin, key)[0] is not getattr(owner, key)[0]


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_a_collection_that_arrived_can_be_merged(shop, protocol):
    arrived = again(Customer(id=1, orders=[Order(id=1)]), protocol)
    with Session(shop) as session:
        assert [o.id for o in session.merge(arrived).orders] == [1]


def test_who_sets_the_key_says_which_row_it_is(shop):
    item = Item(id=3)
    inspect(item).key = (Item, (3,))
    with Session(shop) as session:
        session.add(item)
        assert item in session and not session.new
        with pytest.raises(exc.InvalidRequestError, match="expunge"):
            inspect(item).key = None
    inspect(item).key = None
    assert inspect(item).transient
