"""From ``Mapped[list["Address"]]`` to the target, the collection and the loading of a relationship."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..exc import ArgumentError, InvalidRequestError, MappedAnnotationError
from ..instrumentation.attributes import DynamicMapped, WriteOnlyMapped
from ..kernel.symbols import NO_ARG
from ..mapping.relationships import RelationshipProperty
from .annotations import Annotation
from .typemap import is_alias, is_annotated, is_union, readings

_LAZY_OF_CONTAINER: dict[type, str] = {DynamicMapped: "dynamic", WriteOnlyMapped: "write_only"}


def scan_relationship(prop: RelationshipProperty, class_: type, key: str, annotation: Annotation | None) -> None:
    """Take from the attribute's annotation what ``relationship()`` was not told itself.

    :raises ArgumentError: neither of them says what the relationship refers to.
    """
    where = f"{class_.__name__}.{key}"
    if annotation is None or annotation.container is None:
        if prop.argument is None:
            raise ArgumentError(
                f"{where} does not say what it refers to: write `{key}: Mapped[...] = relationship()`, or give "
                "relationship() the class or its name."
            )
        return
    lazy = _LAZY_OF_CONTAINER.get(annotation.container)
    if lazy is not None:
        prop.lazy = lazy
    inner = _of_interest(annotation.inner)
    collection, target = _parts(inner)
    if collection is not None and not _is_collection(collection):
        collection, target = None, inner  # a mapped class that is itself generic: Mapped[Box["Item"]]
    if collection is not None:
        _take_collection(prop, where, collection, lazy)
    elif lazy is None and prop.collection_class is None:
        prop.given_uselist = prop.uselist = False
    if prop.argument is None:
        prop.argument = _target(target, where, annotation)
        if prop.argument in annotation.elsewhere:
            prop.argument = _own_or(prop, prop.argument, annotation.elsewhere[prop.argument])
    _check_default_factory(prop, where, collection)


def _of_interest(python_type: Any) -> Any:
    """Return the type without ``None``, ``Annotated`` and names of types around it."""
    return readings(python_type)[0][-1] if _is_wrapped(python_type) else python_type


def _is_wrapped(python_type: Any) -> bool:
    return is_union(python_type) or is_annotated(python_type) or is_alias(python_type)


def _parts(python_type: Any) -> tuple[Any, Any]:
    """Return the collection and the type of its members, or None and the type."""
    origin, arguments = typing.get_origin(python_type), typing.get_args(python_type)
    if isinstance(python_type, type) and issubclass(python_type, (list, set, dict)) and not arguments:
        if "__mapper__" not in vars(python_type):
            return python_type, None  # of what is for relationship() to say
    if origin is None or not arguments or is_union(python_type):
        return None, python_type
    member = arguments[-1] if isinstance(origin, type) and issubclass(origin, Mapping) else arguments[0]
    return origin, _of_interest(member)


def _is_collection(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Collection)


def _take_collection(prop: RelationshipProperty, where: str, collection: type, lazy: str | None) -> None:
    if prop.collection_class is None and lazy is None:
        if inspect.isabstract(collection):
            raise ArgumentError(
                f"{where}: of {collection.__name__}, which is abstract, no collection can be made. Annotate with "
                "list or set, or name the class with relationship(collection_class=list)."
            )
        prop.collection_class = collection
    if prop.given_uselist is None:
        prop.given_uselist = prop.uselist = True


def _target(python_type: Any, where: str, annotation: Annotation) -> Any:
    if isinstance(python_type, typing.ForwardRef):
        return python_type.__forward_arg__
    if isinstance(python_type, (str, type)):
        return python_type
    origin = typing.get_origin(python_type)
    if isinstance(origin, type):
        return origin
    raise MappedAnnotationError(
        f'{where}: the annotation {annotation.raw!r} does not name one mapped class. Write Mapped["Other"], '
        'Mapped["Other | None"] or Mapped[list["Other"]], or give the class to relationship().'
    )


def _own_or(prop: RelationshipProperty, name: str, other: type) -> Callable[[], type]:
    """Return what finds the class of that name in the relationship's own registry, or else the ``other`` one."""

    def find() -> type:
        try:
            return prop.parent.registry.find_class(name)  # type: ignore[no-any-return]
        except InvalidRequestError:
            return other

    return find


def _check_default_factory(prop: RelationshipProperty, where: str, collection: Any) -> None:
    given = prop.attribute_options.default_factory
    if given is NO_ARG or collection is None or prop.collection_class is None:
        return
    if given is not prop.collection_class:
        raise ArgumentError(
            f"{where}: its default_factory must be its collection class, {_shown(prop.collection_class)}; it is "
            f"{_shown(given)}."
        )


def _shown(thing: Any) -> str:
    return getattr(thing, "__name__", None) or repr(thing)
