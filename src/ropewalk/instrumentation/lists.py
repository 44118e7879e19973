"""Lists that tell what comes and goes.

Each method is made around the method that does the work: ``list``'s own for
:class:`InstrumentedList`, a program's for its own list-like classes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, SupportsIndex, TypeVar

from .adapter import adding, adding_at, before_change, collection_adapter, removing, removing_at, staying

T = TypeVar("T")
Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


_compare = operator.attrgetter("__eq__")
_by_identity = object.__eq__


def _append(fn: Any) -> Any:
    def append(self: Any, item: Any, _sa_initiator: Any = None) -> None:
        if _sa_initiator is not False:
            item = adding(self, item, _sa_initiator)
        fn(self, item)

    return append


def _remove(fn: Any) -> Any:
    own = fn is list.remove

    def remove(self: Any, value: Any, _sa_initiator: Any = None) -> None:
        if _sa_initiator is False:
            fn(self, value)
        elif own:  # found once, and the very object that is there
            place = place_of(self, value)
            removing(self, list.__getitem__(self, place), _sa_initiator)
            list.__delitem__(self, place)
        else:
            if value in self:
                removing(self, value, _sa_initiator)
            fn(self, value)

    return remove


def place_of(collection: Any, item: Any) -> int:
    """Return the place of ``item`` as ``list.index`` does; ValueError where it is not.

    What came last is often the first to go: that needs no search where an object is known to be in the
    list once only, and equal to no other.
    """
    adapter = collection_adapter(collection)
    if adapter is not None and adapter.relation.notices_doubles and not adapter.doubles:
        last = len(collection) - 1
        if last >= 0 and list.__getitem__(collection, last) is item and _compare(type(item)) is _by_identity:
            return last
    return list.index(collection, item)


def _insert(fn: Any) -> Any:
    def insert(self: Any, index: SupportsIndex, value: Any) -> None:
        fn(self, index, adding_at(self, index, value))

    return insert


def _setitem(fn: Any) -> Any:
    def __setitem__(self: Any, index: Any, value: Any) -> None:
        if not isinstance(index, slice):
            former = self[index]
            if former is value:
                staying(self, value)
                return
            removing_at(self, index, former)
            fn(self, index, adding_at(self, index, value))
            return
        items = list(value)
        former = self[index]
        if index.step not in (None, 1) and len(former) != len(items):
            raise ValueError(f"attempt to assign sequence of size {len(items)} to extended slice of size {len(former)}")
        if collection_adapter(self) is not None:
            items = _exchanged(self, index.indices(len(self)), list(former), items)
        fn(self, index, items)

    return __setitem__


def _exchanged(collection: Any, places: tuple[int, int, int], former: list[Any], items: list[Any]) -> list[Any]:
    """Tell of what a slice loses and gains; what is in both stays."""
    before_change(collection)
    start, _, step = places
    kept = {id(item) for item in former} & {id(item) for item in items}
    for number, item in enumerate(former):
        if id(item) not in kept:
            removing_at(collection, start + number * step, item)
    return [
        item if id(item) in kept else adding_at(collection, start + number * step, item)
        for number, item in enumerate(items)
    ]


def _delitem(fn: Any) -> Any:
    def __delitem__(self: Any, index: Any) -> None:
        if isinstance(index, slice):
            for place in range(*index.indices(len(self))):
                removing_at(self, place, self[place])
        else:
            removing_at(self, index, self[index])
        fn(self, index)

    return __delitem__


def _extend(fn: Any) -> Any:
    def extend(self: Any, iterable: Iterable[Any]) -> None:
        if collection_adapter(self) is None:
            fn(self, iterable)
            return
        for item in list(iterable):
            self.append(item)

    return extend


def _iadd(fn: Any) -> Any:
    def __iadd__(self: Any, iterable: Iterable[Any]) -> Any:
        self.extend(iterable)
        return self

    return __iadd__


def _imul(fn: Any) -> Any:
    def __imul__(self: Any, count: SupportsIndex) -> Any:
        times = count.__index__()
        if times <= 0:
            self.clear()
        else:
            self.extend(list(self) * (times - 1))
        return self

    return __imul__


def _pop(fn: Any) -> Any:
    def pop(self: Any, index: SupportsIndex = -1) -> Any:
        removing_at(self, index, self[index])
        return fn(self, index)

    return pop


def _clear(fn: Any) -> Any:
    def clear(self: Any) -> None:
        before_change(self)
        for item in list(self):
            removing(self, item)
        fn(self)

    return clear


WRAPPERS: dict[str, Wrapper] = {
    "append": _append,
    "remove": _remove,
    "insert": _insert,
    "__setitem__": _setitem,
    "__delitem__": _delitem,
    "extend": _extend,
    "__iadd__": _iadd,
    "__imul__": _imul,
    "pop": _pop,
    "clear": _clear,
}
"""Method of a list → what makes an instrumented one of it. Order is no change: sort() and reverse() stay."""


class InstrumentedList(list[T]):
    """The list that a relationship holds."""

    __slots__ = ("__weakref__", "_sa_adapter")

    _sa_adapter: Any

    def __reduce_ex__(self, protocol: Any) -> Any:
        return super().__reduce_ex__(max(protocol, 2))  # the first two know of no slots

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Copy the members first: once the copy knows its owner, it would take them for changes."""
        new = memo[id(self)] = type(self).__new__(type(self))
        list.extend(new, [deepcopy(item, memo) for item in self])
        if hasattr(self, "_sa_adapter"):
            new._sa_adapter = deepcopy(self._sa_adapter, memo)
        if hasattr(self, "__dict__"):
            new.__dict__.update(deepcopy(self.__dict__, memo))
        return new


_method: Any
for _name, _wrapper in WRAPPERS.items():
    _method = _wrapper(getattr(list, _name))
    _method.__name__, _method.__qualname__ = _name, f"InstrumentedList.{_name}"
    _method._sa_instrumented = True
    setattr(InstrumentedList, _name, _method)
_made: Any = InstrumentedList
_made._sa_appender, _made._sa_remover, _made._sa_iterator = _made.append, _made.remove, list.__iter__
