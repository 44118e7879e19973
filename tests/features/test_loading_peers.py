"""What is touched on one object is loaded for all that came with it."""

import logging

import pytest
from databases import count_statements
from shop import Card, Customer, Item, Label, Node, Order, fill
from sqlalchemy import delete

from ropewalk import Session, select
from ropewalk.loading.peers import saved


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


@pytest.fixture
def session(shop):
    with Session(shop) as session:
        yield session


def all_of(session, class_):
    return session.scalars(select(class_).order_by(class_.id)).all()


def test_three_levels_cost_three_statements(session, shop):
    with count_statements(shop) as sent:
        customers = all_of(session, Customer)
        orders = [order for customer in customers for order in customer.orders]
        items = [item for order in orders for item in order.items]
    assert sent.count == 3, sent.statements
    assert [order.id for order in orders] == list(range(1, 31))
    assert [item.id for item in items[:6]] == [3, 2, 1, 6, 5, 4]  # by the relationship's order
    assert customers[-1].orders == []


def test_references_to_objects_at_hand_cost_nothing(session, shop):
    customers = all_of(session, Customer)
    orders = [order for customer in customers for order in customer.orders]
    with count_statements(shop) as sent:
        assert all(order.customer.id == (order.id - 1) // 3 + 1 for order in orders)
    assert sent.count == 0


def test_references_are_loaded_together(session, shop):
    orders = all_of(session, Order)
    with count_statements(shop) as sent:
        assert {order.customer.id for order in orders[:-1]} == set(range(1, 11))
        assert orders[-1].customer is None
    assert sent.count == 1


def test_one_to_one_is_loaded_together(session, shop):
    customers = all_of(session, Customer)
    with count_statements(shop) as sent:
        assert [c.card and c.card.id for c in customers] == [11, None, 13, None, 15, None, 17, None, 19, None, None]
    assert sent.count == 1


def test_many_to_many_is_loaded_together(session, shop):
    items = all_of(session, Item)
    with count_statements(shop) as sent:
        assert all({label.id for label in i.labels} == {i.id % 4 + 1, (i.id + 1) % 4 + 1} for i in items)
        assert all(item.labels <= set(all_labels) for item in items for all_labels in [list(item.labels)])
    assert sent.count == 1
    labels = all_of(session, Label)
    with count_statements(shop) as sent:
        assert sum(len(label.items) for label in labels) == 180
    assert sent.count == 1


def test_trees_cost_one_statement_a_level(session, shop):
    roots = session.scalars(select(Node).where(Node.parent_id.is_(None)).order_by(Node.id)).all()
    with count_statements(shop) as sent:
        level, seen = roots, []
        while level:
            seen.append([node.id for node in level])
            level = [child for node in level for child in node.children]
    assert seen == [[1, 6], [2, 3], [4], [5]]
    assert sent.count == 4


def test_expired_objects_are_refreshed_together(session, shop):
    customers = all_of(session, Customer)
    session.commit()
    with count_statements(shop) as sent:
        assert [c.name for c in customers] == [f"c{i}" for i in range(1, 12)]
    assert sent.count == 1


def test_new_objects_are_refreshed_together_after_their_commit(session, shop):
    customers = [Customer(id=200 + i, name=f"new{i}") for i in range(5)]
    session.add_all(customers)
    session.commit()
    with count_statements(shop) as sent:
        assert [c.name for c in customers] == [f"new{i}" for i in range(5)]
    assert sent.count == 1


def test_a_collection_of_an_expired_object_needs_no_refresh_of_it(session, shop):
    customers = all_of(session, Customer)
    session.commit()
    with count_statements(shop) as sent:
        assert [len(c.orders) for c in customers] == [3] * 10 + [0]
    assert sent.count == 1


def test_deferred_columns_are_loaded_together(session, shop):
    customers = all_of(session, Customer)
    with count_statements(shop) as sent:
        assert [c.note for c in customers] == [f"n{i}" for i in range(1, 12)]
    assert sent.count == 1


def test_a_peer_whose_row_is_gone_harms_nobody(session, shop):
    cards = all_of(session, Card)
    session.commit()
    with shop.begin() as connection:
        connection.execute(delete(Card).where(Card.id == 13))
    with count_statements(shop) as sent:
        assert cards[0].customer_id == 1
        assert cards[2].customer_id == 5
    assert sent.count == 1
    with pytest.raises(Exception, match="no row in the database any more"):
        _ = cards[1].customer_id


def test_nothing_is_loaded_for_dropped_objects(session, shop):
    customers = all_of(session, Customer)[:2]
    with count_statements(shop) as sent:
        assert [len(c.orders) for c in customers] == [3, 3]
    assert sent.count == 1
    assert len([o for o in session if isinstance(o, Order)]) == 6


def test_peers_that_left_the_session_are_passed_over(session, shop):
    first, second, third, *_ = all_of(session, Customer)
    session.expunge(second)
    with Session(shop) as other:
        session.expunge(third)
        other.add(third)
        assert len(first.orders) == 3
        assert "orders" not in second.__dict__ and "orders" not in third.__dict__
        assert [o.id for o in third.orders] == [7, 8, 9]
        assert all(o in other for o in third.orders)


def test_what_the_program_set_stays(session, shop):
    first, second, *_ = all_of(session, Order)
    fifth = session.get(Customer, 5)
    with session.no_autoflush:
        second.customer = fifth
        assert first.customer.id == 1
    assert second.customer is fifth


def test_what_was_added_to_an_unloaded_collection_is_there(session):
    first, second, *_ = all_of(session, Customer)
    added = Order(id=500)
    session.add(added)
    with session.no_autoflush:
        added.customer = second
        assert len(first.orders) == 3
        assert [o.id for o in second.orders] == [4, 5, 6, 500]
    assert second.orders[-1] is added


@pytest.mark.parametrize("way", ["session", "query", "relationship"])
def test_peers_can_be_turned_off(shop, way, monkeypatch):
    if way == "relationship":
        monkeypatch.setattr(Customer.orders.property, "peers", False)
    with Session(shop, peers=way != "session") as session, count_statements(shop) as sent:
        query = select(Customer).execution_options(peers=way != "query")
        customers = session.scalars(query).all()
        assert sum(len(c.orders) for c in customers) == 30
    assert sent.count == 12


def test_a_counter_and_a_log_line_say_what_was_saved(session, caplog):
    customers = all_of(session, Customer)
    before = saved.statements
    with caplog.at_level(logging.DEBUG, "ropewalk.peers"):
        _ = customers[0].orders
    assert saved.statements == before + 10
    assert "Customer.orders: 11 objects with 1 statement(s), 10 saved" in caplog.text
