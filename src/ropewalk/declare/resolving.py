"""Listeners that give annotations their SQL types (``resolve_type_annotation``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.types import TypeEngine, to_instance

from .typemap import alias_value, is_alias, is_annotated, without_none


class TypeResolve:
    """What a listener to ``resolve_type_annotation`` is given: an annotation, taken apart.

    :ivar cls: the class that is mapped.
    :ivar raw_type: the annotation inside ``Mapped[...]``.
    :ivar resolved_type: the Python type that it comes down to.
    :ivar raw_pep_593_type: the ``Annotated[...]`` in it, or None; :ivar pep_593_resolved_argument: what that is of.
    :ivar raw_pep_695_type: the ``type X = ...`` alias in it, or None; :ivar pep_695_resolved_value: its value.
    """

    __slots__ = (
        "_registry",
        "cls",
        "pep_593_resolved_argument",
        "pep_695_resolved_value",
        "raw_pep_593_type",
        "raw_pep_695_type",
        "raw_type",
        "resolved_type",
    )

    def __init__(self, owner: Any, cls: type, raw_type: Any) -> None:
        self._registry = owner
        self.cls = cls
        self.raw_type = raw_type
        self.raw_pep_593_type = self.pep_593_resolved_argument = None
        self.raw_pep_695_type = self.pep_695_resolved_value = None
        current = without_none(raw_type)
        while True:
            if is_alias(current):
                inner = alias_value(current)
                if self.raw_pep_695_type is None:
                    self.raw_pep_695_type, self.pep_695_resolved_value = current, inner
            elif is_annotated(current):
                inner = current.__origin__
                if self.raw_pep_593_type is None:
                    self.raw_pep_593_type, self.pep_593_resolved_argument = current, inner
            else:
                break
            current = without_none(inner)
        self.resolved_type = current

    def resolve(self, python_type: Any) -> TypeEngine[Any] | None:
        """Return the SQL type that the registry's type map has for a Python type, or None."""
        found: TypeEngine[Any] | None = self._registry.resolve_type(python_type)
        return found


def told_type(owner: Any, cls: type, annotation: Any) -> TypeEngine[Any] | None:
    """Return the SQL type that a listener gives an annotation, or None."""
    listeners: tuple[Callable[..., Any], ...] = tuple(owner.dispatch.resolve_type_annotation)
    if not listeners:
        return None
    resolve = TypeResolve(owner, cls, annotation)
    for listener in listeners:
        found = listener(resolve)
        if found is not None:
            sql_type: TypeEngine[Any] = to_instance(found)
            return sql_type
    return None
