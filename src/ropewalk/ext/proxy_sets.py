"""What stands for a set of related objects: the set of their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from .proxy_collections import AssociationCollection

if TYPE_CHECKING:
    from typing import Self


class AssociationSet(AssociationCollection, MutableSet[Any]):
    """A set of values of a set of related objects.

    As with ``set``, the methods take any iterable and the operators sets alone.
    """

    def __iter__(self) -> Iterator[Any]:
        for member in self.col:
            yield self.getter(member)

    def __contains__(self, value: object) -> bool:
        return any(one == value for one in self)

    def add(self, value: Any) -> None:
        if value not in self:
            members = self.col
            members.add(self.creator(value))

    def discard(self, value: Any) -> None:
        for member in self.col:
            if self.getter(member) == value:
                self.col.discard(member)
                return

    def remove(self, value: Any) -> None:
        if value not in self:
            raise KeyError(value)
        self.discard(value)

    def pop(self) -> Any:
        return self.getter(self.col.pop())

    def clear(self) -> None:
        self.col.clear()

    def copy(self) -> set[Any]:
        return set(self)

    def bulk_replace(self, values: Iterable[Any]) -> None:
        """Replace all values by others; objects whose values stay are kept."""
        self._become(values)

    def _become(self, values: Iterable[Any]) -> None:
        wanted = list(values)
        gone = set(self).difference(wanted)
        self.update(wanted)
        for value in gone:
            self.discard(value)

    # -- methods: with any iterables ----------------------------------------------------

    def update(self, *others: Iterable[Any]) -> None:
        for other in others:
            for value in list(other):
                self.add(value)

    def difference_update(self, *others: Iterable[Any]) -> None:
        for other in others:
            for value in list(other):
                self.discard(value)

    def intersection_update(self, *others: Iterable[Any]) -> None:
        self._become(set(self).intersection(*others))

    def symmetric_difference_update(self, other: Iterable[Any]) -> None:
        self._become(set(self).symmetric_difference(other))

    def union(self, *others: Iterable[Any]) -> set[Any]:
        return set(self).union(*others)

    def difference(self, *others: Iterable[Any]) -> set[Any]:
        return set(self).difference(*others)

    def intersection(self, *others: Iterable[Any]) -> set[Any]:
        return set(self).intersection(*others)

    def symmetric_difference(self, other: Iterable[Any]) -> set[Any]:
        return set(self).symmetric_difference(other)

    def issubset(self, other: Iterable[Any]) -> bool:
        return set(self).issubset(other)

    def issuperset(self, other: Iterable[Any]) -> bool:
        return set(self).issuperset(other)

    # -- operators: with sets -----------------------------------------------------------

    def __or__(self, other: AbstractSet[Any]) -> set[Any]:
        return self.union(other) if isinstance(other, AbstractSet) else NotImplemented

    def __sub__(self, other: AbstractSet[Any]) -> set[Any]:
        return self.difference(other) if isinstance(other, AbstractSet) else NotImplemented

    def __and__(self, other: AbstractSet[Any]) -> set[Any]:
        return self.intersection(other) if isinstance(other, AbstractSet) else NotImplemented

    def __xor__(self, other: AbstractSet[Any]) -> set[Any]:
        return self.symmetric_difference(other) if isinstance(other, AbstractSet) else NotImplemented

    def __rsub__(self, other: AbstractSet[Any]) -> set[Any]:
        return set(other) - set(self) if isinstance(other, AbstractSet) else NotImplemented

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__

    def __ior__(self, other: AbstractSet[Any]) -> Self:
        return self._changed(self.update, other)

    def __isub__(self, other: AbstractSet[Any]) -> Self:
        return self._changed(self.difference_update, other)

    def __iand__(self, other: AbstractSet[Any]) -> Self:
        return self._changed(self.intersection_update, other)

    def __ixor__(self, other: AbstractSet[Any]) -> Self:
        return self._changed(self.symmetric_difference_update, other)

    def _changed(self, change: Any, other: Any) -> Self:
        if not isinstance(other, AbstractSet):
            return NotImplemented  # type: ignore[no-any-return]
        change(other)
        return self

    def __eq__(self, other: object) -> bool:
        return set(self) == (set(other) if isinstance(other, AbstractSet) else other)

    def __lt__(self, other: AbstractSet[Any]) -> bool:
        return set(self) < other if isinstance(other, AbstractSet) else NotImplemented

    def __le__(self, other: AbstractSet[Any]) -> bool:
        return set(self) <= other if isinstance(other, AbstractSet) else NotImplemented

    def __gt__(self, other: AbstractSet[Any]) -> bool:
        return set(self) > other if isinstance(other, AbstractSet) else NotImplemented

    def __ge__(self, other: AbstractSet[Any]) -> bool:
        return set(self) >= other if isinstance(other, AbstractSet) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(set(self))
