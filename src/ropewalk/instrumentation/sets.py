"""Sets that tell what comes and goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from .adapter import adding, before_change, removing, staying

T = TypeVar("T")


def _add(fn: Any) -> Any:
    def add(self: Any, value: Any, _sa_initiator: Any = None) -> None:
        if _sa_initiator is not False:
            if value in self:
                staying(self, value)
            else:
                value = adding(self, value, _sa_initiator)
        fn(self, value)

    return add


def _remove(fn: Any) -> Any:
    def remove(self: Any, value: Any, _sa_initiator: Any = None) -> None:
        if _sa_initiator is not False and value in self:
            removing(self, value, _sa_initiator)
        fn(self, value)

    return remove


def _pop(fn: Any) -> Any:
    def pop(self: Any) -> Any:
        before_change(self)
        item = fn(self)  # which one, only the set knows
        removing(self, item)
        return item

    return pop


def _clear(fn: Any) -> Any:
    def clear(self: Any) -> None:
        for item in list(self):
            self.remove(item)

    return clear


def _update(fn: Any) -> Any:
    def update(self: Any, *others: Iterable[Any]) -> None:
        for other in others:
            for item in list(other):
                self.add(item)

    return update


def _difference_update(fn: Any) -> Any:
    def difference_update(self: Any, *others: Iterable[Any]) -> None:
        for other in others:
            for item in list(other):
                self.discard(item)

    return difference_update


def _intersection_update(fn: Any) -> Any:
    def intersection_update(self: Any, *others: Iterable[Any]) -> None:
        kept = set(self).intersection(*others)
        for item in set(self) - kept:
            self.remove(item)

    return intersection_update


def _symmetric_difference_update(fn: Any) -> Any:
    def symmetric_difference_update(self: Any, other: Iterable[Any]) -> None:
        there = set(self)
        for item in set(other):
            if item in there:
                self.remove(item)
            else:
                self.add(item)

    return symmetric_difference_update


def _operator(method: str) -> Callable[[Any], Any]:
    def wrapper(fn: Any) -> Any:
        def operate(self: Any, other: Any) -> Any:
            if not isinstance(other, AbstractSet):
                return NotImplemented
            getattr(self, method)(other)
            return self

        return operate

    return wrapper


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "add": _add,
    "remove": _remove,
    "discard": _remove,
    "pop": _pop,
    "clear": _clear,
    "update": _update,
    "difference_update": _difference_update,
    "intersection_update": _intersection_update,
    "symmetric_difference_update": _symmetric_difference_update,
    "__ior__": _operator("update"),
    "__isub__": _operator("difference_update"),
    "__iand__": _operator("intersection_update"),
    "__ixor__": _operator("symmetric_difference_update"),
}
"""Method of a set → what makes an instrumented one of it."""


class InstrumentedSet(set[T]):
    """The set that a relationship holds."""

    __slots__ = ("_sa_adapter",)

    _sa_adapter: Any


_method: Any
for _name, _wrapper in WRAPPERS.items():
    _method = _wrapper(getattr(set, _name))
    _method.__name__, _method.__qualname__ = _name, f"InstrumentedSet.{_name}"
    _method._sa_instrumented = True
    setattr(InstrumentedSet, _name, _method)
_made: Any = InstrumentedSet
_made._sa_appender, _made._sa_remover, _made._sa_iterator = _made.add, _made.remove, set.__iter__
