"""Values of each type go to the database and come back on every road: flushes, bulk methods, statements, upserts."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Engine,
    Enum,
    Float,
    ForeignKey,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects.postgresql.ranges import MultiRange

from ropewalk import Session, deferred, registry, relationship, selectinload

D = decimal.Decimal
ZONE = datetime.timezone(datetime.timedelta(hours=-3))


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Kelvin(TypeDecorator[float]):
    """Degrees Celsius in the program, Kelvin in the database."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value + 273.0

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value - 273.0


class Point(TypeDecorator[tuple[int, int]]):
    """Two numbers in one text."""

    impl = String(30)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else f"{value[0]}/{value[1]}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else tuple(map(int, value.split("/")))


def values_of(kind: type[enum.Enum]) -> list[str]:
    return [member.value for member in kind]


MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 58)

# name: (type, one value, another one)
EVERYWHERE: dict[str, tuple[Any, Any, Any]] = {
    "text": (Text, "naïve 'quoted'; -- 日本 🪢", ""),
    "big integer": (BigInteger, 2**62, -(2**62)),
    "boolean": (Boolean, True, False),
    "float": (Float, 1.5, -0.25),
    "decimal": (Numeric(14, 4), D("1234567.8900"), D("-0.0001")),
    "float as decimal": (Numeric(14, 4, asdecimal=False), 2.5, -0.5),
    "date": (Date, datetime.date(2024, 2, 29), datetime.date(1970, 1, 1)),
    "time": (Time, datetime.time(23, 59, 58), datetime.time(0)),
    "moment": (DateTime, MOMENT, datetime.datetime(1971, 1, 1)),
    "interval": (Interval, datetime.timedelta(days=3, seconds=5), datetime.timedelta(seconds=1)),
    "bytes": (LargeBinary, b"\x00\xff'rope", b"\x01"),
    "uuid": (Uuid, uuid.UUID(int=1), uuid.UUID(int=2**127)),
    "uuid as text": (Uuid(as_uuid=False), str(uuid.UUID(int=1)), str(uuid.UUID(int=2**127))),
    "uuid in CHAR(32)": (Uuid(native_uuid=False), uuid.UUID(int=1), uuid.UUID(int=2**127)),
    "enum by name": (Enum(Size, name="size_name"), Size.SMALL, Size.LARGE),
    "enum by value": (Enum(Size, name="size_value", values_callable=values_of), Size.SMALL, Size.LARGE),
    "enum in VARCHAR": (Enum(Size, native_enum=False), Size.SMALL, Size.LARGE),
    "enum of texts": (Enum("north", "south", name="way"), "north", "south"),
    "JSON object": (JSON, {"a": [1, {"b": None}], "ü": True}, {"a": 2}),
    "JSON list": (JSON, [1, "two", None], []),
    "JSON number": (JSON, 7, 8),
    "pickle": (PickleType, {"any": (1, {2})}, [3]),
    "decorated": (Kelvin, 20.0, -20.0),
    "decorated, of another type": (Point, (1, 2), (-3, 4)),
}
POSTGRESQL: dict[str, tuple[Any, Any, Any]] = {
    "array": (ARRAY(Integer), [1, 2, 3], []),
    "array of texts": (ARRAY(String), ["a,b", '"', "{}", "NULL"], ["x"]),
    "array of arrays": (ARRAY(Integer, dimensions=2), [[1, 2], [3, 4]], [[5, 6]]),
    "array of enums": (ARRAY(Enum(Size, name="sizes")), [Size.SMALL, Size.LARGE], []),
    "array of uuids": (ARRAY(Uuid), [uuid.UUID(int=3)], [uuid.UUID(int=4), uuid.UUID(int=5)]),
    "array of JSON": (ARRAY(postgresql.JSONB), [{"a": 1}], [{"b": [2]}, 3]),
    "JSONB": (postgresql.JSONB, {"a": [1, {"b": None}]}, [1]),
    "INTERVAL": (postgresql.INTERVAL, datetime.timedelta(days=40, hours=1), datetime.timedelta(seconds=-5)),
    "moment with its zone": (
        DateTime(timezone=True),
        datetime.datetime(2024, 3, 31, 2, 30, tzinfo=ZONE),
        datetime.datetime(2024, 10, 27, 1, 30, tzinfo=datetime.UTC),
    ),
    "time with its zone": (Time(timezone=True), datetime.time(12, 30, tzinfo=ZONE), datetime.time(1, tzinfo=ZONE)),
    "range": (postgresql.INT4RANGE, postgresql.Range(1, 5), postgresql.Range(2, 9)),
    "multirange": (
        postgresql.INT4MULTIRANGE,
        MultiRange([postgresql.Range(1, 3), postgresql.Range(5, 7)]),
        MultiRange([postgresql.Range(2, 4)]),
    ),
}
MARIADB: dict[str, tuple[Any, Any, Any]] = {
    "SET": (mysql.SET("a", "b", "c"), {"a", "c"}, {"b"}),
    "unsigned": (mysql.BIGINT(unsigned=True), 2**64 - 1, 0),
    "microseconds": (mysql.DATETIME(fsp=6), datetime.datetime(2024, 1, 1, 1, 1, 1, 123456), MOMENT),
    "YEAR": (mysql.YEAR, 1999, 2025),
    "LONGBLOB": (mysql.LONGBLOB, b"\x00" * 1000, b"\x01"),
}
NOT_COMPARED = {"JSON object", "JSON list", "JSON number", "pickle", "SET"}  # by equality, on some database or all

