"""Loader options: each way to load a relationship gives the same objects, for so many statements."""

import pytest
from databases import count_statements
from shop import Card, Customer, Item, Node, Order, fill
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from ropewalk import Session, aliased, select
from ropewalk.loading.options import (
    Load,
    contains_eager,
    defaultload,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    noload,
    raiseload,
    selectinload,
    subqueryload,
)

EVERYTHING = [
    (c, [(o, [3 * o, 3 * o - 1, 3 * o - 2]) for o in range(3 * c - 2, 3 * c + 1) if c < 11]) for c in range(1, 12)
]


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


@pytest.fixture
def session(shop):
    with Session(shop) as session:
        yield session


def walked(customers):
    """Return all ids down to the items."""
    return [(c.id, [(o.id, [i.id for i in o.items]) for o in c.orders]) for c in customers]


@pytest.mark.parametrize(
    ("option", "statements"),
    [
        (selectinload(Customer.orders).selectinload(Order.items), 3),
        (subqueryload(Customer.orders).subqueryload(Order.items), 3),
        (immediateload(Customer.orders).immediateload(Order.items), 3),
        (joinedload(Customer.orders).joinedload(Order.items), 1),
        (joinedload(Customer.orders).selectinload(Order.items), 2),
        (selectinload(Customer.orders).joinedload(Order.items), 2),
        (lazyload(Customer.orders).joinedload(Order.items), 2),
        (defaultload(Customer.orders).joinedload(Order.items), 2),
        (Load(Customer).options(joinedload(Customer.orders).options(selectinload(Order.items))), 2),
        (Load(Customer).joinedload(Customer.orders).lazyload(Order.items), 2),
    ],
    ids=str,
)
def test_each_way_loads_the_same(session, shop, option, statements):
    with count_statements(shop) as sent:
        found = session.scalars(select(Customer).options(option).order_by(Customer.id)).all()
        assert walked(found) == EVERYTHING
    assert sent.count == statements, sent.statements


def test_eager_loading_is_done_with_the_query(session, shop):
    options = selectinload(Customer.orders).joinedload(Order.items)
    found = session.scalars(select(Customer).options(options).order_by(Customer.id)).all()
    with count_statements(shop) as sent:
        assert walked(found) == EVERYTHING
    assert sent.count == 0


def test_loaded_objects_stay_readable_when_the_session_is_closed(shop):
    with Session(shop) as session:
        options = joinedload(Customer.orders).joinedload(Order.items)
        found = session.scalars(select(Customer).options(options).order_by(Customer.id)).all()
    assert walked(found) == EVERYTHING


@pytest.mark.parametrize("ask", ["select", "query"])
def test_a_limit_counts_objects_and_not_joined_rows(session, shop, ask):
    options = joinedload(Customer.orders).joinedload(Order.items)
    with count_statements(shop) as sent:
        if ask == "select":
            found = session.scalars(select(Customer).options(options).order_by(Customer.id.desc()).limit(3).offset(2))
        else:
            found = session.query(Customer).options(options).order_by(Customer.id.desc()).limit(3).offset(2)
        assert walked(found) == [EVERYTHING[i] for i in (8, 7, 6)]
    assert sent.count == 1


def test_a_limit_ordered_by_what_is_not_loaded(session, shop):
    query = select(Customer).options(joinedload(Customer.orders)).order_by(Customer.note.desc()).limit(2)
    assert [(c.id, len(c.orders)) for c in session.scalars(query)] == [(9, 3), (8, 3)]


def test_distinct_with_a_joined_collection(session):
    query = select(Customer).join(Order, Customer.id == Order.customer_id).distinct().order_by(Customer.id)
    found = session.scalars(query.options(joinedload(Customer.orders))).all()
    assert [(c.id, len(c.orders)) for c in found] == [(i, 3) for i in range(1, 11)]


def test_joined_references_need_no_subquery(session, shop):
    options = joinedload(Item.order).joinedload(Order.customer)
    with count_statements(shop) as sent:
        found = session.scalars(select(Item).options(options).order_by(Item.id).limit(10)).all()
        assert [i.order.customer.id for i in found] == [1] * 9 + [2]
    assert sent.count == 1 and sent.statements[0].count("SELECT") == 1


