"""INSERT: keys, defaults, shapes."""

from __future__ import annotations

import uuid

import pytest
from databases import count_statements
from sqlalchemy import JSON, Column, Computed, Float, Integer, String, Table, Uuid, func, null, select
from unitofwork.harness import state

from ropewalk.exc import FlushError
from ropewalk.state.instance import PERSISTENT


def test_generated_keys_come_back_in_order_of_add(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("name", String(20)))
    things = [Thing(name=f"n{number}") for number in range(1_234)]
    owner.add(*things)
    outcome = owner.flush()
    assert [thing.id for thing in things] == list(range(1, 1_235))
    assert owner.rows(Thing.__table__) == [(thing.id, thing.name) for thing in things]
    assert outcome.inserted == [state(thing) for thing in things]
    assert {state(thing).status for thing in things} == {PERSISTENT}
    assert all(owner.identity_map.find(Thing.__mapper__, thing.id) is thing for thing in things)


def test_rows_of_one_shape_take_few_statements(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("name", String(20)), Column("x", Integer))
    owner.add(*[Thing(name="a", x=1) if number % 3 else Thing(name="b") for number in range(500)])
    with count_statements(owner.connection) as sent:
        owner.flush()
    assert sent.count <= 2


def test_given_keys(owner, make):
    Thing = make(owner, Column("a", Integer, primary_key=True), Column("b", String(5), primary_key=True))
    things = [Thing(a=1, b="x"), Thing(a=2, b="y"), Thing(a=1, b="y")]
    owner.add(*things)
    assert owner.flush().statements == 1
    assert owner.rows(Thing.__table__) == [(1, "x"), (1, "y"), (2, "y")]
    assert state(things[2]).pk == (1, "y")


def test_given_and_generated_keys_mixed(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("name", String(20)))
    things = [Thing(id=100, name="a"), Thing(name="b"), Thing(name="c"), Thing(id=200, name="d"), Thing(name="e")]
    owner.add(*things[:1])
    owner.flush()
    owner.add(*things[1:])
    owner.flush()
    assert sorted((thing.id, thing.name) for thing in things) == owner.rows(Thing.__table__)
    assert things[2].id == things[1].id + 1


def test_key_made_in_python(owner, make):
    Thing = make(owner, Column("id", Uuid(), primary_key=True, default=uuid.uuid4), Column("name", String(20)))
    things = [Thing(name=f"n{number}") for number in range(30)]
    owner.add(*things)
    owner.flush()
    assert dict(owner.rows(Thing.__table__)) == {thing.id: thing.name for thing in things}


def test_no_key_names_the_remedy(lite, make):
    Thing = make(lite, Column("code", String(3), primary_key=True))
    thing = Thing()
    lite.add(thing)
    with pytest.raises(FlushError, match=r"'code' is None.*thing\.code.*default="):
        lite.flush()
    assert state(thing).pk is None


def test_python_defaults_come_into_the_object(owner, make):
    counter = iter(range(100))
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("scalar", String(10), default="new"),
        Column("called", Integer, default=lambda: next(counter)),
        Column("derived", String(20), default=lambda context: context.get_current_parameters()["scalar"] + "!"),
    )
    one, two = Thing(), Thing(scalar=None, called=None, derived="own")
    given = Thing(scalar="old", called=7)
    owner.add(one, two, given)
    owner.flush()
    assert [(t.scalar, t.called, t.derived) for t in (one, two, given)] == [
        ("new", 0, "new!"),
        ("new", 1, "own"),
        ("old", 7, "old!"),
    ]
    assert owner.rows(Thing.__table__)[2] == (given.id, "old", 7, "old!")


