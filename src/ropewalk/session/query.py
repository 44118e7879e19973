"""``session.query(...)``: a statement built by calls, and executed by asking for its result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sqlalchemy import CTE, Exists, Label, ScalarSelect, Subquery, exists, func, literal_column, select
from sqlalchemy import except_ as core_except
from sqlalchemy import except_all as core_except_all
from sqlalchemy import intersect as core_intersect
from sqlalchemy import intersect_all as core_intersect_all
from sqlalchemy import union as core_union
from sqlalchemy import union_all as core_union_all
from sqlalchemy.event import dispatcher
from sqlalchemy.sql.selectable import SelectLabelStyle

from ..exc import InvalidRequestError, MultipleResultsFound, NoResultFound, UnboundExecutionError
from ..kernel.bundles import bundle_of
from ..kernel.core import as_column_element, entity_of
from ..kernel.listening import forget_silent
from ..kernel.names import LEGACY
from ..loading.describing import described
from ..loading.entities import entity_in
from ..loading.from_statement import FromStatement
from ..loading.joining import expand
from . import query_bulk, reading
from .query_build import QueryBuilder
from .query_events import QueryEvents
from .query_plans import plan_of, values_of
from .query_select import DEFAULT_STYLE, TABLE_AND_COLUMN, select_of

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")

_NO_ROW = object()


class Query(QueryBuilder[T]):
    """What ``session.query(User)`` returns; each call on it returns another Query.

    ::

        for user in session.query(User).filter_by(name="ed").order_by(User.id):
            print(user.fullname)

    A query of one mapped class gives objects, each once; any other gives rows.

    :param entities: mapped classes, attributes and SQL expressions; one, or a sequence of them.
    :param session: where to execute it; ``with_session()`` can say so later.
    """

    dispatch: Any = dispatcher(QueryEvents)
    _heard: ClassVar[frozenset[str] | None] = None  # the names of the events that somebody listens to

    # -- results ---------------------------------------------------------------------------

    def all(self) -> list[T]:
        """Execute and return everything as a list."""
        if self._plain and self._heard is None and (session := self.session) is not None:
            heard = session._heard
            if (heard is None or "do_orm_execute" not in heard) and not session.execution_options:
                plan = plan_of(self)
                if plan is not None:
                    return plan.load(session, values_of(self))
        return list(self._execute())

    def __iter__(self) -> Iterator[T]:
        """Execute and iterate over everything; a chunk at a time after ``yield_per()``."""
        return iter(self._execute() if "yield_per" in self._execution else self.all())

    def first(self) -> T | None:
        """Return the first object or row, or None; asks the database for one row only."""
        one = self if self._statement is not None else self.limit(1)
        return next(iter(one.all()), None)

    def one(self) -> T:
        """Return the only object or row.

        :raises NoResultFound: there is none.
        :raises MultipleResultsFound: there are several.
        """
        found = self.all()
        if len(found) == 1:
            return found[0]
        if found:
            raise MultipleResultsFound(f"one() met several rows of {self._describe()}.")
        raise NoResultFound(f"one() met no row of {self._describe()}.")

    def one_or_none(self) -> T | None:
        """Return the only object or row, or None.

        :raises MultipleResultsFound: there are several.
        """
        found = self.all()
        if len(found) > 1:
            raise MultipleResultsFound(f"one_or_none() met several rows of {self._describe()}.")
        return found[0] if found else None

    def scalar(self) -> Any:
        """Return the first member of the only row, or None where there is no row.

        :raises MultipleResultsFound: there are several rows.
        """
        found: Any = self.one_or_none()
        return found if found is None or self.is_single_entity else found[0]

    def get(self, ident: Any) -> T | None:
        """Return the object with that primary key, from the session or the database; see ``Session.get``.

        :raises InvalidRequestError: the query is not of one class, or has criteria.
        """
        self._check_no_criteria("get", "order_by", "distinct", "with_for_update")
        if self._mapper is None:
            raise InvalidRequestError("get() needs a query of one mapped class and nothing beside it.")
        locks = [dict(options) for name, _, options in self._steps if name == "with_for_update"]
        return self._open_session().get(  # type: ignore[no-any-return]
            self._mapper.class_,
            ident,
            options=self._loader_options,
            populate_existing=bool(self._execution.get("populate_existing")),
            with_for_update=locks[-1] if locks else None,
        )

    def count(self) -> int:
        """Return how many rows the database counts.

        Rows, not objects: a join that gives an object twice counts twice.
        """
        if self._heard is not None:
            self = self._as_told("before_compile")
        inner = select_of(self, TABLE_AND_COLUMN).subquery()
        statement: Any = select(func.count(literal_column("*"))).select_from(inner)
        options = {k: v for k, v in self._execution.items() if k not in ("populate_existing", "yield_per")}
        return self._open_session().scalar(  # type: ignore[no-any-return]
            statement, dict(self._params) or None, execution_options=options, bind_arguments=self._bind_arguments
        )

    def __getitem__(self, item: Any) -> Any:
        """Return the object or row at an index, or a list for a slice; the database does the counting.

        :raises IndexError: there are not so many, or the index is negative.
        """
        if isinstance(item, slice):
            start, stop, step = item.start, item.stop, item.step
            if isinstance(start, int) and isinstance(stop, int) and stop <= start:
                return []
            if any(isinstance(bound, int) and bound < 0 for bound in (start, stop)):
                raise _negative()
            found = self.slice(start, stop).all()
            return found if step is None else found[::step]
        if item < 0:
            raise _negative()
        found = self.slice(item, item + 1).all()
        if not found:
            raise IndexError(f"The query has no row {item}.")
        return found[0]

    def values(self, *columns: Any) -> Iterator[Any]:
        """Iterate over rows of other columns, under the same criteria."""
        return iter(self.with_entities(*columns)) if columns else iter(())

    def value(self, column: Any) -> Any:
        """Return another column's value in the first row, or None."""
        return next((row[0] for row in self.values(column)), None)

    def _execute(self) -> Iterable[T]:
        """Execute the long way: through a Select, and the plan that its cache key finds."""
        if self._heard is not None:
            self = self._as_told("before_compile")
        session = self._open_session()
        with session._guard("query"):
            result: Any = self._run(session, self._executable(LEGACY))
        single = self.is_single_entity
        if single:
            result = result.scalars()
        if "yield_per" in self._execution:
            return result  # type: ignore[no-any-return]
        # an object is given once, however often a join repeats it
        if single and any(entity_in(clause) is not None for clause in self._clauses()):
            return {id(found): found for found in result}.values()
        if any(entity_in(clause) is not None for clause in self._clauses()):
            result = result.unique()
        return result  # type: ignore[no-any-return]

    def _run(self, session: Any, statement: Any) -> Any:
        """Execute the Select that this query means."""
        is_told = session._heard is not None and "do_orm_execute" in session._heard
        execute = reading.execute_told if is_told else reading.execute_planned
        return execute(
            session,
            statement,
            dict(self._params) or None,
            self._execution,
            None if self._mapper is not None else self._bind_arguments,
        )

    # -- rows changed at once --------------------------------------------------------------------

    def update(
        self, values: Any, synchronize_session: Any = "auto", update_args: Mapping[str, Any] | None = None
    ) -> int:
        """Have the database change all rows that meet the criteria; return how many there were.

        :param values: new values, or SQL expressions, by attribute or attribute name.
        :param synchronize_session: ``False`` leaves objects of the session as they are; otherwise
            those whose rows changed read the new values when asked for them.
        :param update_args: options for Core's ``update()``, such as ``{"preserve_parameter_order": True}``.
        :raises InvalidRequestError: the query has a limit, an order, a join or the like.
        """
        self._open_session()
        return query_bulk.update_rows(self, values, synchronize_session, update_args)

    def delete(self, synchronize_session: Any = "auto", delete_args: Mapping[str, Any] | None = None) -> int:
        """Have the database delete all rows that meet the criteria; return how many there were.

        :param synchronize_session: ``False`` leaves objects of the session as they are; otherwise
            those whose rows are gone leave the session.
        :raises InvalidRequestError: the query has a limit, an order, a join or the like.
        """
        self._open_session()
        return query_bulk.delete_rows(self, synchronize_session, delete_args)

    # -- as part of another statement ---------------------------------------------------------------

    @property
    def statement(self) -> Any:
        """The query as a Core statement."""
        if self._heard is not None:
            self = self._as_told("before_compile")
        statement = self._executable(DEFAULT_STYLE)
        if self._params and not isinstance(statement, FromStatement):
            statement = statement.params(**self._params)
        return statement

    @property
    def selectable(self) -> Any:
        """The query as a Core statement, its columns named after their tables."""
        return self.__clause_element__()

    def __clause_element__(self) -> Any:
        if self._heard is not None and self._statement is not None:
            self = self._as_told("before_compile")
        return self._executable(TABLE_AND_COLUMN) if self._statement is not None else self._select(TABLE_AND_COLUMN)

    def subquery(self, name: str | None = None, with_labels: bool = False, reduce_columns: bool = False) -> Subquery:
        """Return the query as a FROM clause.

        :param with_labels: name its columns after their tables.
        :param reduce_columns: leave out columns that a join makes equal to others.
        """
        statement: Any = self._select(TABLE_AND_COLUMN if with_labels else DEFAULT_STYLE)
        if reduce_columns:
            statement = statement.reduce_columns()
        return statement.subquery(name)  # type: ignore[no-any-return]

    def cte(self, name: str | None = None, recursive: bool = False, nesting: bool = False) -> CTE:
        """Return the query as a common table expression."""
        return self._select().cte(name, recursive=recursive, nesting=nesting)  # type: ignore[no-any-return]

    def scalar_subquery(self) -> ScalarSelect[Any]:
        """Return the query, which must be of one column, as a value in another statement."""
        return self._select().scalar_subquery()  # type: ignore[no-any-return]

    as_scalar = scalar_subquery

    def label(self, name: str | None) -> Label[Any]:
        """Return the query as a value with a name."""
        return self._select().label(name)  # type: ignore[no-any-return]

    def exists(self) -> Exists:
        """Return ``EXISTS (SELECT 1 ...)``, to be used as a criterion or selected."""
        query = self if self._entities or not self._from else self._copy(_entities=(literal_column("1"),))
        inner = query._select(TABLE_AND_COLUMN)
        inner = inner.with_only_columns(literal_column("1"))
        if self._base is None:
            for clause in self._clauses()[:1]:
                if (entity := entity_of(clause)) is not None:
                    inner = inner.select_from(entity)
        return exists(inner)

    def _select(self, style: SelectLabelStyle = DEFAULT_STYLE) -> Any:
        """Return the Select for use inside another statement."""
        if self._heard is not None:
            self = self._as_told("before_compile")
        statement: Any = select_of(self, style)
        if self._base is not None:  # columns are to be found there under the subquery's names
            statement = expand(statement)
        return statement.params(**self._params) if self._params else statement

    def union(self, *q: Any) -> Self:
        """Give what this query or one of the others gives, each row once."""
        return self._set_operation(core_union, q)

    def union_all(self, *q: Any) -> Self:
        """Give what this query gives, and then what the others give."""
        return self._set_operation(core_union_all, q)

    def intersect(self, *q: Any) -> Self:
        """Give what this query and all others give, each row once."""
        return self._set_operation(core_intersect, q)

    def intersect_all(self, *q: Any) -> Self:
        """Give what this query and all others give, as often as all do."""
        return self._set_operation(core_intersect_all, q)

    def except_(self, *q: Any) -> Self:
        """Give what this query gives and none of the others does, each row once."""
        return self._set_operation(core_except, q)

    def except_all(self, *q: Any) -> Self:
        """Give what this query gives, less what the others give."""
        return self._set_operation(core_except_all, q)

    def _set_operation(self, operation: Any, others: tuple[Any, ...]) -> Self:
        """Return a query of the same entities, out of a subquery; later criteria mean that one's columns."""
        return self._copy(
            _base=operation(self, *others).subquery(),
            _steps=(),
            _values=(),
            _limit=None,
            _offset=None,
            _from=(),
            _joined=None,
            _first_entities=None,
        )

    # -- what it is -----------------------------------------------------------------------------------

    @property
    def is_single_entity(self) -> bool:
        """Whether it gives objects and not rows."""
        if self._rows_only or len(self._entities) != 1:
            return False
        if self._mapper is not None:
            return True
        clause = self._clauses()[0]
        return entity_in(clause) is not None or getattr(bundle_of(clause), "single_entity", False)

    @property
    def column_descriptions(self) -> list[dict[str, Any]]:
        """Name, type and entity of each member of a row."""
        return described(select_of(self._copy(_statement=None, _base=None), LEGACY))

    @property
    def whereclause(self) -> Any:
        """All criteria in one expression, or None."""
        return select_of(self).whereclause

    @property
    def lazy_loaded_from(self) -> Any:
        """The state that a lazy load works for; None for a query of the program's own."""
        return None

    def __str__(self) -> str:
        statement = self._executable(TABLE_AND_COLUMN)
        element = statement.element if isinstance(statement, FromStatement) else statement
        try:
            bind = None if self.session is None else self.session.get_bind(**self._bind_arguments, clause=element)
        except UnboundExecutionError:
            bind = None
        return str(element.compile(bind))

    def _executable(self, style: SelectLabelStyle) -> Any:
        if self._statement is not None:
            return FromStatement(select_of(self._copy(_statement=None), LEGACY), self._statement)
        return select_of(self, style)

    def _clauses(self) -> list[Any]:
        return [as_column_element(entity) for entity in self._entities]

    @property
    def _bind_arguments(self) -> dict[str, Any]:
        for clause in self._clauses():
            if (entity := entity_of(clause)) is not None:
                return {"mapper": entity.mapper}
        return {}

    def _as_told(self, name: str, *arguments: Any) -> Self:
        """Return the query as those who listen to its compilation want it."""
        forget_silent(self)
        for listener in getattr(self.dispatch, name):
            changed = listener(self, *arguments)
            if changed is not None:
                self = changed
        return self

    def _open_session(self) -> Any:
        if self.session is None:
            raise InvalidRequestError(
                "This Query belongs to no session: make it with session.query(...), or call with_session(session)."
            )
        return self.session

    def _describe(self) -> str:
        return f"query of {', '.join(getattr(e, '__name__', None) or str(e) for e in self._entities)}"


def _negative() -> IndexError:
    return IndexError(
        "A query cannot be indexed from its end, which SQL does not know: reverse the order with desc() and count "
        "from the other side."
    )
