"""UPDATE: only what differs, in batches."""

from __future__ import annotations

import datetime

import pytest
from databases import count_statements
from sqlalchemy import JSON, Column, DateTime, FetchedValue, Float, Integer, String, TypeDecorator, func, select, text
from unitofwork.harness import state

from ropewalk.exc import StaleDataError


@pytest.fixture
def things(owner, make):
    """Forty objects, flushed."""
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("name", String(20)),
        Column("x", Integer),
        Column("y", Float),
        Column("data", JSON),
    )
    things = [Thing(name=f"n{number}", x=number, y=number / 2, data={"n": [number]}) for number in range(40)]
    owner.add(*things)
    owner.flush()
    return things


def test_one_statement_for_the_same_columns(owner, things):
    for thing in things:
        thing.x += 100
    for thing in things[:10]:
        thing.name = "ten"
    with count_statements(owner.connection) as sent:
        outcome = owner.flush()
    assert len(outcome.updated) == 40 and outcome.statements == 2
    assert sent.count == 2
    assert [row[1:3] for row in owner.rows(type(things[0]).__table__)] == [(t.name, t.x) for t in things]
    assert all(state(thing).committed is None for thing in things)
    assert not owner.identity_map.modified


def test_value_set_back_is_no_change(owner, things):
    thing = things[0]
    before = thing.x
    thing.x = 99
    thing.x = before
    thing.y = 0  # 0 == 0.0
    owner.asked_for.clear()
    outcome = owner.flush()
    assert not outcome and outcome.statements == 0
    assert owner.asked_for == []
    assert state(thing).committed is None and not owner.identity_map.modified


def test_change_in_place(owner, things):
    things[1].data["n"].append("more")
    outcome = owner.flush()
    assert outcome.updated == [state(things[1])]
    assert owner.rows(type(things[0]).__table__)[1][4] == {"n": [1, "more"]}
    assert not owner.flush()
    things[1].data["n"].append("again")
    assert owner.flush().updated == [state(things[1])]


def test_deleted_attribute_becomes_null(owner, things):
    del things[2].name
    owner.flush()
    assert owner.rows(type(things[0]).__table__)[2][1] is None
    assert things[2].name is None


def test_expression_is_computed_and_loaded_back(owner, things):
    table = type(things[0]).__table__
    things[3].x = table.c.x * 10
    things[4].x = 7
    things[5].x = type(things[0]).x + 1
    owner.flush()
    assert "x" not in vars(things[3])
    assert [thing.x for thing in things[3:6]] == [30, 7, 6]


def test_key_changes_use_the_old_key(owner, things):
    thing = things[0]
    old = thing.id
    thing.id = 5_000
    thing.x = -1
    outcome = owner.flush()
    assert outcome.rekeyed == {state(thing): (old, thing)}
    assert owner.identity_map.find(type(thing).__mapper__, 5_000) is thing
    assert owner.identity_map.find(type(thing).__mapper__, old) is None
    thing.x = -2
    owner.flush()
    assert owner.rows(type(thing).__table__)[-1][:3] == (5_000, "n0", -2)


def test_key_as_expression(owner, things):
    if not owner.connection.dialect.update_returning:
        pytest.skip("needs UPDATE … RETURNING")
    thing = things[0]
    thing.id = type(thing).__table__.c.id + 1_000
    owner.flush()
    assert thing.id == 1_001 and owner.identity_map.find(type(thing).__mapper__, 1_001) is thing


def test_only_some_objects(owner, things):
    things[0].x = things[1].x = -5
    outcome = owner.flush(only={state(things[1])})
    assert outcome.updated == [state(things[1])]
    assert list(owner.identity_map.modified) == [state(things[0])]
    assert owner.flush().updated == [state(things[0])]


def test_row_that_is_gone(owner, things):
    table = type(things[0]).__table__
    owner.connection.execute(table.delete().where(table.c.id == things[7].id))
    for thing in things:
        thing.x = -1
    with pytest.raises(
        StaleDataError, match=rf"table 'thing'.*40 Thing objects.*39 rows.*<Thing id={things[7].id}>"
    ) as caught:
        owner.flush()
    assert (caught.value.expected, caught.value.matched) == (40, 39)
    assert len(owner.identity_map.modified) == 40 and things[0].x == -1


def test_onupdate(owner, make):
    stamps = iter(range(10, 20))
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("x", Integer),
        Column("edits", Integer, default=0, onupdate=lambda: next(stamps)),
        Column("note", String(30), onupdate=lambda context: f"x is {context.get_current_parameters()['x']}"),
    )
    one, two, own = Thing(x=1), Thing(x=2), Thing(x=3)
    owner.add(one, two, own)
    owner.flush()
    one.x, two.x, own.x, own.edits = 11, 12, 13, 99
    owner.flush()
    assert [(t.edits, t.note) for t in (one, two, own)] == [(10, "x is 11"), (11, "x is 12"), (99, "x is 13")]
    assert [row[2:] for row in owner.rows(Thing.__table__)] == [(t.edits, t.note) for t in (one, two, own)]
    assert not owner.flush()


