"""What Core's Select keeps of ``join(User.orders)``: private pieces, beside those in ``core.py``.

Core takes whatever claims to be a target of joins, keeps it, and leaves it to the compile-state plugin
to make plain joins of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.sql import roles
from sqlalchemy.sql.elements import ClauseElement

from .core import CacheKeyed, SelectState, entity_of, propagated


class JoinTarget(roles.JoinTargetRole, CacheKeyed):
    """What ``Select.join()`` takes as it is, to be replaced when the statement is compiled."""

    if TYPE_CHECKING:
        parent: Any

    def cache_key_parts(self) -> tuple[Any, ...]:
        """Return what tells this target from another, with the SQL expressions that it brings into the join."""
        return (self,)

    def _gen_cache_key(self, anon_map: Any, bindparams: list[Any]) -> Any:
        return tuple(_keyed(part, anon_map, bindparams) for part in self.cache_key_parts())

    @property
    def _propagate_attrs(self) -> Any:
        return propagated(self.parent)


def _keyed(part: Any, anon_map: Any, bindparams: list[Any]) -> Any:
    if isinstance(part, tuple):
        return tuple(_keyed(member, anon_map, bindparams) for member in part)
    return part._gen_cache_key(anon_map, bindparams) if isinstance(part, ClauseElement) else part


def setup_joins(statement: Any) -> tuple[Any, ...]:
    """Return the joins of a SELECT as ``join()`` left them."""
    return tuple(statement._setup_joins) + tuple(
        join for memoized in statement._memoized_select_entities for join in memoized._setup_joins
    )


def has_join_targets(statement: Any) -> bool:
    """Whether some join of a SELECT is not spelled out yet."""
    return any(isinstance(join[0], JoinTarget) or isinstance(join[1], JoinTarget) for join in setup_joins(statement))


def with_joins_replaced(statement: Any, replace: Callable[[Any, Any, Any, bool, bool], Sequence[Any]]) -> Any:
    """Return a SELECT with each of its joins replaced.

    :param replace: is given target, condition, left side, ``isouter`` and ``full`` of a join, and returns
        any number of ``(left, right, condition)``.
    """

    def replaced(joins: Any) -> Any:
        return tuple(
            (right, onclause, left, flags)
            for target, condition, from_, flags in joins
            for left, right, onclause in replace(target, condition, from_, flags["isouter"], flags["full"])
        )

    new = statement._clone()
    new.__dict__.pop("_generate_cache_key", None)
    new._setup_joins = replaced(statement._setup_joins)
    memoized = []
    for before in statement._memoized_select_entities:  # the joins that with_only_columns() found in its way
        after = before._clone()
        after._setup_joins = replaced(before._setup_joins)
        memoized.append(after)
    new._memoized_select_entities = tuple(memoized)
    return new


def from_objects_of(statement: Any) -> tuple[Any, ...]:
    """Return what ``select_from()`` was given."""
    return tuple(statement._from_obj)


def with_from_objects(statement: Any, elements: Sequence[Any]) -> Any:
    """Return the same SELECT from other FROM clauses."""
    new = statement._clone()
    new.__dict__.pop("_generate_cache_key", None)
    new._from_obj = tuple(elements)
    return new


def where_criteria_of(statement: Any) -> tuple[Any, ...]:
    """Return what ``where()`` was given."""
    return tuple(statement._where_criteria)


class NamedByEntity(SelectState):
    """The compile state of a SELECT whose ``filter_by()`` looks names up in its entities.

    SQLAlchemy 2.1 asks a statement's plugin where to look; left alone, it looks for the names
    of ``select(User.id)`` among the table's columns. 2.0 asks the column itself.
    """

    @classmethod
    def _get_filter_by_entities(cls, statement: Any) -> Any:
        found = set(super()._get_filter_by_entities(statement))  # type: ignore[misc,unused-ignore]
        for column in statement._raw_columns:
            if (entity := entity_of(column)) is not None:
                found.difference_update(column._from_objects)
                found.add(entity)
        return {_namespace(thing) for thing in found}

    @classmethod
    def determine_last_joined_entity(cls, statement: Any) -> Any:
        """Where SQLAlchemy 2.0 looks the names up that follow a join."""
        joins = statement._setup_joins
        return _namespace(joins[-1][0]) if joins else None


def _namespace(thing: Any) -> Any:
    if isinstance(thing, JoinTarget):
        return thing.target_entity  # type: ignore[attr-defined]
    return thing if (entity := entity_of(thing)) is None else entity
