from __future__ import annotations

import datetime
import decimal
import enum
import typing
import uuid
from typing import Annotated, Any, Literal, NewType

import pytest
import typing_extensions
from sqlalchemy import types as sqltypes

from ropewalk.declare.typemap import allows_none, readings, sql_type_of


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class MyInt(int):
    pass


class Address:
    pass


UserId = NewType("UserId", int)
Name = typing_extensions.TypeAliasType("Name", str)
MaybeName = typing_extensions.TypeAliasType("MaybeName", "str | None")


@pytest.mark.parametrize(
    ("python_type", "sql_type"),
    [
        (int, sqltypes.Integer),
        (str, sqltypes.String),
        (float, sqltypes.Double),
        (bool, sqltypes.Boolean),
        (bytes, sqltypes.LargeBinary),
        (decimal.Decimal, sqltypes.Numeric),
        (datetime.date, sqltypes.Date),
        (datetime.time, sqltypes.Time),
        (datetime.datetime, sqltypes.DateTime),
        (datetime.timedelta, sqltypes.Interval),
        (uuid.UUID, sqltypes.Uuid),
        (dict, sqltypes.JSON),
        (list, sqltypes.JSON),
        (dict[str, Any], sqltypes.JSON),
        (list[dict[str, int | None]], sqltypes.JSON),
    ],
)
def test_default_types(python_type, sql_type):
    assert type(sql_type_of(python_type, {})) is sql_type


@pytest.mark.parametrize("python_type", [MyInt, set, set[int], list[Address], dict[str, Address], UserId, Name, object])
def test_no_type_is_guessed(python_type):
    assert sql_type_of(python_type, {}) is None


def test_enum_class_gives_its_own_enum():
    found = sql_type_of(Colour, {})
    assert found.enum_class is Colour
    assert found.enums == ["RED", "BLUE"]


def test_settings_of_a_general_enum_entry_are_kept():
    found = sql_type_of(Colour, {enum.Enum: sqltypes.Enum(enum.Enum, native_enum=False, length=30)})
    assert (found.enum_class, found.native_enum, found.length) == (Colour, False, 30)


def test_literal_is_an_enum_of_strings():
    found = sql_type_of(Literal["on", "off"], {})
    assert found.enums == ["on", "off"]
    assert not found.native_enum


def test_entry_for_one_literal_goes_before_the_general_one():
    switch = Literal["on", "off"]
    assert type(sql_type_of(switch, {switch: sqltypes.String(3)})) is sqltypes.String


@pytest.mark.parametrize(
    "key", [int, MyInt, UserId, Name, Annotated[str, 50], dict[str, Any], typing.Union[int, str]], ids=str
)
def test_custom_entry_is_found_by_the_exact_type(key):
    assert sql_type_of(key, {key: sqltypes.BigInteger()}).__class__ is sqltypes.BigInteger


def test_entry_of_dict_serves_its_subscripted_forms():
    assert type(sql_type_of(dict[str, int], {dict: sqltypes.PickleType})) is sqltypes.PickleType


def test_annotated_with_unhashable_extra_is_not_an_error():
    assert sql_type_of(Annotated[str, {}], {}) is None


def test_readings_go_from_the_outside_in():
    inner = Annotated[str, "x"]
    assert readings(inner | None) == ([inner, str], ["x"])
    assert readings(Name) == ([Name, str], [])


@pytest.mark.parametrize(
    ("python_type", "answer"),
    [
        (int, False),
        (int | None, True),
        (typing.Union[None, int], True),
        (Annotated[int | None, 1], True),
        (Annotated[int, 1] | None, True),
        (NewType("N", int | None), True),
        (Name, False),
        (typing_extensions.TypeAliasType("M", typing.Union[str, None]), True),
        (type(None), True),
    ],
)
def test_allows_none(python_type, answer):
    assert allows_none(python_type) is answer


def test_alias_of_itself_ends():
    json = typing_extensions.TypeAliasType("json", typing.Union[str, "json"])
    assert not allows_none(json)