@pytest.mark.parametrize("eager", ["auto", True, False])
def test_server_defaults(owner, make, eager):
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("x", Integer, server_default="42"),
        Column("y", Float),
        eager_defaults=eager,
    )
    left, none, given = Thing(y=1.0), Thing(x=None), Thing(x=1)
    owner.add(left, none, given)
    owner.flush()
    fetched = eager is not False
    assert ("x" in vars(left)) is fetched
    assert state(left).expired is not fetched
    assert [left.x, none.x, given.x] == [42, 42, 1]
    assert "x" in vars(left) and none.y is None


def test_sql_defaults_are_left_to_core(owner, make):
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("name", String(20), default=func.lower("ABC")),
    )
    things = [Thing(), Thing(name="given"), Thing()]
    owner.add(*things)
    owner.flush()
    assert [thing.name for thing in things] == ["abc", "given", "abc"]
    assert [row[1] for row in owner.rows(Thing.__table__)] == ["abc", "given", "abc"]


@pytest.mark.databases("sqlite", "postgresql")
def test_computed_column(owner, make):
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("x", Integer),
        Column("twice", Integer, Computed("x * 2", persisted=True)),
    )
    thing = Thing(x=4)
    owner.add(thing)
    owner.flush()
    assert thing.twice == 8
    thing.x = 5
    owner.flush()
    assert "twice" not in vars(thing)
    assert thing.twice == 10


def test_columns_without_value_are_null_and_known(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("x", Integer), Column("data", JSON))
    thing = Thing()
    owner.add(thing)
    owner.flush()
    with count_statements(owner.connection) as sent:
        assert (thing.x, thing.data) == (None, None)
    assert sent.count == 0


def test_json_null_is_not_sql_null(owner, make):
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("a", JSON),
        Column("b", JSON(none_as_null=True)),
    )
    owner.add(Thing(), Thing(a=None, b=None), Thing(a=null(), b={"x": [1, None]}))
    owner.flush()
    table = Thing.__table__
    found = owner.connection.execute(select(table.c.a.is_(null()), table.c.b.is_(null())).order_by(table.c.id))
    assert [tuple(map(bool, row)) for row in found] == [(True, True), (False, True), (True, False)]


def test_expressions_as_values(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("name", String(20)), Column("x", Integer))
    plain, computed = (
        Thing(name="p", x=1),
        Thing(name=func.upper("abc"), x=select(func.count(Thing.id)).scalar_subquery()),
    )
    owner.add(plain)
    owner.flush()
    owner.add(computed, Thing(name="q"))
    assert owner.flush().statements == 2
    assert "name" not in vars(computed) and isinstance(computed.id, int)
    assert (computed.name, computed.x) == ("ABC", 1)


def test_expression_as_key(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("name", String(20)))
    if not owner.connection.dialect.insert_returning:
        pytest.skip("needs RETURNING")
    thing = Thing(id=select(func.coalesce(func.max(Thing.__table__.c.id), 6) + 1).scalar_subquery(), name="a")
    owner.add(thing)
    owner.flush()
    assert thing.id == 7
    assert owner.identity_map.find(Thing.__mapper__, 7) is thing


def test_attribute_names_differ_from_columns(owner, make):
    Thing = make(
        owner,
        Column("thing id", Integer, primary_key=True),
        Column("50% off: name", String(20), key="label"),
        name="odd thing",
        column_prefix="_",
    )
    things = [Thing(_label=f"n{number}") for number in range(3)]
    owner.add(*things)
    owner.flush()
    things[0]._label = "changed"
    owner.delete(things[1], things[2])
    owner.flush()
    assert owner.rows(Thing.__table__) == [(getattr(things[0], "_thing id"), "changed")]


def test_unmapped_column_with_default(owner, make):
    Thing = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("x", Integer),
        Column("stamp", Integer, default=7, onupdate=8),
        exclude_properties=["stamp"],
    )
    thing = Thing(x=1)
    owner.add(thing, Thing(x=2))
    owner.flush()
    assert [row[2] for row in owner.rows(Thing.__table__)] == [7, 7]
    thing.x = 3
    owner.flush()
    assert [row[2] for row in owner.rows(Thing.__table__)] == [8, 7]