def test_several_collections_side_by_side(session, shop):
    options = [joinedload(Customer.orders).joinedload(Order.items), joinedload(Customer.card)]
    with count_statements(shop) as sent:
        found = session.scalars(select(Customer).options(*options).order_by(Customer.id)).all()
        assert walked(found) == EVERYTHING
        assert [c.card.id for c in found if c.card] == [11, 13, 15, 17, 19]
    assert sent.count == 1


@pytest.mark.parametrize("way", [joinedload, selectinload, subqueryload])
def test_many_to_many(session, shop, way):
    with count_statements(shop) as sent:
        for item in session.scalars(select(Item).options(way(Item.labels))).all():
            assert {label.id for label in item.labels} == {item.id % 4 + 1, (item.id + 1) % 4 + 1}
    assert sent.count == (1 if way is joinedload else 2)


@pytest.mark.parametrize("way", [joinedload, selectinload])
def test_trees(session, shop, way):
    option = getattr(way(Node.children), way.__name__)(Node.children)
    roots = select(Node).where(Node.parent_id.is_(None)).options(option).order_by(Node.id)
    with count_statements(shop) as sent:
        found = session.scalars(roots).all()
        assert [(n.id, [(c.id, [d.id for d in c.children]) for c in n.children]) for n in found] == [
            (1, [(2, [4]), (3, [])]),
            (6, []),
        ]
    assert sent.count == (1 if way is joinedload else 3)


def test_a_tree_in_which_each_node_is_root_and_child(session):
    found = session.scalars(select(Node).options(joinedload(Node.children)).order_by(Node.id)).all()
    assert [[c.id for c in n.children] for n in found] == [[2, 3], [4], [], [5], [], []]


def test_an_inner_join_leaves_out_who_has_none(session):
    query = select(Customer).options(joinedload(Customer.orders, innerjoin=True))
    assert len(session.scalars(query).all()) == 10


def test_contains_eager_takes_what_the_statement_joined(session, shop):
    query = select(Customer).join(Order, Customer.id == Order.customer_id).where(Order.id.in_([2, 3, 4]))
    with count_statements(shop) as sent:
        found = session.scalars(query.options(contains_eager(Customer.orders)).order_by(Order.id)).unique().all()
        assert [(c.id, [o.id for o in c.orders]) for c in found] == [(1, [2, 3]), (2, [4])]
    assert sent.count == 1


@pytest.mark.parametrize("how", ["of_type", "alias"])
def test_contains_eager_of_an_alias(session, shop, how):
    a = aliased(Order)
    query = select(Customer).join(a, Customer.id == a.customer_id).where(a.id.in_([2, 3, 4])).order_by(a.id)
    if how == "of_type":
        option = contains_eager(Customer.orders.of_type(a)).selectinload(a.items)
    else:
        option = contains_eager(Customer.orders, alias=a).selectinload(Order.items)
    with count_statements(shop) as sent:
        found = session.scalars(query.options(option)).unique().all()
        assert walked(found) == [(1, EVERYTHING[0][1][1:]), (2, EVERYTHING[1][1][:1])]
    assert sent.count == 2


@pytest.mark.parametrize("way", [joinedload, selectinload, lazyload])
def test_further_criteria(session, way):
    for limit in (2, 4):  # other values, another statement
        session.expunge_all()
        query = select(Customer).options(way(Customer.orders.and_(Order.id < limit))).order_by(Customer.id)
        found = session.scalars(query).all()
        assert [o.id for c in found for o in c.orders] == list(range(1, limit))


def test_options_of_columns_along_the_way(session):
    option = selectinload(Customer.orders).joinedload(Order.items).load_only(Item.order_id)
    found = session.scalars(select(Customer).options(option, defer(Customer.name)).order_by(Customer.id)).all()
    assert set(vars(found[0])) == {"id", "orders"}
    assert set(vars(found[0].orders[0].items[0])) == {"id", "order_id"}
    assert found[0].orders[0].items[0].name == "i3"


