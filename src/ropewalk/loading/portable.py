"""Loader options that travel: what a pickle holds of them names classes and attributes, and no mapping.

So an option, or an object that remembers the options it was loaded with, can be pickled, and means the
same in another process that maps the same classes. SQL expressions do not travel: their tables would arrive
as copies, which no statement there selects from.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ..exc import InvalidRequestError, SAWarning, UnmappedClassError
from ..mapping.mapper import Mapper

Packed = tuple[Any, ...]


def packed_wishes(wishes: Iterable[Any]) -> tuple[Packed, ...]:
    """Return what is left of wishes when they travel; what cannot is left out with a warning."""
    found = []
    for wish in wishes:
        if wish.kind == "with_expression":
            _warn(f"with_expression({wish.names[0]!r}) cannot be pickled with its SQL expression, so it is left out.")
            continue
        if wish.kind == "criteria" and not wish.detail.portable:
            _warn("with_loader_criteria() is pickled only with a function of a module, so it is left out.")
            continue
        detail = None if wish.kind == "contains" else wish.detail
        found.append((packed_path(wish.path), wish.kind, class_of(wish.entity), wish.names, detail))
    return tuple(found)


def packed_path(path: Iterable[Any]) -> tuple[Packed, ...]:
    """Return the names of the relationships on a path."""
    found = []
    for step in path:
        if step.criteria:
            _warn(f"{step.prop} is pickled without the criteria of its and_(): it will load all there are.")
        found.append((class_of(step.entity), class_of(step.of_type), step.prop.parent.class_, step.prop.key))
    return tuple(found)


def unpacked_path(path: Iterable[Packed], make_step: Any) -> tuple[Any, ...]:
    """Return the path again."""
    return tuple(
        make_step(mapper_of(entity), relationship_in(owner, key), mapper_of(of_type), ())
        for entity, of_type, owner, key in path
    )


def unpacked_wishes(wishes: Iterable[Packed], make_wish: Any, make_step: Any) -> tuple[Any, ...]:
    """Return the wishes again."""
    return tuple(
        make_wish(unpacked_path(path, make_step), kind, mapper_of(entity), names, detail)
        for path, kind, entity, names, detail in wishes
    )


def class_of(entity: Any) -> type[Any] | None:
    """Return the class of a mapper or of an alias, None for none."""
    return None if entity is None else entity.mapper.class_


def mapper_of(class_: type[Any] | None) -> Mapper[Any] | None:
    """Return the mapper of a class that has arrived.

    :raises UnmappedClassError: it is not mapped here.
    """
    if class_ is None:
        return None
    found: Mapper[Any] | None = class_.__dict__.get("__mapper__")
    if found is None:
        raise UnmappedClassError(class_)
    return found


def relationship_in(class_: type[Any], key: str) -> Any:
    """Return a relationship of a class that has arrived.

    :raises InvalidRequestError: it has no such one here.
    """
    mapper: Any = mapper_of(class_)
    found = mapper.relationship_props.get(key)
    if found is None:
        raise InvalidRequestError(
            f"A pickled loader option goes along {class_.__name__}.{key}, which is no relationship here; there are "
            f"{', '.join(mapper.relationship_props) or 'none'}."
        )
    return found


def _warn(message: str) -> None:
    warnings.warn(message, SAWarning, stacklevel=2)
