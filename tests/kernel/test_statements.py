"""A prepared statement: its text once, its parameters anew each time."""

import datetime
import enum

import pytest
from databases import count_statements
from sqlalchemy import (
    Column,
    Date,
    Enum,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError, SAWarning, StatementError

from ropewalk.kernel import core
from ropewalk.kernel.core import cache_key
from ropewalk.kernel.statements import Prepared


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


fruit = Table(
    "fruit",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(20)),
    Column("ripe", Date),
    Column("colour", Enum(Colour)),
    Column("per cent", Integer),
)

POSITIONAL = sqlite.dialect()
# Only the driver itself says how its parameters are written.
NAMED = create_engine("postgresql+psycopg://").dialect
PYMYSQL = create_engine("mysql+pymysql://").dialect


def prepare(statement, dialect=POSITIONAL):
    """Prepare a statement as a plan does; return it with the statement's own parameters."""
    params = cache_key(statement).bindparams
    return Prepared(statement, dialect, params), params


@pytest.fixture
def connection(sqlite_memory_engine):
    fruit.metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.begin() as connection:
        connection.execute(fruit.insert(), [{"id": 1, "name": "fig"}, {"id": 2, "name": "plum"}])
    with sqlite_memory_engine.connect() as connection:
        yield connection


@pytest.fixture
def fast(monkeypatch):
    """The quick road is open, whatever ROPEWALK_FAST_PATH says."""
    monkeypatch.setattr(core, "_fast_path", True)


# Parameters


def test_literal_values_come_in_the_order_of_the_text():
    prepared, params = prepare(select(fruit.c.id).where(fruit.c.name == "fig", fruit.c.id > 3).limit(7))
    assert prepared.parameters(params, None) == ("fig", 3, 7, 0)  # SQLite's LIMIT takes an OFFSET along


def test_a_statement_of_equal_key_brings_its_own_values():
    def by_name(name, least):
        return select(fruit.c.id).where(fruit.c.name == name, fruit.c.id > least)

    first, _ = prepare(by_name("fig", 1))
    other = cache_key(by_name("plum", 2))
    assert other.key == cache_key(by_name("fig", 1)).key
    assert first.parameters(other.bindparams, None) == ("plum", 2)


def test_values_given_go_before_those_of_the_statement():
    prepared, params = prepare(select(fruit).where(fruit.c.name == bindparam("wanted", "fig")))
    assert prepared.parameters(params, {"wanted": "plum"}) == ("plum",)
    assert prepared.parameters(params, None) == ("fig",)


def test_none_given_is_a_value():
    prepared, params = prepare(select(fruit).where(fruit.c.name == bindparam("wanted", "fig")))
    assert prepared.parameters(params, {"wanted": None}) == (None,)


def test_a_name_used_twice_is_sent_twice():
    wanted = bindparam("wanted")
    prepared, params = prepare(select(fruit).where((fruit.c.name == wanted) | (func.lower(fruit.c.name) == wanted)))
    assert prepared.parameters(params, {"wanted": "fig"}) == ("fig", "fig")


def test_a_missing_value_is_named_with_the_way_to_give_it():
    prepared, params = prepare(select(fruit).where(fruit.c.name == bindparam("wanted")))
    with pytest.raises(StatementError, match=r"required for bind parameter 'wanted'.*\{'wanted': \.\.\.\}") as caught:
        prepared.parameters(params, {"other": 1})
    assert caught.value.statement == prepared.text
    assert caught.value.params == {"other": 1}


def test_a_callable_value_is_called_at_each_execution():
    values = iter(["fig", "plum"])
    prepared, params = prepare(select(fruit).where(fruit.c.name == bindparam("n", callable_=lambda: next(values))))
    assert [prepared.parameters(params, None) for _ in range(2)] == [("fig",), ("plum",)]


def test_types_convert_their_values():
    day = datetime.date(2024, 2, 29)
    prepared, params = prepare(select(fruit).where(fruit.c.ripe == day, fruit.c.colour == Colour.BLUE))
    assert prepared.parameters(params, None) == ("2024-02-29", "BLUE")


def test_a_value_that_its_type_refuses_is_wrapped_and_keeps_its_cause():
    prepared, params = prepare(select(fruit).where(fruit.c.ripe == bindparam("day")))
    with pytest.raises(StatementError, match="cannot be converted: .TypeError.*date") as caught:
        prepared.parameters(params, {"day": "tomorrow"})
    assert isinstance(caught.value.__cause__, TypeError)
    assert "tomorrow" in str(caught.value)


@pytest.mark.parametrize("dialect", [NAMED, PYMYSQL], ids=["psycopg", "pymysql"])
def test_a_dialect_with_named_parameters_gets_a_dictionary(dialect):
    prepared, params = prepare(select(fruit.c.id).where(fruit.c.name == "fig", fruit.c.id > 3), dialect)
    assert not prepared.positional
    assert prepared.parameters(params, None) == {"name_1": "fig", "id_1": 3}
    assert "%(name_1)s" in prepared.text
    assert "%(id_1)s" in prepared.text


def test_a_dialect_with_numbered_parameters_gets_a_value_used_twice_once():
    wanted = bindparam("wanted", "fig")
    statement = select(fruit.c.id).where(
        fruit.c.id == 1, (fruit.c.name == wanted) | (func.lower(fruit.c.name) == wanted)
    )
    prepared, params = prepare(statement, sqlite.dialect(paramstyle="numeric"))
    assert prepared.parameters(params, None) == (1, "fig")


