"""From a Python type in an annotation to the SQL type of a column."""

from __future__ import annotations

import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import typing_extensions
from sqlalchemy import types as sqltypes
from sqlalchemy.types import TypeEngine

from ..kernel.core import type_for_python_type

TypeAnnotationMap = Mapping[Any, Any]
MutableTypeAnnotationMap = MutableMapping[Any, Any]

# typing_extensions backports its own objects, which differ from those of typing on older Pythons.
LITERALS: tuple[Any, ...] = tuple({typing.Literal, typing_extensions.Literal})
_UNIONS: tuple[Any, ...] = (typing.Union, types.UnionType)
_ALIASES: tuple[type, ...] = tuple(
    {
        alias
        for alias in (getattr(typing, "TypeAliasType", None), typing_extensions.TypeAliasType)
        if isinstance(alias, type)
    }
)

DEFAULT_TYPES: TypeAnnotationMap = {
    int: sqltypes.Integer(),
    str: sqltypes.String(),
    float: sqltypes.Double(),
    bool: sqltypes.Boolean(),
    bytes: sqltypes.LargeBinary(),
    decimal.Decimal: sqltypes.Numeric(),
    datetime.date: sqltypes.Date(),
    datetime.time: sqltypes.Time(),
    datetime.datetime: sqltypes.DateTime(),
    datetime.timedelta: sqltypes.Interval(),
    uuid.UUID: sqltypes.Uuid(),
    dict: sqltypes.JSON(),
    list: sqltypes.JSON(),
    enum.Enum: sqltypes.Enum(enum.Enum),
    **{literal: sqltypes.Enum(enum.Enum) for literal in LITERALS},
}


def is_literal(python_type: Any) -> bool:
    """Tell whether this is ``Literal[...]``."""
    return typing.get_origin(python_type) in LITERALS


def is_union(python_type: Any) -> bool:
    """Tell whether this is ``X | Y``, ``Union[X, Y]`` or ``Optional[X]``."""
    return typing.get_origin(python_type) in _UNIONS


def is_annotated(python_type: Any) -> bool:
    """Tell whether this is ``Annotated[X, ...]``."""
    return typing.get_origin(python_type) is typing.Annotated


def is_alias(python_type: Any) -> bool:
    """Tell whether this is a ``type X = ...`` alias, subscripted or not."""
    return isinstance(python_type, _ALIASES) or isinstance(typing.get_origin(python_type), _ALIASES)


def alias_value(alias: Any) -> Any:
    """Return what a ``type X = ...`` alias stands for, with its type arguments put in."""
    value = alias.__value__
    arguments = typing.get_args(alias)
    return value[arguments] if arguments else value


def without_none(python_type: Any) -> Any:
    """Return ``X`` for ``X | None``; anything else as it is."""
    if is_union(python_type):
        members = typing.get_args(python_type)
        rest = tuple(member for member in members if member is not types.NoneType)
        if rest and len(rest) < len(members):
            return typing.Union[rest]
    return python_type


def allows_none(python_type: Any) -> bool:
    """Tell whether ``None`` is a value of the type, looking through unions, aliases and ``Annotated``."""
    return _allows_none(python_type, frozenset())


def _allows_none(python_type: Any, aliases_seen: frozenset[int]) -> bool:
    if python_type is None or python_type is types.NoneType:
        return True
    if is_union(python_type):
        return any(_allows_none(member, aliases_seen) for member in typing.get_args(python_type))
    if is_annotated(python_type):
        return _allows_none(typing.get_args(python_type)[0], aliases_seen)
    if is_alias(python_type):
        # `type Json = dict[str, Json] | None` refers to itself
        if id(python_type) in aliases_seen:
            return False
        return _allows_none(alias_value(python_type), aliases_seen | {id(python_type)})
    if isinstance(python_type, typing.NewType):
        return _allows_none(python_type.__supertype__, aliases_seen)
    return False


def readings(python_type: Any) -> tuple[list[Any], list[Any]]:
    """Take a type apart, from the outside in.

    :return: each type it may be looked up as, the most particular first, and the extras found in
      ``Annotated`` on the way. ``Annotated[str, x] | None`` gives ``[Annotated[str, x], str]`` and ``[x]``.
    """
    found: list[Any] = []
    extras: list[Any] = []
    current = without_none(python_type)
    while True:
        found.append(current)
        if is_alias(current):
            inner = alias_value(current)
        elif is_annotated(current):
            extras.extend(current.__metadata__)
            inner = typing.get_args(current)[0]
        else:
            return found, extras
        current = without_none(inner)


def sql_type_of(python_type: Any, custom: TypeAnnotationMap) -> TypeEngine[Any] | None:
    """Return the SQL type for one Python type, or None.

    ``custom`` is asked before the defaults. A class is looked up along its bases, but what is found at
    a base serves only where the SQL type says so: an Enum for each of its classes, an ``Integer`` not
    for a subclass of ``int``. ``dict[...]`` and ``list[...]`` fall back to the entry of ``dict`` or ``list``.
    """
    for key, asked, matched in _lookups(python_type):
        entry = _get(custom, key)
        if entry is None:
            entry = _get(DEFAULT_TYPES, key)
        if entry is None:
            continue
        resolved = type_for_python_type(sqltypes.to_instance(entry), asked, key, matched)
        if resolved is not None:
            return resolved
    return None


_JSON_VALUES: tuple[Any, ...] = (str, int, float, bool, dict, list, object, Any, None, types.NoneType)


def _fits_json(python_type: Any) -> bool:
    """Tell whether JSON can hold values of the type, as far as the annotation says."""
    if python_type in _JSON_VALUES or is_literal(python_type) or typing_extensions.is_typeddict(python_type):
        return True
    if is_alias(python_type):
        return True  # it may name itself; who gives a type a name for this means data
    if is_annotated(python_type):
        return _fits_json(typing.get_args(python_type)[0])
    if is_union(python_type) or typing.get_origin(python_type) in (dict, list):
        return all(_fits_json(part) for part in typing.get_args(python_type))
    return False


def _get(type_map: TypeAnnotationMap, key: Any) -> Any:
    try:
        return type_map.get(key)
    except TypeError:  # Annotated[str, {}] has no hash, so nobody can have put it in a map
        return None


def _lookups(python_type: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield key to look up, Python type to ask the found SQL type about, and the type that key stands for."""
    if is_literal(python_type):
        for key in (python_type, *LITERALS):
            yield key, python_type, python_type
    elif typing.get_origin(python_type) is not None and hasattr(python_type, "__origin__"):
        origin = python_type.__origin__
        yield python_type, origin, origin
        # `list["Address"]` without relationship() must not pass for a column of JSON
        if origin in (dict, list) and all(_fits_json(part) for part in typing.get_args(python_type)):
            yield origin, origin, origin
    elif isinstance(python_type, type):
        for base in python_type.__mro__:
            yield base, python_type, base
    else:
        yield python_type, python_type, python_type
