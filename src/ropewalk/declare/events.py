"""What a registry tells: that its mappers are configured, and that it wants to know the SQL type of an annotation."""

from __future__ import annotations

from typing import Any

from ..kernel.listening import Telling
from .registry import registry


class RegistryEvents(Telling):
    """Events of a :class:`registry`, or of the declarative base that has one. ::

    @event.listens_for(Base, "resolve_type_annotation")
    def money(resolve):
        return Numeric(12, 2) if resolve.resolved_type is Money else None
    """

    _target_class_doc = "SomeRegistry"
    _dispatch_target = registry

    @classmethod
    def _find(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, registry):
            return target
        if isinstance(target, type):
            if issubclass(target, registry):
                return target
            own = getattr(target, "registry", None)
            if isinstance(own, registry) and "__mapper__" not in target.__dict__:
                return own
        return None

    @classmethod
    def _listen(cls, event_key: Any, *, retval: bool = True, **kw: Any) -> None:
        event_key.base_listen(**kw)

    def before_configured(self, registry: Any) -> None:
        """New mappers of the registry are about to be configured."""

    def after_configured(self, registry: Any) -> None:
        """New mappers of the registry were configured."""

    def resolve_type_annotation(self, resolve_type: Any) -> None:
        """The SQL type of an annotation is wanted; what is returned, if anything, is it."""
