"""``query.update()`` and ``query.delete()``: rows changed by the database, and what the session knows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, update

from ..exc import ArgumentError, InvalidRequestError
from ..loading.criteria import criteria_in
from ..loading.returning import prop_for
from .query_names import unknown_name
from .query_select import select_of
from .synchronizing import check_strategy

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper


def update_rows(query: Any, values: Any, synchronize: Any, arguments: Mapping[str, Any] | None) -> int:
    """See :meth:`Query.update`."""
    told = _Told(query, "update", values)
    query, values = told.query, told.values
    mapper, entity = _target(query, synchronize)
    if not isinstance(values, Mapping) and not all(isinstance(pair, (list, tuple)) for pair in values):
        raise ArgumentError("Query.update() takes a dictionary, or a list of (attribute, value) pairs.")
    pairs = values.items() if isinstance(values, Mapping) else values
    changes = [(_key_for(mapper, key), value) for key, value in pairs]
    given = dict(arguments or {})
    statement: Any = update(entity).where(*_criteria(query))
    if given.pop("preserve_parameter_order", False):
        statement = statement.ordered_values(*changes)
    else:
        statement = statement.values(dict(changes))
    return _run(query, statement.with_dialect_options(**given), synchronize, told)


def delete_rows(query: Any, synchronize: Any, arguments: Mapping[str, Any] | None) -> int:
    """See :meth:`Query.delete`."""
    told = _Told(query, "delete")
    query = told.query
    _, entity = _target(query, synchronize)
    statement: Any = delete(entity).where(*_criteria(query)).with_dialect_options(**dict(arguments or {}))
    return _run(query, statement, synchronize, told)


def _target(query: Any, synchronize: Any) -> tuple[Mapper[Any] | None, Any]:
    """Return the mapper, and the class or table that is changed; refuse a query that cannot be an UPDATE or DELETE."""
    check_strategy(synchronize)
    steps = {f"{name}()" for name, _, _ in query._steps if name not in ("where", "filter_by")}
    if query._has_rows_limited:
        steps.add("limit() or offset()")
    if query._from or query._base is not None:
        steps.add("select_from()")
    if query._statement is not None:
        steps.add("from_statement()")
    if steps:
        raise InvalidRequestError(
            f"An UPDATE or DELETE has criteria and nothing else, but this query was also given "
            f"{', '.join(sorted(steps))}."
        )
    mapper = query._mapper
    if mapper is None:
        clauses = list(query._clauses())
        tables = {getattr(clause, "table", clause) for clause in clauses}
        if len(tables) == 1 and isinstance(table := tables.pop(), Table):
            if clauses == [table] or len(clauses) >= len(table.c):  # a table stands in a query for its columns
                return None, table
    if mapper is None or not isinstance(mapper.local_table, Table):
        raise ArgumentError("Query.update() and Query.delete() need a query of one class that is mapped to a table.")
    return mapper, mapper.class_


def _criteria(query: Any) -> Iterable[Any]:
    clause = select_of(query).whereclause
    return () if clause is None else (clause,)


def _key_for(mapper: Mapper[Any] | None, key: Any) -> Any:
    """Return the attribute that a key of ``values`` means: a name, an attribute or a column."""
    if mapper is None:
        return key
    prop = prop_for(mapper, key)
    if prop is not None:
        return prop.key
    clause = key.__clause_element__() if hasattr(key, "__clause_element__") else key
    if isinstance(key, str) or getattr(clause, "_annotations", None):
        problem = f"update() was given {str(key)!r}, which {mapper.class_.__name__} has no column for"
        raise unknown_name(str(key), problem, mapper.column_props)
    return key  # another table's column, or a name for Core to judge


class _Told:
    """What listeners are given around an UPDATE or DELETE: the ``update_context`` or ``delete_context``.

    :ivar query: the query, as the listeners to its compilation want it.
    :ivar values: the new values; a listener may change or replace them.
    :ivar result: the result of the statement; :ivar rowcount: how many rows were touched.
    """

    def __init__(self, query: Any, verb: str, values: Any = None) -> None:
        self.query = query
        self.session = query.session
        self.mapper = query._mapper
        self.verb = verb
        self.values = values
        self.result: Any = None
        self.rowcount = -1
        if query._heard is not None:
            if values is not None and not isinstance(values, Mapping):
                self.values = dict(values)
            self.query = query._as_told(f"before_compile_{verb}", self)

    def done(self, result: Any) -> None:
        """Tell that rows were changed."""
        self.result, self.rowcount = result, result.rowcount
        if self.session._heard is not None:
            getattr(self.session.dispatch, f"after_bulk_{self.verb}")(self)


def _run(query: Any, statement: Any, synchronize: Any, told: _Told) -> int:
    """Execute, and return how many rows were touched."""
    session = query.session
    statement = statement.options(*criteria_in(query._loader_options))
    options = {k: v for k, v in query._execution.items() if k not in ("populate_existing", "yield_per")}
    options["synchronize_session"] = synchronize
    with session._guard("query"):
        result: Any = session.execute(statement, dict(query._params) or None, execution_options=options)
        told.done(result)
        result.close()
        return told.rowcount
