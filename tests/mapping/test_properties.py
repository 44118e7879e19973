"""Properties: what was said of an attribute, and what follows from its column."""

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    PickleType,
    String,
    Table,
    func,
    select,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.types import NullType, TypeDecorator

from ropewalk.kernel.symbols import NO_ARG
from ropewalk.mapping.mapper import Mapper
from ropewalk.mapping.properties import (
    AttributeOptions,
    ColumnProperty,
    column_property,
    deferred,
    query_expression,
    synonym,
)


class Thing:
    pass


class Wrapped(TypeDecorator):
    impl = String
    cache_ok = True


def column(type_=Integer, **kw):
    return Column("c", type_, **kw)


# Columns


def test_a_column_property_takes_over_what_its_column_says():
    prop = column_property(column(doc="the third letter", info={"a": 1}))
    assert prop.doc == "the third letter"
    assert prop.info == {"a": 1}
    assert isinstance(prop.type, Integer)


def test_what_the_property_says_goes_first():
    prop = column_property(column(doc="the third letter", info={"a": 1}), doc="mine", info={"b": 2})
    assert (prop.doc, prop.info) == ("mine", {"b": 2})


def test_several_columns_make_one_attribute_with_the_first_as_its_expression():
    one, two = column(), Column("d", Integer)
    prop = column_property(one, two)
    assert prop.columns == [one, two]
    assert prop.expression is one
    assert prop.__clause_element__() is one


def test_a_scalar_subquery_is_a_read_only_attribute():
    table = Table("t", MetaData(), column())
    prop = column_property(select(func.count(table.c.c)).scalar_subquery())
    assert not prop.writable
    assert prop.info == {}


def test_what_is_no_column_is_refused():
    with pytest.raises(ArgumentError):
        column_property(object())


@pytest.mark.parametrize(
    ("prop", "expected"),
    [
        (column_property(column()), (False, None)),
        (deferred(column()), (True, None)),
        (deferred(column(), group="big"), (True, "big")),
        (column_property(column(), group="big"), (True, "big")),
        (column_property(column(), deferred=True), (True, None)),
    ],
)
def test_deferring(prop, expected):
    assert (prop.deferred, prop.deferred_group) == expected


def test_a_copy_says_the_same_and_belongs_to_nobody():
    table = Table("t", MetaData(), Column("c", Integer, primary_key=True))
    mapper = Mapper(Thing, table, {"x": deferred(table.c.c, group="big", info={"a": 1})})
    old = mapper.props["x"]
    new = old.copy()
    assert not hasattr(new, "parent")
    assert (new.columns, new.deferred_group, new.info) == (old.columns, "big", {"a": 1})
    new.columns.append(column())
    new.info["b"] = 2
    assert old.columns == [table.c.c]
    assert old.info == {"a": 1}


def test_a_property_shows_where_it_belongs():
    table = Table("t", MetaData(), Column("c", Integer, primary_key=True))
    assert str(Mapper(Thing, table).props["c"]) == "Thing.c"
    assert str(ColumnProperty(column())) == "ColumnProperty"


# Values that can change in place


@pytest.mark.parametrize(
    "type_", [JSON(), ARRAY(Integer), PickleType(), Wrapped(), JSON().with_variant(String(), "sqlite")], ids=repr
)
def test_values_of_these_types_are_watched(type_):
    assert column_property(column(type_)).may_be_mutable


@pytest.mark.parametrize("type_", [Integer(), String(), LargeBinary(), NullType()], ids=repr)
def test_values_of_these_types_are_not(type_):
    assert not column_property(column(type_)).may_be_mutable


def test_an_expression_is_not_watched_whatever_its_type():
    assert not column_property(func.json_object(type_=JSON)).may_be_mutable


# The others


def test_a_query_expression_is_no_argument_of_the_constructor():
    prop = query_expression()
    assert prop.query_expression
    assert not prop.writable
    assert prop.attribute_options.init is False


def test_a_query_expression_may_have_a_default():
    assert str(query_expression(func.now()).expression) == str(func.now())


def test_a_synonym_takes_the_doc_of_its_descriptor():
    prop = synonym("c", descriptor=property(lambda self: 1, doc="one"))
    assert prop.doc == "one"
    assert prop.is_synonym
    assert not prop.is_column


def test_map_column_moves_the_column_under_the_other_name():
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True), Column("status", String))
    mapper = Mapper(Thing, table, {"status": synonym("_status", map_column=True)})
    assert list(mapper.column_props) == ["id", "_status"]
    assert mapper.props["status"].is_synonym
    assert mapper.key_of[table.c.status] == "_status"


def test_attribute_options_know_whether_anything_was_said():
    assert not AttributeOptions().given
    assert not column_property(column()).attribute_options.given
    for name in AttributeOptions.__slots__:
        assert AttributeOptions(**{name: None}).given, name


@pytest.mark.parametrize("make", [lambda **kw: column_property(column(), **kw), lambda **kw: synonym("c", **kw)])
def test_options_for_dataclasses_are_kept(make):
    options = make(init=False, repr=True, default=3, kw_only=True).attribute_options
    assert (options.init, options.repr, options.default, options.kw_only) == (False, True, 3, True)
    assert options.compare is NO_ARG
