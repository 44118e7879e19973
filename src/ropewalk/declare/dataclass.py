"""Making a dataclass of a class before it is mapped."""

from __future__ import annotations

import dataclasses
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.schema import DefaultClause, Sequence
from sqlalchemy.sql.schema import DefaultGenerator

from ..exc import ArgumentError, InvalidRequestError, SAWarning
from ..instrumentation.attributes import QueryableAttribute
from ..kernel.sentinel import is_left_out
from ..kernel.symbols import NO_ARG
from ..mapping.properties import AttributeOptions, ColumnProperty, MapperProperty
from .annotations import annotations_of
from .columns import MappedColumn
from .unmapped import is_unmapped

if TYPE_CHECKING:
    from .scan import ClassScan

ARGUMENTS = ("init", "repr", "eq", "order", "unsafe_hash", "match_args", "kw_only", "dataclass_callable")
_MARK = "_ropewalk_dataclass_arguments"


def arguments_of(class_: type) -> Mapping[str, Any] | None:
    """Return how the class shall become a dataclass, or None if it shall not; subclasses inherit it."""
    return getattr(class_, _MARK, None)


def set_arguments(class_: type, arguments: Mapping[str, Any]) -> None:
    """Say that ``class_`` shall become a dataclass, with these arguments and those of its bases.

    :raises ArgumentError: not an argument of :func:`dataclasses.dataclass` that a mapped class can have.
    """
    unknown = sorted(set(arguments) - set(ARGUMENTS))
    if unknown:
        raise ArgumentError(
            f"{class_.__name__}: a mapped dataclass has no argument {', '.join(map(repr, unknown))}; it "
            f"takes {', '.join(ARGUMENTS)}."
        )
    given = {name: value for name, value in arguments.items() if value is not NO_ARG}
    type.__setattr__(class_, _MARK, {**(arguments_of(class_) or {}), **given})


def refuse_options(class_: type, key: str, value: Any) -> None:
    """Check that an attribute of a class that is no dataclass has no options for dataclasses.

    :raises ArgumentError: it has.
    """
    options: AttributeOptions | None = getattr(value, "attribute_options", None)
    if options is None:
        return
    given = {name for name in AttributeOptions.__slots__ if getattr(options, name) is not NO_ARG}
    if isinstance(value, MappedColumn):
        given.discard("default")  # is the column's as well
    if _is_expression(value) and options.init is False:
        given.discard("init")
    if given:
        raise ArgumentError(
            f"{class_.__name__}.{key} has {', '.join(sorted(given))}, which only a dataclass understands. "
            "Derive the class or its base from MappedAsDataclass, or leave them out."
        )


def transform(class_: type, scan: ClassScan, arguments: Mapping[str, Any], *, keep_attributes: bool = False) -> None:
    """Make ``class_`` a dataclass whose fields are its annotated attributes.

    :param keep_attributes: put the attributes back as they were, for a mixin whose columns are still to be
      mapped.
    :raises InvalidRequestError: it is one already, has ``__table__``, inherits attributes from a class that
      is no dataclass, or dataclasses itself refuses.
    """
    name = class_.__name__
    if "__dataclass_fields__" in class_.__dict__:
        raise InvalidRequestError(
            f"{name} is a dataclass already. Either let MappedAsDataclass or mapped_as_dataclass make it "
            "one, or map a finished dataclass with @registry.mapped."
        )
    if "__table__" in class_.__dict__:
        raise InvalidRequestError(
            f"{name} has __table__, whose columns have no annotations to make dataclass fields of. Declare "
            "the columns in the class, or map a finished dataclass with @registry.mapped."
        )
    _check_origins(class_, scan)
    before = {key: value for key, value in class_.__dict__.items() if not key.startswith("__")}
    own = dict(annotations_of(class_))
    fields: dict[str, Any] = {}
    for key, annotation, default in _fields(scan):
        fields[key] = own.get(key, annotation)
        if default is not NO_ARG:
            type.__setattr__(class_, key, default)
    settings = dict(arguments)
    make = settings.pop("dataclass_callable", dataclasses.dataclass)
    annotations = {**_ahead(own, fields), **fields, **own}
    for key in set(annotations) - set(fields):
        if _no_attribute(scan.attributes.get(key)) or is_unmapped(scan.annotations.get(key)):
            del annotations[key]
    type.__setattr__(class_, "__annotations__", annotations)
    try:
        make(class_, **settings)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"{name} cannot become a dataclass: {error}.") from error
    finally:
        type.__setattr__(class_, "__annotations__", own)
        if keep_attributes:
            _put_back(class_, before)


