"""What Core would answer again, without asking it again.

Core works everything out anew for each statement: what an operator means for a type, what
a value becomes, which statement in its cache this one equals. For what programs ask most,
all that follows from a few identities and types. Here the first answer, which Core itself
gave, is copied for the next value. Where Core is not as expected, or the case is not a
plain one, there is no copy, and Core is asked.

    ``User.x == 5``                     6.5 → 1.4 µs
    ``.limit(20)``                      3.3 → 0.9 µs
    the cache key of a small SELECT     8.4 → 1.4 µs
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, UnaryExpression
from sqlalchemy.types import TypeDecorator

from .core import OffsetLimitParam, anonymous_label

_new = object.__new__

# -- comparisons -----------------------------------------------------------------------

PLAIN_VALUES = frozenset(
    {int, str, bytes, float, Decimal, UUID, datetime.date, datetime.datetime, datetime.time, datetime.timedelta}
)


def comparison_copier(comparison: Any, value: Any) -> Callable[[Any], Any] | None:
    """Return what makes ``comparison``, which has just been made with ``value``, with another value of that type.

    None where a copy might not be what Core would make: for a column of a type that Core does not
    bring itself, and unless the value became one parameter of the column's own type.
    """
    left, right = getattr(comparison, "left", None), getattr(comparison, "right", None)
    if type(comparison) is not BinaryExpression or type(right) is not BindParameter or left is None:
        return None
    if type(value) not in PLAIN_VALUES or right.value is not value or right.type is not left.type or not right.unique:
        return None
    if not type(left.type).__module__.startswith("sqlalchemy.") or isinstance(left.type, TypeDecorator):
        return None
    whole, parameter = dict(comparison.__dict__), dict(right.__dict__)
    if not (_COPIED_WHOLE <= whole.keys() and _COPIED_PARAMETER <= parameter.keys()):
        return None
    _, _, name = right.key[2:-2].partition(" ")  # "%(140592 name)s": an identity and what it is the name of
    return _copier(whole, parameter, hash(left), name)


_COPIED_WHOLE = {"left", "right", "_orig"}
_COPIED_PARAMETER = {"key", "value", "_identifying_key"}


def _copier(whole: Any, parameter: Any, left: int, name: str) -> Callable[[Any], Any]:
    def copy(value: Any) -> Any:
        right = _parameter_like(BindParameter, parameter, name, value)
        copied = _new(BinaryExpression)
        held = copied.__dict__
        held.update(whole)
        held["right"] = right
        held["_orig"] = (left, hash(right))
        return copied

    return copy


def _parameter_like(class_: Any, held: Any, name: str, value: Any) -> Any:
    """Return a parameter that holds the same, but for its value and a name that no other living one has."""
    parameter = _new(class_)
    own = parameter.__dict__
    own.update(held)
    seed = f"{id(parameter)} {name}"
    own["key"] = own["_identifying_key"] = anonymous_label(f"%({seed})s")
    if "_anon_map_key" in held:  # since 2.1
        own["_anon_map_key"] = seed
    own["value"] = value
    return parameter


# -- row counts ------------------------------------------------------------------------

_COUNT = dict(select().limit(1).__dict__["_limit_clause"].__dict__)


def row_count(number: int) -> Any:
    """Return what ``limit()`` and ``offset()`` make of a number that fits 32 bits."""
    return _parameter_like(OffsetLimitParam, _COUNT, "param", number)


def copied(statement: Any) -> Any:
    """Return a copy of a Select, as each of its methods makes one."""
    return statement._generate()


def extended(statement: Any, name: str, piece: Any) -> Any:
    """Return a copy of a Select with one piece set; a tuple is added to what is there."""
    new = statement._generate()
    held = new.__dict__
    held[name] = held.get(name, ()) + piece if type(piece) is tuple else piece
    return new


# -- cache keys ------------------------------------------------------------------------


def shape_of(statement: Any) -> tuple[Any, list[Any]] | None:
    """Return ``(key, bindparams)`` of a simple SELECT, or None: a cache key for a quarter of Core's price.

    Simple is what programs ask most: one mapped class; criteria of the form *attribute
    operator value*; order by attributes; limit and offset. All of it is read off the
    statement's own dictionary; with anything else in there the statement is not simple.

    Columns are identified by their ``id()``, so whoever keeps the key must keep the statement.
    """
    held = statement.__dict__
    if not _SIMPLE.issuperset(held):
        return None
    (first, *more) = held["_raw_columns"]
    entity = first._annotations.get("parententity")
    if more or entity is None or not first.is_selectable or held.get("_fetch_clause") is not None:
        return None
    key: list[Any] = [entity, held["_label_style"], held.get("_distinct", False)]
    binds = []
    for criterion in held.get("_where_criteria", ()):
        if type(criterion) is not BinaryExpression or criterion.modifiers:
            return None
        left, right = criterion.left, criterion.right
        if type(right) is not BindParameter or right.type is not left.type or "proxy_key" not in left._annotations:
            return None
        if not right.unique or right.callable or right.expanding or right.literal_execute or right.required:
            return None
        key += id(left), criterion.operator
        binds.append(right)
    key.append("order")
    for clause in held.get("_order_by_clauses", ()):
        if type(clause) is UnaryExpression and clause.operator is None:
            key.append(clause.modifier)
            clause = clause.element
        if "proxy_key" not in clause._annotations:
            return None
        key.append(id(clause))
    for name in ("_limit_clause", "_offset_clause"):
        count = held.get(name)
        if count is None:
            key.append(None)
        elif type(count) is OffsetLimitParam:
            key.append(type(count.type))
            binds.append(count)
        else:
            return None
    return tuple(key), binds


_SIMPLE = frozenset(
    {
        "_raw_columns", "_propagate_attrs", "_label_style", "_execution_options", "_distinct", "_where_criteria",
        "_order_by_clauses", "_limit_clause", "_offset_clause", "_fetch_clause", "_fetch_clause_options",
    }
)  # fmt: skip
