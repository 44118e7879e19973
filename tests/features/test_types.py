"""Values of every annotated type go to each database and come back as they were."""

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from sqlalchemy import JSON, Enum, Interval, LargeBinary, Numeric, String, TypeDecorator, Uuid

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, select


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Base(DeclarativeBase):
    type_annotation_map = {
        str: String(100),
        dict[str, Any]: JSON,
        list[int]: JSON,
        Decimal: Numeric(20, 4),
    }


class Everything(Base):
    __tablename__ = "everything"

    id: Mapped[int] = mapped_column(primary_key=True)
    a_str: Mapped[str | None]
    an_int: Mapped[int | None]
    a_float: Mapped[float | None]
    a_bool: Mapped[bool | None]
    some_bytes: Mapped[bytes | None]
    a_decimal: Mapped[Decimal | None]
    a_date: Mapped[date | None]
    a_time: Mapped[time | None]
    a_datetime: Mapped[datetime | None]
    a_timedelta: Mapped[timedelta | None]
    a_uuid: Mapped[UUID | None]
    an_enum: Mapped[Colour | None]
    an_int_enum: Mapped[Level | None]
    a_literal: Mapped[Literal["north", "south"] | None]
    a_dict: Mapped[dict[str, Any] | None]
    a_list: Mapped[list[int] | None]


VALUES = {
    "a_str": ["", "rope", "naïve – 日本 🪢", "it's; --"],
    "an_int": [0, -1, 2**31 - 1],
    "a_float": [0.0, -1.5, 1e10],
    "a_bool": [True, False],
    "some_bytes": [b"", b"\x00\xff rope"],
    "a_decimal": [Decimal("0.0000"), Decimal("-12345678.1234")],
    "a_date": [date(1970, 1, 1), date(2025, 12, 31)],
    "a_time": [time(0, 0), time(23, 59, 58)],
    "a_datetime": [datetime(2025, 2, 28, 12, 30, 1)],
    "a_timedelta": [timedelta(0), timedelta(days=3, seconds=5)],
    "a_uuid": [UUID(int=1), UUID("12345678-1234-5678-1234-567812345678")],
    "an_enum": [Colour.RED, Colour.GREEN],
    "an_int_enum": [Level.LOW, Level.HIGH],
    "a_literal": ["north", "south"],
    "a_dict": [{}, {"a": 1, "b": [True, None, {"c": "d"}]}],
    "a_list": [[], [1, 2, 3]],
}


@pytest.fixture
def session(engine):
    Everything.__table__.create(engine)
    with Session(engine) as session:
        yield session


def test_every_value_comes_back_as_it_went(session):
    sent = [{name: value} for name, values in VALUES.items() for value in values]
    objects = [Everything(id=number, **value) for number, value in enumerate(sent, 1)]
    session.add_all(objects)
    session.commit()
    session.expunge_all()
    for number, value in enumerate(sent, 1):
        ((name, expected),) = value.items()
        found = getattr(session.get(Everything, number), name)
        assert found == expected, name
        assert type(found) is type(expected), name


def test_every_type_takes_none(session):
    session.add(Everything(id=1, **dict.fromkeys(VALUES)))
    session.commit()
    session.expunge_all()
    loaded = session.get(Everything, 1)
    assert [name for name in VALUES if getattr(loaded, name) is not None] == []


def test_every_type_can_be_changed(session):
    thing = Everything(id=1, **{name: values[0] for name, values in VALUES.items()})
    session.add(thing)
    session.commit()
    for name, values in VALUES.items():
        setattr(thing, name, values[-1])
    session.commit()
    session.expunge_all()
    loaded = session.get(Everything, 1)
    assert {name: getattr(loaded, name) for name in VALUES} == {name: values[-1] for name, values in VALUES.items()}


def test_every_type_but_json_can_be_filtered_by(session):
    values = {name: values[-1] for name, values in VALUES.items()}
    thing = Everything(id=1, **values)
    session.add(thing)
    session.commit()
    for name in values.keys() - {"a_dict", "a_list"}:
        found = session.scalars(select(Everything).where(getattr(Everything, name) == values[name])).all()
        assert found == [thing], name


def test_setting_an_equal_value_is_no_change(session):
    values = {name: values[-1] for name, values in VALUES.items()}
    thing = Everything(id=1, **values)
    session.add(thing)
    session.commit()
    for name, value in values.items():
        assert getattr(thing, name) == value
        setattr(thing, name, value)
    assert not session.is_modified(thing)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("some_bytes", LargeBinary),
        ("a_timedelta", Interval),
        ("a_uuid", Uuid),
        ("an_enum", Enum),
        ("a_literal", Enum),
        ("a_dict", JSON),
        ("a_list", JSON),
    ],
)
def test_annotation_chooses_the_column_type(name, type_):
    assert isinstance(Everything.__table__.c[name].type, type_)


def test_enum_column_knows_its_names():
    assert Everything.__table__.c.an_enum.type.enums == ["RED", "GREEN"]


def test_literal_column_knows_its_words():
    assert Everything.__table__.c.a_literal.type.enums == ["north", "south"]


def test_enum_can_store_values_instead_of_names(engine):
    class Own(DeclarativeBase):
        pass

    class Flag(Own):
        __tablename__ = "flag"
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[Colour] = mapped_column(
            Enum(Colour, values_callable=lambda e: [member.value for member in e], native_enum=False)
        )

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Flag(id=1, colour=Colour.GREEN))
        session.commit()
        assert session.connection().exec_driver_sql("SELECT colour FROM flag").scalar() == "g"
        assert session.get(Flag, 1).colour is Colour.GREEN


def test_type_with_its_own_conversion(engine):
    class Reversed(TypeDecorator):
        impl = String(20)
        cache_ok = True

        def process_bind_param(self, value, dialect):
            return value and value[::-1]

        def process_result_value(self, value, dialect):
            return value and value[::-1]

    class Own(DeclarativeBase):
        pass

    class Word(Own):
        __tablename__ = "word"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str] = mapped_column(Reversed)

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Word(id=1, word="rope"))
        session.commit()
        assert session.connection().exec_driver_sql("SELECT word FROM word").scalar() == "epor"
        assert session.get(Word, 1).word == "rope"
        assert session.scalars(select(Word).where(Word.word == "rope")).one().id == 1
