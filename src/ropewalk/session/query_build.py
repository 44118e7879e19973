"""What a Query has been asked for, kept as data: the half of Query that returns another Query.

Nothing here makes SQL. Each call becomes a *step*: the name of a method of Core's Select
and its arguments. ``query_select`` replays the steps on a Select when there is something
to execute; and as long as a query is ``_plain`` its steps are also the key under which
``query_plans`` keeps a statement that was made for the same steps before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import FromClause, text
from sqlalchemy.sql.selectable import SelectLabelStyle

from ..exc import ArgumentError, InvalidRequestError
from ..instrumentation.aliases import AliasedClass
from ..instrumentation.attributes import InstrumentedAttribute
from ..kernel.core import as_criterion, as_from, as_grouping, as_ordering, as_row_count, as_statement
from ..kernel.shortcuts import PLAIN_VALUES
from .query_names import as_entities, attribute_in, mapped_class, namespace_of

if TYPE_CHECKING:
    from typing import Self

    from ..mapping.mapper import Mapper
    from .session import Session

T = TypeVar("T")

Step = tuple[str, tuple[Any, ...], tuple[Any, ...]]
"""A method of Select, its arguments, and its keywords as pairs: all to be hashed, as part of a plan's key."""

NOTHING: Mapping[str, Any] = {}

# Values of which Core makes a parameter, and not SQL as of None. (Of True it does, which is the same to a column.)
_PARAMETERS = PLAIN_VALUES | {bool}


