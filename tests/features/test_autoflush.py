"""Autoflush: pending work goes to the database before a question does, unless it is told not to."""

import pytest
from databases import count_statements
from sqlalchemy import String, func, text
from sqlalchemy.exc import IntegrityError

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, select


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str] = mapped_column(String(50), unique=True)
    more: Mapped[str | None] = mapped_column(String(50), deferred=True)


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(Note.__table__.insert(), {"id": 1, "words": "first", "more": "m"})
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


ASKING = {
    "execute": lambda session: session.execute(select(Note.id)).all(),
    "scalars": lambda session: session.scalars(select(Note)).all(),
    "scalar": lambda session: session.scalar(select(func.count(Note.id))),
    "text": lambda session: session.execute(text("SELECT 1")).all(),
    "query": lambda session: session.query(Note).all(),
    "query first": lambda session: session.query(Note).first(),
    "query count": lambda session: session.query(Note).count(),
    "query iteration": lambda session: list(session.query(Note)),
    "query exists": lambda session: session.query(session.query(Note).exists()).scalar(),
}


@pytest.mark.parametrize("how", ASKING)
def test_every_way_of_asking_flushes_first(session, how):
    note = Note(words="second")
    session.add(note)
    ASKING[how](session)
    assert inspect(note).persistent


@pytest.mark.parametrize("how", ASKING)
def test_no_autoflush_block_holds_it_back(session, how):
    note = Note(words="second")
    session.add(note)
    with session.no_autoflush:
        ASKING[how](session)
    assert inspect(note).pending


def test_autoflush_false_holds_it_back_for_good(database):
    with Session(database, autoflush=False) as session:
        session.add(Note(words="second"))
        assert len(session.scalars(select(Note)).all()) == 1
        session.flush()
        assert len(session.scalars(select(Note)).all()) == 2


def test_autoflush_can_be_turned_off_for_one_statement(session):
    session.add(Note(words="second"))
    statement = select(Note).execution_options(autoflush=False)
    assert len(session.scalars(statement).all()) == 1
    assert len(session.scalars(select(Note)).all()) == 2


def test_query_autoflush_false(session):
    session.add(Note(words="second"))
    assert session.query(Note).autoflush(False).count() == 1


def test_no_autoflush_block_gives_the_session_and_ends(session):
    with session.no_autoflush as same:
        assert same is session
    session.add(Note(words="second"))
    assert session.query(Note).count() == 2


def test_no_autoflush_ends_when_the_block_fails(session):
    with pytest.raises(ZeroDivisionError), session.no_autoflush:
        raise ZeroDivisionError
    session.add(Note(words="second"))
    assert session.query(Note).count() == 2


def test_changes_are_seen_by_the_question(session):
    session.get(Note, 1).words = "changed"
    assert session.scalars(select(Note).where(Note.words == "first")).all() == []
    assert session.scalars(select(Note).where(Note.words == "changed")).one().id == 1


def test_deletes_are_seen_by_the_question(session):
    session.delete(session.get(Note, 1))
    assert session.query(Note).count() == 0


def test_nothing_to_flush_costs_nothing(session, database):
    session.get(Note, 1)
    with count_statements(database) as sent:
        session.scalars(select(Note)).all()
    assert sent.count == 1


def test_get_of_a_known_object_does_not_flush(session):
    session.get(Note, 1)
    kept = session.get(Note, 1)
    pending = Note(words="second")
    session.add(pending)
    assert session.get(Note, 1) is kept
    assert inspect(pending).pending


def test_explicit_flush_works_inside_no_autoflush(session):
    session.add(Note(words="second"))
    with session.no_autoflush:
        session.flush()
        assert session.query(Note).count() == 2


def test_error_of_an_autoflush_says_that_it_was_one(session):
    session.add(Note(words="first"))
    with pytest.raises(IntegrityError, match="autoflush"):
        session.scalars(select(Note)).all()


def test_loading_a_deferred_attribute_keeps_pending_objects_whole(session):
    note = session.get(Note, 1)
    session.add(Note(words="second"))
    assert note.more == "m"
    session.commit()
    assert session.query(Note).count() == 2
