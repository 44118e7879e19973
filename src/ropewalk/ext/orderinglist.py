"""``collection_class=ordering_list("position")``: a list whose objects know their place in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex, TypeVar

from ..instrumentation.adapter import collection_adapter

__all__ = ["OrderingList", "count_from_0", "count_from_1", "count_from_n_factory", "ordering_list"]

T = TypeVar("T")
OrderingFunc = Callable[[int, Sequence[Any]], Any]


def ordering_list(
    attr: str,
    count_from: int | None = None,
    ordering_func: OrderingFunc | None = None,
    reorder_on_append: bool = False,
) -> Callable[[], OrderingList[Any]]:
    """Return a ``collection_class`` that writes an object's place in the list into its attribute ``attr``. ::

        bullets: Mapped[list["Bullet"]] = relationship(
            order_by="Bullet.position", collection_class=ordering_list("position")
        )

    The relationship needs the ``order_by``: the list counts, and does not sort.

    :param count_from: the number of the first object; 0 if nothing is said.
    :param ordering_func: gives the value for a place, called with the place and the list.
    :param reorder_on_append: count also objects that come with a value. Loading appends too, so that a gap in
      what is loaded would be a change.
    """
    if ordering_func is None:
        ordering_func = count_from_n_factory(count_from or 0)
    return lambda: OrderingList(attr, ordering_func, reorder_on_append)


def count_from_0(index: int, collection: object) -> int:
    """Number objects 0, 1, 2."""
    return index


def count_from_1(index: int, collection: object) -> int:
    """Number objects 1, 2, 3."""
    return index + 1


def count_from_n_factory(start: int) -> OrderingFunc:
    """Return a function that numbers objects from ``start``."""
    known: dict[int, OrderingFunc] = {0: count_from_0, 1: count_from_1}
    if start in known:
        return known[start]

    def count(index: int, collection: object) -> int:
        return index + start

    count.__name__ = f"count_from_{start}"
    return count


class OrderingList(list[T]):
    """The list that :func:`ordering_list` makes.

    Only ``sort()`` and ``reverse()`` count nothing; :meth:`reorder` does after them.
    """

    def __init__(
        self, ordering_attr: str, ordering_func: OrderingFunc | None = None, reorder_on_append: bool = False
    ) -> None:
        super().__init__()
        self.ordering_attr = ordering_attr
        self.ordering_func = ordering_func or count_from_0
        self.reorder_on_append = reorder_on_append

    def reorder(self) -> None:
        """Write the place of each object that has another."""
        for index, item in enumerate(self):
            self._order(index, item)

    def _order(self, index: int, item: T) -> None:
        value = self.ordering_func(index, self)
        if getattr(item, self.ordering_attr) != value:
            setattr(item, self.ordering_attr, value)

    def append(self, item: T) -> None:
        super().append(item)
        if self.reorder_on_append or getattr(item, self.ordering_attr) is None:
            self._order(len(self) - 1, item)

    def insert(self, index: SupportsIndex, item: T) -> None:
        super().insert(index, item)
        self.reorder()

    def remove(self, item: T) -> None:
        super().remove(item)
        # What a bulk replacement takes out of the former list may be in the new one, which counts it.
        adapter = collection_adapter(self)
        if adapter is None or adapter.data is self:
            self.reorder()

    def pop(self, index: SupportsIndex = -1) -> T:
        item = super().pop(index)
        self.reorder()
        return item

    def extend(self, items: Iterable[T]) -> None:
        for item in list(items):
            self.append(item)

    def __iadd__(self, items: Iterable[T]) -> OrderingList[T]:  # type: ignore[override, misc]
        self.extend(items)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self.reorder()

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        super().__delitem__(index)
        self.reorder()

    def __reduce__(self) -> Any:
        # The objects come with the state: to be appended, they would need the attribute's name before it is there.
        return type(self).__new__, (type(self),), (self.__dict__, list(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return self.__reduce__()

    def __setstate__(self, state: tuple[dict[str, Any], list[T]]) -> None:
        held, items = state
        self.__dict__.update(held)
        list.extend(self, items)
