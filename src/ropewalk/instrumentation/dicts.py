"""Dictionaries that tell what comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar

from ..kernel.symbols import NO_ARG
from .adapter import adding_at, removing_at, staying

K = TypeVar("K")
V = TypeVar("V")


def _setitem(fn: Any) -> Any:
    def __setitem__(self: Any, key: Any, value: Any, _sa_initiator: Any = None) -> None:
        if _sa_initiator is not False:
            if key in self:
                former = self[key]
                if former is value:
                    staying(self, value)
                    return
                removing_at(self, key, former, _sa_initiator)
            value = adding_at(self, key, value, _sa_initiator)
        fn(self, key, value)

    return __setitem__


def _delitem(fn: Any) -> Any:
    def __delitem__(self: Any, key: Any, _sa_initiator: Any = None) -> None:
        if _sa_initiator is not False and key in self:
            removing_at(self, key, self[key], _sa_initiator)
        fn(self, key)

    return __delitem__


def _clear(fn: Any) -> Any:
    def clear(self: Any) -> None:
        for key in list(self):
            del self[key]

    return clear


def _pop(fn: Any) -> Any:
    def pop(self: Any, key: Any, default: Any = NO_ARG) -> Any:
        if key in self:
            removing_at(self, key, self[key])
        elif default is not NO_ARG:
            return default
        return fn(self, key)

    return pop


def _popitem(fn: Any) -> Any:
    def popitem(self: Any) -> Any:
        for key in reversed(list(self)):
            return key, self.pop(key)
        return fn(self)  # raises what it raises

    return popitem


def _setdefault(fn: Any) -> Any:
    def setdefault(self: Any, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        else:
            staying(self, self[key])
        return self[key]

    return setdefault


def _update(fn: Any) -> Any:
    def update(self: Any, other: Any = (), /, **kw: Any) -> None:
        pairs = [(key, other[key]) for key in other.keys()] if hasattr(other, "keys") else list(other)
        for key, value in [*pairs, *kw.items()]:
            self[key] = value

    return update


def _ior(fn: Any) -> Any:
    def __ior__(self: Any, other: Any) -> Any:
        self.update(other)
        return self

    return __ior__


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "__setitem__": _setitem,
    "__delitem__": _delitem,
    "clear": _clear,
    "pop": _pop,
    "popitem": _popitem,
    "setdefault": _setdefault,
    "update": _update,
    "__ior__": _ior,
}
"""Method of a dictionary → what makes an instrumented one of it."""


class InstrumentedDict(dict[K, V]):
    """A dictionary that a relationship holds; who derives from it says how to append and remove."""

    __slots__ = ("__dict__", "__weakref__", "_sa_adapter")

    _sa_adapter: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Copy the members first: once the copy knows its owner, it would take them for changes."""
        new = memo[id(self)] = type(self).__new__(type(self))
        dict.update(new, {deepcopy(key, memo): deepcopy(item, memo) for key, item in self.items()})
        if hasattr(self, "_sa_adapter"):
            new._sa_adapter = deepcopy(self._sa_adapter, memo)
        new.__dict__.update(deepcopy(self.__dict__, memo))
        return new


_method: Any
for _name, _wrapper in WRAPPERS.items():
    _method = _wrapper(getattr(dict, _name))
    _method.__name__, _method.__qualname__ = _name, f"InstrumentedDict.{_name}"
    _method._sa_instrumented = True
    setattr(InstrumentedDict, _name, _method)
_made: Any = InstrumentedDict
_made._sa_iterator = dict.values
