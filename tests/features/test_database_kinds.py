"""What databases do each in their own way: keys that they make, values that they return or not, types of their own."""

import datetime
import enum
import uuid

import pytest
from databases import count_statements
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    DateTime,
    Enum,
    Identity,
    Integer,
    Interval,
    MetaData,
    Sequence,
    String,
    Table,
    Uuid,
    create_engine,
    func,
    select,
    text,
)
from sqlalchemy.dialects import mysql, postgresql

from ropewalk import Session, registry


def mapped(engine, *columns, **options):
    """Make a table and a class for it."""
    table = Table("thing", MetaData(), *columns, **options.pop("table", {}))
    table.metadata.create_all(engine)

    class Thing:
        def __init__(self, **values):
            for key, value in values.items():
                setattr(self, key, value)

    registry().map_imperatively(Thing, table, **options)
    return Thing


def rows(engine, thing):
    with engine.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(select(thing.__table__))}


def put(engine, thing, count=40):
    """Insert objects; return them with what the session then knows of them."""
    with Session(engine, expire_on_commit=False) as session:
        things = [thing(name=f"n{i}") for i in range(count)]
        session.add_all(things)
        session.commit()
        assert all(session.get(thing, one.id) is one for one in things)
    return things


KEYS = {
    "counter": lambda: [Column("id", Integer, primary_key=True)],
    "big counter": lambda: [Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)],
    "identity": lambda: [Column("id", Integer, Identity(start=100, increment=10), primary_key=True)],
    "identity always": lambda: [Column("id", Integer, Identity(always=True), primary_key=True)],
    "falling identity": lambda: [
        Column("id", Integer, Identity(start=-1, increment=-1, minvalue=-1000), primary_key=True)
    ],
    "sequence": lambda: [Column("id", Integer, Sequence("thing_ids", start=7, increment=3), primary_key=True)],
    "default of Python": lambda: [Column("id", Uuid, default=uuid.uuid4, primary_key=True)],
}


@pytest.mark.parametrize("way", KEYS)
@pytest.mark.parametrize("returning", [True, False])
def test_keys_that_the_database_makes_come_to_their_objects(engine, way, returning):
    """With RETURNING where the database has it, and by ``lastrowid`` or the sequence where a table goes without."""
    thing = mapped(engine, *KEYS[way](), Column("name", String(20)), table={"implicit_returning": returning})
    things = put(engine, thing)
    stored = rows(engine, thing)
    assert len(stored) == 40
    assert {one.id: (one.name,) for one in things} == stored


@pytest.mark.databases("postgresql")
def test_keys_that_a_server_default_makes(engine):
    default = text("gen_random_uuid()")
    thing = mapped(engine, Column("id", Uuid, primary_key=True, server_default=default), Column("name", String(20)))
    things = put(engine, thing)
    assert {one.id: (one.name,) for one in things} == rows(engine, thing)


@pytest.mark.databases("sqlite", "mariadb")
def test_a_driver_without_returning_tells_keys_by_lastrowid(engine, monkeypatch):
    monkeypatch.setattr(engine.dialect, "insert_returning", False)
    monkeypatch.setattr(engine.dialect, "insert_executemany_returning", False)
    thing = mapped(engine, Column("id", Integer, primary_key=True), Column("name", String(20)))
    assert {one.id: (one.name,) for one in put(engine, thing, 5)} == rows(engine, thing)


@pytest.mark.parametrize("eager", [True, False, "auto"])
def test_server_defaults_are_known_or_asked_for(engine, eager):
    thing = mapped(
        engine,
        Column("id", Integer, primary_key=True),
        Column("name", String(20)),
        Column("grade", String(20), server_default="b"),
        Column("score", Integer, server_default=text("41 + 1") if engine.dialect.name != "sqlite" else text("42")),
        Column("made", DateTime, server_default=func.now()),
        eager_defaults=eager,
    )
    with Session(engine) as session:
        one, two = thing(name="one"), thing(name="two", grade="a")
        session.add_all([one, two])
        session.flush()
        with count_statements(engine) as counted:
            assert (one.grade, one.score, two.grade) == ("b", 42, "a")
            assert isinstance(one.made, datetime.datetime)
        known = engine.dialect.insert_returning and eager in (True, "auto")
        assert (counted.count == 0) == known


def test_expressions_as_values_come_back(engine):
    thing = mapped(engine, Column("id", Integer, primary_key=True), Column("name", String(20)))
    with Session(engine) as session:
        one = thing(name=func.upper("rope"))
        session.add(one)
        session.flush()
        assert one.name == "ROPE"
        one.name = func.lower("WALK")
        session.commit()
        assert one.name == "walk"


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


def there_and_back(engine, type_, first, second, in_place=None):
    """Send a value, read it, change it, and read it again, in sessions of their own."""
    thing = mapped(engine, Column("id", Integer, primary_key=True), Column("value", type_))
    with Session(engine) as session:
        session.add_all([thing(id=1, value=first), thing(id=2, value=None), thing(id=3, value=first)])
        session.commit()
        assert session.get(thing, 1).value == first and session.get(thing, 2).value is None
    with Session(engine) as session:
        one = session.get(thing, 1)
        if in_place is None:
            one.value = second
        else:
            in_place(one.value)
        session.commit()
    with Session(engine) as session:
        found = session.scalars(select(thing).order_by(thing.id)).all()
        assert [one.value for one in found] == [second, None, first]
        return thing


