"""Options of statements: how they count in a cache key, and where Core keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from sqlalchemy import SelectBase
from sqlalchemy.sql import visitors
from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.cache_key import NO_CACHE, HasCacheKey
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


def without_options(statement: Any, kind: type[Any]) -> Any:
    """Return a statement without its options of one class, so that Core's cache does not tell it by them."""
    options = options_since(statement)
    left = tuple([option for option in options if not isinstance(option, kind)])
    if len(left) == len(options):
        return statement
    new = statement._clone()
    new._with_options = left
    return new


class PlainOption(ExecutableOption):
    """An option for ``statement.options()`` that means nothing to Core."""


class StatementOption(ExecutableOption):
    """An option for ``statement.options()``: equal parts mean an equal effect on the statement's text."""

    _is_has_cache_key = True  # else Core leaves it out of the statement's cache key
    cacheable = True

    def cache_key_parts(self) -> tuple[Any, ...]:
        """Return what tells this option from another of its class; SQL expressions in it count with their values.

        (Not for :func:`key_for_any_values`.)
        """
        return ()

    def with_values(self, values: Mapping[str, Any]) -> StatementOption:
        """Return the option with other values for the parameters in it, by their keys."""
        return self

    def _gen_cache_key(self, anon_map: Any, bindparams: list[Any]) -> Any:
        apart = _apart.get()
        before = 0 if apart is None else len(apart)
        parts = _keyed(self.cache_key_parts(), anon_map, apart)
        if apart is not None:
            bindparams += apart[before:]
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


def key_for_any_values(statement: Any) -> tuple[Any, list[Any]]:
    """Return the cache key of a statement, None where it has none, and the parameters in its options.

    They are among those of the key, which is the same whatever their values are. Core's own is not: what it keeps
    under it has the options' criteria in it, in places that it knows nothing of.
    """
    found: tuple[Any, list[Any]] | None = statement.__dict__.get("_ropewalk_key")
    if found is None:
        apart: list[Any] = []
        token = _apart.set(apart)
        try:
            found = HasCacheKey._generate_cache_key(statement), apart
        finally:
            _apart.reset(token)
        statement._set_memoized_attribute("_ropewalk_key", found)  # forgotten by its copies, as Core's own key is
    return found


_apart: ContextVar[list[Any] | None] = ContextVar("ropewalk_options_values", default=None)


def _keyed(part: Any, anon_map: Any, apart: list[Any] | None) -> Any:
    """Return ``part`` with each SQL expression in it replaced by its cache key and the values of its parameters.

    :param apart: takes the parameters instead.
    """
    if type(part) is tuple or (isinstance(part, tuple) and hasattr(part, "_fields")):
        return tuple([_keyed(member, anon_map, apart) for member in part])
    if not isinstance(part, ClauseElement):
        return part
    binds: list[Any] = []
    key = part._gen_cache_key(anon_map, binds)
    if any(bind.callable is not None for bind in binds):
        anon_map[NO_CACHE] = True  # who knows what it will be
    if apart is not None and not has_subquery(part):  # whose joins by relationship have criteria of their own
        apart += binds
        return key
    values = [tuple(b.value) if type(b.value) is list else b.value for b in binds]
    return (key, *[(type(value), value) for value in values])


def has_subquery(element: Any) -> bool:
    """Whether there is a SELECT inside a statement or expression."""
    return any(isinstance(part, SelectBase) and part is not element for part in visitors.iterate(element))


def is_outermost(compiler: Any) -> bool:
    """Whether a compiler is about to compile the statement that it was made for, and nothing inside it."""
    return compiler is not None and not compiler.stack


def enclosing_options(compiler: Any) -> tuple[Any, ...]:
    """Return the options of the outermost statement that a compiler is at work on."""
    return options_of(getattr(compiler, "statement", None))
