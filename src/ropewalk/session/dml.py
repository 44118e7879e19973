"""INSERT, UPDATE and DELETE of mapped classes: ``session.execute(insert(User), [...])`` and its kin.

A list of dictionaries means rows in bulk: an INSERT of each, or an UPDATE of each by its primary key.
Anything else is one statement, whose criteria say which rows are meant. RETURNING gives objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Result
from sqlalchemy.engine.result import IteratorResult

from ..exc import ArgumentError, InvalidRequestError
from ..kernel.core import raw_rows, statement_entity
from ..kernel.dml import has_many_values, is_upsert, parameter_names
from ..kernel.names import result_metadata
from ..loading.filtering import filtered_dml
from ..loading.returning import prop_for, refuse_star, returning_for
from . import bulk_dml
from .core_options import for_core
from .synchronizing import Synchronizer, check_strategy
from .transaction import SUBTRANSACTION

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from .session import Session

DML_STRATEGIES = ("auto", "bulk", "orm", "raw", "core_only")


class DmlResult(IteratorResult[Any]):
    """The result of a statement on mapped classes: objects or rows, and how many rows were touched.

    :ivar rowcount: as the driver counts; -1 where it does not.
    """

    rowcount: int = -1
    returns_rows: bool = True


def rows_result(metadata: Any, data: Iterable[Any], single: bool, rowcount: int) -> DmlResult:
    """Return a result over what RETURNING gave."""
    result = DmlResult(metadata, iter(data), _source_supports_scalars=single)
    result.rowcount = rowcount
    return result


def count_result(rowcount: int) -> DmlResult:
    """Return a result without rows, which tells how many were touched."""
    result = DmlResult(result_metadata([], []), iter(()))
    result.rowcount = rowcount
    result.returns_rows = False
    result.close()
    return result


def execute(
    session: Session,
    statement: Any,
    params: Any,
    options: Mapping[str, Any],
    bind_arguments: Mapping[str, Any] | None,
) -> Result[Any]:
    """Execute an INSERT, UPDATE or DELETE of a mapped class; to be called inside the guard."""
    mapper = statement_entity(statement).mapper
    strategy = options.get("dml_strategy", "auto")
    if strategy not in DML_STRATEGIES:
        raise ArgumentError(f"dml_strategy is one of {', '.join(map(repr, DML_STRATEGIES))}; got {strategy!r}.")
    check_strategy(options.get("synchronize_session", "auto"))
    if options.get("autoflush", True):
        session._autoflush()
    with session._unit() as transaction:
        transaction.past_objects = True
        connection = session.for_statement(statement, bind_arguments)
        work = _Work(session, mapper, statement, connection, options)
        if strategy in ("raw", "core_only"):
            result: Any = connection.execute(statement, params, execution_options=options)
        elif statement.is_insert:
            bulk = strategy == "bulk" or (strategy == "auto" and params and not has_many_values(statement))
            result = work.insert_many(params) if bulk else work.one_statement(params)
        elif isinstance(params, (list, tuple)) and statement.is_update and strategy != "orm":
            result = work.update_many(params)
        else:
            result = work.with_criteria(params, transaction)
        if transaction.origin is SUBTRANSACTION and not isinstance(result, DmlResult):
            if result.returns_rows:
                return result.freeze()()  # type: ignore[no-any-return]  # the connection goes back with the unit
        return result  # type: ignore[no-any-return]


class _Work:
    """One statement on its way."""

    def __init__(
        self, session: Session, mapper: Mapper[Any], statement: Any, connection: Any, options: Mapping[str, Any]
    ) -> None:
        self.session = session
        self.mapper = mapper
        self.statement = statement
        self.connection = connection
        self.options = options
        self.populate = bool(options.get("populate_existing"))

    def run(self, statement: Any, params: Any) -> Any:
        return self.connection.execute(statement, params, execution_options=self.options)

    # -- one statement --------------------------------------------------------------------

    def one_statement(self, params: Any) -> Any:
        """Execute an INSERT as it is."""
        returning = returning_for(self.statement)
        result = self.run(self.statement, self._by_column(params))
        if returning is None or not returning.has_entities:
            return result
        return self._objects(returning, *_rows_of(result), result)

    def with_criteria(self, params: Any, transaction: Any) -> Any:
        """Execute an UPDATE or DELETE, and tell the objects in the session of it."""
        if self.statement.is_delete and isinstance(params, (list, tuple)):
            raise InvalidRequestError(
                f"delete({self.mapper.class_.__name__}) takes criteria and one dictionary of parameters: there is no "
                f"bulk DELETE by a list of them. Use where(...in_(...)), or session.connection().execute()."
            )
        strategy = self.options.get("synchronize_session", "auto")
        self.statement = filtered_dml(self.statement, self.mapper)
        sync = Synchronizer(self.session, self.mapper, self.statement, strategy, params)
        sync.before(self.connection)
        returning = returning_for(self.statement)
        result = self.run(sync.statement, self._by_column(params))
        if sync.keys or (returning is not None and returning.has_entities):
            rows, description = _rows_of(result)
            if sync.keys:
                sync.returned(rows, self.connection, description)
                rows = [tuple(row)[: -sync.keys] for row in rows] if returning is not None else rows
            found: Any = count_result(len(rows))
            if returning is not None:
                found = self._objects(returning, rows, description, result)
        else:
            found = result
        if not sync.idle:
            if self.statement.is_update:
                sync.updated(self.connection, result)
            else:
                sync.deleted(transaction)
        return found

    def _by_column(self, params: Any) -> Any:
        """Return parameters with the columns' names in place of the attributes'."""
        if not params:
            return None
        if isinstance(params, (list, tuple)):
            return [self._by_column(row) for row in params]
        own = parameter_names(self.statement)
        found = {}
        for name, value in params.items():
            prop = None if name in own else prop_for(self.mapper, name)
            found[name if prop is None else prop.columns[0].key] = value
        return found

    # -- rows in bulk -----------------------------------------------------------------------

    def insert_many(self, params: Any) -> Any:
        """Insert a row for each dictionary; neighbours with the same attributes go together."""
        rows = [params] if isinstance(params, Mapping) else list(params or [{}])
        statement, mapper, dialect = self.statement, self.mapper, self.connection.dialect
        if is_upsert(statement) and len(mapper.tables) > 1:
            raise InvalidRequestError(
                f"{mapper.class_.__name__} has its values in several tables, so a bulk INSERT of it cannot have an ON "
                f"CONFLICT or ON DUPLICATE KEY clause. Use session.merge(), or a statement for each table."
            )
        returning = returning_for(statement)
        if returning is not None:
            refuse_star(statement)
            if len(rows) > 1:
                bulk_dml.check_returning(statement, mapper, dialect)
        groups = bulk_dml.insert_groups(mapper, statement, rows, bool(self.options.get("render_nulls")))
        if returning is None:
            return self._counted(groups)
        found: list[Any] = []
        result, description = None, None
        for group in groups:
            result = self.run(statement, group)
            if len(groups) == 1 and not returning.has_entities:
                return result
            more, description = _rows_of(result)
            found += more
        return self._objects(returning, found, description, result)

    def update_many(self, params: Any) -> Any:
        """Update the row of each dictionary, which holds its primary key."""
        bulk_dml.check_bulk_update(self.statement, self.mapper, self.connection.dialect, self.options, len(params))
        count = bulk_dml.update_rows(self.session, self.mapper, self.statement, params, self.connection, self.options)
        return count_result(count)

    def _counted(self, groups: list[Any]) -> Any:
        results = [self.run(self.statement, group) for group in groups]
        if len(results) == 1:
            return results[0]
        counts = [result.rowcount for result in results]
        return count_result(-1 if any(count < 0 for count in counts) else sum(counts))

    def _objects(self, returning: Any, rows: Any, description: Any, result: Any) -> DmlResult:
        owner = self.session.identity_map
        data = returning.load(rows, self.connection, description, owner, self.populate, for_core(self.options))
        if owner.token is not None:  # of one shard: what was made for it is handed over at once
            data = list(data)
        return rows_result(returning.metadata, data, returning.single, len(rows))


def _rows_of(result: Any) -> tuple[Any, Any]:
    """Return the driver's rows, and the cursor's description of them."""
    cursor = result.cursor
    description = None if cursor is None else cursor.description
    rows = raw_rows(result)
    result.close()
    return rows, description
