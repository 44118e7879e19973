"""The generated loader: readable source, and rows that become objects."""

import datetime
import decimal
import enum
import types
import uuid

import pytest
from databases import count_statements
from sqlalchemy import JSON, Column, Enum, ForeignKey, Integer, MetaData, Numeric, String, Table, insert, select, text
from sqlalchemy.dialects import sqlite

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.instrumentation.aliases import aliased
from ropewalk.instrumentation.validators import reconstructor, validates
from ropewalk.kernel.codegen import source_of
from ropewalk.loading.entities import EntityColumns, default_props
from ropewalk.loading.plan import plan_for
from ropewalk.loading.rows import compile_loader
from ropewalk.mapping.properties import column_property, deferred
from ropewalk.session.session import Session
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import state_of


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Room(Base):
    __tablename__ = "room"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column("room name", String(20))
    size: Mapped[int | None] = mapped_column()
    picture: Mapped[str | None] = deferred(mapped_column(String(20)))
    double: Mapped[int | None] = column_property(size * 2)


class Chair(Base):
    __tablename__ = "chair"

    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour | None] = mapped_column(Enum(Colour))
    made: Mapped[datetime.date | None]
    price: Mapped[decimal.Decimal | None] = mapped_column(Numeric(10, 2))
    serial: Mapped[uuid.UUID | None]
    tags: Mapped[list | None] = mapped_column(JSON)


class Ticket(Base):
    __tablename__ = "ticket"

    code: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    note: Mapped[str | None]


class Table_:
    pass


tables = Table("wooden_table", MetaData(), Column("id", Integer, primary_key=True), Column("legs", Integer))
registry().map_imperatively(Table_, tables)

SERIAL = uuid.UUID(int=77)


