"""What is to be known of a mapped class before its objects can be written.

All of it follows from the mapper, so it is worked out once: for each table a
:class:`TablePlan`, and for each set of columns that an INSERT or UPDATE may have, a
*shape*. Rows of one shape can share a statement. A shape keeps the statements that
were prepared for it, by dialect (see statements.py).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable
from operator import attrgetter, eq, itemgetter
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Table
from sqlalchemy.exc import NoReferencedColumnError, NoReferencedTableError
from sqlalchemy.types import TypeEngine

from ..kernel.sentinel import counts_for_sentinel, is_insert_sentinel
from ..mapping.mapper import Mapper
from ..mapping.relationships import QUERIED
from ..state.instance import InstanceState
from .relating import RelationPlan, relations_of
from .versions import version_of, with_versions

_bare_key = attrgetter("pk")
Values = dict[str, Any]
Row = tuple[Any, ...]


class MapperPlan:
    """How objects of one class are written.

    :ivar tables: one plan for each of its tables, those that others refer to first.
    :ivar computed_keys: attributes that the database computes, from columns that a flush may change.
    :ivar mutable_keys: attributes whose values can change in place.
    :ivar loaded_keys: the attributes that a loaded object has.
    :ivar token: the shard that it is for, in a session that has several.
    """

    token: Any = None

    def __init__(self, mapper: Mapper[Any]) -> None:
        self.mapper = mapper
        self._at: dict[Any, MapperPlan] = {}
        plans = [TablePlan(mapper, table) for table in mapper.tables]
        self.tables = tuple(plan for plan in plans if plan.pk_columns)
        props = mapper.column_props.items()
        self.computed_keys = tuple(
            k for k, p in props if not p.writable and p.expire_on_flush and not p.query_expression
        )
        self.mutable_keys = tuple(k for k, p in props if p.may_be_mutable)
        self.loaded_keys = frozenset(k for k, p in props if not p.left_out)
        #: relationships whose members an object keeps only until it has a row
        self.queried_keys = tuple(k for k, p in mapper.relationship_props.items() if p.lazy in QUERIED)
        single = mapper.single_pk
        #: from an object's values its bare key, as ``state.pk`` holds it
        self.key_of: Callable[[Values], Any] = itemgetter(single) if single is not None else _getter(mapper.pk_keys)
        #: attributes, of those, that are NULL where an INSERT does not give them
        self.null_keys = tuple(
            k
            for k, p in props
            if k in self.loaded_keys
            and p.writable
            and all(c.default is None and c.server_default is None for c in p.columns)
        )
        self.get_loaded = _getter(tuple(self.loaded_keys))
        #: how the values of each attribute are compared; most types do it with ``==``
        self.compare: dict[str, Callable[[Any, Any], Any]] = {
            k: eq if type(p.type).compare_values is TypeEngine.compare_values else p.type.compare_values
            for k, p in props
        }

    def at(self, token: Any) -> MapperPlan:
        """Return the same plan for one shard: its rows are never mixed with those of another."""
        found = self._at.get(token)
        if found is None:
            found = self._at[token] = copy.copy(self)
            found.token = token
            found.tables = tuple(copy.copy(table) for table in self.tables)
            for table in found.tables:
                table.token = token
        return found

    @functools.cached_property
    def relations(self) -> dict[str, RelationPlan]:
        """How the relationships are written, by attribute."""
        return relations_of(self.mapper)


class TablePlan:
    """How objects of one class are written to one table.

    :ivar columns: the mapped columns of the table → attribute, in the table's order.
    :ivar pk_columns: the primary key.
    :ivar match_columns: what an UPDATE or DELETE finds the row by: the key, and the version where there is one.
    :ivar client_defaults: columns that Python makes a value for when there is none.
    :ivar optional: columns that an INSERT may leave to the database.
    :ivar token: the shard that it is for, in a session that has several.
    """

    token: Any = None

    def __init__(self, mapper: Mapper[Any], table: Table) -> None:
        self.mapper = mapper
        self.table = table
        self.columns: dict[Column[Any], str] = {}
        for column in table.columns:
            key = mapper.key_of.get(column)
            if key is not None:
                self.columns[column] = key
        self.column_of = {key: column for column, key in self.columns.items()}
        own = [c for c in mapper.primary_key if c.table is table]
        pk = own or [c for c in table.primary_key if c in self.columns]
        self.pk_columns: tuple[Column[Any], ...] = tuple(pk)
        self.pk_keys = tuple(self.columns[c] for c in pk)
        self.old_keys: Callable[[Iterable[Any]], list[Row]] = self._key_reader()
        self.version = version_of(mapper, table, self.columns)
        self.match_columns, self.match_keys = self.pk_columns, self.pk_keys
        if self.version is not None:
            self.match_columns += (self.version.column,)
            self.match_keys += (self.version.key,)
            self.old_keys = with_versions(self.version, self.old_keys)
        self.sort_keys = [getattr(c.type, "sort_key_function", None) for c in pk]
        # Core knows how to serve a column that no attribute stands for.
        hidden = [c for c in table.columns if c not in self.columns]
        self.hidden_defaults = any(c.default is not None and not counts_for_sentinel(c.default) for c in hidden)
        #: whether a column of its own tells the rows of one INSERT apart, as Core can make it do
        self.sentinel = any(is_insert_sentinel(c) and c not in self.pk_columns for c in table.columns)
        self.hidden_onupdates = any(c.onupdate is not None for c in hidden)
        self._sort_insert_columns(pk)
        self._sort_update_columns()
        self._inserts: dict[tuple[bool, ...], InsertShape] = {}
        self._updates: dict[tuple[str, ...], UpdateShape] = {}

    def _sort_insert_columns(self, pk: list[Column[Any]]) -> None:
        self.client_defaults: list[tuple[Column[Any], str, bool]] = []
        self.optional: list[tuple[Column[Any], str, bool]] = []
        required: list[str] = []
        for column, key in self.columns.items():
            default: Any = column.default
            keeps_none = column.type.should_evaluate_none
            if default is not None and (default.is_scalar or default.is_callable):
                self.client_defaults.append((column, key, keeps_none))
            elif (
                default is not None
                or column.server_default is not None
                or column is self.table.autoincrement_column
                or keeps_none
            ):
                self.optional.append((column, key, keeps_none))
            elif column in pk:
                required.append(key)
        #: key attributes that nobody but the program can give a value
        self.required = tuple(required)
        #: whether a key may be NULL in part, as SQLite has it for columns that are declared nullable
        self.partial_keys = len(pk) > 1 and self.mapper.allow_partial_pks

    def _sort_update_columns(self) -> None:
        self.client_onupdates: list[tuple[Column[Any], str]] = []
        self.server_onupdates: list[tuple[Column[Any], str]] = []
        self.sql_onupdates = False
        for column, key in self.columns.items():
            onupdate: Any = column.onupdate
            if onupdate is not None and (onupdate.is_scalar or onupdate.is_callable):
                self.client_onupdates.append((column, key))
            elif onupdate is not None or column.server_onupdate is not None:
                self.server_onupdates.append((column, key))
                self.sql_onupdates |= onupdate is not None

    def _key_reader(self) -> Callable[[Iterable[Any]], list[Row]]:
        """Return what gives the keys, as tuples, that the rows of some states have in the database."""
        names = self.mapper.pk_keys
        if self.pk_keys == names:
            if len(names) == 1:
                return lambda states: list(zip(map(_bare_key, states)))
            return lambda states: list(map(_bare_key, states))
        places = [names.index(key) if key in names else None for key in self.pk_keys]

        def old_key(state: Any) -> Row:
            identity = state.identity
            return tuple(
                state.original(key) if place is None else identity[place]
                for key, place in zip(self.pk_keys, places, strict=True)
            )

        return lambda states: list(map(old_key, states))

    def insert_shape(self, given: tuple[bool, ...]) -> InsertShape:
        """Return the shape of rows that give, or leave out, each of ``optional``."""
        shape = self._inserts.get(given)
        if shape is None:
            shape = self._inserts[given] = InsertShape(self, given)
        return shape

    def update_shape(self, keys: tuple[str, ...]) -> UpdateShape:
        """Return the shape of rows in which just the attributes ``keys`` changed."""
        shape = self._updates.get(keys)
        if shape is None:
            shape = self._updates[keys] = UpdateShape(self, keys)
        return shape

    @functools.cached_property
    def refers_to(self) -> dict[Table, list[ForeignKeyConstraint]]:
        """The tables that this one refers to, and by which constraints."""
        return refers_to(self.table)

    @functools.cached_property
    def delete_shape(self) -> DeleteShape:
        return DeleteShape(self)

    def __repr__(self) -> str:
        return f"<TablePlan {self.mapper.class_.__name__} → {self.table.name}>"


class Shape:
    """What rows of one statement have in common.

    :ivar columns: the columns of the parameters, in their order.
    :ivar keys: the attributes that the first of them come from.
    :ivar prepared: by dialect, the statements for it.
    """

    def __init__(self, plan: TablePlan, columns: Iterable[Column[Any]], keys: Iterable[str]) -> None:
        self.plan = plan
        self.columns = tuple(columns)
        self.keys = tuple(keys)
        self.read = _reader(self.keys)
        self.prepared: dict[Any, Any] = {}


class InsertShape(Shape):
    """An INSERT that gives some columns and leaves others to the database.

    :ivar generated: key columns that the database fills.
    :ivar defaulted: other columns that it fills, and that could be fetched.
    :ivar left_to_core: a value is missing that only Core knows how to make, such as a SQL default.
    """

    def __init__(self, plan: TablePlan, given: tuple[bool, ...]) -> None:
        omitted = {column for (column, _, _), there in zip(plan.optional, given, strict=True) if not there}
        kept = [(column, key) for column, key in plan.columns.items() if column not in omitted]
        super().__init__(plan, [column for column, _ in kept], [key for _, key in kept])
        self.generated = tuple(c for c in plan.pk_columns if c in omitted)
        self.defaulted = tuple(
            c
            for c in plan.columns
            if c in omitted and c not in plan.pk_columns and (c.server_default is not None or c.default is not None)
        )
        self.left_to_core = (
            plan.hidden_defaults
            or not kept
            or any(c.default is not None for c in omitted)
            # Only keys that rise from row to row can be matched with their rows afterwards.
            or any(c is not plan.table.autoincrement_column for c in self.generated)
            # Who declares a sentinel does not trust the order of the keys.
            or (plan.sentinel and bool(self.generated or self.defaulted))
        )


class UpdateShape(Shape):
    """An UPDATE of some columns.

    The parameters are their values, what ``onupdate`` gives, the next version, and then what finds the row.
    """

    def __init__(self, plan: TablePlan, keys: tuple[str, ...]) -> None:
        super().__init__(plan, [plan.column_of[key] for key in keys], keys)
        self.onupdates = [(column, key) for column, key in plan.client_onupdates if key not in keys]
        self.columns += tuple(column for column, _ in self.onupdates)
        version = plan.version
        #: whether the row gets a next version, beside what changes
        self.bumps = version is not None and version.key not in keys and (version.generate is not None or not keys)
        if version is not None and self.bumps:
            self.columns += (version.column,)
        #: attributes to which the database gives a new value
        self.refreshed = tuple(key for _, key in plan.server_onupdates if key not in keys)
        #: whether the database has made the version, which is needed at once
        self.fetches_version = version is not None and version.by_server and version.key not in keys
        self.left_to_core = plan.hidden_onupdates or any(
            column.onupdate is not None for column, key in plan.server_onupdates if key not in keys
        )


class DeleteShape(Shape):
    """A DELETE by key."""

    def __init__(self, plan: TablePlan) -> None:
        super().__init__(plan, plan.match_columns, plan.match_keys)


def plan_of(mapper: Mapper[Any], token: Any = None) -> MapperPlan:
    """Return the plan of a mapper; it is kept with it, as long as its properties stay the same.

    :param token: the shard that it is for, in a session that has several.
    """
    plan, properties = mapper.__dict__.get("_write_plan", (None, 0))
    if plan is None or properties != len(mapper.props):
        plan = MapperPlan(mapper)
        mapper.__dict__["_write_plan"] = (plan, len(mapper.props))
    return plan if token is None else plan.at(token)  # type: ignore[no-any-return]


def plan_for(state: InstanceState) -> MapperPlan:
    """Return the plan by which one object is written."""
    return plan_of(state.mapper) if state.extra is None else plan_of(state.mapper, state.identity_token)


def refers_to(table: Table, deferred: bool = False) -> dict[Table, list[ForeignKeyConstraint]]:
    """Return the tables that a table refers to, and by which constraints.

    Tables that this MetaData doesn't know are somebody else's.

    :param deferred: also by those that the database checks only at COMMIT; they demand no order.
    """
    found: dict[Table, list[ForeignKeyConstraint]] = {}
    for constraint in table.foreign_key_constraints:
        if not deferred and constraint.deferrable and (constraint.initially or "").upper() == "DEFERRED":
            continue
        try:
            found.setdefault(constraint.referred_table, []).append(constraint)
        except (NoReferencedTableError, NoReferencedColumnError):
            continue
    return found


def _getter(keys: tuple[str, ...]) -> Callable[[Values], Row]:
    """Return what reads several values out of a dictionary as a tuple; KeyError where one is missing."""
    if len(keys) == 1:
        (key,) = keys
        return lambda values: (values[key],)
    return itemgetter(*keys) if keys else lambda values: ()


def _reader(keys: tuple[str, ...]) -> Callable[[list[Values]], list[Row]]:
    """Return what reads those values of many objects; what is missing is None."""
    get_all = _getter(keys)
    if len(keys) == 1:
        (only,) = keys
        return lambda objects: [(values.get(only),) for values in objects]

    def read(objects: list[Values]) -> list[Row]:
        try:
            return list(map(get_all, objects))
        except KeyError:
            return [tuple([values.get(key) for key in keys]) for values in objects]

    return read
