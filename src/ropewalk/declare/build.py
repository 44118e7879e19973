"""From what a class body says to a Table, the Mapper's arguments, and a mapped class."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, FromClause, MetaData, Table

from ..exc import ArgumentError, InvalidRequestError, SAWarning
from ..instrumentation.attributes import QueryableAttribute
from ..kernel.sentinel import is_left_out
from ..mapping.mapper import RESERVED, Mapper
from ..mapping.properties import AttributeOptions, ColumnProperty, MapperProperty, SynonymProperty
from ..mapping.relationships import RelationshipProperty
from . import dataclass
from .columns import MappedColumn, name_column
from .declared import DeclaredDirective, computing_for
from .door import map_class, mapper_of
from .relations import scan_relationship
from .scan import ClassScan, warn_of_expression
from .unmapped import UnmappedColumn, check_agreement

if TYPE_CHECKING:
    from .registry import registry as Registry


def declare_class(registry: Registry, class_: type) -> None:
    """Map ``class_`` by what its body says; a class that says ``__abstract__ = True`` is left alone.

    :raises ArgumentError: the body says what cannot be mapped.
    """
    if class_.__dict__.get("__abstract__", False):
        return
    if mapper_of(class_) is not None:
        raise InvalidRequestError(f"{class_.__name__} is mapped already.")
    with computing_for(class_):
        _Declaration(registry, class_).map()


class _Declaration:
    """The mapping of one class while it is being put together."""

    def __init__(self, registry: Registry, class_: type) -> None:
        self.registry = registry
        self.class_ = class_
        self.dataclass_arguments = dataclass.arguments_of(class_)
        allow_unmapped = getattr(class_, "__allow_unmapped__", False) or self.dataclass_arguments is not None
        self.scan = ClassScan(class_, allow_unmapped=bool(allow_unmapped))
        self.parent: Mapper[Any] | None = None
        self.properties: dict[str, Any] = {}
        self.columns: dict[Column[Any], int] = {}  # of the class's own → where it stands in the table
        self.table: FromClause | None = None

    def map(self) -> None:
        self.scan.read()
        if self.dataclass_arguments is not None:
            dataclass.transform(self.class_, self.scan, self.dataclass_arguments)
        self.parent = _mapped_base(self.class_)
        self._complete_attributes()
        self._collect_columns()
        self.table = self._make_table()
        if self.table is None:
            self._share_table()
        map_class(
            self.class_,
            self.table,
            registry=self.registry,
            properties=self.properties,
            **self._mapper_arguments(),
        )
        for key, value in self.scan.attributes.items():
            if isinstance(value, UnmappedColumn) and key in self.class_.__dict__:
                type.__delattr__(self.class_, key)

    # -- attributes -------------------------------------------------------------------

    def _complete_attributes(self) -> None:
        """Tell each attribute its name and annotation, and sort out what is not mapped."""
        for key, value in self.scan.attributes.items():
            computed = isinstance(value, DeclaredDirective)
            if computed:
                value = getattr(self.class_, key)
            elif isinstance(value, QueryableAttribute) and value.class_ is not self.class_ and value.key != key:
                value = SynonymProperty(value.key)
            check_agreement(self.class_, key, value, self.scan.annotations.get(key))
            if (
                isinstance(value, tuple)
                and len(value) == 1
                and isinstance(value[0], (Column, MappedColumn, MapperProperty))
            ):
                warnings.warn(
                    f"{self.class_.__name__}.{key} is a tuple of one column and is not mapped; is there a "
                    "comma too many at the end of its line?",
                    SAWarning,
                    stacklevel=2,
                )
            elif isinstance(value, Column) or hasattr(value, "declarative_scan") or isinstance(value, MapperProperty):
                self._complete(key, value)
                self.properties[key] = value
            else:
                warn_of_expression(self.class_, key, value)
                options = isinstance(getattr(value, "attribute_options", None), AttributeOptions)
                if options and self.dataclass_arguments is None:
                    dataclass.refuse_options(self.class_, key, value)
                # dataclasses has put a default in the place of a descriptor that is a field
                if (computed or options or key in self.scan.computed) and not isinstance(value, QueryableAttribute):
                    type.__setattr__(self.class_, key, value)

    def _complete(self, key: str, value: Any) -> None:
        if key in RESERVED:
            raise InvalidRequestError(
                f"{self.class_.__name__}.{key} cannot be mapped, the name is reserved: declarative classes keep their "
                f"{'MetaData' if key == 'metadata' else 'registry'} under this name. Name the attribute "
                f"otherwise, and keep the column's name with `{key}_ = mapped_column({key!r}, ...)`."
            )
        if isinstance(value, Column):
            name_column(value, key)
            return
        if isinstance(value, RelationshipProperty):
            scan_relationship(value, self.class_, key, self.scan.annotations.get(key))
        scan = getattr(value, "declarative_scan", None)
        if scan is not None:
            annotation = self.scan.annotations.get(key)
            mapped = annotation is not None and annotation.container is not None
            if mapped or annotation is None or self.scan.allow_unmapped:
                scan(self.registry, self.class_, key, annotation)
            if isinstance(value, MappedColumn) and value.use_existing_column:
                self._use_existing_column(value)
        if self.dataclass_arguments is None:
            dataclass.refuse_options(self.class_, key, value)

    def _use_existing_column(self, value: MappedColumn[Any]) -> None:
        if self.parent is not None and self.scan.tablename is None and not self.scan.has_table:
            existing: Any = self.parent.local_table.c.get(value.column.name)
            value.column = value.column if existing is None else existing

    def _collect_columns(self) -> None:
        """Find the class's own columns; an attribute named like its column needs no explicit property."""
        keys_of_name: dict[str, set[str]] = defaultdict(set)
        for key, value in list(self.properties.items()):
            column, order = value, 0
            if isinstance(value, MappedColumn):
                column = value.column
                order = value.sort_order if isinstance(value.sort_order, int) else 0
                self.properties[key] = value.to_property() or column
            elif isinstance(value, ColumnProperty):
                for part in value.columns:
                    if isinstance(part, Column) and part.table is None:
                        name_column(part, key)
                        self.columns[part] = 0
                        keys_of_name[part.name].add(key)
                continue
            elif not isinstance(value, Column):
                continue
            self.columns[column] = order
            keys_of_name[column.name].add(key)
            if is_left_out(column) or (self.properties[key] is column and key == column.key):
                del self.properties[key]
        for name, keys in keys_of_name.items():
            if len(keys) > 1:
                warnings.warn(
                    f"{self.class_.__name__} has the column {name!r} under several names, "
                    f"{', '.join(sorted(keys))}; only one will be used. synonym() gives an attribute a "
                    "second name.",
                    SAWarning,
                    stacklevel=2,
                )

    # -- the table --------------------------------------------------------------------

    def _make_table(self) -> FromClause | None:
        class_: Any = self.class_
        table: FromClause
        if self.scan.declared_table is not None or self.scan.has_table:
            table = self.scan.declared_table() if self.scan.declared_table is not None else class_.__table__
            for column in self.columns:
                if not table.c.contains_column(column):
                    raise ArgumentError(
                        f"{class_.__name__}.{column.key} is a column that its __table__ ({table}) does not "
                        "have. Add it there; a class with __table__ takes all its columns from that."
                    )
        elif self.scan.tablename is None:
            return None
        else:
            items, keywords = _split_table_args(self.scan.table_args)
            for directive in ("autoload", "autoload_with"):
                if self.scan.body.get(f"__{directive}__") is not None:
                    keywords.setdefault(directive, self.scan.body[f"__{directive}__"])
            make_table = getattr(class_, "__table_cls__", Table)
            columns = sorted(self.columns, key=self.columns.__getitem__)
            table = make_table(self.scan.tablename, self._metadata(), *columns, *items, **keywords)
        type.__setattr__(class_, "__table__", table)
        return table

    def _metadata(self) -> MetaData:
        metadata = getattr(self.class_, "metadata", None)
        return metadata if isinstance(metadata, MetaData) else self.registry.metadata

    def _share_table(self) -> None:
        """Put the columns of a class without a table into that of its mapped base (single-table "
        "inheritance)."""
        name = self.class_.__name__
        if self.parent is None:
            raise InvalidRequestError(
                f"{name} has no table: give it __tablename__ or __table__, or derive it from a mapped class; "
                "__abstract__ = True leaves it unmapped."
            )
        table = self.parent.local_table
        if self.scan.table_args:
            raise ArgumentError(
                f"{name} has __table_args__ but no table of its own; put them on {self.parent.class_.__name__}."
            )
        for column in self.columns:
            existing: Any = table.c.get(column.name)
            if existing is column:
                continue
            if existing is not None:
                raise ArgumentError(
                    f"{name} declares column {column.name!r}, which its table {table} has already. To share "
                    "it, say mapped_column(use_existing_column=True) in each class."
                )
            if column.primary_key:
                raise ArgumentError(
                    f"{name} has no table of its own and cannot have the primary key column {column.name!r}."
                )
            if not isinstance(table, Table):
                raise ArgumentError(
                    f"{name} cannot add columns: {self.parent.class_.__name__} is mapped to {table}, no Table."
                )
            table.append_column(column)

    # -- the mapper -------------------------------------------------------------------

    def _mapper_arguments(self) -> dict[str, Any]:
        arguments = self.scan.mapper_args() if self.scan.mapper_args is not None else {}
        self.properties.update(arguments.pop("properties", {}))
        for name in ("version_id_col", "polymorphic_on"):
            if name in arguments:
                arguments[name] = self._column_meant(arguments[name])
        if arguments.get("primary_key") is not None:
            given = arguments["primary_key"]
            given = given if isinstance(given, (list, tuple)) else [given]
            arguments["primary_key"] = [self._column_meant(item) for item in given]
        for name in ("include_properties", "exclude_properties"):
            if arguments.get(name) is not None:
                arguments[name] = [self._column_meant(item) for item in arguments[name]]
        if arguments.get("inherits") is not None:
            inherits = getattr(arguments["inherits"], "__mapper__", arguments["inherits"])
            if inherits is not self.parent:
                raise InvalidRequestError(
                    f"{self.class_.__name__} has inherits={arguments['inherits']} in its __mapper_args__, "
                    "which is not its mapped base class."
                )
        if self.parent is not None:
            arguments["inherits"] = self.parent
            if not arguments.get("concrete", False):
                self._join_to_parent(self.parent, arguments)
        return arguments

    def _column_meant(self, value: Any) -> Any:
        """Return the column of this class for one that ``__mapper_args__`` names by mixin or attribute."""
        if isinstance(value, str):
            return value
        if isinstance(value, Hashable):
            value = self.scan.copies.get(value, value)
        if isinstance(value, QueryableAttribute) and isinstance(value.property, ColumnProperty):
            value = value.property.columns[0]
        return value.column if isinstance(value, MappedColumn) else value

    def _join_to_parent(self, parent: Mapper[Any], arguments: dict[str, Any]) -> None:
        if arguments.get("exclude_properties") is None:
            # What siblings have put into a shared table is not ours.
            own = {column.key for column in self.columns}
            arguments["exclude_properties"] = {
                column.key for column in parent.local_table.c if column not in parent.key_of and column.key not in own
            }
        for key, value in self.properties.items():
            inherited = parent.column_props.get(key)
            if isinstance(value, Column) and inherited is not None:
                self.properties[key] = [value, *inherited.columns]


def _split_table_args(table_args: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not table_args:
        return (), {}
    if isinstance(table_args, dict):
        return (), dict(table_args)
    if isinstance(table_args[-1], dict):
        return table_args[:-1], dict(table_args[-1])
    return table_args, {}


def _mapped_base(class_: type) -> Mapper[Any] | None:
    """Return the mapper that ``class_`` inherits from.

    :raises InvalidRequestError: several bases are mapped.
    """
    found: list[Mapper[Any]] = []
    for base in class_.__bases__:
        for ancestor in base.__mro__:
            mapper = mapper_of(ancestor)
            if mapper is not None:
                if mapper not in found:
                    found.append(mapper)
                break
    if len(found) > 1:
        names = ", ".join(mapper.class_.__name__ for mapper in found)
        raise InvalidRequestError(f"{class_.__name__} derives from several mapped classes, {names}; it may from one.")
    return found[0] if found else None
