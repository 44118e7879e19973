"""What a Query can be asked: criteria, order, groups, rows, joins, entities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import FromClause, text

from ..exc import ArgumentError, InvalidRequestError
from ..instrumentation.aliases import AliasedClass
from ..instrumentation.attributes import InstrumentedAttribute
from ..kernel.core import as_criterion, as_from, as_grouping, as_ordering, as_row_count, as_statement
from ..kernel.shortcuts import PLAIN_VALUES
from .query_names import attribute_in, mapped_class, namespace_of
from .query_pieces import Step
from .query_settings import QuerySettings

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


class QueryBuilder(QuerySettings[T]):
    """The methods of Query that say what is asked for; each returns another Query."""

    # -- criteria -----------------------------------------------------------------------------

    def filter(self, *criterion: Any) -> Self:
        """Keep only what meets all of the criteria: ``filter(User.name == "ed", User.id > 5)``.

        :raises InvalidRequestError: called after ``limit()`` or ``offset()``.
        """
        self._check_open("filter")
        return self._step("where", *map(as_criterion, criterion))

    def where(self, *criterion: Any) -> Self:
        """Keep only what meets all of the criteria; the same as :meth:`filter`."""
        return self.filter(*criterion)

    def filter_by(self, **kwargs: Any) -> Self:
        """Keep only what has these values in attributes of the class last joined, or of the first one.

        :raises InvalidRequestError: there is no such attribute, or ``limit()`` came before.
        """
        self._check_open("filter_by")
        mapper = self._mapper
        if self._plain and mapper is not None and mapper.column_props.keys() >= kwargs.keys():
            values = tuple(kwargs.values())
            types = tuple(map(type, values))
            if PLAIN_VALUES.issuperset(types):
                new = object.__new__(type(self))
                pieces = new.__dict__
                pieces.update(self.__dict__)
                # the types decide on the parameters' types, hence on the statement
                pieces["_steps"] = (*self._steps, ("filter_by", (mapper.class_, *kwargs), types))
                pieces["_values"] = self._values + values
                return new
        namespace = self._filter_by_namespace()
        return self._step("where", *(attribute_in(namespace, name) == value for name, value in kwargs.items()))

    def _filter_by_namespace(self) -> Any:
        if self._joined is not None:
            return namespace_of(self._joined)
        if self._from:
            return namespace_of(self._from[0])
        if not self._entities:
            raise InvalidRequestError("filter_by() needs a query of something: session.query() was given nothing.")
        return namespace_of(self._entities[0])

    def having(self, *having: Any) -> Self:
        """Keep only the groups that meet all of the criteria."""
        self._check_open("having")
        return self._step("having", *map(as_criterion, having))

    # -- order, groups, rows ----------------------------------------------------------------------

    def order_by(self, *clauses: Any) -> Self:
        """Order by these expressions, after those given before; ``None`` alone cancels all order.

        :raises InvalidRequestError: called after ``limit()`` or ``offset()``.
        """
        self._check_open("order_by")
        if not clauses:
            return self._copy(_plain=self._plain)
        if self._plain and all(type(c) is InstrumentedAttribute and c.parent is self._mapper for c in clauses):
            return self._copy(_steps=(*self._steps, ("order_by", clauses, ())), _plain=True)
        if len(clauses) == 1 and (clauses[0] is None or clauses[0] is False):
            return self._copy(_steps=self._steps_without("order_by"))
        return self._step("order_by", *(c if type(c) is InstrumentedAttribute else as_ordering(c) for c in clauses))

    def group_by(self, *clauses: Any) -> Self:
        """Group by these expressions, beside those given before; ``None`` alone cancels all groups.

        :raises InvalidRequestError: called after ``limit()`` or ``offset()``.
        """
        self._check_open("group_by")
        if len(clauses) == 1 and (clauses[0] is None or clauses[0] is False):
            return self._copy(_steps=self._steps_without("group_by"))
        return self._step("group_by", *map(as_grouping, clauses)) if clauses else self._copy()

    def _steps_without(self, name: str) -> tuple[Step, ...]:
        return tuple(step for step in self._steps if step[0] != name)

    def distinct(self, *expr: Any) -> Self:
        """Give no row twice; with expressions (PostgreSQL) no two that agree in these."""
        self._check_no_statement("distinct")
        return self._step("distinct", *expr)

    def limit(self, limit: Any) -> Self:
        """Give so many rows at most; ``None`` for all of them."""
        self._check_no_statement("limit")
        if type(limit) is not int and limit is not None:
            return self._copy(_limit=as_row_count(limit))
        return self._copy(_limit=limit, _plain=self._plain)

    def offset(self, offset: Any) -> Self:
        """Leave out so many rows first; ``None`` for no one."""
        self._check_no_statement("offset")
        if type(offset) is not int and offset is not None:
            return self._copy(_offset=as_row_count(offset))
        return self._copy(_offset=offset, _plain=self._plain)

    def slice(self, start: int | None, stop: int | None) -> Self:
        """Give the rows from ``start`` up to ``stop`` of those that the query gives now."""
        self._check_no_statement("slice")
        limit, offset = self._limit, self._offset
        if stop is not None:
            limit = stop if start is None else stop - start
        if start is not None and not (type(start) is int and start == 0):
            offset = start if offset is None else offset + start
        if not all(bound is None or type(bound) is int for bound in (limit, offset)):
            return self.limit(limit).offset(offset)
        return self._copy(_limit=limit, _offset=offset, _plain=self._plain)

    # -- where rows come from ---------------------------------------------------------------------

    def select_from(self, *from_obj: Any) -> Self:
        """Say explicitly what to select from, and so what the first ``join()`` starts at.

        :raises InvalidRequestError: there are criteria already.
        """
        self._check_no_criteria("select_from")
        return self._copy(_from=tuple(map(as_from, from_obj)))

    def join(self, target: Any, onclause: Any = None, *, isouter: bool = False, full: bool = False) -> Self:
        """Join a relationship, a table, a mapped class, an alias or a subquery.

        :param onclause: the condition; the foreign key between the two where none is given.
        :param isouter: keep rows that meet nothing there.
        :param full: keep the rows of either side that meet nothing on the other.
        :raises InvalidRequestError: called after ``limit()`` or ``offset()``.
        """
        self._check_open("join")
        if isinstance(target, type) and not mapped_class(target):
            raise ArgumentError(f"{target!r} cannot be joined: it is neither mapped nor a FROM clause.")
        new = self._step("join", target, onclause, isouter=isouter, full=full)
        relation = getattr(target, "target_entity", None)
        new._joined = target if relation is None else relation.entity
        return new

    def outerjoin(self, target: Any, onclause: Any = None, *, full: bool = False) -> Self:
        """Join, and keep rows that meet nothing there; see :meth:`join`."""
        return self.join(target, onclause, isouter=True, full=full)

    def reset_joinpoint(self) -> Self:
        """Let ``filter_by`` mean the first entity again."""
        self._check_no_statement("reset_joinpoint")
        return self._copy(_joined=None)

    def correlate(self, *fromclauses: Any) -> Self:
        """As a subquery, take these FROM clauses from the enclosing statement; ``None`` for no one."""
        if fromclauses and (fromclauses[0] is None or fromclauses[0] is False):
            return self._step("correlate", None)
        return self._step("correlate", *fromclauses)

    def from_statement(self, statement: Any) -> Any:
        """Take the rows from a complete statement: ``text("SELECT ...")``, a SELECT, or a string of SQL.

        :raises InvalidRequestError: there are criteria already, for nothing could be done with them.
        """
        self._check_no_criteria("from_statement")
        return self._copy(_statement=as_statement(text(statement) if isinstance(statement, str) else statement))

    # -- what is asked for ----------------------------------------------------------------------------

    def with_entities(self, *entities: Any) -> Any:
        """Ask for something else, under the same criteria."""
        new = self._copy()
        new._set_entities(entities)
        if any(name == "join" for name, _, _ in self._steps):  # which start at what was asked for before
            new._first_entities = self._first_entities or self._entities
            new._steps = (*self._steps, ("with_only_columns", new._entities, ()))
        return new

    def add_columns(self, *column: Any) -> Any:
        """Ask for these expressions too."""
        new = self._copy()
        new._set_entities((*self._entities, *column))
        return new

    def add_column(self, column: Any) -> Any:
        """Ask for this expression too (the old name of :meth:`add_columns`)."""
        return self.add_columns(column)

    def add_entity(self, entity: Any, alias: FromClause | None = None) -> Any:
        """Ask for this class too.

        :param alias: a FROM clause to read it from.
        """
        if alias is not None:
            entity = AliasedClass(entity.__mapper__, alias)
        return self.add_columns(entity)

    def only_return_tuples(self, value: bool) -> Any:
        """Give rows, even of a single class."""
        return self._copy(_rows_only=value)

    def tuples(self) -> Any:
        """Give rows, even of a single class (an old name: a Row is a tuple)."""
        return self.only_return_tuples(True)

    def with_transformation(self, fn: Callable[[Any], Any]) -> Any:
        """Return what ``fn`` makes of this query."""
        return fn(self)
