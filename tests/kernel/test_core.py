"""Each private name of Core that we use still means what we take it to mean.

This file runs on the oldest and on the newest SQLAlchemy that the package claims.
"""

import ast
import enum
import inspect
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Enum,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    literal,
    null,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.result import IteratorResult
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeDecorator, UserDefinedType

from ropewalk.kernel import core, options, parts
from ropewalk.kernel import names as row_names
from ropewalk.kernel.options import StatementOption

metadata = MetaData()
boat = Table("boat", metadata, Column("id", Integer, primary_key=True), Column("name", String(20), unique=True))
oar = Table("oar", metadata, Column("id", Integer, primary_key=True), Column("boat_id", ForeignKey("boat.id")))


class Entity(core.CacheKeyed):
    """The little of a mapper that Core's private corners want to see."""

    def __init__(self, table):
        self.table = table

    @property
    def mapper(self):
        return self


@pytest.fixture
def connection(sqlite_memory_engine):
    metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.connect() as connection:
        yield connection


def test_every_function_of_core_py_is_tested_here():
    names = {
        node.name
        for node in ast.parse(inspect.getsource(core)).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    }
    used = {
        node.attr
        for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert names <= used, f"no test here calls {', '.join(sorted(names - used))}"


# Coercions


@pytest.mark.parametrize("thing", [boat.c.id, literal(1), func.now(), null()])
def test_as_column_element_takes_what_can_stand_in_a_select_list(thing):
    assert str(core.as_column_element(thing)) == str(thing)


@pytest.mark.parametrize("thing", [object(), {"a": 1}])
def test_as_column_element_refuses_anything_else(thing):
    with pytest.raises(ArgumentError):
        core.as_column_element(thing)


@pytest.mark.parametrize(
    ("coerce", "thing", "sql"),
    [
        (core.as_criterion, boat.c.id == 1, "boat.id = :id_1"),
        (core.as_criterion, True, "true"),
        (core.as_ordering, boat.c.name.desc(), "boat.name DESC"),
        (core.as_ordering, "name", "name"),
        (core.as_grouping, boat.c.name, "boat.name"),
        (core.as_from, boat, "boat"),
        (core.as_row_count, 5, ":param_1"),
        (core.as_row_count, boat.c.id, "boat.id"),
        (core.as_statement, text("SELECT 1"), "SELECT 1"),
        (core.as_statement, select(boat.c.id), "SELECT boat.id \nFROM boat"),
    ],
)
def test_coercions_take_what_can_stand_in_their_place(coerce, thing, sql):
    assert str(coerce(thing)) == sql


@pytest.mark.parametrize(
    "coerce", [core.as_criterion, core.as_ordering, core.as_grouping, core.as_from, core.as_statement]
)
def test_coercions_refuse_anything_else(coerce):
    with pytest.raises(ArgumentError):
        coerce(object())


def test_a_row_count_that_is_no_number_is_refused():
    with pytest.raises((ArgumentError, ValueError)):
        core.as_row_count("many")


# Entities


def test_a_marked_column_says_whose_attribute_it_is():
    entity = Entity(boat)
    marked = core.entity_column(boat.c.name, entity, "title")
    assert core.entity_of(marked) is entity
    assert core.attribute_key_of(marked) == "title"


def test_a_marked_table_says_what_it_stands_for():
    entity = Entity(boat)
    assert core.entity_of(core.entity_table(boat, entity)) is entity


def test_a_mark_that_is_passed_on_says_who_compiles_the_statement():
    entity = Entity(boat)
    statement = select(boat)._annotate({})
    statement._propagate_attrs = core.propagated(entity)
    assert core.statement_entity(statement) is entity


@pytest.mark.parametrize("clause", [boat.c.id, boat, text("x"), literal(1), None, 7])
def test_what_is_not_marked_belongs_to_no_entity(clause):
    assert core.entity_of(clause) is None
    assert core.attribute_key_of(clause) is None


def test_marking_leaves_the_original_alone():
    core.entity_column(boat.c.name, Entity(boat), "title")
    core.entity_table(boat, Entity(boat))
    assert core.entity_of(boat.c.name) is None
    assert core.entity_of(boat) is None


def test_a_marked_column_gives_the_same_sql_and_equals_the_original():
    marked = core.entity_column(boat.c.name, Entity(boat), "title")
    assert str(marked == "x") == str(boat.c.name == "x")
    assert marked.compare(boat.c.name)
    assert hash(marked) == hash(boat.c.name)


def test_a_marked_column_appears_under_its_attribute_name_in_a_subquery():
    marked = core.entity_column(boat.c.name, Entity(boat), "title")
    assert select(marked).subquery().c.keys() == ["title"]


def test_an_expression_still_holds_the_marked_column():
    entity = Entity(boat)
    marked = core.entity_column(boat.c.name, entity, "title")
    assert core.entity_of((marked == "x").left) is entity


@pytest.mark.parametrize(
    "mark", [lambda e: core.entity_column(boat.c.name, e, "t"), lambda e: core.entity_table(boat, e)]
)
def test_a_statement_knows_its_first_entity(mark):
    entity = Entity(boat)
    statement = select(boat.c.id, mark(entity))
    assert core.statement_entity(statement) is entity
    assert core.statement_entity(statement.where(boat.c.id == 1).limit(1)) is entity


@pytest.mark.parametrize("statement", [select(boat), text("SELECT 1"), boat.insert(), None])
def test_a_statement_of_tables_has_no_entity(statement):
    assert core.statement_entity(statement) is None


def test_an_update_of_an_entity_knows_it():
    entity = Entity(boat)
    assert core.statement_entity(core.entity_table(boat, entity).update()) is entity


def test_an_entity_of_another_plugin_is_not_ours():
    entity = Entity(boat)
    marked = core.entity_column(boat.c.name, entity, "title")
    marked._propagate_attrs = marked._propagate_attrs.union({"compile_state_plugin": "orm"})
    assert core.statement_entity(select(marked)) is None


def test_our_plugin_is_asked_to_compile_our_statements_and_no_others():
    asked = []

    @core.CompileState.plugin_for("ropewalk-test", "select")
    class Asked(core.SelectState):
        def __init__(self, statement, compiler, **kw):
            asked.append(statement)
            super().__init__(statement, compiler, **kw)

    try:
        marked = core.entity_column(boat.c.name, Entity(boat), "title")
        marked._propagate_attrs = marked._propagate_attrs.union({"compile_state_plugin": "ropewalk-test"})
        assert str(select(marked)) == "SELECT boat.name \nFROM boat"
        assert len(asked) == 1
        str(select(boat))
        assert len(asked) == 1
    finally:
        del core.CompileState.plugins["ropewalk-test", "select"]


def test_our_plugin_has_a_name_of_its_own():
    assert core.PLUGIN != "orm"
    assert core.PLUGIN != "default"


# Cache keys


def statement_of(entity):
    return select(core.entity_column(boat.c.name, entity, "title")).where(boat.c.id == 1)


def test_equal_statements_have_equal_keys_and_bring_their_values():
    first, second = (core.cache_key(select(boat).where(boat.c.id == n)) for n in (1, 2))
    assert first.key == second.key
    assert hash(first.key) == hash(second.key)
    assert [p.value for p in first.bindparams] == [1]
    assert [p.value for p in second.bindparams] == [2]


def test_statements_of_two_entities_on_one_table_have_two_keys():
    one, two = Entity(boat), Entity(boat)
    assert core.cache_key(statement_of(one)).key == core.cache_key(statement_of(one)).key
    assert core.cache_key(statement_of(one)).key != core.cache_key(statement_of(two)).key


def test_a_statement_that_cannot_be_cached_has_no_key():
    class Odd(UserDefinedType):
        cache_ok = False

    assert core.cache_key(select(cast(boat.c.name, Odd()))) is None


def test_an_entity_in_a_key_is_itself():
    entity = Entity(boat)
    key = core.cache_key(select(core.entity_table(boat, entity))).key

    def flat(part):
        return [x for item in part for x in flat(item)] if isinstance(part, tuple) else [part]

    assert any(part is entity for part in flat(key))


# Looking into statements


def test_a_copied_parameter_knows_what_it_is_a_copy_of():
    bind = literal(5)
    copied = (boat.c.id == bind)._clone().right._clone()
    assert copied.key != bind.key
    assert core.keys_of_bind(bind) == [bind.key]
    assert set(core.keys_of_bind(copied)) == {copied.key, bind.key}


def test_options_are_found_in_the_order_given():
    one, two = StatementOption(), StatementOption()
    given = select(boat).options(one).options(two)
    assert options.options_of(given) == options.options_since(given) == (one, two)
    assert options.options_of(select(boat)) == ()
    assert options.options_of(text("SELECT 1")) == ()


def test_options_stay_when_columns_are_replaced():
    one, two = StatementOption(), StatementOption()
    replaced = select(boat).options(one).with_only_columns(boat.c.id).options(two)
    assert options.options_of(replaced) == (one, two)
    assert options.options_since(replaced) == (two,)


def test_a_statement_tells_whether_it_counts_rows():
    plain = select(boat).where(boat.c.id > 1).order_by(boat.c.name)
    assert not core.counts_rows(plain)
    for counting in (plain.limit(1), plain.offset(1), plain.fetch(1), plain.distinct(), plain.group_by(boat.c.id)):
        assert core.counts_rows(counting)
    assert parts.is_distinct(plain.distinct()) and not parts.is_distinct(plain.limit(1))


def test_a_statement_tells_its_order_and_the_columns_in_it():
    order = core.order_of(select(boat).order_by(boat.c.name.desc(), func.lower(boat.c.id)))
    assert [str(clause) for clause in order] == ["boat.name DESC", "lower(boat.id)"]
    assert core.columns_of(order) == [boat.c.name, boat.c.id]
    assert core.order_of(select(boat)) == ()


def test_raw_columns_are_what_was_given():
    table = core.entity_table(boat, Entity(boat))
    assert core.raw_columns(select(table, oar.c.id)) == [table, oar.c.id]


def test_with_raw_columns_keeps_all_the_rest():
    old = select(boat).where(boat.c.id == 1).order_by(boat.c.name).limit(3)
    new = core.with_raw_columns(old, [boat.c.name])
    assert str(new) == str(select(boat.c.name).where(boat.c.id == 1).order_by(boat.c.name).limit(3))
    assert core.raw_columns(old) == [boat]


def test_with_raw_columns_is_a_statement_of_its_own():
    old = select(boat.c.id)
    core.cache_key(old)
    list(old.selected_columns)
    new = core.with_raw_columns(old, [boat.c.name])
    assert core.cache_key(new).key != core.cache_key(old).key
    assert new.selected_columns.keys() == ["name"]


def test_with_raw_columns_leaves_the_plugin():
    statement = core.with_raw_columns(statement_of(Entity(boat)), [boat.c.id])
    assert core.statement_entity(statement) is None


@pytest.mark.parametrize(
    ("column", "name"),
    [
        (boat.c.name, "name"),
        (boat.c.name.label("title"), "title"),
        (core.entity_column(boat.c.name, Entity(boat), "title"), "title"),
        (func.count(), "count"),
    ],
)
def test_result_name_is_the_name_in_a_row(column, name):
    assert core.result_name(column) == name


def test_what_has_no_name_gets_some():
    assert core.result_name(text("1 + 1")) == "1 + 1"


# Values in and out


class Colour(enum.Enum):
    RED = 1


def test_bind_processor_turns_a_value_into_the_drivers():
    assert core.bind_processor(Enum(Colour), sqlite.dialect())(Colour.RED) == "RED"


def test_a_type_that_needs_no_conversion_has_no_processors():
    assert core.bind_processor(Integer(), sqlite.dialect()) is None
    assert core.result_processor(Integer(), sqlite.dialect(), None) is None


def test_result_processor_turns_the_drivers_value_into_pythons():
    assert core.result_processor(Boolean(), sqlite.dialect(), None)(1) is True
    assert core.result_processor(Enum(Colour), sqlite.dialect(), None)("RED") is Colour.RED


def test_processors_depend_on_the_dialect():
    assert core.result_processor(Date(), sqlite.dialect(), None) is not None
    assert core.result_processor(Date(), create_engine("postgresql+psycopg://").dialect, None) is None


def test_a_decorated_types_own_conversion_is_part_of_the_processor():
    class Loud(TypeDecorator):
        impl = String
        cache_ok = True

        def process_bind_param(self, value, dialect):
            return value.upper()

        def process_result_value(self, value, dialect):
            return value.lower()

    assert core.bind_processor(Loud(), sqlite.dialect())("a") == "A"
    assert core.result_processor(Loud(), sqlite.dialect(), None)("A") == "a"


def test_bind_processors_of_a_compiled_statement_go_by_parameter_name():
    compiled = select(boat.c.id).where(bindparam("c", Colour.RED, Enum(Colour)) == "RED", boat.c.id == 1)
    processors = core.bind_processors_of(compiled.compile(dialect=sqlite.dialect()))
    assert processors["c"](Colour.RED) == "RED"
    assert "id_1" not in processors


def test_has_bind_expression_is_true_where_a_type_wraps_its_parameters():
    class Point(UserDefinedType):
        cache_ok = True

        def bind_expression(self, bindvalue):
            return func.point(bindvalue)

    assert core.has_bind_expression(Point(), sqlite.dialect())
    assert not core.has_bind_expression(String(), sqlite.dialect())
    assert not core.has_bind_expression(LargeBinary(), postgresql.dialect())


# Running text


def hear_nothing(*args):
    pass


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(core, "_fast_path", True)


def test_a_connection_is_quiet_while_nobody_listens(connection, fast):
    assert core.is_quiet(connection)


@pytest.mark.parametrize("hook", ["before_cursor_execute", "after_cursor_execute", "before_execute"])
def test_a_listener_on_the_connection_ends_the_quiet(connection, fast, hook):
    event.listen(connection, hook, hear_nothing)
    assert not core.is_quiet(connection)


@pytest.mark.parametrize("hook", ["before_cursor_execute", "after_execute", "handle_error", "do_execute"])
def test_a_listener_on_the_engine_ends_the_quiet_of_its_connections(connection, fast, hook):
    event.listen(connection.engine, hook, hear_nothing)
    assert not core.is_quiet(connection)
    with connection.engine.connect() as another:
        assert not core.is_quiet(another)


def test_echo_ends_the_quiet(fast):
    engine = create_engine("sqlite://", echo=True)
    with engine.connect() as connection:
        assert not core.is_quiet(connection)
    engine.dispose()


def test_a_schema_translation_ends_the_quiet(connection, fast):
    assert not core.is_quiet(connection.execution_options(schema_translate_map={"a": "b"}))


def test_the_quick_road_can_be_closed(connection, monkeypatch):
    monkeypatch.setattr(core, "_fast_path", False)
    assert not core.is_quiet(connection)


def test_run_text_gives_the_drivers_cursor(connection):
    cursor = core.run_text(connection, "SELECT ? + 1", (41,))
    assert isinstance(cursor, sqlite3.Cursor)
    assert cursor.fetchall() == [(42,)]


def test_run_text_works_inside_the_connections_transaction(connection):
    with connection.begin() as transaction:
        core.run_text(connection, "INSERT INTO boat (id) VALUES (?)", (1,))
        transaction.rollback()
    assert connection.scalar(select(func.count()).select_from(boat)) == 0


def test_run_many_executes_once_for_each(connection):
    cursor = core.run_many(connection, "INSERT INTO boat (id, name) VALUES (?, ?)", [(1, "a"), (2, "b")])
    assert cursor.rowcount == 2
    assert connection.execute(select(boat.c.name).order_by(boat.c.id)).scalars().all() == ["a", "b"]


@pytest.mark.parametrize("run", [core.run_text, core.run_many])
def test_an_error_of_the_driver_is_wrapped_as_core_wraps_it(connection, run):
    connection.execute(boat.insert(), {"id": 1, "name": "a"})
    statement = "INSERT INTO boat (name) VALUES (?)"
    parameters = ("a",) if run is core.run_text else [("b",), ("a",)]
    with pytest.raises(IntegrityError, match="UNIQUE constraint failed: boat.name") as caught:
        run(connection, statement, parameters)
    assert caught.value.statement == statement
    assert caught.value.params == parameters
    assert isinstance(caught.value.orig, sqlite3.IntegrityError)
    assert caught.value.__cause__ is caught.value.orig


@pytest.mark.parametrize("run", [core.run_text, core.run_many])
def test_an_error_goes_to_the_handlers_of_the_engine(connection, run):
    seen = []
    event.listen(connection.engine, "handle_error", lambda context: seen.append(context.statement))
    with pytest.raises(OperationalError):
        run(connection, "SELECT 1 FROM nowhere", () if run is core.run_text else [()])
    assert seen == ["SELECT 1 FROM nowhere"]


def test_a_lost_connection_is_invalidated(connection):
    @event.listens_for(connection.engine, "handle_error")
    def lost(context):
        context.is_disconnect = True

    with pytest.raises(DBAPIError) as caught:
        core.run_text(connection, "SELECT 1 FROM nowhere", ())
    assert caught.value.connection_invalidated
    assert connection.invalidated


def test_an_interrupt_passes_unwrapped_and_the_connection_is_not_used_again(connection):
    def parameters():
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        core.run_many(connection, "INSERT INTO boat (name) VALUES (?)", parameters())
    assert connection.invalidated


def test_a_connection_stays_usable_after_an_error(connection):
    with pytest.raises(OperationalError):
        core.run_text(connection, "SELECT 1 FROM nowhere", ())
    assert core.run_text(connection, "SELECT 1", ()).fetchall() == [(1,)]


# Columns and types for declarative mappings


def test_copy_column_gives_an_equal_column_of_no_table():
    column = Column("boat_id", Integer, ForeignKey("boat.id"), nullable=False)
    copied = core.copy_column(column)
    assert copied is not column
    Table("one", MetaData(), column)
    other = Table("other", MetaData(), copied)
    assert other.c.boat_id is copied
    assert not copied.nullable
    assert [key.target_fullname for key in copied.foreign_keys] == ["boat.id"]


def test_merge_column_fills_in_what_the_target_does_not_say():
    source = Column(String(30), default="?", index=True, nullable=False, doc="a name")
    target = Column("title")
    core.merge_column(source, target)
    assert (target.name, target.type.length, target.default.arg) == ("title", 30, "?")
    assert (target.index, target.nullable, target.doc) == (True, False, "a name")


def test_merge_column_leaves_what_the_target_says():
    target = Column("title", String(7), default="!", nullable=True)
    core.merge_column(Column(String(30), default="?", nullable=False), target)
    assert (target.type.length, target.default.arg, target.nullable) == (7, "!", True)


def test_merge_column_can_leave_the_default_out():
    target = Column("title")
    core.merge_column(Column(String(30), default="?"), target, with_default=False)
    assert target.default is None
    assert target.type.length == 30


def test_set_column_type_lets_the_type_add_its_constraint():
    column = Column("colour")
    core.set_column_type(column, Enum(Colour, name="colour", create_constraint=True))
    table = Table("t", MetaData(), column)
    assert isinstance(column.type, Enum)
    assert [type(c) for c in table.constraints if c.name == "colour"] == [CheckConstraint]


def test_a_foreign_key_to_a_column_without_table_is_told():
    assert core.refers_to_column_without_table(ForeignKey(Column("id", Integer)))
    assert not core.refers_to_column_without_table(ForeignKey(boat.c.id))
    assert not core.refers_to_column_without_table(ForeignKey("boat.id"))


def test_an_enum_of_all_enums_becomes_that_of_one_class():
    found = core.type_for_python_type(Enum(enum.Enum), Colour, enum.Enum, enum.Enum)
    assert isinstance(found, Enum)
    assert found.enum_class is Colour


def test_a_type_serves_its_own_python_type_as_it_is():
    assert isinstance(core.type_for_python_type(Integer(), int, int, int), Integer)


def test_a_type_does_not_serve_a_subclass_by_itself():
    class Special(int):
        pass

    assert core.type_for_python_type(Integer(), Special, int, int) is None


# Results


def result(rows, names=("a", "b"), filters=(lambda x: x, id)):
    return IteratorResult(row_names.result_metadata(names, list(filters)), iter(rows))


def test_a_result_has_its_names():
    found = result([(1, 2)])
    assert list(found.keys()) == ["a", "b"]
    row = found.one()
    assert (row.a, row.b, row._mapping["b"]) == (1, 2, 2)


def test_unique_compares_by_what_each_member_says():
    same, equal = [1], [1]
    rows = [(1, same), (1, same), (1, equal), (2, same)]
    assert [tuple(row) for row in result(rows).unique().all()] == [(1, same), (1, equal), (2, same)]


def test_unique_scalars_of_a_chosen_column_compare_by_its_own():
    same, equal = [1], [1]
    assert len(result([(1, same), (1, equal), (2, same)]).scalars("b").unique().all()) == 2
    assert result([(1, same), (1, equal), (2, same)]).columns(0).scalars().unique().all() == [1, 2]


# Rows


@pytest.mark.parametrize("options", [{}, {"stream_results": True, "max_row_buffer": 3}], ids=["at once", "streamed"])
def test_raw_rows_are_the_drivers_and_none_is_lost(engine, options):
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(boat.insert(), [{"id": n, "name": f"b{n}"} for n in range(1, 21)])
    with engine.connect() as connection:
        result = connection.execute(select(boat.c.id).order_by(boat.c.id), execution_options=options)
        first = core.raw_rows(result, 2)
        rest = core.raw_rows(result)
        assert [tuple(row) for row in [*first, *rest]] == [(n,) for n in range(1, 21)]
        assert len(first) == 2
        assert type(first[0]) is tuple
        assert not core.raw_rows(result, 2)
        result.close()


# Entities again: what is selected, and what is forgotten


ENTITY = Entity(boat)
ID, NAME = (core.entity_column(column, ENTITY, column.name) for column in (boat.c.id, boat.c.name))
BOATS = select(core.entity_table(boat, ENTITY))


def test_a_select_of_an_entity_is_told_from_one_of_columns():
    assert core.selects_entity(BOATS)
    assert core.selects_entity(select(oar.c.id, core.entity_table(boat, ENTITY)))
    assert not core.selects_entity(select(ID))
    assert not core.selects_entity(select(boat))


# Inspection


def test_core_inspects_its_own_things(sqlite_memory_engine):
    assert type(core.core_inspection(sqlite_memory_engine)).__name__ == "Inspector"
    assert core.core_inspection(boat) is boat


@pytest.mark.parametrize("thing", [object(), 7, None, "text", Entity, Entity(boat)])
def test_core_knows_nothing_of_other_things(thing):
    assert core.core_inspection(thing) is None


def test_what_another_orm_registered_for_every_object_is_passed_over(monkeypatch):
    registered = dict.fromkeys([object, type], lambda subject: "another's")
    for cls, answer in registered.items():
        monkeypatch.setitem(core._registrars, cls, answer)
    assert core.core_inspection(object()) is None
    assert core.core_inspection(Entity) is None


# Marks


def test_a_mark_joins_those_that_a_column_has():
    once = core.marked(ID, side="left")
    assert core.marks_of(once)["side"] == "left"
    assert core.entity_of(once) is ENTITY
    assert "side" not in core.marks_of(ID)


def test_an_unmarked_column_is_the_tables_own():
    assert core.unmarked(core.marked(boat.c.id, side="left")) is boat.c.id


def test_marks_tell_two_occurrences_of_a_column_apart_inside_an_expression():
    expression = core.marked(boat.c.id, side="left") == core.marked(boat.c.id, side="right")
    assert core.marks_of(expression.left)["side"] == "left"
    assert core.marks_of(expression.right)["side"] == "right"


def test_an_expression_that_forgot_its_entities_makes_a_statement_of_core():
    expression = visitors.cloned_traverse(ID == 1, {}, {})
    core.forget_entities(expression)
    assert core.statement_entity(select(expression)) is None
    assert core.statement_entity(select(ID == 1)) is ENTITY


# Events


class Bell:
    pass


class FirstBellEvents(event.Events):
    _dispatch_target = Bell

    @classmethod
    def _accept_with(cls, target, identifier):
        return target

    def bell_rings(self, bell):
        """It rings."""


class SecondBellEvents(event.Events):
    @classmethod
    def _accept_with(cls, target, identifier):
        return target if isinstance(target, Bell) else None

    def bell_rings(self, bell):
        """It rings."""


def test_ask_first_and_others_for():
    assert core.others_for(FirstBellEvents, "bell_rings") == [SecondBellEvents]
    core.ask_first(SecondBellEvents)
    assert core.others_for(None, "bell_rings") == [SecondBellEvents, FirstBellEvents]
    core.ask_first(FirstBellEvents)
    assert core.others_for(None, "bell_rings") == [FirstBellEvents, SecondBellEvents]


def test_listeners_can_be_kept_apart_and_taken_over():
    heard = []

    class Kept:
        dispatch = core.dispatch_for(Bell)

    def always(bell):
        heard.append("always")

    def own(bell):
        heard.append("own")

    event.listen(Kept, "bell_rings", always, propagate=True)
    event.listen(Kept, "bell_rings", own)
    first, second = Bell(), Bell()
    core.take_listeners(first.dispatch, Kept.dispatch, False)
    core.take_listeners(second.dispatch, Kept.dispatch, True)
    first.dispatch.bell_rings(first)
    assert heard == ["always", "own"]
    heard.clear()
    second.dispatch.bell_rings(second)
    assert heard == ["always"]
    event.remove(Kept, "bell_rings", always)
    assert not second.dispatch.bell_rings
    assert len(first.dispatch.bell_rings) == 1


def test_wrapped_listener():
    heard = []

    class Loud(FirstBellEvents):
        @classmethod
        def _listen(cls, event_key, **kw):
            core.wrapped_listener(event_key, lambda fn: lambda bell: fn("loud")).base_listen(**kw)

        def bell_tolls(self, bell):
            """It tolls."""

    class Tower:
        dispatch = event.dispatcher(Loud)

    tower = Tower()
    event.listen(tower, "bell_tolls", heard.append)
    tower.dispatch.bell_tolls(tower)
    assert heard == ["loud"]


def test_an_alias_of_a_join_is_a_join_of_aliases():
    found = core.alias_of(boat.join(oar))
    assert str(found) == "boat AS boat_1 JOIN oar AS oar_1 ON boat_1.id = oar_1.boat_id"
    assert str(select(core.alias_of(boat))) == "SELECT boat_1.id, boat_1.name \nFROM boat AS boat_1"


def test_an_argument_that_is_no_column_is_named():
    assert core.as_argument(boat.c.id, "remote_side") is boat.c.id
    with pytest.raises(ArgumentError, match="remote_side"):
        core.as_argument(object(), "remote_side")


def test_pass_on():
    heard = []

    class Gate:
        pass

    class GateEvents(event.Events):
        _dispatch_target = Gate

        @classmethod
        def _accept_with(cls, target, identifier):
            return target if isinstance(target, Gate) else None

        def gate_opens(self, gate):
            """It opens."""

    gate = Gate()

    core.pass_on(GateEvents, event.registry._EventKey(gate, "gate_opens", heard.append, None))
    core.pass_on(GateEvents, event.registry._EventKey("no gate", "gate_opens", heard.append, None))
    gate.dispatch.gate_opens("open")
    assert heard == ["open"]


def test_asks_for_statements():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        assert not core.asks_for_statements(connection)
        event.listen(connection, "before_cursor_execute", lambda *_: None)
        assert not core.asks_for_statements(connection)
        event.listen(engine, "after_execute", lambda *_: None)
    with engine.connect() as connection:
        assert core.asks_for_statements(connection)


def test_entity_column_names_an_expression_that_a_statement_has_used_already():
    table = Table("t", MetaData(), Column("a", Integer))
    expression = table.c.a + 1
    str(select(expression).subquery().c)  # Core now remembers that it has no name

    class Entity:
        mapper = None

    marked = core.entity_column(expression, Entity(), "more")
    assert "AS more" in str(select(select(marked).subquery()))
