"""expire and refresh: when values are read again, how much is read, and what becomes of changes."""

import pytest
from databases import count_statements
from sqlalchemy import String

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, select
from ropewalk.exc import InvalidRequestError, ObjectDeletedError


class Base(DeclarativeBase):
    pass


class Lamp(Base):
    __tablename__ = "lamp"

    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[str] = mapped_column(String(50))
    watts: Mapped[int | None]
    note: Mapped[str | None] = mapped_column(String(50), deferred=True)


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(
            Lamp.__table__.insert(),
            [{"id": n, "colour": "white", "watts": n * 10, "note": "n"} for n in range(1, 6)],
        )
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


def paint(session, colour):
    """Change every row behind the objects' back."""
    session.execute(Lamp.__table__.update().values(colour=colour))


# expire


def test_expired_object_is_read_again_at_the_next_access(session):
    lamp = session.get(Lamp, 1)
    paint(session, "red")
    assert lamp.colour == "white"
    session.expire(lamp)
    assert lamp.colour == "red"


def test_one_statement_reads_the_whole_object_again(session, database):
    lamp = session.get(Lamp, 1)
    session.expire(lamp)
    with count_statements(database) as sent:
        assert (lamp.id, lamp.colour, lamp.watts) == (1, "white", 10)
    assert sent.count == 1


def test_expire_itself_asks_nothing(session, database):
    lamp = session.get(Lamp, 1)
    with count_statements(database) as sent:
        session.expire(lamp)
        session.expire_all()
    assert sent.count == 0


def test_expired_values_leave_the_dict(session):
    lamp = session.get(Lamp, 1)
    session.expire(lamp)
    assert not {"id", "colour", "watts"} & set(lamp.__dict__)
    assert {"id", "colour", "watts"} <= inspect(lamp).expired_attributes


def test_expire_of_one_attribute_leaves_the_others(session, database):
    lamp = session.get(Lamp, 1)
    paint(session, "red")
    session.expire(lamp, ["colour"])
    with count_statements(database) as sent:
        assert lamp.watts == 10
        assert sent.count == 0
        assert lamp.colour == "red"
    assert sent.count == 1


def test_expire_throws_changes_away(session):
    lamp = session.get(Lamp, 1)
    lamp.colour = "green"
    session.expire(lamp)
    assert lamp not in session.dirty
    assert lamp.colour == "white"


def test_expire_of_another_attribute_keeps_changes(session):
    lamp = session.get(Lamp, 1)
    lamp.colour = "green"
    session.expire(lamp, ["watts"])
    with session.no_autoflush:
        assert lamp.watts == 10
    assert lamp.colour == "green"
    assert lamp in session.dirty


def test_expire_all_expires_every_object(session):
    lamps = session.scalars(select(Lamp)).all()
    paint(session, "red")
    session.expire_all()
    assert {lamp.colour for lamp in lamps} == {"red"}


def test_many_expired_objects_are_read_again_by_one_query(session, database):
    lamps = session.scalars(select(Lamp).order_by(Lamp.id)).all()
    paint(session, "red")
    session.expire_all()
    with count_statements(database) as sent:
        session.scalars(select(Lamp)).all()
        assert {lamp.colour for lamp in lamps} == {"red"}
    assert sent.count == 1


def test_write_to_an_expired_attribute_is_kept_when_the_rest_is_read(session):
    lamp = session.get(Lamp, 1)
    session.expire(lamp)
    lamp.colour = "green"
    with session.no_autoflush:
        assert lamp.watts == 10
    assert lamp.colour == "green"
    session.commit()
    assert session.scalar(select(Lamp.colour).where(Lamp.id == 1)) == "green"


def test_key_of_an_expired_object_is_known_without_sql(session, database):
    lamp = session.get(Lamp, 1)
    session.expire(lamp)
    with count_statements(database) as sent:
        assert inspect(lamp).identity == (1,)
    assert sent.count == 0


def test_expired_object_whose_row_is_gone(session):
    lamp = session.get(Lamp, 1)
    session.execute(Lamp.__table__.delete())
    session.expire(lamp)
    with pytest.raises(ObjectDeletedError, match="Lamp"):
        lamp.colour  # noqa: B018


def test_get_of_an_expired_object_reads_it_again(session, database):
    lamp = session.get(Lamp, 1)
    session.expire(lamp)
    with count_statements(database) as sent:
        assert session.get(Lamp, 1) is lamp
    assert sent.count == 1


def test_expire_of_an_unknown_attribute_expires_nothing_else(session):
    lamp = session.get(Lamp, 1)
    with pytest.raises((KeyError, InvalidRequestError), match="nonsense"):
        session.expire(lamp, ["nonsense"])
    assert "colour" in lamp.__dict__


# refresh


def test_refresh_reads_at_once(session, database):
    lamp = session.get(Lamp, 1)
    paint(session, "red")
    with count_statements(database) as sent:
        session.refresh(lamp)
        assert lamp.colour == "red"
    assert sent.count == 1


def test_refresh_throws_changes_away(session):
    lamp = session.get(Lamp, 1)
    lamp.colour = "green"
    session.refresh(lamp)
    assert lamp.colour == "white"
    assert lamp not in session.dirty


def test_refresh_of_one_attribute(session):
    lamp = session.get(Lamp, 1)
    paint(session, "red")
    session.execute(Lamp.__table__.update().values(watts=99))
    session.refresh(lamp, ["colour"])
    assert (lamp.colour, lamp.watts) == ("red", 10)


def test_refresh_of_a_deferred_attribute_loads_it(session, database):
    lamp = session.get(Lamp, 1)
    session.refresh(lamp, ["note"])
    with count_statements(database) as sent:
        assert lamp.note == "n"
    assert sent.count == 0


def test_refresh_reads_a_deferred_attribute_again_that_was_loaded(session):
    lamp = session.get(Lamp, 1)
    assert lamp.note == "n"
    session.execute(Lamp.__table__.update().values(note="new"))
    session.refresh(lamp)
    assert lamp.note == "new"


def test_refresh_of_an_expired_object(session, database):
    lamp = session.get(Lamp, 1)
    session.expire(lamp)
    with count_statements(database) as sent:
        session.refresh(lamp)
    assert sent.count == 1
    assert not inspect(lamp).expired_attributes & {"id", "colour", "watts"}


def test_refresh_of_a_newly_flushed_object(session):
    lamp = Lamp(colour="blue")
    session.add(lamp)
    session.flush()
    paint(session, "red")
    session.refresh(lamp)
    assert lamp.colour == "red"


def test_refresh_for_update_locks_where_the_database_can(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Lamp(id=1, colour="white"))
        session.commit()
        lamp = session.get(Lamp, 1)
        with count_statements(engine) as sent:
            session.refresh(lamp, with_for_update=True)
        assert ("FOR UPDATE" in sent.statements[-1]) == (engine.dialect.name != "sqlite")
        session.rollback()


def test_get_for_update_asks_the_database_though_the_object_is_there(session, database):
    lamp = session.get(Lamp, 1)
    with count_statements(database) as sent:
        assert session.get(Lamp, 1, with_for_update=True) is lamp
    assert sent.count == 1


# is_modified


def test_is_modified_knows_real_changes_from_none(session):
    lamp = session.get(Lamp, 1)
    assert not session.is_modified(lamp)
    lamp.colour = "green"
    assert session.is_modified(lamp)
    lamp.colour = "white"
    assert not session.is_modified(lamp)


def test_is_modified_of_a_new_object(session):
    assert session.is_modified(Lamp(colour="red"))
