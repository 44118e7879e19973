"""The types of declarative classes: what happens when an attribute is set on a mapped class."""

from __future__ import annotations

from typing import Any, dataclass_transform

from sqlalchemy import Column, Table

from ..exc import ArgumentError, InvalidRequestError
from ..instrumentation.attributes import InstrumentedAttribute, QueryableAttribute
from ..instrumentation.manager import add_attribute
from ..kernel.sentinel import is_left_out
from ..mapping.mapper import Mapper
from ..mapping.properties import MapperProperty, SynonymProperty, column_property, deferred, synonym
from ..mapping.relationships import RelationshipProperty, relationship
from .build import declare_class
from .columns import MappedColumn, mapped_column, name_column
from .door import mapper_of
from .relations import scan_relationship
from .unmapped import UnmappedColumn


def add_mapped_attribute(target: type, key: str, attr: Any) -> None:
    """Add an attribute to a class that is mapped already.

    With a declarative base, ``User.nick = mapped_column(String)`` does it. A new column also goes into the
    Table, but of course not into a table that the database has already.

    :param attr: a column, :func:`mapped_column`, or any mapper property.
    :raises ArgumentError: the class is not mapped, or ``attr`` cannot be.
    """
    mapper = mapper_of(target)
    if mapper is None:
        raise ArgumentError(f"{target.__name__} is not mapped, so that {key!r} cannot be added to its mapping.")
    if not _add(target, mapper, key, attr):
        raise ArgumentError(f"{target.__name__}.{key} cannot be mapped to {attr!r}: it is no column and no property.")


def _add(class_: type, mapper: Mapper[Any], key: str, value: Any) -> bool:
    """Map ``value`` as ``key`` if it is of a kind that can be mapped; tell whether it was."""
    column: Column[Any] | None = None
    prop: Any = value
    if isinstance(value, MappedColumn):
        value.declarative_scan(mapper.registry, class_, key, None)
        column, prop = value.column, value.to_property() or value.column
    elif isinstance(value, Column):
        name_column(value, key)
        column = value
    elif isinstance(value, QueryableAttribute) and value.key != key:
        prop = SynonymProperty(value.key)
    elif isinstance(value, RelationshipProperty):
        scan_relationship(value, class_, key, None)
    elif not isinstance(value, MapperProperty):
        return False
    if column is not None and column.table is None:
        _table_of(class_, mapper).append_column(column, replace_existing=True)
    if isinstance(value, UnmappedColumn):
        return True
    if is_left_out(column):  # of the table alone, as insert sentinels are
        type.__setattr__(class_, key, value)
        return True
    add_attribute(mapper, mapper.add_property(key, prop))
    return True


def _table_of(class_: type, mapper: Mapper[Any]) -> Table:
    if isinstance(mapper.local_table, Table):
        return mapper.local_table
    raise InvalidRequestError(
        f"A column cannot be added to {class_.__name__}: it is mapped to {mapper.local_table}, which is no Table."
    )


class DeclarativeAttributeIntercept(type):
    """The type of declarative classes: attributes set on a mapped class are added to its mapping."""

    def __setattr__(cls, key: str, value: Any) -> None:
        mapper = mapper_of(cls)
        if mapper is None or not _add(cls, mapper, key, value):
            type.__setattr__(cls, key, value)

    def __delattr__(cls, key: str) -> None:
        if mapper_of(cls) is not None and isinstance(cls.__dict__.get(key), InstrumentedAttribute):
            raise NotImplementedError(
                f"{cls.__name__}.{key} is mapped; an attribute cannot be taken out of a mapping again."
            )
        type.__delattr__(cls, key)


@dataclass_transform(
    field_specifiers=(MappedColumn, mapped_column, column_property, deferred, synonym, relationship),
)
class DCTransformDeclarative(DeclarativeAttributeIntercept):
    """The type of classes mapped as dataclasses, for type checkers."""


class DeclarativeMeta(DeclarativeAttributeIntercept):
    """The type of bases made by :func:`declarative_base`: it maps each class derived from them.

    For a base written by hand, with a metaclass of its own below this one::

        class Base(metaclass=DeclarativeMeta):
            __abstract__ = True
            registry = registry()
    """

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **kw: Any) -> None:
        found = cls.__dict__.get("registry")
        registry: Any = getattr(cls, "_sa_registry", None)
        if registry is None:
            if not hasattr(found, "map_declaratively"):
                raise InvalidRequestError(
                    f"Declarative base {name} needs an attribute `registry = registry()`; it has {found!r}."
                )
            registry = found
            type.__setattr__(cls, "_sa_registry", registry)
        if not cls.__dict__.get("__abstract__", False):
            declare_class(registry, cls)
        super().__init__(name, bases, body)
