"""Expired objects that are deleted keep the values that their rows had last."""

import pytest
from databases import count_statements
from shop import Customer, Item, Order, fill
from sqlalchemy import event, text
from sqlalchemy.exc import SAWarning

from ropewalk import Session, make_transient, object_session, select


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine, peers=True) as session:
        yield session


def test_what_was_deleted_after_a_commit_can_still_be_read(session):
    item = session.get(Item, 1)
    session.commit()
    session.delete(item)
    session.commit()
    assert object_session(item) is None
    assert (item.id, item.name, item.order_id) == (1, "i1", 1)


def test_those_that_came_together_are_read_by_one_statement(session, engine):
    items = session.scalars(select(Item).where(Item.id < 6).order_by(Item.id)).all()
    session.execute(text("DELETE FROM labelled"))
    session.commit()
    for item in items:
        for name in ("labels", "order"):
            vars(item).pop(name, None)
    with session.no_autoflush:
        for item in items:
            session.delete(item)
    assert all("name" not in vars(item) for item in items)
    with count_statements(engine) as sent:
        session.flush()
    assert sent.count == 2
    assert [item.name for item in items] == ["i1", "i2", "i3", "i4", "i5"]


def test_objects_that_hold_their_values_are_not_read(session, engine):
    customer = session.get(Customer, 11)
    session.delete(customer)
    with count_statements(engine) as sent:
        session.flush()
    assert sent.count == 1


def test_it_can_be_added_again_as_it_was(session):
    customer = session.get(Customer, 11)
    session.commit()
    session.delete(customer)
    session.commit()
    make_transient(customer)
    session.add(customer)
    session.commit()
    assert session.get(Customer, 11) is customer
    assert customer.name == "c11"


def test_a_listener_after_the_delete_sees_the_values(session):
    seen = []
    customer = session.get(Customer, 11)
    session.commit()
    session.delete(customer)

    def deleted(mapper, connection, target):
        seen.append(target.name)

    event.listen(Customer, "after_delete", deleted)
    try:
        session.flush()
    finally:
        event.remove(Customer, "after_delete", deleted)
    assert seen == ["c11"]


def test_a_row_that_is_gone_meanwhile_is_only_warned_of(session, engine):
    order = session.get(Order, 99)
    session.commit()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM order_ WHERE id = 99"))
    session.delete(order)
    with pytest.warns(SAWarning, match="0 rows were matched"):
        session.flush()


def test_a_rollback_brings_it_back(session):
    customer = session.get(Customer, 11)
    session.commit()
    session.delete(customer)
    session.flush()
    session.rollback()
    assert session.get(Customer, 11) is customer
    assert customer.name == "c11"
