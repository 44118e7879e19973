"""One object for a row, for as long as somebody wants it; and objects that leave the session whole."""

import gc
import pickle
import weakref

import pytest
from databases import count_statements
from sqlalchemy import JSON, String
from sqlalchemy import select as core_select

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    inspect,
    make_transient,
    make_transient_to_detached,
    mapped_column,
    select,
)
from ropewalk.exc import DetachedInstanceError, InvalidRequestError


class Base(DeclarativeBase):
    pass


class Star(Base):
    __tablename__ = "star"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    size: Mapped[int | None]
    tags: Mapped[list | None] = mapped_column(JSON)


class Seat(Base):
    __tablename__ = "seat"

    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    letter: Mapped[str] = mapped_column(String(1), primary_key=True)
    taken_by: Mapped[str | None] = mapped_column(String(50))


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(
            Star.__table__.insert(),
            [{"id": 1, "name": "Vega", "size": 2}, {"id": 2, "name": "Deneb", "size": 200}],
        )
        connection.execute(Seat.__table__.insert(), {"row": 3, "letter": "A", "taken_by": None})
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


def names(engine):
    with engine.connect() as connection:
        return connection.scalars(core_select(Star.__table__.c.name).order_by(Star.__table__.c.id)).all()


# One object


def test_two_queries_give_the_same_object(session):
    first = session.scalars(select(Star).where(Star.id == 1)).one()
    assert session.scalars(select(Star).where(Star.name == "Vega")).one() is first


def test_one_row_twice_in_a_result_is_one_object(session):
    one = select(Star).where(Star.id == 1)
    pair = session.scalars(select(Star).from_statement(one.union_all(one)))
    first, second = pair.all()
    assert first is second


def test_get_gives_the_queried_object_without_sql(session, database):
    star = session.scalars(select(Star).where(Star.id == 1)).one()
    with count_statements(database) as sent:
        assert session.get(Star, 1) is star
    assert sent.count == 0


def test_flushed_object_is_found_without_sql(session, database):
    star = Star(name="Rigel")
    session.add(star)
    session.flush()
    with count_statements(database) as sent:
        assert session.get(Star, star.id) is star
    assert sent.count == 0


def test_composite_keys_identify(session, database):
    seat = session.get(Seat, (3, "A"))
    with count_statements(database) as sent:
        assert session.get(Seat, (3, "A")) is seat
        assert session.get(Seat, {"letter": "A", "row": 3}) is seat
    assert sent.count == 0
    assert inspect(seat).identity == (3, "A")


def test_objects_of_two_classes_with_one_key_are_two(session):
    session.add(Seat(row=1, letter="1"))
    star = session.get(Star, 1)
    session.flush()
    assert session.get(Seat, (1, "1")) is not star


def test_loading_does_not_overwrite_what_was_read(session, database):
    star = session.get(Star, 1)
    with database.begin() as connection:
        connection.execute(Star.__table__.update().where(Star.__table__.c.id == 1), {"name": "Wega"})
    session.scalars(select(Star)).all()
    assert star.name == "Vega"


def test_populate_existing_overwrites(session):
    star = session.get(Star, 1)
    star.name = "changed"
    with session.no_autoflush:
        session.scalars(select(Star).execution_options(populate_existing=True)).all()
    assert star.name == "Vega"


def test_get_with_populate_existing_overwrites(session):
    star = session.get(Star, 1)
    star.name = "changed"
    with session.no_autoflush:
        assert session.get(Star, 1, populate_existing=True) is star
    assert star.name == "Vega"


# Weak, but not careless


def test_unchanged_object_is_let_go(session):
    reference = weakref.ref(session.get(Star, 1))
    gc.collect()
    assert reference() is None
    assert len(session.identity_map) == 0


def test_unchanged_object_is_let_go_without_the_cyclic_collector(session):
    gc.disable()
    try:
        assert len(session.scalars(select(Star)).all()) == 2
        assert len(session.identity_map) == 0
    finally:
        gc.enable()


def test_object_let_go_is_loaded_again(session):
    session.get(Star, 1)
    gc.collect()
    assert session.get(Star, 1).name == "Vega"


def test_changed_object_survives_and_is_flushed(session, database):
    session.get(Star, 1).name = "Wega"
    gc.collect()
    session.commit()
    assert names(database) == ["Wega", "Deneb"]


def test_changed_object_is_the_one_that_later_queries_give(session):
    session.get(Star, 1).size = 5
    gc.collect()
    with session.no_autoflush:
        assert session.get(Star, 1).size == 5
        assert session.scalars(select(Star).where(Star.id == 1)).one().size == 5


def test_object_changed_in_place_survives_and_is_flushed(session):
    session.get(Star, 1).tags = ["blue"]
    session.commit()
    session.get(Star, 1).tags.append("bright")
    gc.collect()
    session.commit()
    assert session.get(Star, 1).tags == ["blue", "bright"]


def test_pending_object_survives(session, database):
    session.add(Star(name="Rigel"))
    gc.collect()
    session.commit()
    assert names(database) == ["Vega", "Deneb", "Rigel"]


def test_object_marked_deleted_survives(session, database):
    session.delete(session.get(Star, 1))
    gc.collect()
    session.commit()
    assert names(database) == ["Deneb"]


