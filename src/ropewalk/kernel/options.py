"""Options of statements: how they count in a cache key, and where Core keeps them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.cache_key import NO_CACHE
from sqlalchemy.sql.elements import ClauseElement


def options_of(statement: Any) -> tuple[Any, ...]:
    """Return the options that ``statement.options()`` was given."""
    given = tuple(getattr(statement, "_with_options", ()))
    for replaced in getattr(statement, "_memoized_select_entities", ()):  # with_only_columns() took them along
        given = (*replaced._with_options, *given)
    return given


def options_since(statement: Any) -> tuple[Any, ...]:
    """Return the options that a statement was given for the entities which it has now."""
    return tuple(getattr(statement, "_with_options", ()))


class PlainOption(ExecutableOption):
    """An option for ``statement.options()`` that means nothing to Core."""


class StatementOption(ExecutableOption):
    """An option for ``statement.options()``: equal parts mean an equal effect on the statement's text."""

    _is_has_cache_key = True  # else Core leaves it out of the statement's cache key
    cacheable = True

    def cache_key_parts(self) -> tuple[Any, ...]:
        """Return what tells this option from another of its class; SQL expressions in it count with their values."""
        return ()

    def _gen_cache_key(self, anon_map: Any, bindparams: list[Any]) -> Any:
        parts = _keyed(self.cache_key_parts(), anon_map)
        if not (self.cacheable and _can_be_compared(parts)):
            anon_map[NO_CACHE] = True
            return None
        return (type(self), parts)


def _can_be_compared(parts: Any) -> bool:
    try:
        hash(parts)
    except TypeError:  # a value such as a dictionary
        return False
    return True


def _keyed(part: Any, anon_map: Any) -> Any:
    """Return ``part`` with each SQL expression in it replaced by its cache key and the values of its parameters."""
    if type(part) is tuple or (isinstance(part, tuple) and hasattr(part, "_fields")):
        return tuple([_keyed(member, anon_map) for member in part])
    if not isinstance(part, ClauseElement):
        return part
    binds: list[Any] = []
    key = part._gen_cache_key(anon_map, binds)
    if any(bind.callable is not None for bind in binds):
        anon_map[NO_CACHE] = True  # who knows what it will be
    values = [tuple(b.value) if type(b.value) is list else b.value for b in binds]
    return (key, *[(type(value), value) for value in values])


def is_outermost(compiler: Any) -> bool:
    """Whether a compiler is about to compile the statement that it was made for, and nothing inside it."""
    return compiler is not None and not compiler.stack


def enclosing_options(compiler: Any) -> tuple[Any, ...]:
    """Return the options of the outermost statement that a compiler is at work on."""
    return options_of(getattr(compiler, "statement", None))