class QueryBuilder(Generic[T]):
    """The pieces of a query and the methods that add to them.

    :ivar _mapper: the mapper, where the query is of one mapped class and of nothing else.
    :ivar _plain: whether all steps are ones that a prepared plan can take: ``filter_by`` with plain
        values, ``order_by`` with attributes of the class. What varies between queries of the same
        steps is in ``_values``, ``_limit`` and ``_offset``.
    :ivar _base: the subquery that stands for the entities, after ``union()`` and its like.
    """

    session: Session
    _entities: tuple[Any, ...]
    _mapper: Mapper[Any] | None = None
    _plain = False
    _steps: tuple[Step, ...] = ()
    _values: tuple[Any, ...] = ()
    _limit: Any = None
    _offset: Any = None
    _first_entities: tuple[Any, ...] | None = None  # before with_entities(), where steps need them
    _base: FromClause | None = None
    _from: tuple[Any, ...] = ()
    _joined: Any = None
    _statement: Any = None
    _loader_options: tuple[Any, ...] = ()
    _execution: Mapping[str, Any] = NOTHING
    _params: Mapping[str, Any] = NOTHING
    _label_style: SelectLabelStyle | None = None
    _rows_only = False
    _assertions = True

    def __init__(self, entities: Any, session: Session | None = None) -> None:
        self.session = session  # type: ignore[assignment]
        self._set_entities(entities)
        self._plain = self._mapper is not None

    def _set_entities(self, entities: Any) -> None:
        if type(entities) is tuple and len(entities) == 1 and mapped_class(entities[0]):
            self._entities = entities  # what nearly every query is of
        else:
            self._entities = as_entities(entities)
        first = self._entities[0] if len(self._entities) == 1 else None
        self._mapper = first.__mapper__ if mapped_class(first) else None  # type: ignore[union-attr]

    # -- how a query becomes another ---------------------------------------------------------

    def _copy(self, **pieces: Any) -> Self:
        """Return the same query with some pieces replaced; it is not plain any more."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__["_plain"] = False
        new.__dict__.update(pieces)
        return new

    def _step(self, name: str, *args: Any, **kw: Any) -> Self:
        """Return the same query with one more call on its Select."""
        return self._copy(_steps=(*self._steps, (name, args, tuple(kw.items()))))

    # -- what may not be asked any more ---------------------------------------------------------

    def _check_no_statement(self, method: str) -> None:
        if self._statement is not None and self._assertions:
            raise InvalidRequestError(
                f"Query.{method}() being called on a Query with an existing full statement: from_statement() said all."
            )

    def _check_open(self, method: str) -> None:
        """Refuse what would have to go inside a LIMIT or a complete statement."""
        if self._statement is None and self._limit is None and self._offset is None:
            return
        self._check_no_statement(method)
        if self._assertions:
            raise InvalidRequestError(
                f"Query.{method}() being called on a Query which already has LIMIT or OFFSET applied: call {method}() "
                f"before limit() or offset()."
            )

    def _check_no_criteria(self, method: str, *allowed: str) -> None:
        """Refuse what replaces all that was asked so far."""
        if not self._assertions:
            return
        steps = [name for name, _, _ in self._steps if name not in allowed]
        if steps or self._from or self._base is not None or self._statement is not None or self._has_rows_limited:
            raise InvalidRequestError(
                f"Query.{method}() being called on a Query with existing criterion: call it first, on session.query()."
            )

    @property
    def _has_rows_limited(self) -> bool:
        return self._limit is not None or self._offset is not None

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
            if _PARAMETERS.issuperset(types):
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

    def params(self, params: Mapping[str, Any] | None = None, /, **kw: Any) -> Self:
        """Give values for ``bindparam("name")`` or ``:name`` in the criteria."""
        return self._copy(_params={**self._params, **(params or {}), **kw})

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
        return self._step("order_by", *map(as_ordering, clauses))

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
        if start:
            offset = start if offset is None else offset + start
        return self._copy(_limit=limit, _offset=offset, _plain=self._plain)

    # -- where rows come from ---------------------------------------------------------------------

    def select_from(self, *from_obj: Any) -> Self:
        """Say explicitly what to select from, and so what the first ``join()`` starts at.

        :raises InvalidRequestError: there are criteria already.
        """
        self._check_no_criteria("select_from")
        return self._copy(_from=tuple(map(as_from, from_obj)))

    def join(self, target: Any, onclause: Any = None, *, isouter: bool = False, full: bool = False) -> Self:
        """Join a table, a mapped class, an alias or a subquery.

        :param onclause: the condition; the foreign key between the two where none is given.
        :param isouter: keep rows that meet nothing there.
        :param full: keep the rows of either side that meet nothing on the other.
        :raises InvalidRequestError: called after ``limit()`` or ``offset()``.
        """
        self._check_open("join")
        if isinstance(target, type) and not mapped_class(target):
            raise ArgumentError(f"{target!r} cannot be joined: it is neither mapped nor a FROM clause.")
        new = self._step("join", target, onclause, isouter=isouter, full=full)
        new._joined = target
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

    # -- how to execute -------------------------------------------------------------------------------

    def options(self, *args: Any) -> Self:
        """Apply loader options, such as ``undefer(User.photo)``."""
        flat: list[Any] = []
        for arg in args:
            flat.extend(arg) if isinstance(arg, (list, tuple)) else flat.append(arg)
        return self._copy(_loader_options=(*self._loader_options, *flat))

    def execution_options(self, **kwargs: Any) -> Self:
        """Set options for the execution, such as ``yield_per=100`` or ``populate_existing=True``."""
        return self._copy(_execution={**self._execution, **kwargs})

    def get_execution_options(self) -> Mapping[str, Any]:
        """Return the options for the execution."""
        return self._execution

    def autoflush(self, setting: bool) -> Self:
        """Flush before the query, or do not, whatever the session's own setting."""
        return self.execution_options(autoflush=setting)

    def populate_existing(self) -> Self:
        """Overwrite what objects hold that are in the session already; their pending changes are lost."""
        return self.execution_options(populate_existing=True)

    def yield_per(self, count: int) -> Self:
        """Fetch and give so many objects at a time, so that memory does not grow with the result."""
        return self.execution_options(yield_per=count)

    def with_for_update(
        self,
        *,
        nowait: bool = False,
        read: bool = False,
        of: Any = None,
        skip_locked: bool = False,
        key_share: bool = False,
    ) -> Self:
        """Lock the rows until the transaction ends: ``SELECT ... FOR UPDATE``."""
        return self._step(
            "with_for_update", nowait=nowait, read=read, of=of, skip_locked=skip_locked, key_share=key_share
        )

    def with_session(self, session: Session) -> Self:
        """Execute in this session."""
        return self._copy(session=session, _plain=self._plain)

    def enable_assertions(self, value: bool) -> Self:
        """With ``False``, let methods be called in an order that makes no sense of what came before."""
        return self._copy(_assertions=value)

    def enable_eagerloads(self, value: bool) -> Self:
        """Kept for programs that call it; a query embedded in another never loads eagerly."""
        return self._copy()

    def set_label_style(self, style: SelectLabelStyle) -> Self:
        """Set how columns are named in SQL, such as ``LABEL_STYLE_TABLENAME_PLUS_COL``."""
        return self._copy(_label_style=style)

    def with_labels(self) -> Self:
        """Name each column after its table and itself."""
        return self.set_label_style(SelectLabelStyle.LABEL_STYLE_TABLENAME_PLUS_COL)

    apply_labels = with_labels

    def prefix_with(self, *prefixes: Any, dialect: str = "*") -> Self:
        """Put words after SELECT, such as ``"SQL_NO_CACHE"``."""
        return self._step("prefix_with", *prefixes, dialect=dialect)

    def suffix_with(self, *suffixes: Any, dialect: str = "*") -> Self:
        """Put words at the end of the statement."""
        return self._step("suffix_with", *suffixes, dialect=dialect)

    def with_hint(self, selectable: Any, text: str, dialect_name: str = "*") -> Self:
        """Give the database a hint about a table."""
        return self._step("with_hint", as_from(selectable), text, dialect_name)

    def with_statement_hint(self, text: str, dialect_name: str = "*") -> Self:
        """Give the database a hint about the whole statement."""
        return self._step("with_statement_hint", text, dialect_name)

    def with_transformation(self, fn: Callable[[Any], Any]) -> Any:
        """Return what ``fn`` makes of this query."""
        return fn(self)
