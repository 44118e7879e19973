"""The mapper: the plan of one class.

It says which attributes a class has, which columns they stand for, and what makes up
the primary key. It is data: it touches neither the class nor an instance of it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, FromClause, Table
from sqlalchemy.schema import Column
from sqlalchemy.sql.selectable import Join

from ..exc import ArgumentError, InvalidRequestError, UnmappedColumnError
from ..kernel.core import CacheKeyed, as_column_element
from ..kernel.sentinel import is_left_out
from . import changing, configuring
from .behind import columns_behind, tables_of
from .properties import ColumnProperty, MapperProperty, SynonymProperty
from .relationships import RelationshipProperty

T = TypeVar("T")

RESERVED = frozenset({"metadata", "registry"})


class Mapper(CacheKeyed, Generic[T]):
    """What a mapped class is mapped to.

    :param class_: the class.
    :param local_table: its table, or any other FROM clause.
    :param properties: attribute name → column or property, for attributes that shall not
        simply be named like their column.
    :param primary_key: the columns that identify a row, where the table does not say.
    :param include_properties: map only these columns.
    :param exclude_properties: map all columns but these.
    :param column_prefix: put this before each attribute name taken from a column.
    :param eager_defaults: fetch values that the database made in the flush: ``True``, by RETURNING or by a SELECT
        after it; ``False``; or ``"auto"``, where an INSERT can bring them back.
    :raises ArgumentError: no primary key, unknown columns, clashing names.
    """

    is_mapper = True
    is_aliased_class = is_instance = is_selectable = False

    dispatch: Any  # of instrumentation/events.py
    tells_rows = False  # whether somebody listens to rows being written

    def __init__(
        self,
        class_: type[T],
        local_table: FromClause | None = None,
        properties: Mapping[str, Any] | None = None,
        registry: Any = None,
        *,
        primary_key: Iterable[Any] | None = None,
        include_properties: Iterable[Any] | None = None,
        exclude_properties: Iterable[Any] | None = None,
        column_prefix: str | None = None,
        eager_defaults: Any = "auto",
        version_id_col: Any = None,
        version_id_generator: Any = None,
        inherits: Any = None,
        inherit_condition: Any = None,
        inherit_foreign_keys: Any = None,
        polymorphic_on: Any = None,
        polymorphic_identity: Any = None,
        with_polymorphic: Any = None,
        polymorphic_load: Any = None,
        polymorphic_abstract: bool = False,
        concrete: bool = False,
        batch: bool = True,
        confirm_deleted_rows: bool = True,
        allow_partial_pks: bool = True,
        always_refresh: bool = False,
        passive_updates: bool = True,
        passive_deletes: bool = False,
        legacy_is_orphan: bool = False,
        extension: Any = None,
    ) -> None:
        self.class_ = class_
        self.registry = registry
        self.inherits: Mapper[Any] | None = getattr(inherits, "__mapper__", inherits)
        if local_table is None and self.inherits is not None:
            local_table = self.inherits.local_table
        if local_table is None:
            raise ArgumentError(f"Mapper of {class_.__name__} has no table: give it one, or set __abstract__ = True.")
        self.local_table: FromClause = local_table
        self.persist_selectable = self.selectable = local_table
        self.base_mapper: Mapper[Any] = self if self.inherits is None or concrete else self.inherits.base_mapper
        self.single = self.inherits is not None and local_table is self.inherits.local_table
        self.concrete = concrete
        self.polymorphic_on = polymorphic_on
        self.polymorphic_identity = polymorphic_identity
        self.polymorphic_abstract = polymorphic_abstract
        self.with_polymorphic = with_polymorphic
        self.polymorphic_load = polymorphic_load
        self.eager_defaults = eager_defaults
        self.version_id_col: Any = None
        self.version_id_generator: Any = None
        self.batch = batch
        self.confirm_deleted_rows = confirm_deleted_rows
        self.allow_partial_pks = allow_partial_pks
        self.always_refresh = always_refresh
        self.passive_updates = passive_updates
        self.passive_deletes = passive_deletes
        self.legacy_is_orphan = legacy_is_orphan
        self.extension = extension
        self.validators: dict[str, tuple[Any, dict[str, Any]]] = {}
        self.reconstructor: Any = None
        self.class_manager: Any = None  # set when the class is instrumented
        self.configured = True
        self.failure: Exception | None = None  # why its relationships cannot be configured

        self.props: dict[str, MapperProperty] = {}
        self.column_props: dict[str, ColumnProperty] = {}
        self.relationship_props: dict[str, RelationshipProperty] = {}
        self.delete_orphan_from: list[RelationshipProperty] = []  # relationships whose lost members are deleted
        self.key_of: dict[ColumnElement[Any], str] = {}
        self._include = None if include_properties is None else _names(include_properties)
        self._exclude = frozenset() if exclude_properties is None else _names(exclude_properties)
        self._prefix = column_prefix or ""
        self.tables: tuple[Table, ...] = tuple(tables_of(local_table))

        self._take_in_properties(dict(properties or {}))
        self.primary_key: tuple[Column[Any], ...] = self._find_primary_key(primary_key)
        self.pk_keys: tuple[str, ...] = tuple(self._key_for_pk(c) for c in self.primary_key)
        self.single_pk: str | None = self.pk_keys[0] if len(self.pk_keys) == 1 else None
        self._find_version(version_id_col, version_id_generator)

    # -- building -----------------------------------------------------------------

    def _take_in_properties(self, properties: dict[str, Any]) -> None:
        if self.inherits is not None and not self.concrete:
            for key, prop in self.inherits.props.items():
                if isinstance(prop, RelationshipProperty):
                    self._inherit(key, prop)
                elif key not in properties:
                    self.add_property(key, prop.copy() if isinstance(prop, ColumnProperty) else copy.copy(prop))
        named: dict[Any, str] = {}  # column of the table → the attribute that asks for it
        moved: dict[str, str] = {}
        columns_of_table = set(self.local_table.c)
        for key, thing in properties.items():
            if isinstance(thing, SynonymProperty) and thing.map_column:
                moved[key] = thing.name
            elif not isinstance(thing, MapperProperty):
                columns = thing if isinstance(thing, (list, tuple)) else [thing]
                properties[key] = thing = ColumnProperty(*columns)
            if isinstance(thing, ColumnProperty):
                named.update((column, key) for column in thing.columns if column in columns_of_table)
        # in the order of the table's columns, which is the order of a SELECT
        for column in self.local_table.c:
            if column in named:
                key = named[column]
                if key not in self.props or self.props[key] is not properties[key]:
                    self.add_property(key, properties[key])
            elif column not in self.key_of and self._wanted(column):
                key = moved.get(column.key, self._prefix + column.key)
                if key in self.column_props:
                    if self.inherits is None:
                        raise self._same_name(key, column)
                    self.column_props[key].columns.append(column)
                    self.key_of[column] = key
                elif key not in properties:
                    self.add_property(key, ColumnProperty(column))
                elif isinstance(properties[key], RelationshipProperty):
                    raise ArgumentError(
                        f"{self}: the relationship {key!r} has the name of the column {column}, which would be hidden. "
                        f'Name one of them otherwise, as in properties={{"{key}_id": table.c.{column.key}}}, or leave '
                        "the column out with exclude_properties."
                    )
        # expressions and synonyms after the columns that they are made of
        for key, thing in properties.items():
            if key not in self.props or self.props[key] is not thing:
                self.add_property(key, thing)

    def _same_name(self, key: str, column: Any) -> InvalidRequestError:
        first = self.column_props[key].columns[0]
        name, other = first.table.name, column.table.name
        return InvalidRequestError(
            f"{self}: {name}.{first.key} and {other}.{column.key} have the same name, and nobody says whether they are "
            f"one attribute. Say it: "
            f'properties={{"{key}": [{name}.c.{first.key}, {other}.c.{column.key}]}} if they always hold the same, '
            f'properties={{"{other}_{key}": {other}.c.{column.key}}} if not; or leave one out with exclude_properties.'
        )

    def _wanted(self, column: Any) -> bool:
        if is_left_out(column):
            return False
        names = {column.key, column.name, column}
        if self._include is not None and not names & self._include:
            return False
        return not names & self._exclude

    def add_property(self, key: str, prop: Any) -> MapperProperty:
        """Take in one more property under the name ``key``."""
        if not isinstance(prop, MapperProperty):
            prop = ColumnProperty(prop)
        if key in RESERVED:
            raise InvalidRequestError(
                f"Attribute name {key!r} is reserved on class {self.class_.__name__!r}: the declarative base keeps its "
                f"{'MetaData' if key == 'metadata' else 'registry'} there. Name the attribute otherwise and keep the "
                f"column's name with mapped_column({key!r}, ...)."
            )
        taken: MapperProperty = prop
        taken.key = key
        taken.parent = self
        self.props[key] = taken
        self.relationship_props.pop(key, None)
        if isinstance(taken, RelationshipProperty):
            self.relationship_props[key] = taken
            if self.class_manager is not None:  # else there are no subclasses yet
                for mapper in self.self_and_descendants - {self}:
                    mapper._inherit(key, taken)
        if isinstance(taken, ColumnProperty):
            self.column_props[key] = taken
            for column in taken.columns:
                self.key_of[column] = key
                for base in columns_behind(column):
                    self.key_of.setdefault(base, key)
        if self.class_manager is not None:  # mapped already: the class gains the attribute now
            self.class_manager.attach(taken)
        taken.taken_in()
        if self.class_manager is not None:
            changing.changed(self.self_and_descendants)
        return taken

    def _inherit(self, key: str, prop: RelationshipProperty) -> None:
        """Take in a relationship of the mapper inherited from, which stays the relationship's parent."""
        if key not in self.props or self.relationship_props.get(key) is not None:
            self.props[key] = self.relationship_props[key] = prop

    def _find_primary_key(self, given: Iterable[Any] | None) -> tuple[Column[Any], ...]:
        if given is not None:
            columns = []
            for item in given:
                if isinstance(item, str):
                    if item not in self.column_props:
                        raise ArgumentError(f"primary_key names {item!r}, which {self} has no column attribute for.")
                    columns.append(self.column_props[item].columns[0])
                else:
                    columns.append(as_column_element(item))
        elif self.inherits is not None and not self.concrete:
            columns = list(self.inherits.primary_key)
        else:
            columns = list(self.local_table.primary_key)
            if isinstance(self.local_table, Join):
                seen: dict[str, Any] = {}
                for column in columns:
                    seen.setdefault(str(self.key_of.get(column, column.key)), column)
                columns = list(seen.values())
        if not columns:
            raise ArgumentError(
                f"{self} could not assemble any primary key: {_table_name(self.local_table)} declares none. Mark a "
                f"column with mapped_column(primary_key=True), or name the identifying columns with "
                f'__mapper_args__ = {{"primary_key": [...]}}.'
            )
        return tuple(columns)  # type: ignore[arg-type]

    def _find_version(self, given: Any, generator: Any) -> None:
        """Find the column that tells the versions of a row, and what makes the next one (False: nothing here)."""
        if given is None and self.inherits is not None and not self.concrete:
            self.version_id_col = self.inherits.version_id_col
            self.version_id_generator = self.inherits.version_id_generator
            return
        if given is None:
            return
        column = self.local_table.c.get(given) if isinstance(given, str) else as_column_element(given)
        if column is not None and column not in self.key_of:
            column = self.local_table.corresponding_column(column)  # type: ignore[arg-type]  # the column of a table behind a mapped SELECT
        if column is None or column not in self.key_of:
            raise ArgumentError(
                f"{self}: version_id_col={given!r} is no column that an attribute of {self.class_.__name__} stands for."
            )
        if generator is not None and generator is not False and not callable(generator):
            raise ArgumentError(
                f"{self}: version_id_generator makes the next version from the last: give a function, or False where "
                f"the database does it; got {generator!r}."
            )
        self.version_id_col = column
        self.version_id_generator = _next_number if generator is None else generator
        self.column_props[self.key_of[column]].active_history = True  # rows are found by the version they had

    def _key_for_pk(self, column: Column[Any]) -> str:
        try:
            return self.key_of[column]
        except KeyError:
            for other, key in self.key_of.items():
                if other.shares_lineage(column):
                    return key
        raise ArgumentError(
            f"{self}: the primary key column {column} is not mapped to an attribute; "
            f"take it out of exclude_properties or put it into include_properties."
        )

    # -- asking -------------------------------------------------------------------

    @property
    def mapper(self) -> Mapper[T]:
        return self

    @property
    def entity(self) -> type[T]:
        return self.class_

    @property
    def entity_namespace(self) -> type[T]:
        """Where ``filter_by`` looks names up."""
        return self.class_

    def __clause_element__(self) -> Any:
        return self.class_.__clause_element__()  # type: ignore[attr-defined]

    @property
    def attrs(self) -> Collection[MapperProperty]:
        return Collection(self.props)

    @property
    def all_orm_descriptors(self) -> Collection[Any]:
        return Collection({key: getattr(self.class_, key) for key in self.props})

    @property
    def column_attrs(self) -> Collection[ColumnProperty]:
        return Collection(dict(self.column_props))

    @property
    def synonyms(self) -> Collection[MapperProperty]:
        return Collection({k: p for k, p in self.props.items() if p.is_synonym})

    @property
    def relationships(self) -> Collection[RelationshipProperty]:
        if not self.configured:
            configuring.configure(self)
        return Collection(dict(self.relationship_props))

    @property
    def columns(self) -> Collection[ColumnElement[Any]]:
        """The columns under their attribute names."""
        return Collection({key: prop.columns[0] for key, prop in self.column_props.items()})

    c = columns

    @property
    def iterate_properties(self) -> Iterator[MapperProperty]:
        return iter(self.props.values())

    def get_property(self, key: str, _configure_mappers: bool = False) -> MapperProperty:
        """Return the property named ``key``; InvalidRequestError where there is none."""
        try:
            return self.props[key]
        except KeyError:
            raise InvalidRequestError(f"{self} has no property {key!r}; it has {', '.join(self.props)}.") from None

    def has_property(self, key: str) -> bool:
        return key in self.props

    def get_property_by_column(self, column: ColumnElement[Any]) -> ColumnProperty:
        """Return the property that ``column`` is mapped by; UnmappedColumnError where there is none."""
        try:
            return self.column_props[self.key_of[column]]
        except KeyError:
            raise UnmappedColumnError(f"No column {column} is mapped by {self}.") from None

    def isa(self, other: Mapper[Any]) -> bool:
        """Whether this mapper is ``other`` or inherits from it."""
        mapper: Mapper[Any] | None = self
        while mapper is not None:
            if mapper is other:
                return True
            mapper = mapper.inherits
        return False

    def iterate_to_root(self) -> Iterator[Mapper[Any]]:
        mapper: Mapper[Any] | None = self
        while mapper is not None:
            yield mapper
            mapper = mapper.inherits

    @property
    def self_and_descendants(self) -> frozenset[Mapper[Any]]:
        registry = self.registry
        mappers = registry.mappers if registry is not None else ()
        return frozenset([self, *(m for m in mappers if m.isa(self))])

    # -- identity -----------------------------------------------------------------

    def identity_key_from_primary_key(
        self, primary_key: Iterable[Any], identity_token: Any = None
    ) -> tuple[type[Any], tuple[Any, ...], Any]:
        """Return ``(class, primary key, token)`` for a primary key."""
        return (self.base_mapper.class_, tuple(primary_key), identity_token)

    def identity_key_from_instance(self, instance: T) -> tuple[type[Any], tuple[Any, ...], Any]:
        token = getattr(getattr(instance, "_sa_instance_state", None), "identity_token", None)
        return self.identity_key_from_primary_key(self.primary_key_from_instance(instance), token)

    def identity_key_from_row(self, row: Any, identity_token: Any = None, adapter: Any = None) -> Any:
        mapping = getattr(row, "_mapping", row)
        return self.identity_key_from_primary_key([mapping[c] for c in self.primary_key], identity_token)

    def primary_key_from_instance(self, instance: T) -> list[Any]:
        return [getattr(instance, key) for key in self.pk_keys]

    def __str__(self) -> str:
        return f"Mapper[{self.class_.__name__}({_table_name(self.local_table)})]"

    def __repr__(self) -> str:
        return f"<Mapper at {id(self):#x}; {self.class_.__name__}>"


class Collection(Mapping[str, T]):
    """Named things, by name (``mapper.attrs["id"]``) and as attributes (``mapper.attrs.id``).

    Iterating gives the things themselves, as SQLAlchemy's collections of properties do.
    """

    def __init__(self, data: dict[str, T]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> T:
        return self._data[key]

    def __getattr__(self, key: str) -> T:
        try:
            return self._data[key]
        except KeyError:
            raise AttributeError(key) from None

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]
        return iter(self._data.values())

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def keys(self) -> list[str]:  # type: ignore[override]
        return list(self._data)

    def values(self) -> list[T]:  # type: ignore[override]
        return list(self._data.values())

    def items(self) -> list[tuple[str, T]]:  # type: ignore[override]
        return list(self._data.items())


def _names(items: Iterable[Any]) -> frozenset[Any]:
    return frozenset(items)


def _table_name(selectable: FromClause) -> str:
    return str(getattr(selectable, "name", None) or selectable.description)


def _next_number(version: Any) -> Any:
    return (version or 0) + 1
