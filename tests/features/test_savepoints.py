"""Savepoints: a rollback puts every object into the state that it had when the savepoint was made."""

import pytest
from shop import Base, Customer, Item, Label, Order
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from ropewalk import Session, inspect, select
from ropewalk.exc import InvalidRequestError, PendingRollbackError, ResourceClosedError


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        ada = Customer(id=1, name="ada")
        ada.orders = [Order(id=1), Order(id=2)]
        ada.orders[0].items = [Item(id=1, name="nail"), Item(id=2, name="saw")]
        ada.orders[0].items[0].labels = {Label(id=1)}
        session.add_all([ada, Customer(id=2, name="bob")])
        session.commit()
        yield session


def test_values_are_those_of_the_savepoint(session):
    ada = session.get(Customer, 1)
    ada.name = "before"
    savepoint = session.begin_nested()
    ada.name = "flushed"
    session.flush()
    ada.name = "not flushed"
    savepoint.rollback()
    assert ada.name == "before"
    assert ada not in session.dirty
    session.commit()
    assert ada.name == "before"


def test_new_objects_are_transient_and_out_of_collections(session):
    ada = session.get(Customer, 1)
    assert [order.id for order in ada.orders] == [1, 2]
    savepoint = session.begin_nested()
    order = Order(id=3)
    ada.orders.append(order)
    session.flush()
    assert inspect(order).persistent
    savepoint.rollback()
    assert inspect(order).transient
    assert order not in session
    assert [order.id for order in ada.orders] == [1, 2]
    session.commit()
    assert session.get(Order, 3) is None


def test_removed_members_are_back(session):
    ada = session.get(Customer, 1)
    first, second = ada.orders
    savepoint = session.begin_nested()
    ada.orders.remove(second)
    session.flush()
    assert second.customer is None
    savepoint.rollback()
    assert ada.orders == [first, second]
    assert second.customer is ada


def test_moved_members_are_where_they_were(session):
    ada, bob = session.get(Customer, 1), session.get(Customer, 2)
    order = ada.orders[0]
    assert bob.orders == []
    savepoint = session.begin_nested()
    order.customer = bob
    session.flush()
    assert order in bob.orders
    savepoint.rollback()
    assert bob.orders == []
    assert order in ada.orders
    assert order.customer is ada


def test_many_to_many_is_as_it_was(session):
    item = session.get(Item, 1)
    (label,) = item.labels
    savepoint = session.begin_nested()
    item.labels = {Label(id=2)}
    session.flush()
    savepoint.rollback()
    assert item.labels == {label}
    assert label.items == [item]


def test_deleted_objects_are_back_with_their_values(session):
    item = session.get(Item, 2)
    order = item.order
    assert {i.id for i in order.items} == {1, 2}
    savepoint = session.begin_nested()
    session.delete(item)
    session.flush()
    assert inspect(item).deleted
    assert session.get(Item, 2) is None
    savepoint.rollback()
    assert inspect(item).persistent
    assert session.get(Item, 2) is item
    assert item.name == "saw"
    assert {i.id for i in order.items} == {1, 2}


def test_marked_for_deletion_and_not_flushed(session):
    item = session.get(Item, 2)
    savepoint = session.begin_nested()
    session.delete(item)
    savepoint.rollback()
    assert item not in session.deleted
    session.commit()
    assert session.get(Item, 2) is item


def test_primary_keys_are_switched_back(session):
    bob = session.get(Customer, 2)
    savepoint = session.begin_nested()
    bob.id = 20
    session.flush()
    assert session.get(Customer, 20) is bob
    savepoint.rollback()
    assert session.get(Customer, 2) is bob
    assert bob.id == 2
    assert session.get(Customer, 20) is None


def test_swapped_keys_are_swapped_back(session):
    one, two = session.get(Label, 1), Label(id=2)
    session.add(two)
    session.flush()
    savepoint = session.begin_nested()
    session.execute(text("DELETE FROM labelled"))
    two.id = 3
    session.flush()
    one.id = 2
    session.flush()
    two.id = 1
    session.flush()
    assert session.get(Label, 1) is two
    savepoint.rollback()
    assert session.get(Label, 1) is one
    assert session.get(Label, 2) is two


def test_born_outside_and_deleted_inside_is_persistent_again(session):
    label = Label(id=5)
    session.add(label)
    session.flush()
    savepoint = session.begin_nested()
    session.delete(label)
    session.flush()
    savepoint.rollback()
    assert inspect(label).persistent
    session.rollback()
    assert inspect(label).transient


def test_born_and_deleted_inside_is_transient(session):
    savepoint = session.begin_nested()
    label = Label(id=5)
    session.add(label)
    session.flush()
    session.delete(label)
    session.flush()
    savepoint.rollback()
    assert inspect(label).transient


def test_deleted_outside_stays_deleted(session):
    item = session.get(Item, 2)
    session.delete(item)
    savepoint = session.begin_nested()
    session.get(Customer, 1).name = "x"
    savepoint.rollback()
    assert inspect(item).deleted
    session.commit()
    assert inspect(item).detached


