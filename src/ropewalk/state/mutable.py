"""Values that can change in place: JSON, arrays, pickles.

A copy is kept beside each such value when it is loaded or flushed, and compared at the
next flush. No wrapper type is needed, and a value put back is no change.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .instance import InstanceState

ATOMS: frozenset[type] = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        decimal.Decimal,
        datetime.date,
        datetime.time,
        datetime.datetime,
        datetime.timedelta,
        uuid.UUID,
    }
)
"""Types of which no value can change in place, or is SQL."""


def is_atom(value: Any) -> bool:
    """Whether ``value`` cannot change in place."""
    return type(value) in ATOMS or isinstance(value, enum.Enum)


def copied(value: Any) -> Any:
    """Copy what can change in place, all the way down; JSON-like values without ``deepcopy``'s cost."""
    cls = type(value)
    if cls in ATOMS:
        return value
    if cls is dict:
        return {key: copied(item) for key, item in value.items()}
    if cls is list:
        return [copied(item) for item in value]
    return copy.deepcopy(value)


def watch(state: InstanceState, key: str, value: Any) -> None:
    """Keep a copy of ``value``, just loaded or flushed, if it can change in place."""
    if is_atom(value):
        if state.mutables is not None:
            state.mutables.pop(key, None)
        return
    try:
        twin = copied(value)
    except Exception:  # what cannot be copied cannot be watched; a write to the attribute is still seen
        return
    if state.mutables is None:
        state.mutables = {}
    state.mutables[key] = (value, twin)
    if state.owner is not None:
        state.owner.watched[state] = None


def changed_in_place(state: InstanceState) -> Iterator[str]:
    """Yield the attributes whose value differs from its copy."""
    committed = state.committed
    held = state.dict
    for key, (value, twin) in (state.mutables or {}).items():
        if committed is not None and key in committed:
            continue
        if held.get(key) is value and not same(state, key, value, twin):
            yield key


def same(state: InstanceState, key: str, a: Any, b: Any) -> bool:
    """Compare two values of an attribute as its column type compares them."""
    try:
        return bool(state.mapper.column_props[key].type.compare_values(a, b))
    except Exception:  # such as an array that has no truth value: let it be written
        return False
