"""Peers that changed, left or went while others of their result waited to be loaded; and how much is asked at once."""

import gc
import re
import weakref

import pytest
from databases import count_statements
from shop import Card, Customer, Item, Order, fill
from sqlalchemy import event

from ropewalk import Session, select


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


class keys_asked_for:
    """Within the block: the parameters of each SELECT."""

    def __init__(self, engine):
        self.engine = engine
        self.found = []

    def _look(self, connection, cursor, statement, parameters, *rest):
        if statement.startswith("SELECT"):
            values = parameters.values() if isinstance(parameters, dict) else parameters
            self.found.append(sorted(values))

    def __enter__(self):
        event.listen(self.engine, "before_cursor_execute", self._look)
        return self.found

    def __exit__(self, *error):
        event.remove(self.engine, "before_cursor_execute", self._look)


@pytest.fixture
def five_at_once(shop, monkeypatch):
    monkeypatch.setattr(shop.dialect, "insertmanyvalues_max_parameters", 105)  # of which a hundred are kept free


@pytest.mark.parametrize("what", ["collection", "reference", "refresh", "deferred"])
def test_what_a_statement_cannot_take_goes_in_several(session, shop, five_at_once, what):
    customers = all_of(session, Customer)
    orders = all_of(session, Order)[:-1] if what == "reference" else []
    if what == "refresh":
        session.commit()
    elif what == "reference":
        session.expunge_all()
        orders = all_of(session, Order)[:-1]
    with keys_asked_for(shop) as asked:
        if what == "collection":
            assert sum(len(c.orders) for c in customers) == 30
        elif what == "reference":
            assert len({order.customer for order in orders}) == 10
        elif what == "refresh":
            assert [c.name for c in customers] == [f"c{i}" for i in range(1, 12)]
        else:
            assert [c.note for c in customers] == [f"n{i}" for i in range(1, 12)]
    assert all(len(keys) <= 5 for keys in asked)
    assert sorted(key for keys in asked for key in keys) == list(range(1, 11 if what == "reference" else 12))


def test_a_statement_has_a_place_for_every_peer_up_to_ten_thousand(session, shop):
    from ropewalk.kernel.in_lists import MOST_KEYS, most_keys

    assert most_keys(shop.dialect, 1) <= MOST_KEYS == 10_000
    assert most_keys(shop.dialect, 3) * 3 <= 65_535


def test_nothing_is_loaded_twice(session, shop):
    customers = all_of(session, Customer)
    early = session.scalars(select(Customer).where(Customer.id <= 3).order_by(Customer.id)).all()
    with keys_asked_for(shop) as asked:
        assert len(early[0].orders) == 3
        assert len(customers[7].orders) == 3
        assert all(c.orders is c.orders for c in customers)
    assert sorted(key for keys in asked for key in keys) == list(range(1, 12))


def test_a_row_is_made_into_one_object_however_often_it_is_met(session):
    items = all_of(session, Item)
    assert all(item.order is item.order for item in items)
    orders = {id(item.order): item.order for item in items}
    assert len(orders) == 30
    assert sum(len(order.items) for order in orders.values()) == 90
    assert {id(i) for order in orders.values() for i in order.items} == {id(i) for i in items}


@pytest.mark.parametrize("what", ["collection", "refresh", "deferred"])
def test_nothing_is_asked_for_objects_that_the_program_dropped(session, shop, what):
    customers = all_of(session, Customer)
    if what == "refresh":
        session.commit()
    dropped = weakref.ref(customers[4])
    kept = [customers[0], customers[2]]
    del customers
    gc.collect()
    assert dropped() is None
    with keys_asked_for(shop) as asked:
        for customer in kept:
            _ = customer.orders if what == "collection" else customer.name if what == "refresh" else customer.note
    assert asked == [[1, 3]]
    assert dropped() is None


def test_a_peer_that_was_changed_keeps_its_change(session):
    first, second, third, *_ = all_of(session, Customer)
    second.note = "mine"
    third.name = "other"
    with session.no_autoflush:
        assert first.note == "n1"
        assert second.note == "mine"
        assert third.note == "n3" and third.name == "other"
    session.flush()
    session.expire(first)
    assert first.name == "c1" and second.note == "mine"


def test_a_peer_whose_collection_was_replaced_keeps_it(session):
    first, second, *_ = all_of(session, Customer)
    second.orders = [mine := Order(id=700)]
    with session.no_autoflush:
        assert len(first.orders) == 3
        assert second.orders == [mine]


def test_a_change_of_an_expired_peer_outlives_the_refresh_of_the_others(session, shop):
    first, second, *_ = all_of(session, Customer)
    session.commit()
    second.name = "mine"
    with session.no_autoflush, count_statements(shop) as sent:
        assert first.name == "c1"
        assert second.name == "mine"
    assert sent.count == 1
    session.commit()
    assert second.name == "mine"


@pytest.mark.parametrize("flushed", [False, True])
def test_a_peer_that_was_deleted(session, shop, flushed):
    cards = all_of(session, Card)
    session.delete(cards[1])
    if flushed:
        session.flush()
    with session.no_autoflush, keys_asked_for(shop) as asked:
        assert [card.customer.id for card in (cards[0], cards[2])] == [1, 5]
    assert asked == [[1, 5, 7, 9] if flushed else [1, 3, 5, 7, 9]]
    session.rollback()
    assert cards[1].customer.id == 3


def test_a_peer_that_was_expunged_stays_as_it_is(session, shop):
    customers = all_of(session, Customer)
    session.commit()
    session.expunge(customers[1])
    with keys_asked_for(shop) as asked:
        assert customers[0].name == "c1"
    assert asked == [[1, *range(3, 12)]]
    assert "name" not in vars(customers[1])


def test_peers_of_a_savepoint_that_was_rolled_back(session, shop):
    customers = all_of(session, Customer)
    with pytest.raises(ZeroDivisionError), session.begin_nested():
        customers[0].name = "gone"
        customers[3].name = "gone"
        session.flush()
        raise ZeroDivisionError
    with keys_asked_for(shop) as asked:
        assert [c.name for c in customers] == [f"c{i}" for i in range(1, 12)]
    assert asked == [[1, 4]]


@pytest.mark.parametrize("way", ["session", "query"])
@pytest.mark.parametrize("what", ["reference", "refresh", "deferred"])
def test_peers_can_be_turned_off_for_each_kind_of_load(shop, way, what):
    with Session(shop, peers=way != "session") as session:
        class_ = Card if what == "reference" else Customer
        found = session.scalars(select(class_).execution_options(peers=way != "query")).all()
        if what == "refresh":
            session.commit()
        with count_statements(shop) as sent:
            for one in found:
                _ = one.customer if what == "reference" else one.name if what == "refresh" else one.note
        assert sent.count == len(found)


def test_each_batch_is_counted_and_logged(session, caplog):
    from ropewalk.loading.peers import saved

    customers = all_of(session, Customer)
    session.commit()
    batches, statements = saved.batches, saved.statements
    with caplog.at_level("DEBUG", "ropewalk.peers"):
        _ = customers[0].name, customers[0].note, customers[0].orders, customers[0].card
    assert (saved.batches - batches, saved.statements - statements) == (4, 40)
    assert len(re.findall(r"11 objects with 1 statement\(s\), 10 saved", caplog.text)) == 4
    assert repr(saved) == f"<Saved {saved.statements} statements by {saved.batches} batches>"