Way = Callable[[Session, Any, list[int], Any], None]


# -- roads to the database: rows of these ids get the value ------------------------------------------


def by_flush(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.add_all([thing(id=n, value=value) for n in ids])


def by_bulk_save(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.bulk_save_objects([thing(id=n, value=value) for n in ids])


def by_bulk_mappings(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.bulk_insert_mappings(thing, [{"id": n, "value": value} for n in ids])


def by_statement(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.execute(insert(thing), [{"id": n, "value": value} for n in ids])


def by_values(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.execute(insert(thing).values([{"id": n, "value": value} for n in ids]))


def by_returning(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    if not session.get_bind().dialect.insert_executemany_returning:
        return by_statement(session, thing, ids, value)
    made = session.scalars(insert(thing).returning(thing), [{"id": n, "value": value} for n in ids]).all()
    assert [one.value for one in made] == [value] * len(ids)
    pairs = session.execute(insert(thing).returning(thing.value), [{"id": n + 500, "value": value} for n in ids])
    assert [one for (one,) in pairs] == [value] * len(ids)
    return None


def by_upsert(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.upsert_all([thing(id=n, value=value) for n in ids], on="id")


def by_merge(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    for n in ids:
        session.merge(thing(id=n, value=value))


INSERTS: list[Way] = [
    by_flush,
    by_bulk_save,
    by_bulk_mappings,
    by_statement,
    by_values,
    by_returning,
    by_upsert,
    by_merge,
]


def flushed(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    for one in session.scalars(select(thing).where(thing.id.in_(ids))):
        one.value = value


def mapped(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.bulk_update_mappings(thing, [{"id": n, "value": value} for n in ids])
    session.expire_all()  # it leaves objects alone


def stated(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.execute(update(thing).where(thing.id.in_(ids)).values(value=value))


def stated_by_key(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    session.execute(update(thing), [{"id": n, "value": value} for n in ids])


def queried(session: Session, thing: Any, ids: list[int], value: Any) -> None:
    held = session.scalars(select(thing).where(thing.id.in_(ids))).all()
    session.query(thing).filter(thing.id.in_(ids)).update({"value": value})
    assert [one.value for one in held] == [value] * len(held)


UPDATES: list[Way] = [flushed, mapped, stated, stated_by_key, queried, by_upsert, by_merge]


# -- and from it -----------------------------------------------------------------------------------


def check(engine: Engine, thing: Any, ids: list[int], value: Any, compared: bool) -> None:
    """Read the rows on every road, and compare."""
    several = select(thing).where(thing.id.in_(ids)).order_by(thing.id)
    expected = [value] * len(ids)
    with Session(engine) as session:
        found = session.scalars(several).all()
        assert [(one.id, one.value) for one in found] == list(zip(ids, expected, strict=True))
        assert {type(one.value) for one in found} == {type(value)}
        assert not any(session.is_modified(one) for one in found)
        session.refresh(found[0])
        session.refresh(found[1], ["value"])
        assert [one.value for one in found] == expected
        session.commit()
        assert [one.value for one in found] == expected  # by one statement for all
    with Session(engine) as session:
        assert session.get_one(thing, ids[0]).value == value
        assert session.scalars(select(thing.value).where(thing.id.in_(ids))).all() == expected
        assert [one.value for one in session.scalars(several, execution_options={"yield_per": 1})] == expected
        assert {one.again for one in session.query(thing)} == {None}  # a deferred column
        if compared:
            assert {one.id for one in session.query(thing).filter(thing.value == value)} >= set(ids)
            assert len(session.scalars(several.where(thing.value.in_([value]))).all()) == len(ids)


def travel(engine: Engine, type_: Any, first: Any, second: Any, compared: bool) -> None:
    table = Table(
        "thing",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("value", type_),
        Column("again", type_),
    )
    table.metadata.create_all(engine)

    class Thing:
        def __init__(self, **values: Any) -> None:
            for key, value in values.items():
                setattr(self, key, value)

    own = registry()
    own.map_imperatively(Thing, table, properties={"again": deferred(table.c.again)})
    thing: Any = Thing
    for number, road in enumerate(INSERTS):
        ids = [10 * number, 10 * number + 1, 10 * number + 2]
        with Session(engine) as session:
            road(session, thing, ids, first)
            session.commit()
        check(engine, thing, ids, first, compared)
    ids = [0, 1, 2]
    for value, road in zip([second, first] * len(UPDATES), UPDATES, strict=False):
        with Session(engine) as session:
            held = session.get_one(thing, ids[0])
            road(session, thing, ids, value)
            session.flush()
            assert held.value == value, road
            session.commit()
        check(engine, thing, ids, value, compared)
        with Session(engine) as session:
            road(session, thing, ids, None)
            session.commit()
            assert session.get_one(thing, ids[1]).value is None
            assert session.query(thing).filter(thing.id.in_(ids), thing.value.is_(None)).count() == nulls(type_, ids)
    own.dispose()


def nulls(type_: Any, ids: list[int]) -> int:
    """None is NULL, but for JSON, which has a null of its own."""
    return 0 if type_ is JSON or type_ is postgresql.JSONB else len(ids)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_on_every_database(engine: Engine, name: str) -> None:
    travel(engine, *EVERYWHERE[name], compared=name not in NOT_COMPARED)


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("name", POSTGRESQL)
def test_on_postgresql(engine: Engine, name: str) -> None:
    travel(engine, *POSTGRESQL[name], compared=name not in NOT_COMPARED)


@pytest.mark.databases("mariadb")
@pytest.mark.parametrize("name", MARIADB)
def test_on_mariadb(engine: Engine, name: str) -> None:
    travel(engine, *MARIADB[name], compared=name not in NOT_COMPARED)


# -- keys ------------------------------------------------------------------------------------------

AS_KEYS = [
    "big integer",
    "decimal",
    "date",
    "moment",
    "uuid",
    "uuid as text",
    "uuid in CHAR(32)",
    "enum by name",
    "enum by value",
    "enum in VARCHAR",
]


@pytest.mark.parametrize("name", AS_KEYS)
def test_as_primary_and_foreign_key(engine: Engine, name: str) -> None:
    type_, first, second = EVERYWHERE[name]
    metadata = MetaData()
    parents = Table(
        "parent", metadata, Column("id", type_, primary_key=True, autoincrement=False), Column("x", Integer)
    )
    children = Table(
        "child",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", type_, ForeignKey("parent.id")),
    )
    metadata.create_all(engine)

    class Parent:
        children: list[Any]

    class Child:
        parent: Any

    own = registry()
    own.map_imperatively(Child, children, properties={"parent": relationship(Parent, back_populates="children")})
    own.map_imperatively(Parent, parents, properties={"children": relationship(Child, back_populates="parent")})

    def parent(key: Any) -> Any:
        made: Any = Parent()
        made.id, made.x, made.children = key, 0, [Child(), Child()]
        return made

    with Session(engine) as session:
        session.add_all([parent(first), parent(second)])
        session.commit()
        one, two = session.get_one(Parent, first), session.get_one(Parent, second)
        assert [(len(p.children), p.x) for p in (one, two)] == [(2, 0), (2, 0)]  # expired, then read together
        session.expunge_all()
        found: Any = session.scalars(select(Parent).options(selectinload(Parent.children))).all()  # type: ignore[arg-type]
        assert {p.id for p in found} == {first, second}
        assert all(child.parent is p for p in found for child in p.children)
        for p in found:
            p.x = 1
        session.flush()
        found[0].children[0].parent = found[1]
        session.commit()
        assert sorted(len(p.children) for p in found) == [1, 3]
        session.expunge_all()
        child: Any = session.scalars(select(Child).where(children.c.parent_id == second)).first()
        assert child.parent is session.get(Parent, second) and child.parent.x == 1
        for doomed in session.scalars(select(Parent)).all():
            session.delete(doomed)
        session.commit()
        assert session.scalars(select(children.c.parent_id)).all() == [None] * 4
    own.dispose()
