"""An object in a SQL condition: its key in place of the columns of its table."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from sqlalchemy import and_, bindparam

from ..exc import SAWarning
from ..kernel.core import marks_of, unmarked
from ..kernel.symbols import NO_VALUE
from ..mapping.marks import only_marks, replace_columns
from .references import instance_state


def values_of(instance: Any, condition: Any, is_theirs: Callable[[Any], bool]) -> Any:
    """Return ``condition`` with the object's values in place of the columns for which ``is_theirs`` answers so.

    A value is asked for when the statement runs, so that an object may be compared with before it
    was flushed, as long as it is flushed by then.
    """
    mapper = type(instance).__mapper__
    binds: dict[Any, Any] = {}

    def replace(column: Any) -> Any:
        if not is_theirs(column):
            return None
        plain = unmarked(column)
        if plain not in binds:
            key = mapper.get_property_by_column(plain).key
            binds[plain] = bindparam(None, callable_=value_when_run(instance, key), type_=plain.type, unique=True)
        return binds[plain]

    return replace_columns(condition, replace)


def members_condition(instance: Any, prop: Any) -> Any:
    """Return the condition for rows that are at the other end of relationship ``prop`` of ``instance``."""
    parts = [values_of(instance, prop.primaryjoin, lambda column: "local" in marks_of(column))]
    if prop.secondaryjoin is not None:
        parts.append(prop.secondaryjoin)
    return and_(*[only_marks(part, frozenset()) for part in parts])


def value_when_run(instance: Any, key: str) -> Callable[[], Any]:
    """Return what gives the value of an attribute when a statement runs."""
    return lambda: _value(instance, key)


def _value(instance: Any, key: str) -> Any:
    """Return the value that the object's row has, as far as it is known."""
    state = instance_state(instance)
    found = state.original(key)
    if found is NO_VALUE:
        keys = state.mapper.pk_keys
        if state.owner is None and state.pk is not None and key in keys:
            found = (state.identity or ())[keys.index(key)]  # known even where nothing can be loaded
        else:
            found = getattr(instance, key)
    if found is None:
        warnings.warn(
            f"{state.describe()} has no value for {key!r} yet and is equal to no row. Flush it before it is compared "
            f"with, or compare with None.",
            SAWarning,
            stacklevel=2,
        )
    return found