def test_what_was_pending_before_is_kept(session):
    label = Label(id=5)
    session.add(label)
    savepoint = session.begin_nested()
    savepoint.rollback()
    assert inspect(label).persistent
    session.commit()
    assert session.get(Label, 5) is label


def test_savepoints_nest_to_any_depth(session):
    ada = session.get(Customer, 1)
    savepoints = []
    for depth in range(20):
        savepoints.append(session.begin_nested())
        ada.name = f"depth {depth}"
        session.add(Label(id=100 + depth))
        session.flush()
    for depth in reversed(range(1, 20)):
        assert session.get_nested_transaction() is savepoints[depth]
        if depth % 2:
            savepoints[depth].rollback()
            assert ada.name == f"depth {depth - 1}"
        else:
            savepoints[depth].commit()
    session.commit()
    assert ada.name == "depth 0"
    assert session.scalars(select(Label.id).where(Label.id >= 100)).all() == [100]


def test_a_released_savepoint_goes_with_the_one_around_it(session):
    ada = session.get(Customer, 1)
    label = Label(id=5)
    outer = session.begin_nested()
    with session.begin_nested():
        ada.name = "inner"
        session.add(label)
    assert inspect(label).persistent
    outer.rollback()
    assert ada.name == "ada"
    assert inspect(label).transient


def test_rollback_of_an_outer_savepoint_ends_the_inner_ones(session):
    outer = session.begin_nested()
    inner = session.begin_nested()
    label = Label(id=5)
    session.add(label)
    session.flush()
    outer.rollback()
    assert inspect(label).transient
    assert not session.in_nested_transaction()
    with pytest.raises(ResourceClosedError):
        inner.commit()


def test_commit_of_an_outer_savepoint_commits_the_inner_ones(session):
    outer = session.begin_nested()
    session.begin_nested()
    session.add(Label(id=5))
    outer.commit()
    assert not session.in_nested_transaction()
    session.commit()
    assert session.get(Label, 5) is not None


def test_after_an_error_inside_the_work_before_it_is_still_there(session):
    ada = session.get(Customer, 1)
    ada.name = "before"
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add_all([Label(id=7), Label(id=7)])
    ada.note = "after"
    session.commit()
    assert (ada.name, ada.note) == ("before", "after")
    assert session.get(Label, 7) is None


def test_a_failed_flush_inside_asks_for_rollback_of_the_savepoint_alone(session):
    session.get(Customer, 1).name = "before"
    savepoint = session.begin_nested()
    session.add_all([Label(id=7), Label(id=7)])
    with pytest.raises(IntegrityError):
        session.flush()
    with pytest.raises(PendingRollbackError):
        session.get(Customer, 2)
    savepoint.rollback()
    assert session.get(Customer, 2).name == "bob"
    session.commit()
    assert session.get(Customer, 1).name == "before"


def test_the_database_learns_of_a_savepoint_when_it_is_used(session, engine):
    said = []
    event.listen(engine, "savepoint", lambda connection, name: said.append("savepoint"))
    event.listen(engine, "release_savepoint", lambda connection, name, context: said.append("release"))
    session.get(Customer, 1)
    with session.begin_nested():
        pass
    assert said == []
    with session.begin_nested():
        session.execute(text("SELECT 1"))
    assert said == ["savepoint", "release"]


def test_a_statement_in_bulk_inside_is_undone_in_memory_too(session):
    ada = session.get(Customer, 1)
    savepoint = session.begin_nested()
    session.execute(Customer.__table__.update().values(name="core"))
    session.refresh(ada)
    session.query(Customer).update({"name": "bulk"})
    assert ada.name == "bulk"
    savepoint.rollback()
    assert ada.name == "ada"


# 0.4's subtransactions


def test_a_subtransaction_is_part_of_the_transaction_around_it(session):
    session.begin() if not session.in_transaction() else None
    outer = session.get_transaction()
    with session.begin(subtransactions=True) as inner:
        session.add(Label(id=5))
        assert inner.parent is outer
    assert session.in_transaction()
    session.rollback()
    assert session.get(Label, 5) is None


def test_rollback_of_a_subtransaction_rolls_all_back(session):
    session.rollback()
    with pytest.raises(ZeroDivisionError), session.begin():
        label = Label(id=5)
        session.add(label)
        session.flush()
        with session.begin(subtransactions=True):
            raise ZeroDivisionError
    assert inspect(label).transient
    assert session.get(Label, 5) is None


def test_after_a_subtransaction_was_rolled_back_the_outer_one_must_be(session):
    session.rollback()
    session.begin()
    session.begin(subtransactions=True).rollback()
    with pytest.raises(PendingRollbackError, match="rollback"):
        session.get(Label, 1)
    session.rollback()
    assert session.get(Label, 1) is not None


def test_begin_twice_without_asking_for_a_subtransaction_is_refused(session):
    session.rollback()
    session.begin()
    with pytest.raises(InvalidRequestError, match="already"):
        session.begin()
