"""A statement with other values for its parameters, where Core is to execute it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select
from sqlalchemy.sql import visitors

from .core import keys_of_bind
from .joins import JoinTarget, setup_joins
from .options import options_since


def with_values(statement: Any, values: Mapping[str, Any] | None) -> Any:
    """Return a copy of a statement or expression whose parameters have these values, by key.

    Without values it is the statement itself. A parameter that was copied into another place is known by the key that
    it was copied from, too.
    """
    if not values:
        return statement

    def put(bind: Any) -> None:
        for key in keys_of_bind(bind):
            if key in values:
                bind.value = values[key]
                return

    # what a join() of its subqueries was given stays as it is, for whoever will spell it out
    selects = [part for part in visitors.iterate(statement) if isinstance(part, Select)]
    targets = [one for select in selects for join in setup_joins(select) for one in join[:2]]
    kept = [one for one in targets if isinstance(one, JoinTarget)]
    how = {"maintain_key": True, "detect_subquery_cols": True, "stop_on": kept}
    new = visitors.cloned_traverse(statement, how, {"bindparam": put})
    if options := options_since(new):
        new._with_options = tuple(o.with_values(values) if hasattr(o, "with_values") else o for o in options)
    return new
