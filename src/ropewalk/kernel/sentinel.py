"""Insert sentinels: columns by which Core matches the rows that RETURNING gives with those it has inserted.

Core keeps what a column is in this respect under private names, for its own ORM.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column


def is_insert_sentinel(column: Any) -> bool:
    """Tell whether a column is marked as the sentinel of its table."""
    return bool(getattr(column, "_insert_sentinel", False))


def is_left_out(column: Any) -> bool:
    """Tell whether a column is in the table alone: a sentinel that statements leave out, or one declared so."""
    return bool(getattr(column, "_omit_from_statements", False) or getattr(column, "_ropewalk_unmapped", False))


def mark_unmapped(column: Any) -> None:
    """Let a column be in the table alone, with no attribute of the mapped class."""
    column._ropewalk_unmapped = True


def counts_for_sentinel(default: Any) -> bool:
    """Tell whether a column's default is Core's own count of rows, which it makes only where it needs one."""
    return bool(getattr(default, "is_sentinel", False))


def take_sentinel(source: Column[Any], target: Column[Any]) -> None:
    """Mark ``target`` as ``source`` is; Core's merging of columns forgets it.

    It goes before the default, which Core gives only to a nullable column that is marked.
    """
    if is_insert_sentinel(source):
        target._insert_sentinel = True
        target._omit_from_statements = source._omit_from_statements
        if counts_for_sentinel(source.default):
            target.nullable = True
