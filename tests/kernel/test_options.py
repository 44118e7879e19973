"""Options of statements, and how they count in a cache key."""

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, bindparam, literal, select

from ropewalk.kernel import core, options

metadata = MetaData()
boat = Table("boat", metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
oar = Table("oar", metadata, Column("id", Integer, primary_key=True), Column("boat_id", Integer))


class Entity(core.CacheKeyed):
    is_mapper = True

    def __init__(self, table):
        self.table = table

    @property
    def mapper(self):
        return self


class Option(options.StatementOption):
    def __init__(self, *parts):
        self.parts = parts

    def cache_key_parts(self):
        return self.parts


class OtherOption(Option):
    pass


def test_an_option_is_part_of_the_key():
    def key(*options):
        return core.cache_key(select(boat).options(*options)).key

    assert key(Option(1)) == key(Option(1))
    assert len({key(), key(Option(1)), key(Option(2)), key(OtherOption(1))}) == 4


def test_expressions_in_an_option_count_with_their_values():
    def key(*parts):
        return core.cache_key(select(boat).options(Option(*parts))).key

    assert key((boat.c.id == 1,)) == key((boat.c.id == 1,))
    assert len({key(boat.c.id == n) for n in (1, 2, "1", literal(True))}) == 4
    assert key(boat.c.id.in_([1, 2])) != key(boat.c.id.in_([1, 3]))


@pytest.mark.parametrize("value", [{"a": 1}, [[1]]], ids=str)
def test_a_value_that_cannot_be_compared_leaves_a_statement_without_key(value):
    assert core.cache_key(select(boat).options(Option(literal(value, JSON)))) is None


def test_a_value_that_is_asked_for_late_leaves_a_statement_without_key():
    assert core.cache_key(select(boat).options(Option(bindparam("x", callable_=lambda: 1)))) is None


def test_an_option_may_keep_a_statement_from_having_a_key():
    option = Option(1)
    option.cacheable = False
    assert core.cache_key(select(boat).options(option)) is None


def test_an_option_without_parts_is_told_from_none():
    assert core.cache_key(select(boat).options(options.StatementOption())).key != core.cache_key(select(boat)).key


def test_a_subquery_knows_the_options_of_the_statement_around_it():
    seen = []

    @core.CompileState.plugin_for("ropewalk-around", "select")
    class Asking(core.SelectState):
        def __init__(self, statement, compiler, **kw):
            seen.append(options.enclosing_options(compiler))
            super().__init__(statement, compiler, **kw)

    try:
        inner = select(oar.c.boat_id)
        inner._propagate_attrs = core.propagated(Entity(oar)).union({"compile_state_plugin": "ropewalk-around"})
        option = Option(1)
        str(select(boat.c.id).where(boat.c.id.in_(inner)).options(option))
    finally:
        del core.CompileState.plugins["ropewalk-around", "select"]
    assert set(seen) == {(option,)}


def test_plain_option():
    statement = select(boat.c.id).options(options.PlainOption())
    assert str(statement) == str(select(boat.c.id))
    assert core.cache_key(statement).key == core.cache_key(select(boat.c.id).options(options.PlainOption())).key


def test_the_outermost_statement_is_told_from_those_inside_it():
    seen = []

    @core.CompileState.plugin_for("ropewalk-outermost", "select")
    class Asking(core.SelectState):
        def __init__(self, statement, compiler, **kw):
            seen.append(options.is_outermost(compiler))
            super().__init__(statement, compiler, **kw)

    try:
        marks = core.propagated(Entity(oar)).union({"compile_state_plugin": "ropewalk-outermost"})
        inner = select(oar.c.boat_id)
        inner._propagate_attrs = marks
        outer = select(boat.c.id).where(boat.c.id.in_(inner))
        outer._propagate_attrs = marks
        outer.compile()
    finally:
        del core.CompileState.plugins["ropewalk-outermost", "select"]
    assert seen[0] is True and set(seen[1:]) == {False}
    assert not options.is_outermost(None)
