"""Telling values that are SQL, for the database to compute, from plain ones."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from sqlalchemy.sql import ClauseElement

from ..state.mutable import ATOMS

PLAIN = ATOMS | {dict, list}
"""Types of which it is known that no value of theirs is SQL."""


def is_expression(value: Any) -> bool:
    """Whether a value is SQL."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


def rows_with_expressions(rows: Iterable[tuple[Any, ...]]) -> set[int]:
    """Return the places of the rows that hold a value that is SQL.

    To ask each value would cost more than to insert it. The types of all values are few.
    """
    found = set(map(type, chain.from_iterable(rows)))
    if found <= PLAIN:
        return set()
    suspects = {
        class_ for class_ in found - PLAIN if issubclass(class_, ClauseElement) or hasattr(class_, "__clause_element__")
    }
    if not suspects:
        return set()
    return {i for i, row in enumerate(rows) if not suspects.isdisjoint(map(type, row))}
