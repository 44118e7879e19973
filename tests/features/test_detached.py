"""What a program is told that reads what is not there any more."""

import gc
import inspect as source
import pickle
import re
import warnings

import pytest
from databases import count_statements
from shop import Card, Customer, Item, Order, fill
from sqlalchemy import event

from ropewalk import Session, exc, make_transient, select


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


def line_after(text):
    """Return ``file:line`` of the line of this file that holds ``text`` alone."""
    lines = source.getsource(source.getmodule(line_after)).splitlines()
    return f"{__file__}:{lines.index('    ' + text) + 1}"


def refused(instance, key):
    with pytest.raises(exc.DetachedInstanceError) as caught:
        getattr(instance, key)
    assert caught.value.instance is instance
    assert caught.value.attribute == key
    return str(caught.value)


def close_here(session):
    session.close()


def test_it_says_when_and_where_the_session_was_closed(shop):
    session = Session(shop)
    customer = session.get(Customer, 1)
    close_here(session)
    message = refused(customer, "orders")
    assert "<Customer id=1> is not bound to a Session" in message
    assert "Customer.orders cannot be loaded" in message
    assert re.search(r"by session\.close\(\) at \d\d:\d\d:\d\d", message)
    assert f"{line_after('session.close()')} in close_here" in message
    assert "select(...).options(selectinload(Customer.orders))" in message
    assert "session.merge(obj)" in message


def test_the_end_of_a_with_block_is_where_it_closed(shop):
    with Session(shop) as session:
        order = session.get(Order, 1)
    message = refused(order, "customer")
    assert f"{__file__}:" in message and "in test_the_end_of_a_with_block_is_where_it_closed" in message
    assert "selectinload(Order.customer)" in message


def test_one_note_serves_all_that_left_together(shop):
    with Session(shop) as session:
        customers = session.scalars(select(Customer)).all()
    assert len({id(c._sa_instance_state.parting) for c in customers}) == 1


@pytest.mark.parametrize("way", ["expunge", "expunge_all", "clear", "reset", "invalidate"])
def test_it_names_the_call(shop, way):
    with Session(shop) as session:
        customer = session.get(Customer, 1)
        getattr(session, way)(*([customer] if way == "expunge" else []))
        shown = "expunge_all" if way == "clear" else way
        assert f"by session.{shown}() at" in refused(customer, "card")


def test_a_deferred_column_names_undefer(shop):
    with Session(shop) as session:
        customer = session.get(Customer, 1)
    assert "undefer(Customer.note)" in refused(customer, "note")


def test_an_expired_column_names_expire_on_commit(shop):
    with Session(shop) as session:
        customer = session.get(Customer, 1)
        session.commit()
    message = refused(customer, "name")
    assert "expire_on_commit=False" in message
    assert "It was expired, as commit() does" in message


def test_the_commit_of_a_deletion_detaches(shop):
    with Session(shop) as session:
        card = session.get(Card, 11)
        session.delete(card)
        session.commit()
        del card.__dict__["customer_id"]
        assert "by the commit of its deletion at" in refused(card, "customer_id")


def test_a_session_that_was_collected(shop):
    session = Session(shop)
    customer = session.get(Customer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the connection is given back by the collector, which the pool minds
        del session
        gc.collect()
        message = refused(customer, "orders")
    assert "its session is gone" in message and "Keep a reference to the session" in message


def test_an_object_out_of_a_pickle(shop):
    with Session(shop) as session:
        customer = pickle.loads(pickle.dumps(session.get(Customer, 1)))
    assert "since it was made, or unpickled" in refused(customer, "orders")


def test_what_was_loaded_stays_readable(shop):
    with Session(shop) as session:
        customer = session.get(Customer, 1)
        assert len(customer.orders) == 3
    assert [o.id for o in customer.orders] == [1, 2, 3]
    assert customer.name == "c1"


def test_an_object_that_was_rolled_back_is_new_again_and_has_nothing_to_load(shop):
    with Session(shop) as session:
        customer = Customer(id=77, name="new")
        session.add(customer)
        session.flush()
        session.rollback()
        assert customer.orders == []
        assert customer.name == "new"
        assert customer not in session


def test_after_a_failed_flush_a_lazy_load_says_which_and_why(shop):
    with Session(shop) as session:
        customer = session.get(Customer, 1)
        session.add(Order(id=1))
        with warnings.catch_warnings(), pytest.raises(exc.IntegrityError):
            warnings.simplefilter("ignore")
            session.flush()
        with pytest.raises(exc.PendingRollbackError, match="Call session.rollback") as caught:
            _ = customer.orders
        assert any("Customer.orders of <Customer id=1>" in note for note in caught.value.__notes__)
        session.rollback()
        assert len(customer.orders) == 3


def test_a_lazy_load_within_a_flush_works_and_flushes_nothing(shop):
    with Session(shop) as session:
        first, second = session.get(Customer, 1), session.get(Customer, 2)
        found = []

        def look(connection, cursor, statement, *rest):
            if statement.startswith("UPDATE") and not found:
                found.append([order.id for order in second.orders])

        event.listen(shop, "before_cursor_execute", look)
        first.name = "changed"
        with count_statements(shop) as sent:
            session.flush()
        event.remove(shop, "before_cursor_execute", look)
        assert found == [[4, 5, 6]]
        assert sent.count == 2


def test_a_flush_within_a_flush_is_refused(shop):
    with Session(shop) as session:
        first = session.get(Customer, 1)
        caught = []

        def flush_again(connection, cursor, statement, *rest):
            if statement.startswith("UPDATE"):
                with pytest.raises(exc.InvalidRequestError, match="already flushing"):
                    session.flush()
                caught.append(statement)

        event.listen(shop, "before_cursor_execute", flush_again)
        first.name = "changed"
        session.flush()
        event.remove(shop, "before_cursor_execute", flush_again)
        assert len(caught) == 1


def test_an_object_that_was_made_transient_has_nothing_to_load(shop):
    with Session(shop) as session:
        item = session.get(Item, 1)
        make_transient(item)
        assert item.order is None