ZONE = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
POSTGRESQL = {
    "array": (ARRAY(Integer), [1, 2], [3], None),
    "array in place": (ARRAY(Integer), [1, 2], [1, 2, 3], lambda value: value.append(3)),
    "array of texts": (ARRAY(String), ["a,b", '"', "ü"], [], None),
    "array of arrays": (ARRAY(Integer, dimensions=2), [[1, 2], [3, 4]], [[5, 6]], None),
    "array of enums": (ARRAY(Enum(Size)), [Size.SMALL], [Size.LARGE, Size.SMALL], None),
    "JSONB": (postgresql.JSONB, {"a": [1, {"b": None}]}, {"a": 2}, None),
    "JSONB in place": (postgresql.JSONB, {"a": []}, {"a": [7]}, lambda value: value["a"].append(7)),
    "native enum": (Enum(Size, name="size"), Size.SMALL, Size.LARGE, None),
    "UUID": (postgresql.UUID(as_uuid=True), uuid.UUID(int=5), uuid.UUID(int=6), None),
    "interval": (postgresql.INTERVAL, datetime.timedelta(days=40, hours=1), datetime.timedelta(seconds=-5), None),
    "range": (postgresql.INT4RANGE, postgresql.Range(1, 5), postgresql.Range(2, 9), None),
    "network": (postgresql.CIDR, "10.0.0.0/8", "192.168.0.0/16", None),
    "time zone": (
        DateTime(timezone=True),
        datetime.datetime(2024, 3, 31, 2, 30, tzinfo=ZONE),
        datetime.datetime(2024, 10, 27, 1, 30, tzinfo=datetime.UTC),
        None,
    ),
}


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("name", POSTGRESQL)
def test_types_of_postgresql(engine, name):
    type_, first, second, in_place = POSTGRESQL[name]
    if name == "network":
        import ipaddress

        first, second = ipaddress.ip_network(first), ipaddress.ip_network(second)
    there_and_back(engine, type_, first, second, in_place)


MARIADB = {
    "JSON": (JSON, {"a": [1, {"b": None}]}, {"a": 2}, None),
    "JSON in place": (JSON, {"a": []}, {"a": [7]}, lambda value: value["a"].append(7)),
    "enum": (mysql.ENUM("small", "large"), "small", "large", None),
    "set": (mysql.SET("a", "b", "c"), {"a", "c"}, {"b"}, None),
    "unsigned": (mysql.BIGINT(unsigned=True), 2**64 - 1, 0, None),
    "microseconds": (
        mysql.DATETIME(fsp=6),
        datetime.datetime(2024, 1, 1, 1, 1, 1, 123456),
        datetime.datetime(1000, 1, 1),
        None,
    ),
    "long time": (mysql.TIME(fsp=3), datetime.timedelta(hours=20, milliseconds=5), datetime.timedelta(0), None),
    "year": (mysql.YEAR, 1999, 2025, None),
    "long blob": (mysql.LONGBLOB, b"\x00" * 100_000, b"", None),
    "interval": (Interval, datetime.timedelta(days=3), datetime.timedelta(hours=1), None),
}


@pytest.mark.databases("mariadb")
@pytest.mark.parametrize("name", MARIADB)
def test_types_of_mariadb(engine, name):
    if name == "long time":
        type_, first, second = MARIADB[name][0], datetime.time(20, 0, 0, 5000), datetime.time(0)
        there_and_back(engine, type_, first, second)
        return
    there_and_back(engine, *MARIADB[name])


def test_instants_with_a_time_zone(engine):
    """PostgreSQL keeps the instant; the others keep the clock's reading, as Core has them do."""
    moment = datetime.datetime(2024, 6, 1, 12, 0, tzinfo=ZONE)
    thing = mapped(engine, Column("id", Integer, primary_key=True), Column("at", DateTime(timezone=True)))
    with Session(engine) as session:
        session.add(thing(id=1, at=moment))
        session.commit()
        found = session.get(thing, 1).at
    if engine.dialect.name == "postgresql":
        assert found == moment
    else:
        assert found.replace(tzinfo=None) == moment.replace(tzinfo=None)


def test_a_database_in_memory_and_one_in_a_file_do_the_same(tmp_path):
    found = []
    for url in ("sqlite://", f"sqlite:///{tmp_path / 'file.db'}"):
        engine = create_engine(url)
        thing = mapped(engine, Column("id", Integer, primary_key=True), Column("name", String(20)))
        things = put(engine, thing)
        with Session(engine) as session:
            session.delete(session.get(thing, 3))
            session.get(thing, 4).name = "four"
            session.rollback()
            session.get(thing, 5).name = "five"
            session.commit()
        found.append(([one.id for one in things], rows(engine, thing)))
        engine.dispose()
    assert found[0] == found[1]