@pytest.fixture
def database(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    tables.create(sqlite_memory_engine)
    with sqlite_memory_engine.begin() as connection:
        connection.execute(
            insert(Room.__table__),
            [
                {"id": 1, "room name": "hall", "size": 50, "picture": "p1"},
                {"id": 2, "room name": "attic", "size": 20, "picture": "p2"},
                {"id": 3, "room name": None, "size": None, "picture": None},
            ],
        )
        connection.execute(
            insert(Chair.__table__),
            [
                {
                    "room_id": 1,
                    "number": 1,
                    "colour": Colour.RED,
                    "made": datetime.date(2024, 2, 29),
                    "price": decimal.Decimal("9.50"),
                    "serial": SERIAL,
                    "tags": ["a"],
                },
                {
                    "room_id": 1,
                    "number": 2,
                    "colour": None,
                    "made": None,
                    "price": None,
                    "serial": None,
                    "tags": None,
                },
            ],
        )
        connection.execute(insert(Ticket.__table__), {"code": SERIAL, "note": "x"})
        connection.execute(insert(tables), {"id": 1, "legs": 4})
    return sqlite_memory_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


# The source


def loader_of(*entities, populate=False, props=None):
    slots = [entity and EntityColumns(entity, props or default_props(entity.mapper)) for entity in entities]
    kinds = [t for slot in slots for t in ([e.type for e in slot.expressions] if slot else [Integer()])]
    return compile_loader(slots, kinds, sqlite.dialect(), None, len(slots) == 1, populate)


def test_the_source_names_attributes_and_can_be_read():
    source = source_of(loader_of(Room.__mapper__))
    assert "d['name'] = " in source
    assert "room_name" not in source  # the column's name is of no interest here
    assert "picture" not in source
    assert max(map(len, source.splitlines())) <= 120
    compile(source, "again", "exec")


@pytest.mark.parametrize("populate", [False, True])
def test_the_source_is_the_same_each_time(populate):
    sources = {source_of(loader_of(Room.__mapper__, None, Chair.__mapper__, populate=populate)) for _ in range(5)}
    assert len(sources) == 1


def test_a_traceback_names_what_was_being_loaded():
    loader = loader_of(Room.__mapper__, None)
    assert "load Room, column" in loader.__code__.co_filename
    with pytest.raises(ValueError, match="not enough values") as caught:
        loader([(1,)], IdentityMap(types.SimpleNamespace), [])
    assert caught.traceback[-1].path is not None


def test_values_that_need_no_conversion_are_not_converted():
    assert "p0_id" not in source_of(loader_of(Room.__mapper__))


def test_rows_that_cannot_change_in_place_are_not_watched():
    assert "watch" not in source_of(loader_of(Room.__mapper__))
    assert "watch" in source_of(loader_of(Chair.__mapper__))


# Objects


def test_a_new_object_is_persistent_and_unchanged(session):
    room = session.scalars(select(Room).where(Room.id == 1)).one()
    state = state_of(room)
    assert vars(room) == {"id": 1, "name": "hall", "size": 50, "double": 100}
    assert state.persistent
    assert state.identity == (1,)
    assert (state.committed, state.mutables, state.extra, state.expired) == (None, None, None, False)
    assert session.identity_map[Room, (1,)] is room


def test_an_object_of_a_plain_class_gets_its_state_with_its_values(session):
    thing = session.scalars(select(Table_)).one()
    assert vars(thing) == {"id": 1, "legs": 4, "_sa_instance_state": state_of(thing)}


def test_types_convert_what_the_driver_gives(session):
    chair = session.scalars(select(Chair).where(Chair.number == 1)).one()
    assert (chair.colour, chair.made, chair.price, chair.serial, chair.tags) == (
        Colour.RED,
        datetime.date(2024, 2, 29),
        decimal.Decimal("9.50"),
        SERIAL,
        ["a"],
    )


def test_null_is_none_for_every_type(session):
    chair = session.scalars(select(Chair).where(Chair.number == 2)).one()
    assert {key: value for key, value in vars(chair).items() if value is not None} == {"room_id": 1, "number": 2}


def test_a_key_that_needs_conversion_is_converted_before_it_is_looked_up(session):
    ticket = session.scalars(select(Ticket)).one()
    assert session.identity_map[Ticket, (SERIAL,)] is ticket
    assert session.scalars(select(Ticket)).one() is ticket


def test_a_composite_key_finds_its_object_in_every_result(session):
    first = session.scalars(select(Chair).order_by(Chair.number)).all()
    again = session.scalars(select(Chair).order_by(Chair.number.desc())).all()
    assert first == again[::-1]
    assert session.identity_map[Chair, (1, 2)] is first[1]


def test_objects_of_one_result_know_each_other(session):
    rooms = session.scalars(select(Room)).all()
    peers = state_of(rooms[0]).peers
    assert [state() for state in peers] == rooms
    assert all(state_of(room).peers is peers for room in rooms)


# Known objects


def change_behind(session, **values):
    """Write a row past the session, in its own transaction."""
    session.connection().execute(Room.__table__.update().where(Room.__table__.c.id == 1).values(values))


def test_a_known_object_keeps_what_it_holds(session):
    room = session.scalars(select(Room).where(Room.id == 1)).one()
    change_behind(session, size=99)
    assert session.scalars(select(Room).where(Room.id == 1)).one() is room
    assert room.size == 50


def test_populate_existing_overwrites_all_but_what_the_row_lacks(session):
    room = session.scalars(select(Room).where(Room.id == 1)).one()
    assert room.picture == "p1"
    room.name = "changed"
    change_behind(session, size=99)
    statement = select(Room).where(Room.id == 1).execution_options(populate_existing=True, autoflush=False)
    assert session.scalars(statement).one() is room
    assert (room.name, room.size, room.picture) == ("hall", 99, "p1")
    assert not state_of(room).modified
    assert not session.dirty


def test_an_expired_object_is_filled_by_the_next_result_that_brings_it(session, database):
    room = session.get(Room, 1)
    session.expire(room)
    change_behind(session, size=99)
    with count_statements(database) as sent:
        session.scalars(select(Room)).all()
        assert (room.size, room.name) == (99, "hall")
    assert sent.count == 1
    assert not state_of(room).expired


def test_an_attribute_written_after_expiry_is_not_overwritten(session):
    room = session.get(Room, 1)
    session.expire(room)
    room.size = 7
    with session.no_autoflush:
        session.scalars(select(Room)).all()
    assert vars(room)["size"] == 7
    assert vars(room)["name"] == "hall"


def test_a_row_with_part_of_the_columns_leaves_the_rest_unloaded(session, database):
    statement = text("SELECT id, size FROM room WHERE id = 1")
    room = session.scalars(select(Room).from_statement(statement)).one()
    assert vars(room) == {"id": 1, "size": 50}
    with count_statements(database) as sent:
        assert (room.name, room.double) == ("hall", 100)
    assert sent.count == 1


def test_a_later_row_fills_in_what_a_partial_one_left_out(session, database):
    room = session.scalars(select(Room).from_statement(text("SELECT id FROM room WHERE id = 1"))).one()
    session.scalars(select(Room)).all()
    with count_statements(database) as sent:
        assert room.name == "hall"
    assert sent.count == 0


def test_an_object_dropped_between_rows_of_one_result_is_made_once(session):
    one = select(Room).where(Room.id == 1)
    found = session.scalars(select(Room).from_statement(one.union_all(one, one))).all()
    assert len(found) == 3
    assert len(set(map(id, found))) == 1


# Outer joins and aliases


def test_an_outer_join_that_met_nothing_gives_none(session):
    rows = session.execute(
        select(Room, Chair).outerjoin(Chair, Chair.room_id == Room.id).order_by(Room.id, Chair.number)
    ).all()
    assert [(room.id, chair and chair.number) for room, chair in rows] == [(1, 1), (1, 2), (2, None), (3, None)]
    assert rows[2].Chair is None


def test_a_null_key_means_none(session):
    statement = text("SELECT NULL AS id, 'x' AS \"room name\"")
    assert session.scalars(select(Room).from_statement(statement)).all() == [None]


def test_an_alias_gives_objects_of_its_class(session):
    other = aliased(Room)
    rows = session.execute(select(Room, other).join(other, other.size < Room.size).where(Room.id == 1)).all()
    assert [(a.name, b.name) for a, b in rows] == [("hall", "attic")]
    assert rows[0][1] is session.get(Room, 2)


def test_the_same_row_by_class_and_alias_is_one_object(session):
    other = aliased(Room)
    a, b = session.execute(select(Room, other).join(other, other.id == Room.id).where(Room.id == 2)).one()
    assert a is b


def test_entities_and_columns_stand_in_a_row_in_the_order_asked(session):
    row = session.execute(select(Room.name, Room, (Room.size + 1).label("more")).where(Room.id == 1)).one()
    assert row._fields == ("name", "Room", "more")
    assert (row.name, row.Room.id, row.more) == ("hall", 1, 51)


def test_columns_alone_convert_their_values_too(session):
    assert session.execute(select(Chair.colour, Chair.made, Room).join(Room, Room.id == Chair.room_id)).first()[:2] == (
        Colour.RED,
        datetime.date(2024, 2, 29),
    )


# Hooks


def test_a_reconstructor_is_called_once_for_a_new_object_with_its_values_there(database):
    class Hooked(DeclarativeBase):
        pass

    calls = []

    class Spied(Hooked):
        __table__ = Room.__table__.to_metadata(Hooked.metadata)

        @reconstructor
        def wake(self):
            calls.append(self.id)

    with Session(database) as session:
        kept = session.scalars(select(Spied).order_by(Spied.id)).all()
        assert calls == [1, 2, 3]
        session.scalars(select(Spied)).all()
        assert calls == [1, 2, 3]
        assert not session.dirty
        assert kept


def test_loading_asks_neither_init_nor_validators(database):
    class Hooked(DeclarativeBase):
        pass

    class Strict(Hooked):
        __table__ = Room.__table__.to_metadata(Hooked.metadata)

        def __init__(self, *args):
            raise AssertionError("init")

        @validates("size")
        def refuse(self, key, value):
            raise AssertionError(key)

    with Session(database) as session:
        assert session.get(Strict, 1).size == 50


def test_a_strong_session_holds_what_every_road_loads(database):
    with Session(database, weak_identity_map=False) as session:
        session.get(Room, 1)
        session.scalars(select(Room).where(Room.id == 2)).all()
        session.scalars(select(Room).from_statement(text("SELECT id FROM room WHERE id = 3"))).all()
        assert sorted(room.id for room in session.identity_map.values()) == [1, 2, 3]


def test_a_plan_shows_what_its_rows_are_made_of():
    plan = plan_for(select(Room.id, Room, aliased(Chair, name="c"))).plan
    assert plan.row.names == ["id", "Room", "c"]
    assert plan.mappers == [Room.__mapper__, Chair.__mapper__]
    assert not plan.single