def test_table_with_nothing_but_a_key(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True))
    things = [Thing() for _ in range(3)]
    owner.add(*things)
    owner.flush()
    assert [thing.id for thing in things] == [1, 2, 3]


def test_no_returning_wanted(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("x", Integer))
    Thing.__table__.implicit_returning = False
    things = [Thing(x=number) for number in range(3)]
    owner.add(*things)
    owner.flush()
    assert [(thing.id, thing.x) for thing in things] == owner.rows(Thing.__table__)


def test_class_of_two_tables(owner, make):
    from sqlalchemy import ForeignKey, MetaData
    from unitofwork.harness import map_class

    metadata = MetaData()
    base = Table("base", metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
    more = Table("more", metadata, Column("base_id", ForeignKey("base.id"), primary_key=True), Column("x", Integer))
    metadata.create_all(owner.connection)
    owner.connection.commit()

    class Both:
        def __init__(self, **values):
            self.__dict__.update(values)

    map_class(Both, base.join(more), properties={"id": [base.c.id, more.c.base_id]})
    both = [Both(name="a", x=1), Both(name="b", x=2)]
    owner.add(*both)
    owner.flush()
    assert owner.rows(more) == [(both[0].id, 1), (both[1].id, 2)]
    both[0].x = 9
    both[1].name = "c"
    assert owner.flush().statements == 2
    owner.delete(both[0])
    owner.flush()
    assert owner.rows(base) == [(both[1].id, "c")] and owner.rows(more) == [(both[1].id, 2)]


HIGHEST = 2**63 - 1  # the largest rowid of SQLite, after which it draws free ones at random


@pytest.mark.parametrize("below", [0, 2])
def test_keys_that_sqlite_draws_at_random_come_to_the_right_objects(lite, make, below):
    kind = String(20, collation="NOCASE")
    Thing = make(lite, Column("id", Integer, primary_key=True), Column("name", kind), Column("size", Integer))
    lite.connection.exec_driver_sql(f"INSERT INTO thing (id, name) VALUES ({HIGHEST - below}, 'last')")
    things = [Thing(name=name, size=i % 3) for i, name in enumerate(["a", "A", None, "b", "a", "a", "c"] * 50)]
    lite.add(*things)
    lite.flush()
    stored = {row[0]: row[1:] for row in lite.rows(Thing.__mapper__.local_table)}
    assert len({thing.id for thing in things}) == len(things) == len(stored) - 1
    assert [stored[thing.id] for thing in things] == [(thing.name, thing.size) for thing in things]


def test_rows_that_a_trigger_puts_between_do_not_mix_keys_up(lite, make):
    Thing = make(lite, Column("id", Integer, primary_key=True), Column("name", String(20)))
    lite.connection.exec_driver_sql(
        "CREATE TRIGGER doubling AFTER INSERT ON thing WHEN new.name NOT LIKE 'copy%' "
        "BEGIN INSERT INTO thing (name) VALUES ('copy of ' || new.name); END"
    )
    things = [Thing(name=f"t{i}") for i in range(20)]
    lite.add(*things)
    lite.flush()
    stored = dict(lite.rows(Thing.__mapper__.local_table))
    assert [stored[thing.id] for thing in things] == [thing.name for thing in things]


def test_rows_that_cannot_be_told_apart_are_refused(lite, make):
    Thing = make(lite, Column("id", Integer, primary_key=True), Column("name", String(20)))
    lite.connection.exec_driver_sql(f"INSERT INTO thing (id, name) VALUES ({HIGHEST}, 'last')")
    lite.connection.exec_driver_sql(
        "CREATE TRIGGER shouting AFTER INSERT ON thing BEGIN UPDATE thing SET name = upper(name) WHERE id = new.id; END"
    )
    lite.add(*[Thing(name=f"t{i}") for i in range(5)])
    with pytest.raises(FlushError, match="thing.*keys.*trigger"):
        lite.flush()