def _ahead(own: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations that precede the first field, so that ``KW_ONLY`` keeps its place."""
    ahead: dict[str, Any] = {}
    for key, annotation in own.items():
        if key in fields:
            break
        ahead[key] = annotation
    return ahead


def _put_back(class_: type, before: Mapping[str, Any]) -> None:
    # in the order of the body, on which the order of columns depends
    for key, value in before.items():
        if key in class_.__dict__:
            type.__delattr__(class_, key)
        type.__setattr__(class_, key, value)


def _check_origins(class_: type, scan: ClassScan) -> None:
    strangers: dict[type, list[str]] = defaultdict(list)
    for key, annotation in scan.annotations.items():
        origin = annotation.origin
        if origin is not class_ and "__dataclass_fields__" not in origin.__dict__:
            strangers[origin].append(key)
    for origin, keys in strangers.items():
        raise InvalidRequestError(
            f"{class_.__name__} is to be a dataclass, but inherits {', '.join(keys)} from {origin.__name__}, "
            "which is none. Derive that from MappedAsDataclass too, or mark it @unmapped_dataclass."
        )


def _fields(scan: ClassScan) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, annotation and default (a value, a field, or NO_ARG) of each field."""
    for key, annotation in scan.annotations.items():
        value = scan.attributes.get(key, NO_ARG)
        if isinstance(value, QueryableAttribute):
            continue  # mapped by a base class, whose field it is
        if _no_attribute(value) or is_unmapped(annotation):
            continue
        if isinstance(value, (MappedColumn, MapperProperty)) or hasattr(value, "attribute_options"):
            yield key, annotation.raw, _field(scan.class_, key, value)
        else:
            yield key, annotation.raw, value


def _field(class_: type, key: str, value: Any) -> Any:
    options: AttributeOptions = value.attribute_options
    arguments: dict[str, Any] = {
        "metadata" if name == "dataclass_metadata" else name: given
        for name in AttributeOptions.__slots__
        if (given := getattr(options, name)) is not NO_ARG
    }
    if _is_expression(value):
        arguments.setdefault("init", False)
    default = arguments.get("default")
    if isinstance(default, (DefaultGenerator, DefaultClause, Sequence)):
        arguments["default"] = default = None  # the column's business; the object has no value yet
    if callable(default):
        warnings.warn(
            f"{class_.__name__}.{key} has a callable as default, which becomes the value of the dataclass "
            "field as it is. Say insert_default for a default computed at INSERT, default_factory for one "
            "computed by __init__.",
            SAWarning,
            stacklevel=2,
        )
    elif "default" in arguments and arguments.get("init") is False and "default_factory" not in arguments:
        # Without a parameter of __init__ a dataclass leaves the default on the class, where the mapped
        # attribute will stand.
        arguments["default_factory"] = lambda: default
        del arguments["default"]
    return dataclasses.field(**arguments)


def _is_expression(value: Any) -> bool:
    return isinstance(value, ColumnProperty) and not value.writable


def _no_attribute(value: Any) -> bool:
    """Tell whether a column is in the table alone, as insert sentinels are."""
    return isinstance(value, MappedColumn) and is_left_out(value.column)
