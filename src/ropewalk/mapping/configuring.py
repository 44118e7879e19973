"""Configuring: what relationships say of one another is worked out when all classes are known.

It happens by itself on first use: whoever needs configured mappers says ``if configuring.pending:
configuring.configure_all()``, or ``configure(mapper)`` to be spared the mistakes of other registries.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..exc import InvalidRequestError

if TYPE_CHECKING:
    from .mapper import Mapper
    from .relationships import RelationshipProperty

pending: set[weakref.ref[Mapper[Any]]] = set()
"""The mappers with relationships that are not configured yet; mostly empty, and then all is ready."""

_lock = threading.RLock()
_running: list[bool] = []


def announce(mapper: Mapper[Any]) -> None:
    """Take note that ``mapper`` has a relationship to configure."""
    mapper.configured = False
    pending.add(weakref.ref(mapper, pending.discard))


def waiting(registry: Any = None) -> list[Mapper[Any]]:
    """Return the mappers that are to be configured, of one registry or of all."""
    found = [mapper for ref in list(pending) if (mapper := ref()) is not None]
    return [mapper for mapper in found if registry is None or mapper.registry is registry]


def configure_all() -> None:
    """Configure whatever is not configured yet.

    :raises ArgumentError: a relationship makes no sense.
    :raises InvalidRequestError: a name is unknown, or an earlier failure stands.
    """
    for mapper in waiting():
        configure(mapper)


def configure(mapper: Mapper[Any]) -> None:
    """Configure all mappers of the registry of ``mapper``, and those that they refer to."""
    registry = mapper.registry
    if registry is not None and hasattr(registry, "configure"):
        registry.configure()
    else:
        configure_mappers([mapper])


def configure_registry(registry: Any) -> None:
    """Configure the mappers of one registry, and those that they refer to."""
    configure_mappers(waiting(registry))


def configure_mappers(mappers: Iterable[Mapper[Any]]) -> None:
    from .wiring import Wiring

    with _lock:
        if _running:
            return  # a lambda of a relationship uses a class whose turn is yet to come
        mappers = [mapper for mapper in mappers if not mapper.configured]
        for mapper in mappers:
            if mapper.failure is not None:
                raise InvalidRequestError(
                    f"{mapper} could not be configured, and what hangs on it cannot be used. The reason was: "
                    f"{type(mapper.failure).__name__}: {mapper.failure}"
                ) from mapper.failure
        _running.append(True)
        try:
            Wiring(mappers).run()
        finally:
            _running.pop()


def done(mapper: Mapper[Any]) -> None:
    """Take note that all relationships of ``mapper`` are configured."""
    mapper.configured = True
    pending.discard(weakref.ref(mapper))


def forget(mapper: Mapper[Any]) -> None:
    """Take note that the mapping is taken off its class, and will not be configured."""
    pending.discard(weakref.ref(mapper))


def unconfigured(mapper: Mapper[Any]) -> list[RelationshipProperty]:
    return [prop for prop in mapper.relationship_props.values() if not prop.configured and prop.parent is mapper]
