"""Moves that mean nothing, or two things: each is refused at once, and changes nothing."""

import pytest
from sqlalchemy import String
from sqlalchemy.exc import InvalidRequestError

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column


class Base(DeclarativeBase):
    pass


class Card(Base):
    __tablename__ = "card"

    id: Mapped[int] = mapped_column(primary_key=True)
    suit: Mapped[str] = mapped_column(String(50))


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Card(id=1, suit="spades"))
        session.commit()
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


@pytest.fixture
def other(database):
    with Session(database) as session:
        yield session


def refused():
    return pytest.raises(InvalidRequestError, match="Card")


def detached(session):
    card = session.get(Card, 1)
    session.expunge(card)
    return card


# add


def test_add_of_a_pending_object_to_a_second_session(session, other):
    card = Card(suit="hearts")
    session.add(card)
    with refused():
        other.add(card)
    assert card in session
    assert card not in other


def test_add_of_a_persistent_object_to_a_second_session(session, other):
    card = session.get(Card, 1)
    with refused():
        other.add(card)
    assert card in session
    assert card not in other


def test_add_of_a_second_object_with_the_key_of_one_that_is_there(session, other):
    there = session.get(Card, 1)
    second = detached(other)
    with refused():
        session.add(second)
    assert session.get(Card, 1) is there
    assert inspect(second).detached


def test_add_of_a_deleted_object_before_commit(session):
    card = session.get(Card, 1)
    session.delete(card)
    session.flush()
    with refused():
        session.add(card)


def test_add_of_a_deleted_object_after_commit(session):
    card = session.get(Card, 1)
    session.delete(card)
    session.commit()
    with refused():
        session.add(card)


def test_add_twice_to_one_session_is_no_error(session):
    card = Card(suit="hearts")
    session.add(card)
    session.add(card)
    assert list(session.new) == [card]


def test_add_all_with_one_bad_object_names_it(session, other):
    with refused():
        session.add_all([Card(suit="hearts"), other.get(Card, 1)])


# save, update, save_or_update


def test_save_of_a_persistent_object(session):
    card = session.get(Card, 1)
    with refused():
        session.save(card)
    assert inspect(card).persistent


def test_save_of_a_detached_object(session):
    card = detached(session)
    with refused():
        session.save(card)
    assert inspect(card).detached


def test_save_of_an_object_pending_elsewhere(session, other):
    card = Card(suit="hearts")
    session.save(card)
    with refused():
        other.save(card)


def test_update_of_a_transient_object(session):
    card = Card(suit="hearts")
    with refused():
        session.update(card)
    assert inspect(card).transient


def test_update_of_an_object_persistent_elsewhere(session, other):
    card = session.get(Card, 1)
    with refused():
        other.update(card)


def test_update_of_a_second_object_with_the_key_of_one_that_is_there(session, other):
    session_card = session.get(Card, 1)
    with refused():
        session.update(detached(other))
    assert session.get(Card, 1) is session_card


def test_update_of_a_persistent_object_is_no_error(session):
    card = session.get(Card, 1)
    session.update(card)
    assert card in session


def test_save_or_update_of_an_object_in_another_session(session, other):
    with refused():
        session.save_or_update(other.get(Card, 1))


# delete


def test_delete_of_a_transient_object(session):
    card = Card(suit="hearts")
    with refused():
        session.delete(card)
    assert not session.deleted


def test_delete_of_a_transient_object_with_the_key_of_a_row(session):
    card = Card(id=1, suit="spades")
    with refused():
        session.delete(card)


def test_delete_of_a_pending_object(session):
    card = Card(suit="hearts")
    session.add(card)
    with refused():
        session.delete(card)
    assert card in session.new


def test_delete_of_an_object_in_another_session(session, other):
    card = other.get(Card, 1)
    with refused():
        session.delete(card)
    assert card in other
    assert not session.deleted


def test_delete_of_a_second_object_with_the_key_of_one_that_is_there(session, other):
    there = session.get(Card, 1)
    with refused():
        session.delete(detached(other))
    assert there not in session.deleted


def test_delete_twice_is_no_error(session):
    card = session.get(Card, 1)
    session.delete(card)
    session.delete(card)
    session.flush()
    assert inspect(card).deleted


# expunge


def test_expunge_of_a_transient_object(session):
    with refused():
        session.expunge(Card(suit="hearts"))


def test_expunge_of_a_detached_object(session):
    with refused():
        session.expunge(detached(session))


def test_expunge_of_an_object_in_another_session(session, other):
    card = other.get(Card, 1)
    with refused():
        session.expunge(card)
    assert card in other


# refresh and expire


@pytest.mark.parametrize("move", ["refresh", "expire"])
def test_refresh_and_expire_of_a_transient_object(session, move):
    with refused():
        getattr(session, move)(Card(suit="hearts"))


@pytest.mark.parametrize("move", ["refresh", "expire"])
def test_refresh_and_expire_of_a_pending_object(session, move):
    card = Card(suit="hearts")
    session.add(card)
    with session.no_autoflush, refused():
        getattr(session, move)(card)


@pytest.mark.parametrize("move", ["refresh", "expire"])
def test_refresh_and_expire_of_a_detached_object(session, move):
    card = detached(session)
    with refused():
        getattr(session, move)(card)


@pytest.mark.parametrize("move", ["refresh", "expire"])
def test_refresh_and_expire_of_an_object_in_another_session(session, other, move):
    card = other.get(Card, 1)
    with refused():
        getattr(session, move)(card)


def test_refresh_of_an_object_whose_row_is_gone(session, database):
    card = session.get(Card, 1)
    session.commit()
    with database.begin() as connection:
        connection.execute(Card.__table__.delete())
    with refused():
        session.refresh(card)


# flush and merge


def test_flush_leaves_changes_of_another_session_alone(session, other):
    card = other.get(Card, 1)
    card.suit = "clubs"
    session.flush()
    assert card in other.dirty


def test_two_pending_objects_with_one_key_fail_at_flush(session):
    session.add_all([Card(id=9, suit="hearts"), Card(id=9, suit="clubs")])
    with pytest.raises(Exception) as caught:
        session.flush()
    assert type(caught.value).__name__ in ("IntegrityError", "FlushError")


def test_merge_of_a_pending_object_keeps_it(session):
    card = Card(suit="hearts")
    session.add(card)
    assert session.merge(card) is card
    assert card in session
