"""``inspect()``: what is known of a mapped class, of an object, or of anything Core can inspect."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import NoInspectionAvailable

from .declare.registry import configure_mappers
from .exc import UnmappedClassError, UnmappedInstanceError
from .instrumentation.aliases import AliasedClass
from .instrumentation.attributes import QueryableAttribute
from .kernel.core import core_inspection
from .mapping.mapper import Mapper
from .state.instance import InstanceState, state_of


def inspect(subject: Any, raiseerr: bool = True) -> Any:
    """Return what is known of ``subject``.

    A :class:`Mapper` for a mapped class, an :class:`InstanceState` for one of its objects, the
    alias's own record for ``aliased(...)``; for engines, connections and tables what Core's
    ``inspect`` returns.

    :param raiseerr: return None instead of raising where nothing is known.
    :raises NoInspectionAvailable: nothing is known.
    """
    if isinstance(subject, type):
        mapper = subject.__dict__.get("__mapper__")
        if isinstance(mapper, Mapper):
            return mapper
    elif isinstance(subject, (InstanceState, Mapper, QueryableAttribute)):
        return subject
    elif isinstance(subject, AliasedClass):
        return subject._aliased_insp
    elif getattr(type(subject), "__ropewalk_state__", None) is not None:
        return state_of(subject)
    found = core_inspection(subject)
    if found is None and raiseerr:
        raise NoInspectionAvailable(
            f"No inspection system is available for object of type {type(subject)}: neither a mapped class nor an "
            f"object of one, nor anything that SQLAlchemy Core can inspect."
        )
    return found


def class_mapper(class_: Any, configure: bool = True) -> Mapper[Any]:
    """Return the mapper of a class.

    :raises UnmappedClassError: it is not mapped.
    """
    mapper = class_.__dict__.get("__mapper__") if isinstance(class_, type) else None
    if not isinstance(mapper, Mapper):
        if isinstance(class_, Mapper):
            return class_
        raise UnmappedClassError(class_)
    if configure:
        configure_mappers()
    return mapper


def object_mapper(instance: Any) -> Mapper[Any]:
    """Return the mapper of an object.

    :raises UnmappedInstanceError: its class is not mapped.
    """
    state = None if isinstance(instance, type) else state_of(instance)
    if state is None:
        raise UnmappedInstanceError(instance)
    return state.mapper
