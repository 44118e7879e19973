"""JSON has a null of its own beside SQL's NULL: which of them is stored, as SQLAlchemy has it on every road."""

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, Table, func, insert, null, select, update

from ropewalk import Session, registry

ABSENT = object()


@pytest.fixture
def thing(engine):
    table = Table(
        "thing",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("json", JSON),
        Column("plain", JSON(none_as_null=True)),
    )
    table.metadata.create_all(engine)

    class Thing:
        def __init__(self, **values):
            for key, value in values.items():
                setattr(self, key, value)

    own = registry()
    own.map_imperatively(Thing, table)
    yield Thing
    own.dispose()


def nulls(session, thing):
    """Which of the two columns are NULL in the database; what is not NULL is JSON's null, or a value."""
    row = session.connection().execute(select(thing.json.is_(null()), thing.plain.is_(null()))).one()
    return tuple(bool(one) for one in row)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, (False, True)),  # none_as_null says what None means
        (null(), (True, True)),
        (JSON.NULL, (False, False)),
        (ABSENT, (True, True)),
        ({"x": None}, (False, False)),
    ],
    ids=["None", "null()", "JSON.NULL", "absent", "a value"],
)
@pytest.mark.parametrize("road", ["flush", "flush of many", "insert", "insert values", "bulk"])
def test_inserted(engine, thing, value, stored, road):
    given = {} if value is ABSENT else {"json": value, "plain": value}
    with Session(engine) as session:
        if road == "flush":
            session.add(thing(id=1, **given))
        elif road == "flush of many":
            session.add_all([thing(id=1, **given), thing(id=2, json=[1], plain=[1])])
            session.flush()
            session.connection().execute(thing.__table__.delete().where(thing.id == 2))
        elif road == "insert":
            session.execute(insert(thing), [{"id": 1, **given}])
        elif road == "insert values":
            session.execute(insert(thing).values(id=1, **given))
        else:
            session.bulk_insert_mappings(thing, [{"id": 1, **given}])
        session.flush()
        assert nulls(session, thing) == stored


@pytest.mark.parametrize(
    ("value", "stored"),
    [(None, (False, True)), (null(), (True, True)), (JSON.NULL, (False, False)), ([2], (False, False))],
    ids=["None", "null()", "JSON.NULL", "a value"],
)
@pytest.mark.parametrize("road", ["flush", "update", "update by key", "bulk", "merge", "upsert"])
def test_updated(engine, thing, value, stored, road):
    with Session(engine) as session:
        session.add(thing(id=1, json=[1], plain=[1]))
        session.commit()
        if road == "flush":
            one = session.get(thing, 1)
            one.json = one.plain = value
        elif road == "update":
            session.execute(update(thing).values(json=value, plain=value))
        elif road == "update by key":
            session.execute(update(thing), [{"id": 1, "json": value, "plain": value}])
        elif road == "bulk":
            session.bulk_update_mappings(thing, [{"id": 1, "json": value, "plain": value}])
        elif road == "merge":
            session.merge(thing(id=1, json=value, plain=value))
        else:
            session.upsert(thing(id=1, json=value, plain=value), on="id")
        session.flush()
        assert nulls(session, thing) == stored
        session.expire_all()
        one = session.get(thing, 1)
        expected = None if value is None or value is JSON.NULL or stored[0] else value
        assert (one.json, one.plain) == (expected, expected)


def test_compared(engine, thing):
    with Session(engine) as session:
        session.add_all([thing(id=1, json=None), thing(id=2), thing(id=3, json={"a": 1})])
        session.flush()
        assert session.scalars(select(thing.id).where(thing.json.is_(None))).all() == [2]
        assert session.scalar(select(func.count(thing.id)).where(thing.json.is_not(None))) == 2
        one = session.get(thing, 1)
        session.refresh(one)
        assert one.json is None and not session.is_modified(one)
