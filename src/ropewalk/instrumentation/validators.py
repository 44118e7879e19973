"""``@validates`` and ``@reconstructor``: a class's own hooks, found when it is mapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..exc import InvalidRequestError

F = TypeVar("F", bound=Callable[..., Any])


def validates(*names: str, include_removes: bool = False, include_backrefs: bool = True) -> Callable[[F], F]:
    """Mark a method as the validator of some attributes.

    It is called as ``method(key, value)`` for each value set, and what it returns is set
    instead; it may raise. ::

        @validates("email")
        def check_email(self, key, address):
            if "@" not in address:
                raise ValueError(f"{address!r} is no e-mail address")
            return address.lower()

    :param include_removes: call it for removals from collections too, with a third
        argument ``is_remove``.
    :param include_backrefs: call it for changes that come from the other side of a relationship.
    """

    def mark(fn: F) -> F:
        fn.__ropewalk_validates__ = (  # type: ignore[attr-defined]
            names,
            {"include_removes": include_removes, "include_backrefs": include_backrefs},
        )
        return fn

    return mark


def reconstructor(fn: F) -> F:
    """Mark a method that is called, in place of ``__init__``, on each object that is loaded."""
    fn.__ropewalk_reconstructor__ = True  # type: ignore[attr-defined]
    return fn


def find_hooks(class_: type) -> tuple[dict[str, tuple[Any, dict[str, Any]]], Any]:
    """Return the validators (attribute → (function, options)) and the reconstructor of a class."""
    validators: dict[str, tuple[Any, dict[str, Any]]] = {}
    reconstruct = None
    for base in reversed(class_.__mro__):
        for thing in vars(base).values():
            marked = getattr(thing, "__ropewalk_validates__", None)
            if marked is not None:
                for name in marked[0]:
                    other = validators.get(name)
                    if other is not None and other[0].__name__ != thing.__name__:  # else it is overridden
                        raise InvalidRequestError(
                            f"{class_.__name__}.{name} has two validators, {other[0].__name__}() and "
                            f"{thing.__name__}(): an attribute takes one. Call one of them from the other."
                        )
                    validators[name] = (thing, marked[1])
            if getattr(thing, "__ropewalk_reconstructor__", False):
                reconstruct = thing
    return validators, reconstruct
