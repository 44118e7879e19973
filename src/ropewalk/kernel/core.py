"""Everything that needs a private name of SQLAlchemy Core, with the reason.

Core has no public way to say "this column belongs to that entity", to run text with
its own error handling and no result object, or to ask a type for its converters. Each
function here is one such need, and ``tests/kernel/test_core.py`` covers it on every
supported release.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import Column, ColumnClause, ColumnElement, Connection, ForeignKey, FromClause, Integer
from sqlalchemy.engine import Dialect
from sqlalchemy.event.base import _registrars as _event_classes
from sqlalchemy.inspection import _registrars
from sqlalchemy.sql import coercions, roles, visitors
from sqlalchemy.sql.base import CompileState
from sqlalchemy.sql.cache_key import HasCacheKey
from sqlalchemy.sql.elements import _anonymous_label as anonymous_label
from sqlalchemy.sql.selectable import SelectState
from sqlalchemy.sql.selectable import _OffsetLimitParam as OffsetLimitParam
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import immutabledict

from . import one_trip
from .failures import ERRORS_ONLY

PLUGIN = "ropewalk"
"""Our name among Core's compile-state plugins; never "orm", which is SQLAlchemy's own."""

__all__ = [
    "PLUGIN",
    "CacheKeyed",
    "CompileState",
    "OffsetLimitParam",
    "SelectState",
    "anonymous_label",
    "as_column_element",
    "as_criterion",
    "as_from",
    "as_grouping",
    "as_ordering",
    "as_row_count",
    "as_statement",
    "bind_processor",
    "entity_column",
    "entity_of",
    "entity_table",
    "is_quiet",
    "result_processor",
    "run_many",
    "run_text",
    "statement_entity",
]

# ROPEWALK_FAST_PATH=0 sends every statement through Connection.execute, so that the
# whole test suite can be run on either road.
_fast_path = os.environ.get("ROPEWALK_FAST_PATH", "1") != "0"


# -- entities in SQL expressions ------------------------------------------------


def as_column_element(thing: Any) -> ColumnElement[Any]:
    """Return ``thing`` as a column expression, or raise Core's ArgumentError."""
    return cast("ColumnElement[Any]", coercions.expect(roles.ColumnsClauseRole, thing))


class CacheKeyed(HasCacheKey):
    """What may stand in a statement and is, in its cache key, simply itself.

    Core asks an entity for its part of a statement's cache key by a private method.
    """

    def _gen_cache_key(self, anon_map: Any, bindparams: list[Any]) -> Any:
        return (self,)


def as_criterion(thing: Any) -> ColumnElement[Any]:
    """Return ``thing`` as what may stand in WHERE or HAVING, or raise Core's ArgumentError."""
    return cast("ColumnElement[Any]", coercions.expect(roles.WhereHavingRole, thing))


def alias_of(selectable: FromClause) -> FromClause:
    """Return an alias of a FROM clause; of a join, the join of aliases of its tables.

    Core aliases a join only as a subquery, unless asked by this private method.
    """
    return selectable._anonymous_fromclause(flat=True)


def as_argument(thing: Any, name: str) -> Any:
    """Return ``thing`` as a column expression, or raise Core's ArgumentError, which names the argument."""
    return coercions.expect(roles.ColumnArgumentRole, thing, argname=name)


def as_ordering(thing: Any) -> Any:
    """Return ``thing`` as what may stand in ORDER BY, or raise Core's ArgumentError."""
    return coercions.expect(roles.OrderByRole, thing)


def as_grouping(thing: Any) -> Any:
    """Return ``thing`` as what may stand in GROUP BY, or raise Core's ArgumentError."""
    return coercions.expect(roles.GroupByRole, thing)


def as_from(thing: Any) -> Any:
    """Return ``thing`` as what may stand in FROM, or raise Core's ArgumentError."""
    return coercions.expect(roles.FromClauseRole, thing)


def as_row_count(thing: Any) -> Any:
    """Return ``thing`` as what may stand in LIMIT or OFFSET, or raise Core's ArgumentError."""
    return coercions.expect(roles.LimitOffsetRole, thing, name=None, type_=Integer())


