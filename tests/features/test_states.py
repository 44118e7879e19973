"""The five states of an object, and every move from one to another."""

import pytest
from sqlalchemy import String

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, object_session


class Base(DeclarativeBase):
    pass


class Boat(Base):
    __tablename__ = "boat"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


STATES = ("transient", "pending", "persistent", "deleted", "detached")


def state(obj):
    """The one state the object is in; that it is only one is part of every test."""
    inspected = inspect(obj)
    found = [name for name in STATES if getattr(inspected, name)]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def session(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Boat(id=1, name="Ada"))
        session.commit()
        yield session


def test_new_object_is_transient():
    assert state(Boat(name="Eve")) == "transient"


def test_add_makes_pending(session):
    boat = Boat(name="Eve")
    session.add(boat)
    assert state(boat) == "pending"
    assert object_session(boat) is session


def test_add_all_makes_all_pending(session):
    boats = [Boat(name="Eve"), Boat(name="Fay")]
    session.add_all(boats)
    assert [state(boat) for boat in boats] == ["pending", "pending"]


def test_expunge_makes_pending_transient(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.expunge(boat)
    assert state(boat) == "transient"
    assert object_session(boat) is None
    assert boat.name == "Eve"


def test_rollback_makes_pending_transient(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.rollback()
    assert state(boat) == "transient"


def test_close_makes_pending_transient(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.close()
    assert state(boat) == "transient"


def test_flush_makes_pending_persistent(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.flush()
    assert state(boat) == "persistent"
    assert inspect(boat).identity == (boat.id,)


def test_rollback_makes_newly_persistent_transient(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.flush()
    session.rollback()
    assert state(boat) == "transient"
    assert inspect(boat).identity is None


def test_object_rolled_back_can_be_added_again(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.flush()
    session.rollback()
    session.add(boat)
    session.commit()
    assert state(boat) == "persistent"
    assert boat.name == "Eve"


def test_commit_keeps_persistent(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.commit()
    assert state(boat) == "persistent"


def test_loaded_object_is_persistent(session):
    assert state(session.get(Boat, 1)) == "persistent"


def test_delete_leaves_persistent_until_flush(session):
    boat = session.get(Boat, 1)
    session.delete(boat)
    assert state(boat) == "persistent"
    assert boat in session.deleted


def test_flush_makes_marked_object_deleted(session):
    boat = session.get(Boat, 1)
    session.delete(boat)
    session.flush()
    assert state(boat) == "deleted"
    assert boat not in session
    assert boat not in session.deleted
    assert object_session(boat) is session


def test_was_deleted_stays_known_after_commit(session):
    boat = session.get(Boat, 1)
    assert not inspect(boat).was_deleted
    session.delete(boat)
    session.commit()
    assert inspect(boat).was_deleted


def test_commit_makes_deleted_detached(session):
    boat = session.get(Boat, 1)
    session.delete(boat)
    session.commit()
    assert state(boat) == "detached"
    assert object_session(boat) is None


def test_rollback_makes_deleted_persistent_again(session):
    boat = session.get(Boat, 1)
    session.delete(boat)
    session.flush()
    session.rollback()
    assert state(boat) == "persistent"
    assert boat in session
    assert boat.name == "Ada"


def test_rollback_takes_back_a_delete_not_yet_flushed(session):
    boat = session.get(Boat, 1)
    session.delete(boat)
    session.rollback()
    assert state(boat) == "persistent"
    assert boat not in session.deleted
    session.commit()
    assert session.get(Boat, 1) is boat


def test_add_takes_back_a_delete_not_yet_flushed(session):
    boat = session.get(Boat, 1)
    session.delete(boat)
    session.add(boat)
    assert boat not in session.deleted
    session.commit()
    assert state(boat) == "persistent"


def test_added_and_deleted_in_one_transaction_is_transient_after_rollback(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.flush()
    session.delete(boat)
    session.flush()
    assert state(boat) == "deleted"
    session.rollback()
    assert state(boat) == "transient"


def test_added_and_deleted_in_one_transaction_is_detached_after_commit(session):
    boat = Boat(name="Eve")
    session.add(boat)
    session.flush()
    session.delete(boat)
    session.commit()
    assert state(boat) == "detached"


def test_expunge_makes_persistent_detached(session):
    boat = session.get(Boat, 1)
    session.expunge(boat)
    assert state(boat) == "detached"
    assert object_session(boat) is None


@pytest.mark.parametrize("how", ["expunge_all", "clear", "close", "reset"])
def test_emptying_the_session_makes_persistent_detached(session, how):
    boat = session.get(Boat, 1)
    getattr(session, how)()
    assert state(boat) == "detached"
    assert list(session) == []


def test_add_makes_detached_persistent(session):
    boat = session.get(Boat, 1)
    session.expunge(boat)
    session.add(boat)
    assert state(boat) == "persistent"
    assert session.get(Boat, 1) is boat


def test_delete_of_detached_makes_it_deleted_at_flush(session):
    boat = session.get(Boat, 1)
    session.expunge(boat)
    session.delete(boat)
    session.flush()
    assert state(boat) == "deleted"


def test_new_lists_pending_objects_only(session):
    boat = Boat(name="Eve")
    session.get(Boat, 1)
    session.add(boat)
    assert list(session.new) == [boat]
    session.flush()
    assert not session.new


def test_dirty_lists_changed_objects_only(session):
    boat = session.get(Boat, 1)
    assert not session.dirty
    boat.name = "Eve"
    session.add(Boat(name="Fay"))
    assert list(session.dirty) == [boat]
    session.flush()
    assert not session.dirty


def test_deleted_lists_marked_objects_only(session):
    boat = session.get(Boat, 1)
    assert not session.deleted
    session.delete(boat)
    assert list(session.deleted) == [boat]


def test_a_deleted_object_is_not_dirty(session):
    boat = session.get(Boat, 1)
    boat.name = "Eve"
    session.delete(boat)
    assert boat not in session.dirty


def test_in_is_true_for_pending_and_persistent(session):
    pending, persistent = Boat(name="Eve"), session.get(Boat, 1)
    session.add(pending)
    assert pending in session
    assert persistent in session


def test_in_is_false_for_objects_elsewhere(session):
    assert Boat(name="Eve") not in session
    with Session(session.get_bind()) as other:
        assert other.get(Boat, 1) not in session


def test_iteration_gives_pending_and_persistent_objects(session):
    pending, persistent = Boat(name="Eve"), session.get(Boat, 1)
    session.add(pending)
    assert {id(obj) for obj in session} == {id(pending), id(persistent)}


def test_expired_object_is_still_persistent(session):
    boat = session.get(Boat, 1)
    session.expire(boat)
    assert state(boat) == "persistent"