def test_options_of_several_entities(session, shop):
    query = select(Customer, Order).join(Order, Customer.id == Order.customer_id).order_by(Order.id)
    with count_statements(shop) as sent:
        rows = session.execute(query.options(joinedload(Customer.orders), selectinload(Order.items))).all()
        assert [(c.id, o.id) for c, o in rows] == [((i - 1) // 3 + 1, i) for i in range(1, 31)]
        assert all(len(c.orders) == len(o.items) == 3 for c, o in rows)
    assert sent.count == 2


def test_an_alias_as_the_root(session, shop):
    a = aliased(Customer)
    with count_statements(shop) as sent:
        query = select(a).options(joinedload(a.orders).selectinload(Order.items)).order_by(a.id)
        assert walked(session.scalars(query)) == EVERYTHING
    assert sent.count == 2


def test_get_with_options(session, shop):
    with count_statements(shop) as sent:
        assert [o.id for o in session.get(Customer, 1, options=[joinedload(Customer.orders)]).orders] == [1, 2, 3]
    assert sent.count == 1


@pytest.mark.parametrize("way", [joinedload, selectinload])
def test_populate_existing_reads_collections_anew(session, shop, way):
    query = select(Customer).options(way(Customer.orders)).order_by(Customer.id)
    first = session.scalars(query).first()
    session.connection().execute(Order.__table__.delete().where(Order.id == 99))
    session.connection().execute(Order.__table__.insert(), {"id": 99, "customer_id": 1})
    assert len(session.scalars(query).first().orders) == 3
    assert session.scalars(query.execution_options(populate_existing=True)).first() is first
    assert [o.id for o in first.orders] == [1, 2, 3, 99]


# What must not be loaded


@pytest.mark.parametrize("option", [raiseload(Customer.orders), raiseload("*"), Load(Customer).raiseload("*")], ids=str)
def test_raiseload(session, option):
    customer = session.scalars(select(Customer).options(option)).first()
    with pytest.raises(InvalidRequestError, match=r"'Customer.orders' is not available due to lazy='raise'.*selectin"):
        _ = customer.orders


def test_raiseload_for_all_but_one(session):
    customer = session.scalars(select(Customer).options(selectinload(Customer.orders), raiseload("*"))).first()
    assert len(customer.orders) == 3
    with pytest.raises(InvalidRequestError, match="'Order.items' is not available"):
        _ = customer.orders[0].items


def test_raiseload_of_sql_only(session):
    customers = session.scalars(select(Customer).where(Customer.id == 1)).all()
    first, fourth = session.scalars(
        select(Order).where(Order.id.in_([1, 4])).order_by(Order.id).options(raiseload("*", sql_only=True))
    )
    assert first.customer is customers[0]
    with pytest.raises(InvalidRequestError, match="raise_on_sql"):
        _ = fourth.customer


def test_noload(session, shop):
    found = session.scalars(select(Customer).options(noload("*"))).all()
    with count_statements(shop) as sent:
        assert all(c.orders == [] and c.card is None for c in found)
    assert sent.count == 0


# Bad input


def test_an_option_for_a_class_that_is_not_loaded(session):
    with pytest.raises(ArgumentError, match="starts at Order, which this statement does not load: it loads Customer"):
        session.scalars(select(Customer).options(selectinload(Order.items)))


def test_a_path_that_does_not_exist():
    with pytest.raises(ArgumentError, match=r'does not come next here: "Customer.orders" leads to Order, which has id'):
        selectinload(Customer.orders).joinedload(Customer.card)


@pytest.mark.parametrize("thing", ["orders", Customer.name, Customer])
def test_what_is_no_relationship(thing):
    with pytest.raises(ArgumentError, match="Loader options take mapped attributes|is no relationship"):
        joinedload(thing)


def test_a_loaded_card_knows_its_customer(session, shop):
    found = session.scalars(select(Card).options(joinedload(Card.customer), load_only(Card.customer_id))).all()
    with count_statements(shop) as sent:
        assert [card.customer.id for card in found] == [1, 3, 5, 7, 9]
    assert sent.count == 0
