"""The short ways round Core's machinery give what the machinery would give."""

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator

from ropewalk.kernel import core
from ropewalk.kernel.options import StatementOption
from ropewalk.kernel.shortcuts import comparison_copier, row_count, shape_of

boat = Table("boat", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))
oar = Table("oar", boat.metadata, Column("id", Integer, primary_key=True))


class Entity(core.CacheKeyed):
    """The little of a mapper that a statement's shape wants to see."""

    @property
    def mapper(self):
        return self


class Option(StatementOption):
    pass


@pytest.fixture
def connection(sqlite_memory_engine):
    boat.metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.connect() as connection:
        yield connection


ENTITY = Entity()
ID, NAME = (core.entity_column(column, ENTITY, column.name) for column in (boat.c.id, boat.c.name))


def boats():
    """A statement that was never looked at: what Core remembers of one is no part of a simple SELECT."""
    return select(core.entity_table(boat, ENTITY))


# Comparisons that are copied


def copied(comparison, value, *others):
    copy = comparison_copier(comparison, value)
    return [copy(other) for other in others]


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda v: boat.c.id == v, (1, 2)),
        (lambda v: boat.c.id >= v, (1, 2)),
        (lambda v: boat.c.name != v, ("a", "b")),
        (lambda v: core.entity_column(boat.c.name, ENTITY, "title") == v, ("a", "b")),
    ],
)
def test_a_copied_comparison_is_what_core_would_make(make, values):
    first, second = values
    made = make(first)
    (copy,) = copied(made, first, second)
    wanted = make(second)
    assert copy.compare(wanted)
    assert copy.compile().params == wanted.compile().params
    assert str(select(boat).where(copy)) == str(select(boat).where(wanted))
    assert core.cache_key(select(boat).where(copy)).key == core.cache_key(select(boat).where(wanted)).key
    assert core.entity_of(copy.left) is core.entity_of(wanted.left)
    assert made.right.value == first


def test_copies_in_one_statement_keep_their_own_values():
    made = boat.c.id == 1
    statement = select(boat.c.id).where(made, *copied(made, 1, 2, 3))
    assert list(statement.compile().params.values()) == [1, 2, 3]
    assert [param.value for param in core.cache_key(statement).bindparams] == [1, 2, 3]


def test_a_copy_can_be_negated_and_combined():
    made = boat.c.id == 1
    (copy,) = copied(made, 1, 2)
    assert str(~copy) == "boat.id != :id_1"
    assert str(copy | made) == "boat.id = :id_1 OR boat.id = :id_2"


def test_a_copy_finds_its_row(connection):
    connection.execute(boat.insert(), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    (copy,) = copied(boat.c.name == "a", "a", "b")
    assert connection.scalars(select(boat.c.id).where(copy)).all() == [2]


class Lower(TypeDecorator):
    impl = String
    cache_ok = True


@pytest.mark.parametrize(
    ("comparison", "value"),
    [
        (boat.c.id == None, None),  # noqa: E711
        (boat.c.id == oar.c.id, oar.c.id),
        (boat.c.id == True, True),  # noqa: E712
        (boat.c.id.in_([1]), [1]),
        (boat.c.id == bindparam("given", 1), 1),
        (Column("x", Lower) == "a", "a"),
        (boat.c.name == text("x"), "x"),
        (boat.c.id == 1, 2),
        (7, 7),
    ],
)
def test_what_a_copy_might_get_wrong_is_not_copied(comparison, value):
    assert comparison_copier(comparison, value) is None


# The shape of a simple SELECT


SIMPLE = {
    "bare": lambda n: boats(),
    "equal": lambda n: boats().where(n == ID),
    "unequal": lambda n: boats().where(n != ID),
    "less": lambda n: boats().where(n > ID),
    "of another column": lambda n: boats().where(str(n) == NAME),
    "two criteria": lambda n: boats().where(n == ID, str(n) == NAME),
    "ordered": lambda n: boats().order_by(ID),
    "ordered by two": lambda n: boats().order_by(ID, NAME),
    "descending": lambda n: boats().order_by(ID.desc()),
    "limited": lambda n: boats().limit(n),
    "from": lambda n: boats().offset(n),
    "limited from": lambda n: boats().limit(n).offset(n + 1),
    "distinct": lambda n: boats().distinct(),
    "all": lambda n: boats().where(n == ID).order_by(NAME.desc()).limit(n),
}


@pytest.mark.parametrize("make", SIMPLE.values(), ids=SIMPLE)
def test_a_simple_select_has_the_shape_of_one_with_other_values(make):
    (first, one), (second, two) = shape_of(make(1)), shape_of(make(2))
    assert first == second
    assert hash(first) == hash(second)
    keyed = core.cache_key(make(2)).bindparams
    assert [param.effective_value for param in two] == [param.effective_value for param in keyed]
    assert len(one) == len(two)


def test_no_two_simple_selects_of_other_text_share_a_shape():
    assert len({shape_of(make(1))[0] for make in SIMPLE.values()}) == len(SIMPLE)


def test_simple_selects_of_two_entities_have_two_shapes():
    other = select(core.entity_table(boat, Entity()))
    assert shape_of(other)[0] != shape_of(boats())[0]


@pytest.mark.parametrize(
    "statement",
    [
        select(boat),
        select(ID),
        boats().add_columns(ID),
        boats().where(ID.in_([1, 2])),
        boats().where(ID == None),  # noqa: E711
        boats().where(bindparam("given") == ID),
        boats().where(ID == NAME),
        boats().where((ID == 1) | (ID == 2)),
        boats().where(NAME.like("x", escape="/")),
        boats().where(boat.c.id == 1),
        boats().where(func.lower(NAME) == "x"),
        boats().order_by(func.lower(NAME)),
        boats().order_by(text("1")),
        boats().order_by(ID.desc().nulls_last()),
        boats().limit(ID + 1),
        boats().fetch(3),
        boats().with_for_update(),
        boats().group_by(ID),
        boats().having(ID > 1),
        boats().join(oar),
        boats().select_from(oar),
        boats().prefix_with("x"),
        boats().with_hint(boat, "x"),
        boats().options(Option()),
        boats().correlate(oar),
        boats().add_cte(select(oar).cte()),
    ],
)
def test_any_other_select_has_no_shape_or_one_of_its_own(statement):
    shape = shape_of(statement)
    others = {shape_of(make(1))[0] for make in SIMPLE.values()}
    assert shape is None or shape[0] not in others


@pytest.mark.parametrize("number", [0, 1, 20, 2**31 - 1])
def test_a_row_count_is_what_limit_makes_of_it(number):
    made = boats().limit(number)
    count = row_count(number)
    assert count.compare(made._limit_clause)
    assert count.value == number
    counted = select(boat).limit(row_count(3)).offset(row_count(number))
    assert list(counted.compile().params.values()) == [3, number]
    statement = boats().limit(row_count(3)).offset(row_count(number))
    assert shape_of(statement)[0] == shape_of(boats().limit(1).offset(2))[0]
