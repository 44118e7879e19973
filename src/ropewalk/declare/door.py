"""The one door through which every mapping passes: class in, Mapper and instrumented class out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import FromClause

from ..exc import ArgumentError
from ..instrumentation.events import tell_of_instrumenting, tell_of_mapping
from ..instrumentation.extensions import extend_attributes, extend_mapper, extend_objects
from ..instrumentation.manager import instrument_class
from ..mapping.mapper import Mapper

if TYPE_CHECKING:
    from .registry import registry as Registry

T = TypeVar("T")


def mapper_of(class_: type) -> Mapper[Any] | None:
    """Return the mapper of exactly this class, or None; that of a base does not count."""
    return class_.__dict__.get("__mapper__")


def map_class(
    class_: type[T],
    local_table: FromClause | None = None,
    *,
    registry: Registry,
    properties: Mapping[str, Any] | None = None,
    **mapper_args: Any,
) -> Mapper[T]:
    """Map ``class_`` to ``local_table``.

    :param registry: the registry that holds the mapping and through which names are found.
    :param properties: attribute name → column or property, for what is not simply named like its column.
    :param mapper_args: whatever else :class:`Mapper` takes.
    :raises ArgumentError: the class is mapped already, or the mapping makes no sense.
    """
    if not isinstance(class_, type):
        raise ArgumentError(f"A class is needed to map, not {class_!r}.")
    if local_table is not None and not isinstance(local_table, FromClause):
        raise ArgumentError(
            f"{class_.__name__} cannot be mapped to {local_table!r}; it needs a Table or another FROM clause."
        )
    existing = mapper_of(class_)
    if existing is not None:
        raise ArgumentError(
            f"{class_.__module__}.{class_.__qualname__} is mapped already, to {existing.local_table}. Take "
            "that mapping off first with clear_mappers() or registry.dispose(), or map a subclass."
        )
    make_mapper = getattr(class_, "__mapper_cls__", Mapper)
    mapper: Mapper[T] = make_mapper(class_, local_table, properties, registry, **mapper_args)
    if mapper.extension is not None:
        extend_mapper(mapper)
    tell_of_mapping(mapper)
    instrument_class(mapper)
    tell_of_instrumenting(mapper)
    if mapper.extension is not None:
        extend_objects(mapper)
    extend_attributes(mapper)
    registry.add(mapper)
    mapper.dispatch.after_mapper_constructed(mapper, class_)
    return mapper
