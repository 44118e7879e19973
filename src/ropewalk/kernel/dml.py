"""What INSERT, UPDATE and DELETE statements of mapped classes need of Core's private names.

It belongs to ``core.py`` and stands apart for its length. Core lets a compile-state plugin say what
the keys of ``values()`` mean and what RETURNING gives, but has no public way to read a statement's parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import DeleteDMLState, InsertDMLState, UpdateDMLState

__all__ = ["DeleteState", "InsertState", "UpdateState"]


class ByAttribute:
    """A compile state of a statement whose values may be named by attributes."""

    @classmethod
    def pairs_of(cls, statement: Any, key: Any, value: Any) -> list[tuple[Any, Any]]:
        """Return the columns, with their values, that one item of ``values()`` means."""
        return [(key, value)]

    @classmethod
    def expanded(cls, statement: Any) -> Any:
        """Return the statement with the columns of its entities in RETURNING."""
        return statement

    @classmethod
    def _get_crud_kv_pairs(cls, statement: Any, kv_iterator: Iterable[Any], needs_to_be_cacheable: bool) -> Any:
        pairs = [pair for key, value in kv_iterator for pair in cls.pairs_of(statement, key, value)]
        return super()._get_crud_kv_pairs(statement, pairs, needs_to_be_cacheable)  # type: ignore[misc]

    @classmethod
    def _get_multi_crud_kv_pairs(cls, statement: Any, multi_kv_iterator: Iterable[Any]) -> Any:
        rows = [
            dict(pair for key, value in row.items() for pair in cls.pairs_of(statement, key, value))
            for row in multi_kv_iterator
        ]
        return super()._get_multi_crud_kv_pairs(statement, rows)  # type: ignore[misc]


class InsertState(ByAttribute, InsertDMLState):
    def __init__(self, statement: Any, compiler: Any, **kw: Any) -> None:
        super().__init__(self.expanded(statement), compiler, **kw)


class UpdateState(ByAttribute, UpdateDMLState):
    def __init__(self, statement: Any, compiler: Any, **kw: Any) -> None:
        super().__init__(self.expanded(statement), compiler, **kw)


class DeleteState(ByAttribute, DeleteDMLState):
    def __init__(self, statement: Any, compiler: Any, **kw: Any) -> None:
        super().__init__(self.expanded(statement), compiler, **kw)


# -- the parts of a statement ------------------------------------------------------


def returning_of(statement: Any) -> tuple[Any, ...]:
    """Return what stands in RETURNING, as it was given."""
    return tuple(statement._returning)


def with_returning(statement: Any, columns: Sequence[Any]) -> Any:
    """Return the same statement with another RETURNING clause."""
    new = statement._clone()
    new._returning = tuple(columns)
    new.__dict__.pop("_generate_cache_key", None)
    return new


def has_many_values(statement: Any) -> bool:
    """Whether an INSERT was given several rows by ``values([...])``, or takes them from a SELECT."""
    return bool(statement._multi_values) or getattr(statement, "select", None) is not None


def values_of(statement: Any) -> list[tuple[Any, Any]]:
    """Return what ``values()`` or ``ordered_values()`` was given: column or name, and expression."""
    ordered = getattr(statement, "_ordered_values", None)  # of SQLAlchemy 2.0
    return list(ordered) if ordered else list((getattr(statement, "_values", None) or {}).items())


def has_ordered_values(statement: Any) -> bool:
    """Whether an UPDATE was given ``ordered_values()``."""
    return bool(getattr(statement, "_ordered_values", None) or getattr(statement, "_maintain_values_ordering", False))


def criteria_of(statement: Any) -> tuple[Any, ...]:
    """Return the criteria of an UPDATE or DELETE."""
    return tuple(getattr(statement, "_where_criteria", ()))


def returns_defaults(statement: Any) -> bool:
    """Whether ``return_defaults()`` was called, which RETURNING excludes."""
    return bool(statement._return_defaults)


def resolved_lambda(statement: Any) -> Any:
    """Return the statement that a ``lambda_stmt()`` stands for, with this call's own values."""
    return statement._resolved


def is_upsert(statement: Any) -> bool:
    """Whether an INSERT has an ON CONFLICT or ON DUPLICATE KEY clause."""
    return getattr(statement, "_post_values_clause", None) is not None


def sorts_rows(statement: Any) -> bool:
    """Whether the rows of RETURNING shall stand in the order of the parameters."""
    return bool(getattr(statement, "_sort_by_parameter_order", False))


def parameter_names(statement: Any) -> set[str]:
    """Return the names of the parameters that a program has put into a statement with ``bindparam()``."""
    found = set()
    for value in (*criteria_of(statement), *(v for _, v in values_of(statement))):
        if not hasattr(value, "get_children"):
            continue
        for part in visitors.iterate(value):
            if isinstance(part, BindParameter) and not part.unique:
                found.add(part.key)
    return found