def test_deleted_object_comes_back_by_rollback_though_nobody_held_it(session):
    session.delete(session.get(Star, 1))
    session.flush()
    gc.collect()
    session.rollback()
    assert session.get(Star, 1).name == "Vega"


def test_changed_object_is_let_go_after_the_flush(session):
    star = session.get(Star, 1)
    star.name = "Wega"
    session.flush()
    reference = weakref.ref(star)
    del star
    gc.collect()
    assert reference() is None


def test_changed_object_is_let_go_after_a_rollback(session):
    star = session.get(Star, 1)
    star.name = "Wega"
    session.rollback()
    reference = weakref.ref(star)
    del star
    gc.collect()
    assert reference() is None


def test_expunged_changed_object_is_let_go(session):
    star = session.get(Star, 1)
    star.name = "Wega"
    session.expunge(star)
    reference = weakref.ref(star)
    del star
    gc.collect()
    assert reference() is None


def test_session_itself_is_let_go_with_objects_still_in_use(database):
    session = Session(database)
    star = session.get(Star, 1)
    session.rollback()
    reference = weakref.ref(session)
    del session
    gc.collect()
    assert reference() is None
    assert inspect(star).session is None


def test_a_key_that_changed_hands_gives_the_new_object(session):
    star = session.get(Star, 1)
    session.expunge(star)
    other = session.get(Star, 1)
    assert other is not star
    del star
    gc.collect()
    assert session.get(Star, 1) is other


# Pickling


def test_detached_object_survives_pickling(session):
    star = session.get(Star, 1)
    session.expunge(star)
    copy = pickle.loads(pickle.dumps(star))
    assert (copy.id, copy.name, copy.size) == (1, "Vega", 2)
    assert inspect(copy).detached
    assert inspect(copy).identity == (1,)


def test_pickled_object_can_join_a_session(session, database):
    star = session.get(Star, 1)
    session.expunge(star)
    copy = pickle.loads(pickle.dumps(star))
    copy.name = "Wega"
    session.add(copy)
    session.commit()
    assert names(database) == ["Wega", "Deneb"]


def test_pickling_keeps_what_was_changed(session, database):
    star = session.get(Star, 1)
    session.expunge(star)
    star.name = "Wega"
    copy = pickle.loads(pickle.dumps(star))
    session.add(copy)
    with count_statements(database) as sent:
        session.commit()
    assert [sql.split()[0] for sql in sent.statements] == ["UPDATE"]
    assert "size" not in sent.statements[0]
    assert names(database) == ["Wega", "Deneb"]


def test_pickling_keeps_what_was_expired(session):
    star = session.get(Star, 1)
    session.expire(star, ["name"])
    session.expunge(star)
    copy = pickle.loads(pickle.dumps(star))
    assert copy.size == 2
    with pytest.raises(DetachedInstanceError):
        copy.name  # noqa: B018
    session.add(copy)
    assert copy.name == "Vega"


def test_transient_object_survives_pickling(session):
    copy = pickle.loads(pickle.dumps(Star(name="Rigel")))
    assert inspect(copy).transient
    session.add(copy)
    session.flush()
    assert inspect(copy).persistent


def test_pickled_persistent_object_is_detached(session):
    star = session.get(Star, 1)
    copy = pickle.loads(pickle.dumps(star))
    assert inspect(copy).detached
    assert inspect(star).persistent


# make_transient and its inverse


def test_make_transient_forgets_session_and_key(session):
    star = session.get(Star, 1)
    make_transient(star)
    assert inspect(star).transient
    assert inspect(star).identity is None
    assert star.name == "Vega"


def test_made_transient_with_a_new_key_becomes_a_second_row(session, database):
    star = session.get(Star, 1)
    make_transient(star)
    star.id = None
    session.add(star)
    session.commit()
    assert names(database) == ["Vega", "Deneb", "Vega"]


def test_make_transient_of_a_pending_object_takes_it_out(session):
    star = Star(name="Rigel")
    session.add(star)
    make_transient(star)
    assert star not in session
    assert inspect(star).transient


def test_make_transient_of_a_deleted_object_lets_it_be_added_again(session, database):
    star = session.get(Star, 1)
    session.delete(star)
    session.commit()
    make_transient(star)
    assert not inspect(star).was_deleted
    session.add(star)
    session.commit()
    assert names(database) == ["Vega", "Deneb"]


def test_make_transient_drops_expired_marks(session):
    star = session.get(Star, 1)
    session.expire(star)
    make_transient(star)
    assert star.name is None


def test_make_transient_to_detached_gives_an_object_for_a_known_row(session):
    star = Star(id=1)
    make_transient_to_detached(star)
    assert inspect(star).detached
    session.add(star)
    assert star.name == "Vega"


def test_make_transient_to_detached_issues_no_sql(session, database):
    star = Star(id=1)
    with count_statements(database) as sent:
        make_transient_to_detached(star)
        session.add(star)
        assert session.get(Star, 1) is star
    assert sent.count == 0


def test_make_transient_to_detached_refuses_a_persistent_object(session):
    star = session.get(Star, 1)
    with pytest.raises(InvalidRequestError):
        make_transient_to_detached(star)