def as_statement(thing: Any) -> Any:
    """Return ``thing`` as a complete statement that gives rows, or raise Core's ArgumentError."""
    return coercions.expect(roles.SelectStatementRole, thing)


def entity_column(column: ColumnElement[Any], entity: Any, key: str) -> ColumnElement[Any]:
    """Return ``column`` marked as attribute ``key`` of ``entity``.

    Core carries such annotations through a statement unchanged; ``proxy_key`` makes the
    column appear under the attribute's name in results and subqueries.
    """
    annotated = column._annotate(
        {"entity_namespace": entity, "parententity": entity, "parentmapper": entity.mapper, "proxy_key": key}
    )
    annotated._propagate_attrs = propagated(entity)
    # A copy of what the plain expression was called, if a statement had it unmarked before.
    annotated.__dict__.pop("_expression_label", None)
    return annotated


def entity_table(selectable: FromClause, entity: Any) -> FromClause:
    """Return ``selectable`` marked as standing for the whole of ``entity``."""
    annotated = selectable._annotate(
        {"entity_namespace": entity, "parententity": entity, "parentmapper": entity.mapper}
    )
    annotated._propagate_attrs = propagated(entity)
    return annotated


def propagated(entity: Any) -> Any:
    """Return the mark that makes Core ask our plugin to compile a statement with ``entity`` in it."""
    return immutabledict({"compile_state_plugin": PLUGIN, "plugin_subject": entity})


def entity_of(clause: Any) -> Any:
    """Return the entity that ``clause`` is marked with, or None."""
    annotations = getattr(clause, "_annotations", None)
    return annotations.get("parententity") if annotations else None


def attribute_key_of(clause: Any) -> str | None:
    """Return the attribute name that ``clause`` is marked with, or None."""
    annotations = getattr(clause, "_annotations", None)
    return annotations.get("proxy_key") if annotations else None


def statement_entity(statement: Any) -> Any:
    """Return the first entity of our own that a statement deals with, or None."""
    attrs = getattr(statement, "_propagate_attrs", None)
    if attrs and attrs.get("compile_state_plugin") == PLUGIN:
        return attrs.get("plugin_subject")
    return None


# -- values in and out ----------------------------------------------------------


