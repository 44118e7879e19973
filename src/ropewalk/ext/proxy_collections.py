"""What stands for a collection of related objects: a list or a dictionary of their values.

They hold nothing but the way to the collection, so that any number of them is one and the same.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    MutableMapping,
    MutableSequence,
    ValuesView,
)
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

if TYPE_CHECKING:
    from typing import Self

    from .proxy_values import AssociationProxyInstance, LazyCollection

_MISSING: Any = object()


class AssociationCollection:
    """Base of what stands for a collection.

    :ivar lazy_collection: returns the collection of related objects.
    :ivar creator: makes a related object of a value, or of key and value.
    :ivar getter: reads the value from a related object.
    :ivar setter: writes it there.
    :ivar parent: what the proxy is on the owner's class.
    """

    def __init__(
        self,
        lazy_collection: LazyCollection,
        creator: Callable[..., Any],
        getter: Callable[..., Any],
        setter: Callable[..., Any],
        parent: AssociationProxyInstance[Any],
    ) -> None:
        self.lazy_collection = lazy_collection
        self.creator = creator
        self.getter = getter
        self.setter = setter
        self.parent = parent

    @property
    def col(self) -> Any:
        """The collection of related objects."""
        return self.lazy_collection()

    def stands_for(self, other: Any) -> bool:
        """Whether this and ``other`` show the same collection of the same object."""
        return (
            isinstance(other, AssociationCollection)
            and self.lazy_collection.owner is other.lazy_collection.owner
            and self.parent.parent is other.parent.parent
        )

    def __len__(self) -> int:
        return len(self.col)

    def __bool__(self) -> bool:
        return bool(self.col)

    def __reduce__(self) -> Any:
        """Pickle, or copy, the owner: it has the collection and knows the proxy by name."""
        return getattr, (self.lazy_collection.owner, self.parent.key)

    __hash__ = None  # type: ignore[assignment]  # equal to a list of now, which is another tomorrow


class AssociationList(AssociationCollection, MutableSequence[Any]):
    """A list of values of a list of related objects."""

    def __iter__(self) -> Iterator[Any]:
        for member in self.col:
            yield self.getter(member)

    def __getitem__(self, index: Any) -> Any:
        found = self.col[index]
        return [self.getter(member) for member in found] if isinstance(index, slice) else self.getter(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write values into the objects that are there; a slice of another length makes new ones."""
        members = self.col
        if not isinstance(index, slice):
            self.setter(members[index], value)
            return
        values = list(value)
        if index.step in (None, 1):
            members[index] = [self.creator(one) for one in values]
            return
        former = members[index]
        if len(former) != len(values):
            raise ValueError(
                f"attempt to assign sequence of size {len(values)} to extended slice of size {len(former)}"
            )
        for member, one in zip(former, values, strict=True):
            self.setter(member, one)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        del self.col[index]

    def append(self, value: Any) -> None:
        # The collection first: loading it flushes, and the new object must not be in the session then.
        members = self.col
        members.append(self.creator(value))

    def insert(self, index: SupportsIndex, value: Any) -> None:
        members = self.col
        members.insert(index, self.creator(value))

    def extend(self, values: Iterable[Any]) -> None:
        for value in list(values):
            self.append(value)

    def pop(self, index: SupportsIndex = -1) -> Any:
        return self.getter(self.col.pop(index))

    def remove(self, value: Any) -> None:
        del self.col[self.index(value)]

    def clear(self) -> None:
        del self.col[:]

    def index(self, value: Any, *bounds: Any) -> int:
        return list(self).index(value, *bounds)

    def copy(self) -> list[Any]:
        return list(self)

    def reverse(self) -> NoReturn:
        raise NotImplementedError("The order of the related objects is theirs: reverse the list that holds them.")

    def sort(self) -> NoReturn:
        raise NotImplementedError("The order of the related objects is theirs: sort the list that holds them.")

    def bulk_replace(self, values: Iterable[Any]) -> None:
        """Replace all values by others, with new objects for all."""
        given = list(values)
        self.clear()
        self.extend(given)

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        try:
            return list(self) + list(other)
        except TypeError:
            return NotImplemented

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        try:
            return list(other) + list(self)
        except TypeError:
            return NotImplemented

    def __mul__(self, count: SupportsIndex) -> list[Any]:
        return list(self) * count

    __rmul__ = __mul__

    def __iadd__(self, values: Iterable[Any]) -> Self:
        self.extend(values)
        return self

    def __imul__(self, count: SupportsIndex) -> Self:
        times = count.__index__()
        if times <= 0:
            self.clear()
        else:
            self.extend(list(self) * (times - 1))
        return self

    def __eq__(self, other: object) -> bool:
        return bool(list(self) == _plain(other, list))

    def __lt__(self, other: Any) -> bool:
        return bool(list(self) < _plain(other, list))

    def __le__(self, other: Any) -> bool:
        return bool(list(self) <= _plain(other, list))

    def __gt__(self, other: Any) -> bool:
        return bool(list(self) > _plain(other, list))

    def __ge__(self, other: Any) -> bool:
        return bool(list(self) >= _plain(other, list))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


class AssociationDict(AssociationCollection, MutableMapping[Any, Any]):
    """The dictionary of values of a dictionary of related objects, under the same keys."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self.col)

    def __contains__(self, key: object) -> bool:
        return key in self.col

    def __getitem__(self, key: Any) -> Any:
        return self.getter(self.col[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        members = self.col
        if key in members:
            self.setter(members[key], key, value)
        else:
            members[key] = self.creator(key, value)

    def __delitem__(self, key: Any) -> None:
        del self.col[key]

    def keys(self) -> KeysView[Any]:
        return KeysView(self)

    def items(self) -> ItemsView[Any, Any]:
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:
        return ValuesView(self)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        members = self.col
        if default is not _MISSING and key not in members:
            return default
        return self.getter(members.pop(key))

    def popitem(self) -> tuple[Any, Any]:
        key, member = self.col.popitem()
        return key, self.getter(member)

    def clear(self) -> None:
        self.col.clear()

    def update(self, *args: Any, **kwargs: Any) -> None:
        # Through a dictionary: what is no mapping and no pairs changes nothing.
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def copy(self) -> dict[Any, Any]:
        return dict(self.items())

    def bulk_replace(self, values: Any) -> None:
        """Replace all values by others; objects whose keys stay are kept."""
        given = dict(values)
        former = set(self)
        self.update(given)
        for key in former - set(given):
            del self[key]

    def __eq__(self, other: object) -> bool:
        return bool(dict(self) == _plain(other, dict))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(dict(self))


def _plain(other: Any, kind: Callable[[Any], Any]) -> Any:
    return kind(other) if isinstance(other, AssociationCollection) else other
