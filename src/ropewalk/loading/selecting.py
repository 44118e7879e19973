"""``select()``: Core's own Select, built faster where it is of mapped classes.

A small SELECT of an entity costs Core 11 µs to put together, most of it spent on finding
out what each argument may be. Mapped attributes, comparisons and whole numbers are what
they are; here they go straight to where Core would put them. Everything else, and every
other method, is Core's. So ``sqlalchemy.select`` may be used as well: it only takes longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select
from sqlalchemy.sql.elements import BinaryExpression

from ..instrumentation.attributes import InstrumentedAttribute
from ..kernel.shortcuts import copied, extended, row_count
from .along import join_along, relationship_in

_MOST = 2**31  # a number beyond has another type to Core


class EntitySelect(Select):  # type: ignore[type-arg]
    """A SELECT as ``ropewalk.select()`` makes it."""

    inherit_cache = True

    def where(self, *whereclause: Any) -> Any:
        """Add criteria; see Core's ``Select.where``."""
        for criterion in whereclause:
            if type(criterion) is not BinaryExpression or not self._propagate_attrs:
                return super().where(*whereclause)
        return extended(self, "_where_criteria", whereclause)

    def order_by(self, *clauses: Any) -> Any:
        """Add to the order; see Core's ``Select.order_by``."""
        for clause in clauses:
            if type(clause) is not InstrumentedAttribute or not self._propagate_attrs:
                return super().order_by(*clauses)
        return extended(self, "_order_by_clauses", tuple([clause.expression for clause in clauses]))

    def join(self, target: Any, onclause: Any = None, *, isouter: bool = False, full: bool = False) -> Any:
        """Join a relationship, such as ``User.orders``, or whatever Core's ``Select.join`` takes."""
        attribute = relationship_in(target, onclause)
        if attribute is None:
            return super().join(target, onclause, isouter=isouter, full=full)
        return join_along(self, attribute, target, onclause, isouter, full)

    def join_from(
        self, from_: Any, target: Any, onclause: Any = None, *, isouter: bool = False, full: bool = False
    ) -> Any:
        """Join a relationship to a FROM clause that is named; see Core's ``Select.join_from``."""
        attribute = relationship_in(target, onclause)
        if attribute is None:
            return super().join_from(from_, target, onclause, isouter=isouter, full=full)
        return join_along(self, attribute, target, onclause, isouter, full)

    def limit(self, limit: Any) -> Any:
        """Give so many rows at most; see Core's ``Select.limit``."""
        if type(limit) is int and -_MOST < limit < _MOST and self._fetch_clause is None:
            return extended(self, "_limit_clause", row_count(limit))
        return super().limit(limit)

    def offset(self, offset: Any) -> Any:
        """Leave out so many rows first; see Core's ``Select.offset``."""
        if type(offset) is int and -_MOST < offset < _MOST:
            return extended(self, "_offset_clause", row_count(offset))
        return super().offset(offset)


if TYPE_CHECKING:
    from sqlalchemy import select as select
else:

    def select(*entities: Any) -> EntitySelect:
        """Return a SELECT of mapped classes, attributes, columns and SQL expressions.

        :raises ArgumentError: something is neither mapped nor a SQL expression.
        """
        if len(entities) == 1 and isinstance(entities[0], type):
            mapper = entities[0].__dict__.get("__mapper__")
            if mapper is not None:
                # what programs select most; each call gets a copy of the first one's statement
                try:
                    return copied(mapper._select)
                except AttributeError:
                    mapper._select = EntitySelect(*entities)
        return EntitySelect(*entities)