def bind_processor(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what turns a Python value into the driver's, or None where nothing has to."""
    return cast("Callable[[Any], Any] | None", type_._cached_bind_processor(dialect))


def result_processor(type_: TypeEngine[Any], dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:
    """Return what turns the driver's value into Python's, or None where nothing has to."""
    return cast("Callable[[Any], Any] | None", type_._cached_result_processor(dialect, coltype))


def bind_processors_of(compiled: Any) -> dict[str, Callable[[Any], Any]]:
    """Return the converters of a compiled statement's parameters, by parameter name."""
    return cast("dict[str, Callable[[Any], Any]]", compiled._bind_processors)


def keys_of_bind(bind: Any) -> list[str]:
    """Return the key of a parameter, followed by those of the parameters that it is a copy of."""
    return [bind.key, *[copied.key for copied in bind._cloned_set if copied is not bind]]


def has_bind_expression(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Whether the type wraps its parameters in SQL, so that plain placeholders will not do."""
    return bool(type_.dialect_impl(dialect)._has_bind_expression)


# -- running text ----------------------------------------------------------------


def is_quiet(connection: Connection) -> bool:
    """Whether nobody listens to this connection's statements.

    Then a statement whose text and parameters are known already may go to the driver
    directly, which saves Core's execution context and result (8 of 11 µs). Where an
    event, an echo or an execution option wants to see it, it goes through Core.
    """
    engine = connection.engine
    return (
        _fast_path
        and not connection._has_events
        and not engine._has_events
        and not connection._echo
        and ((heard := connection.dialect._has_events) is ERRORS_ONLY or not heard)
        and "schema_translate_map" not in connection._execution_options
        and connection.dialect.name in _TEXT_DIALECTS
    )


def asks_for_statements(connection: Connection) -> bool:
    """Whether somebody listens who is given Core's own statements, and could change them."""
    if not (connection._has_events or connection.engine._has_events):
        return False
    return bool(connection.dispatch.before_execute or connection.dispatch.after_execute)


# Drivers whose cursors need no preparation by an execution context of the dialect.
_TEXT_DIALECTS = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})


def run_text(connection: Connection, text: str, parameters: Any) -> Any:
    """Execute ``text`` on a cursor of the driver and return the cursor.

    An error is wrapped, and a lost connection invalidated, exactly as Core does it.
    """
    cursor = None
    try:
        if connection.dialect.is_async and (fetched := one_trip.execute(connection, text, parameters)) is not None:
            return fetched
        cursor = connection.connection.cursor()
        cursor.execute(text, parameters)
    except BaseException as err:
        _handle(connection, err, text, parameters, cursor)
    return cursor


def _handle(connection: Connection, err: BaseException, text: str, parameters: Any, cursor: Any) -> None:
    """Raise an error as Core does: one of the driver wrapped, any other (a number too large for it) as it is."""
    if isinstance(err, connection.dialect.loaded_dbapi.Error):
        connection._handle_dbapi_exception(err, text, parameters, cursor, None)
    connection._handle_dbapi_exception(err, None, None, cursor, None)


def run_many(connection: Connection, text: str, parameters: Sequence[Any]) -> Any:
    """Execute ``text`` once for each of ``parameters`` and return the cursor."""
    cursor = None
    try:
        if connection.dialect.is_async and (fetched := one_trip.execute_many(connection, text, parameters)) is not None:
            return fetched
        cursor = connection.connection.cursor()
        cursor.executemany(text, parameters)
    except BaseException as err:
        _handle(connection, err, text, parameters, cursor)
    return cursor


# -- columns and types for declarative mappings -----------------------------------
#
# A declarative class makes each Column before it knows its name, type or table, and
# copies those of mixins. Core has all of it, for its own ORM, under private names.


def copy_column(column: Column[Any]) -> Column[Any]:
    """Return an equal column that belongs to no table, as each class that uses a mixin needs."""
    return column._copy()


def merge_column(source: Column[Any], target: Column[Any], *, with_default: bool = True) -> None:
    """Give ``target`` whatever ``source``, a column inside ``Annotated``, says and ``target`` does not."""
    default = target.default
    source._merge(target)
    if not with_default:
        target.default = default


def set_column_type(column: Column[Any], type_: TypeEngine[Any]) -> None:
    """Give ``column`` its type; types that carry constraints (Enum, Boolean) must learn of the column."""
    column._set_type(type_)


def refers_to_column_without_table(foreign_key: ForeignKey) -> bool:
    """Tell whether a foreign key was given a Column that is in no table, as one of a mixin is."""
    target = foreign_key._table_column
    return target is not None and target.table is None


def type_for_python_type(type_: TypeEngine[Any], python_type: Any, key: Any, matched: Any) -> TypeEngine[Any] | None:
    """Return the SQL type that ``type_``, found in a type map under ``key``, gives for ``python_type``.

    It is the hook with which ``Enum(enum.Enum)`` becomes the Enum of one class; None means that the
    type does not serve, as ``Integer`` does not for a subclass of ``int``.
    """
    return type_._resolve_for_python_type(python_type, key, matched)


# -- looking into statements -----------------------------------------------------


def cache_key(statement: Any) -> Any:
    """Return ``(key, bindparams)`` of a statement: equal keys mean equal text; None where it has none."""
    return statement._generate_cache_key()


def selects_entity(statement: Any) -> bool:
    """Whether a SELECT list has a whole mapped class in it."""
    for column in statement._raw_columns:
        if "parententity" in column._annotations and column.is_selectable:
            return True
    return False


def raw_columns(statement: Any) -> list[Any]:
    """Return what stands in the SELECT list, as it was given."""
    return list(statement._raw_columns)


def with_raw_columns(statement: Any, columns: Sequence[Any]) -> Any:
    """Return the same SELECT with another list of columns, which belongs to no plugin any more."""
    new = statement._clone()
    new._raw_columns = list(columns)
    new._propagate_attrs = _NOTHING
    new.__dict__.pop("_generate_cache_key", None)
    return new


_NOTHING: Any = immutabledict()


def result_name(column: Any) -> str:
    """Return the name a column has in a row."""
    return cast(str, getattr(column, "_proxy_key", None) or getattr(column, "name", None) or str(column))


def counts_rows(statement: Any) -> bool:
    """Whether more rows than there were would change what a SELECT means."""
    held = statement.__dict__
    clauses = (held.get(name) for name in ("_limit_clause", "_offset_clause", "_fetch_clause"))
    return any(clause is not None for clause in clauses) or any(
        bool(held.get(name)) for name in ("_distinct", "_distinct_on", "_group_by_clauses")
    )


def order_of(statement: Any) -> tuple[Any, ...]:
    """Return what a SELECT is ordered by."""
    return tuple(statement._order_by_clauses)


def columns_of(clauses: Sequence[Any]) -> list[Any]:
    """Return the columns of tables that stand in these clauses."""
    return [
        part
        for clause in clauses
        for part in visitors.iterate(clause)
        if isinstance(part, ColumnClause) and part.table is not None
    ]


def raw_rows(result: Any, size: int | None = None) -> Any:
    """Fetch rows from a Core result as the driver gives them: all, or at most ``size``.

    The result's own strategy has to do it, since a streaming one reads ahead.
    """
    if size is None:
        return result.cursor_strategy.fetchall(result, result.cursor)
    return result.cursor_strategy.fetchmany(result, result.cursor, size)


# -- results ---------------------------------------------------------------------


# -- inspection ------------------------------------------------------------------


def core_inspection(subject: Any) -> Any:
    """Return what Core's ``inspect()`` knows of ``subject``, or None.

    What is registered for ``object`` and ``type`` is passed over: an ORM of another make stands there,
    or somebody who calls us.
    """
    for class_ in type(subject).__mro__:
        if class_ in (object, type):
            return None
        registered = _registrars.get(class_)
        if registered is not None:
            found = subject if registered is True else registered(subject)
            if found is not None:
                return found
    return None


# -- marks on columns --------------------------------------------------------------
#
# In `node.parent_id = node.id` only the place where a column stands tells which row it is of. Core lets each
# occurrence of a column carry annotations, under private names.


def marked(column: Any, **marks: Any) -> Any:
    """Return ``column`` with these marks, beside those it has."""
    return column._annotate(marks)


def marks_of(clause: Any) -> Any:
    """Return the marks of a part of an expression, by name."""
    return clause._annotations


def unmarked(column: Any) -> Any:
    """Return the column itself, without any mark."""
    return column._deannotate()


def forget_entities(expression: Any) -> None:
    """Make a freshly cloned expression one of Core alone: no compile-state plugin looks at it."""
    part: Any
    for part in visitors.iterate(expression):
        if getattr(part, "_propagate_attrs", None) and not isinstance(part, ColumnClause):
            part._propagate_attrs = _NOTHING


# -- events -------------------------------------------------------------------------


def ask_first(events: Any) -> None:
    """Let ``event.listen()`` ask this class of events before all others.

    It asks one class after the other whether it knows the target, and those of SQLAlchemy's ORM say yes to
    classes and attributes of any make.
    """
    for name in events.dispatch._event_names:
        classes = _event_classes[name]
        classes.remove(events)
        classes.insert(0, events)


def others_for(events: Any, name: str) -> list[Any]:
    """Return the other classes that have an event of that name: SQLAlchemy's ORM, if it is there too."""
    return [other for other in _event_classes[name] if other is not events]


def dispatch_for(owner: Any) -> Any:
    """Return what calls the listeners of a class of targets, and can have listeners of its own beside them."""
    return owner.dispatch._for_class(owner)


def take_listeners(dispatch: Any, other: Any, only_propagated: bool) -> None:
    """Let ``dispatch`` call the listeners of ``other`` too; ``event.remove()`` takes them off both."""
    dispatch._update(other, only_propagate=only_propagated)


def wrapped_listener(event_key: Any, wrap: Callable[[Any], Any]) -> Any:
    """Return the registration of a listener with ``wrap(listener)`` in the listener's place."""
    return event_key.with_wrapper(wrap(event_key._listen_fn))


def pass_on(other: Any, event_key: Any, **kw: Any) -> None:
    """Register a listener with another class of events as well, if that knows the target."""
    target = other._accept_with(event_key.target, event_key.identifier)
    if target is not None:
        target.dispatch._listen(event_key.with_dispatch_target(target), **kw)
