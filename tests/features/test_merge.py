"""merge(): the state of one object copied onto the session's own object of that row."""

import pytest
from databases import count_statements
from sqlalchemy import JSON, String

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, select
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class Song(Base):
    __tablename__ = "song"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(String(50))
    length: Mapped[int | None]
    words: Mapped[str | None] = mapped_column(String(50), deferred=True)
    tags: Mapped[list | None] = mapped_column(JSON)


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(Song.__table__.insert(), {"id": 1, "title": "Shenandoah", "length": 200, "words": "away"})
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


def detached(database):
    with Session(database) as session:
        song = session.get(Song, 1)
        session.expunge(song)
    return song


def test_merge_returns_the_object_of_the_session(session):
    there = session.get(Song, 1)
    given = Song(id=1, title="Santiano")
    assert session.merge(given) is there
    assert there.title == "Santiano"
    assert given not in session


def test_merge_loads_the_row_when_it_is_not_there(session, database):
    with count_statements(database) as sent:
        merged = session.merge(Song(id=1, title="Santiano"))
    assert sent.count == 1
    assert inspect(merged).persistent
    assert (merged.title, merged.length) == ("Santiano", 200)


def test_merge_without_a_row_makes_a_new_object(session):
    given = Song(id=2, title="Santiano")
    merged = session.merge(given)
    assert merged is not given
    assert inspect(merged).pending
    assert inspect(given).transient
    session.commit()
    assert session.get(Song, 2).title == "Santiano"


def test_merge_without_a_key_makes_a_new_object(session, database):
    with count_statements(database) as sent:
        merged = session.merge(Song(title="Santiano"))
    assert sent.count == 0
    session.commit()
    assert merged.id is not None
    assert session.scalars(select(Song.title).order_by(Song.id)).all() == ["Shenandoah", "Santiano"]


def test_attributes_never_set_are_left_alone(session):
    there = session.get(Song, 1)
    session.merge(Song(id=1, length=100))
    assert (there.title, there.length) == ("Shenandoah", 100)


def test_attributes_set_to_none_are_copied(session):
    there = session.get(Song, 1)
    session.merge(Song(id=1, title=None))
    assert there.title is None


def test_merged_changes_are_flushed(session):
    session.merge(Song(id=1, title="Santiano"))
    session.commit()
    assert session.scalar(select(Song.title)) == "Santiano"


def test_merge_of_equal_values_is_no_change(session, database):
    there = session.get(Song, 1)
    session.merge(Song(id=1, title="Shenandoah", length=200))
    assert not session.is_modified(there)
    with count_statements(database) as sent:
        session.flush()
    assert sent.count == 0


def test_merge_of_a_persistent_object_of_this_session_is_that_object(session, database):
    there = session.get(Song, 1)
    with count_statements(database) as sent:
        assert session.merge(there) is there
    assert sent.count == 0


def test_merge_of_a_detached_object(session, database):
    given = detached(database)
    given.title = "Santiano"
    merged = session.merge(given)
    assert merged is not given
    assert inspect(given).detached
    assert inspect(merged).persistent
    session.commit()
    assert session.scalar(select(Song.title)) == "Santiano"


def test_merge_of_an_object_of_another_session(session, database):
    with Session(database) as other:
        theirs = other.get(Song, 1)
        mine = session.merge(theirs)
        assert mine is not theirs
        assert theirs in other
        assert mine in session


def test_merge_leaves_what_the_given_object_never_loaded(session, database):
    given = detached(database)
    assert "words" not in given.__dict__
    merged = session.merge(given)
    assert merged.words == "away"


def test_merge_of_an_expired_object_takes_the_row(session, database):
    with Session(database) as other:
        given = other.get(Song, 1)
        other.expire(given)
        other.expunge(given)
    there = session.get(Song, 1)
    there.length = 5
    with session.no_autoflush:
        session.merge(given)
    assert there.length == 5


def test_merge_with_load_false_asks_the_database_nothing(session, database):
    given = detached(database)
    with count_statements(database) as sent:
        merged = session.merge(given, load=False)
        assert merged.title == "Shenandoah"
    assert sent.count == 0
    assert not session.is_modified(merged)
    assert inspect(merged).persistent


def test_merge_with_load_false_refuses_a_transient_object(session):
    with pytest.raises(InvalidRequestError):
        session.merge(Song(id=1), load=False)


def test_merge_with_load_false_refuses_a_changed_object(session, database):
    given = detached(database)
    given.title = "Santiano"
    with pytest.raises(InvalidRequestError):
        session.merge(given, load=False)


def test_merge_all(session):
    one, two = session.merge_all([Song(id=1, title="a"), Song(id=2, title="b")])
    assert (one.title, two.title) == ("a", "b")
    assert inspect(one).persistent
    assert inspect(two).pending


def test_merge_of_two_objects_with_one_new_key_gives_one(session):
    first = session.merge(Song(id=5, title="a"))
    session.flush()
    second = session.merge(Song(id=5, title="b"))
    assert first is second
    assert first.title == "b"


def test_merge_flushes_first_and_so_finds_pending_rows(session):
    pending = Song(id=7, title="pending")
    session.add(pending)
    assert session.merge(Song(id=7, title="merged")) is pending
    assert pending.title == "merged"


def test_merge_copies_json_values(session):
    session.merge(Song(id=1, tags=["sea"]))
    session.commit()
    assert session.get(Song, 1).tags == ["sea"]


def test_merge_of_a_deleted_objects_key_after_the_flush_inserts(session):
    session.delete(session.get(Song, 1))
    session.flush()
    merged = session.merge(Song(id=1, title="again"))
    session.commit()
    assert merged.title == "again"


def test_merge_of_an_unmapped_object(session):
    with pytest.raises(InvalidRequestError):
        session.merge(object())
