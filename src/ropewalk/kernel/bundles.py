"""Several expressions in one place of a statement: a list of clauses that bears the mark of its bundle.

It belongs to ``core.py``: Core carries such a list through SELECT, ORDER BY and RETURNING, and its columns one by one
into the SQL. What the statement gives back is put together by ``loading/grouping.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ClauseList

from .core import propagated


def bundled(bundle: Any, clauses: Sequence[Any], subject: Any) -> Any:
    """Return the clauses as one, marked as those of ``bundle``.

    :param subject: the entity that a statement of it deals with.
    """
    clause = ClauseList._construct_raw(operators.comma_op, clauses)
    clause.group = False
    annotated: Any = clause._annotate({"bundle": bundle, "entity_namespace": bundle})
    annotated._propagate_attrs = propagated(subject)
    return annotated


def bundle_of(clause: Any) -> Any:
    """Return the bundle that a clause stands for, or None."""
    annotations = getattr(clause, "_annotations", None)
    return annotations.get("bundle") if annotations else None


def unbundled(clause: Any) -> Iterator[Any]:
    """Yield the columns of a bundle's clause, those of bundles in it included; or the clause itself."""
    if bundle_of(clause) is None:
        yield clause
        return
    for part in clause.clauses:
        yield from unbundled(part)
