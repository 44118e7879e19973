"""Both roads give the same; values of all types go there and come back."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid

import pytest
from databases import count_statements
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    func,
    select,
)
from unitofwork.harness import Owner


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Number(enum.IntEnum):
    ONE = 1


class Name(str):
    pass


class Shouting(TypeDecorator):
    """Stores text in capitals."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value.upper()

    def process_result_value(self, value, dialect):
        return None if value is None else value.lower()


class Wrapped(TypeDecorator):
    """Has SQL around its parameter."""

    impl = String(20)
    cache_ok = True

    def bind_expression(self, bindvalue):
        return func.lower(bindvalue)


VALUES = {
    "small": (SmallInteger, [1, None, -3]),
    "integer": (Integer, [1, None, 2**31 - 1]),
    "big": (BigInteger, [2**40, None, -(2**62)]),
    "boolean": (Boolean, [True, None, False]),
    "float": (Float, [1.5, None, 2.0]),
    "float and int": (Float, [1.5, 2, None]),
    "numeric": (Numeric(10, 2), [decimal.Decimal("1.25"), None, decimal.Decimal("-3.00")]),
    "numeric and int": (Numeric(10, 2), [decimal.Decimal("1.25"), 3, None]),
    "string": (String(20), ["a", None, "ü'\"%s :x ? \\"]),
    "text": (Text, ["a" * 5_000, None, ""]),
    "subclass of str": (String(20), ["a", Name("b"), None]),
    "bool and int": (Integer, [True, 2, Number.ONE]),
    "date": (Date, [datetime.date(2024, 2, 29), None, datetime.date(1, 1, 1)]),
    "time": (Time, [datetime.time(12, 30), None, datetime.time(0, 0, 1)]),
    "datetime": (DateTime, [datetime.datetime(2024, 1, 1, 12, 30), None, datetime.datetime(1999, 12, 31)]),
    "interval": (Interval, [datetime.timedelta(hours=3), None, datetime.timedelta(days=2, seconds=5)]),
    "uuid": (Uuid, [uuid.UUID(int=5), None, uuid.UUID(int=2**100)]),
    "uuid as text": (Uuid(as_uuid=False), [str(uuid.UUID(int=5)), None, str(uuid.UUID(int=2**100))]),
    "binary": (LargeBinary, [b"\x00\xff", None, b""]),
    "enum": (Enum(Colour, name="colour"), [Colour.RED, None, Colour.BLUE]),
    "enum of names": (Enum("a", "b", name="letters", native_enum=False), ["a", None, "b"]),
    "json": (JSON(none_as_null=True), [{"a": [1, None]}, None, [1, 2]]),
    "pickle": (PickleType, [(1, "a"), None, {"x": {1, 2}}]),
    "decorated": (Shouting, ["abc", None, "def"]),
    "wrapped in SQL": (Wrapped, ["abc", None, "def"]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_every_type(owner, make, kind):
    type_, values = VALUES[kind]
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("value", type_), Column("twin", type_))
    things = [Thing(value=value) for value in values]
    owner.add(*things)
    owner.flush()
    for thing, value in zip(things, reversed(values), strict=True):
        thing.twin = value
    owner.flush()
    assert [row[1:] for row in owner.rows(Thing.__table__)] == list(zip(values, reversed(values), strict=True))
    single = Thing(value=values[0])
    owner.add(single)
    owner.flush()
    single.twin = values[0]
    owner.flush()
    assert owner.rows(Thing.__table__)[-1][1:] == (values[0], values[0])


KEYS = {
    "text": (String(20), ["a", "ü'%", "c"]),
    "big": (BigInteger, [2**40, 7, -1]),
    "uuid": (Uuid, [uuid.UUID(int=5), uuid.UUID(int=6), uuid.UUID(int=7)]),
    "date": (Date, [datetime.date(2024, 2, 29), datetime.date(2020, 1, 1), datetime.date(1999, 1, 1)]),
    "numeric": (Numeric(10, 2), [decimal.Decimal("1.25"), decimal.Decimal("2.00"), decimal.Decimal("3.50")]),
    "enum": (Enum(Colour, name="colour"), list(Colour)),
    "decorated": (Shouting, ["abc", "def", "ghi"]),
    "wrapped in SQL": (Wrapped, ["abc", "def", "ghi"]),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_type(owner, make, kind):
    type_, keys = KEYS[kind]
    Thing = make(owner, Column("id", type_, primary_key=True, autoincrement=False), Column("x", Integer))
    things = [Thing(id=key, x=number) for number, key in enumerate(keys)]
    owner.add(*things)
    owner.flush()
    for thing in things:
        thing.x += 10
    owner.flush()
    assert sorted(row[1] for row in owner.rows(Thing.__table__)) == [10 + number for number in range(len(keys))]
    owner.delete(*things[1:])
    owner.flush()
    assert owner.rows(Thing.__table__) == [(keys[0], 10)]


def test_listener_sees_every_statement(engine, make):
    with count_statements(engine) as sent, Owner(engine) as owner:
        Thing = make(owner, Column("id", Integer, primary_key=True), Column("x", Integer))
        sent.statements.clear()
        things = [Thing(x=number) for number in range(10)]
        owner.add(*things)
        owner.flush()
        things[0].x = things[1].x = 5
        owner.flush()
        owner.delete(*things)
        owner.flush()
    assert [statement.split()[0] for statement in sent.statements] == ["INSERT", "UPDATE", "DELETE"]


@pytest.mark.databases("sqlite", "postgresql")
def test_schema_translation(engine, road, make):
    with Owner(engine) as owner:
        Thing = make(owner, Column("id", Integer, primary_key=True), Column("x", Integer))
        schema = "main" if engine.dialect.name == "sqlite" else "public"
        owner.connection = owner.connection.execution_options(schema_translate_map={None: schema})
        things = [Thing(x=number) for number in range(3)]
        owner.add(*things)
        owner.flush()
        things[0].x = 9
        owner.delete(*things[1:])
        owner.flush()
        assert owner.connection.execute(select(Thing.__table__)).all() == [(things[0].id, 9)]


def test_statements_are_counted(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("x", Integer))
    things = [Thing(x=number) for number in range(3)]
    owner.add(*things)
    assert owner.flush().statements == 1
    things[0].x = 7
    owner.delete(things[1])
    assert owner.flush().statements == 2
    assert owner.flush().statements == 0