@pytest.mark.parametrize("eager", ["auto", True])
def test_sql_onupdate(owner, make, eager):
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("x", Integer),
        Column("name", String(20), default="a", onupdate=func.upper("changed")),
        Column("kept", String(20), server_default="k", server_onupdate=FetchedValue()),
        eager_defaults=eager,
    )
    things = [Thing(x=1), Thing(x=2)]
    owner.add(*things)
    owner.flush()
    for thing in things:
        thing.x += 1
    owner.flush()
    fetched = eager is True  # by RETURNING, or by a SELECT after it
    assert [("name" in vars(thing), "kept" in vars(thing)) for thing in things] == [(fetched, fetched)] * 2
    assert [(thing.name, thing.kept) for thing in things] == [("CHANGED", "k")] * 2


def test_computed_property_is_outdated(lite, make):
    Thing = make(lite, Column("id", Integer, primary_key=True), Column("x", Integer))
    Thing.__mapper__.add_property("twice", (Thing.__table__.c.x * 2).label("twice"))
    from ropewalk.instrumentation.manager import add_attribute

    add_attribute(Thing.__mapper__, Thing.__mapper__.props["twice"])
    thing = Thing(x=4)
    lite.add(thing)
    lite.flush()
    assert thing.twice == 8
    thing.x = 5
    lite.flush()
    assert thing.twice == 10


def test_time_zones_do_not_mix_in_one_array(postgresql_engine, road, make):
    from unitofwork.harness import Owner

    with Owner(postgresql_engine) as owner:
        Thing = make(owner, Column("id", Integer, primary_key=True), Column("at", DateTime(timezone=True)))
        naive = datetime.datetime(2024, 1, 1, 12)
        aware = naive.replace(tzinfo=datetime.UTC)
        owner.connection.execute(text("SET TIME ZONE 'UTC'"))
        owner.add(Thing(at=naive), Thing(at=aware), Thing())
        owner.flush()
        found = owner.connection.scalars(select(Thing.__table__.c.at).order_by(Thing.__table__.c.id)).all()
        assert found == [aware, aware, None]


def test_key_that_was_not_loaded_is_known(owner, things):
    thing = things[0]
    key = thing.id
    del vars(thing)["id"]
    thing.id = key
    assert not owner.flush()
    del vars(thing)["id"]
    thing.id = key + 1_000
    assert owner.flush().rekeyed == {state(thing): (key, thing)}


def test_part_of_a_key_changes(owner, make):
    Pair = make(
        owner,
        Column("a", Integer, primary_key=True),
        Column("b", Integer, primary_key=True),
        Column("x", Integer),
        name="pair",
    )
    pairs = [Pair(a=1, b=number, x=number) for number in range(3)]
    owner.add(*pairs)
    owner.flush()
    for pair in pairs:
        vars(pair).pop("a")
        vars(pair).pop("b")
        pair.b = pair.x - 1
    owner.flush()
    assert owner.rows(Pair.__table__) == [(1, -1, 0), (1, 0, 1), (1, 1, 2)]
    assert [owner.identity_map.find(Pair.__mapper__, (1, number)) for number in (-1, 0, 1)] == pairs


def test_expressions_are_fetched_at_once_where_wanted(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("x", Integer), eager_defaults=True)
    thing = Thing(x=select(func.length("abc")).scalar_subquery())
    owner.add(thing)
    owner.flush()
    assert vars(thing)["x"] == 3
    thing.x = Thing.__table__.c.x + 1
    owner.flush()
    assert vars(thing)["x"] == 4


def test_key_that_is_null_in_part(lite, make):
    from ropewalk.exc import FlushError

    Thing = make(
        lite,
        Column("a", Integer, primary_key=True, nullable=True),
        Column("b", Integer, primary_key=True, nullable=True),
        Column("x", Integer),
    )
    thing = Thing(a=1, x=1)
    lite.add(thing)
    lite.flush()
    assert lite.identity_map.find(Thing.__mapper__, (1, None)) is thing
    thing.x = 2
    with pytest.raises(FlushError, match=r"UPDATE of <Thing a=1, b=None>.*thing\.b"):
        lite.flush()
    lite.delete(thing)
    with pytest.raises(FlushError, match="DELETE of"):
        lite.flush()
    lite.deleted.clear()
    lite.add(Thing(x=1))
    with pytest.raises(FlushError, match="primary key"):
        lite.flush()


def test_comparison_without_a_truth_value_means_different(lite, make):
    class Odd:
        def __init__(self, text):
            self.text = text

        def __eq__(self, other):
            return [self, other]

    class Oddly(TypeDecorator):
        impl = String(20)
        cache_ok = True

        def process_bind_param(self, value, dialect):
            return None if value is None else value.text

    Thing = make(lite, Column("id", Integer, primary_key=True), Column("value", Oddly))
    thing = Thing(value=Odd("a"))
    lite.add(thing)
    lite.flush()
    state(thing).mutables = None  # it is the comparison that counts here
    thing.value = Odd("b")
    lite.flush()
    assert lite.rows(Thing.__table__) == [(thing.id, "b")]