@pytest.mark.parametrize("dialect", [POSITIONAL, NAMED], ids=["qmark", "pyformat"])
def test_names_that_must_be_escaped_still_find_their_values(dialect):
    prepared, params = prepare(select(fruit.c.id).where(fruit.c["per cent"] == 50, fruit.c.id == 1), dialect)
    made = prepared.parameters(params, None)
    assert (made if prepared.positional else tuple(made.values())) == (50, 1)
    if not prepared.positional:
        assert all(f"%({name})s" in prepared.text for name in made)


def test_values_without_names_stand_in_the_order_of_the_text():
    prepared, _ = prepare(select(fruit.c.id).where(fruit.c.name == bindparam("n"), fruit.c.id == bindparam("i")))
    assert prepared.processed(("fig", 3)) == ("fig", 3)


# Roads


def test_a_plain_statement_goes_quick():
    assert prepare(select(fruit).where(fruit.c.id == 1))[0].quick


def test_an_in_list_does_not_go_quick():
    assert not prepare(select(fruit).where(fruit.c.id.in_([1, 2])))[0].quick


def test_a_value_to_be_rendered_into_the_text_does_not_go_quick():
    statement = select(fruit).where(fruit.c.id == bindparam("i", 1, literal_execute=True))
    assert not prepare(statement)[0].quick


def rows(prepared, connection, params, **kw):
    cursor = prepared.execute(connection, params, **kw)
    try:
        return cursor.fetchall()
    finally:
        cursor.close()


@pytest.mark.parametrize("quick", [True, False])
def test_both_roads_give_the_same_rows(connection, fast, monkeypatch, quick):
    monkeypatch.setattr(core, "_fast_path", quick)
    statement = select(fruit.c.id, fruit.c.name).where(fruit.c.name == "plum")
    prepared, params = prepare(statement, connection.dialect)
    assert rows(prepared, connection, params, own_statement=lambda: statement) == [(2, "plum")]


def test_a_percent_sign_in_the_text_reaches_each_database_as_one(engine, fast):
    fruit.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(fruit.insert(), [{"id": 7, "name": "fig"}])
    with engine.connect() as connection:
        prepared, params = prepare(select(fruit.c.id % 4, literal_column("'50%'")), connection.dialect)
        assert [tuple(row) for row in rows(prepared, connection, params)] == [(3, "50%")]


def test_the_quick_road_makes_no_result_of_core(connection, fast):
    prepared, params = prepare(select(fruit.c.id), connection.dialect)
    cursor = prepared.execute(connection, params)
    assert type(cursor).__module__ == "sqlite3"
    cursor.close()


def test_a_listener_sees_statement_and_parameters(connection, fast):
    statement = select(fruit.c.id).where(fruit.c.name == "fig")
    prepared, params = prepare(statement, connection.dialect)
    with count_statements(connection) as sent:
        assert rows(prepared, connection, params) == [(1,)]
    assert sent.count == 1
    assert sent.statements[0] == prepared.text


def test_an_in_list_brings_its_own_values_through_core(connection, fast):
    def wanted(*ids):
        return select(fruit.c.name).where(fruit.c.id.in_(ids)).order_by(fruit.c.id)

    prepared, _ = prepare(wanted(1), connection.dialect)
    other = wanted(1, 2)
    assert rows(prepared, connection, cache_key(other).bindparams, own_statement=lambda: other) == [("fig",), ("plum",)]


def test_values_given_reach_the_core_road_too(connection, fast):
    statement = select(fruit.c.id).where(fruit.c.name == bindparam("wanted"), fruit.c.id.in_([1, 2]))
    prepared, params = prepare(statement, connection.dialect)
    assert rows(prepared, connection, params, given={"wanted": "plum"}) == [(2,)]


def test_execution_options_go_through_core(connection, fast):
    other = Table("peach", MetaData(), Column("id", Integer, primary_key=True), schema="elsewhere")
    connection.exec_driver_sql("CREATE TABLE peach (id INTEGER PRIMARY KEY)")
    prepared, params = prepare(select(other), connection.dialect)
    assert rows(prepared, connection, params, options={"schema_translate_map": {"elsewhere": None}}) == []


def test_an_error_of_the_driver_is_wrapped_with_text_and_parameters(connection, fast):
    missing = Table("missing", MetaData(), Column("id", Integer))
    prepared, params = prepare(select(missing).where(missing.c.id == 5), connection.dialect)
    with pytest.raises(OperationalError, match="no such table: missing") as caught:
        prepared.execute(connection, params)
    assert caught.value.statement == prepared.text
    assert caught.value.params == (5,)


def test_the_same_statement_is_prepared_for_each_dialect_by_itself():
    statement = select(fruit.c["per cent"]).limit(2)
    texts = {prepare(statement, dialect)[0].text for dialect in (POSITIONAL, NAMED, PYMYSQL)}
    assert len(texts) == 3


def test_a_cartesian_product_is_warned_of():
    other = Table("peach", MetaData(), Column("id", Integer))
    with pytest.warns(SAWarning, match="cartesian product"):
        prepare(select(fruit.c.id, other.c.id), create_engine("sqlite://").dialect)
