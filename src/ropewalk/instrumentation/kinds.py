"""Kinds of collections: what makes the collections of one relationship, and how any of them is handled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..exc import ArgumentError
from .custom import duck_type, instrument_collection_class
from .lists import InstrumentedList, place_of
from .sets import InstrumentedSet

if TYPE_CHECKING:
    from .relations import Relation

__all__ = ["CollectionKind", "duck_type", "kind_for"]


class CollectionKind:
    """How the collections of one class are made, filled and searched.

    :ivar make: returns an empty collection.
    :ivar duck: ``list``, ``set`` or ``dict``: what it is like, and so what may be assigned.
    """

    def __init__(self, make: Callable[[], Any], class_: Any) -> None:
        self.make = make
        self.class_ = class_
        self.duck = duck_type(class_) or list
        self.iterate: Callable[[Any], Iterable[Any]] = class_._sa_iterator
        self._append = class_._sa_appender
        self._remove = class_._sa_remover
        plain: dict[Any, Any] = {InstrumentedList: list, InstrumentedSet: set}
        self._plain = plain.get(class_)
        self.append: Callable[[Any, Any], None] = self._append_to_custom
        if class_ is InstrumentedList:
            self.append = list.append
        elif class_ is InstrumentedSet:
            self.append = set.add

    def _append_to_custom(self, collection: Any, item: Any) -> None:
        self._append(collection, item, _sa_initiator=False)

    def fill(self, collection: Any, members: Iterable[Any]) -> None:
        """Put members in without telling anybody."""
        if self._plain is list:
            list.extend(collection, members)
        elif self._plain is set:
            set.update(collection, members)
        else:
            for member in members:
                self._append(collection, member, _sa_initiator=False)

    def discard(self, collection: Any, item: Any) -> bool:
        """Take an object out without telling anybody; return whether it was in."""
        if self._plain is list:
            return _discard_from_list(collection, item)
        try:
            self._remove(collection, item, _sa_initiator=False)
        except (ValueError, KeyError, IndexError):
            return False
        return True


def _discard_from_list(collection: list[Any], item: Any) -> bool:
    try:
        place = place_of(collection, item)
    except ValueError:
        return False
    if list.__getitem__(collection, place) is not item:  # one that is equal stands before it
        places = [place for place, one in enumerate(collection) if one is item]
        if not places:
            return False
        place = places[0]
    list.__delitem__(collection, place)
    return True


_INSTRUMENTED: dict[Any, Any] = {list: InstrumentedList, set: InstrumentedSet}


def kind_for(factory: Any, relation: Relation) -> CollectionKind:
    """Return the kind of collection that ``collection_class=factory`` asks for.

    :param factory: a class, or whatever returns an empty collection; None for a list.
    :raises ArgumentError: what it returns cannot serve as a collection.
    """
    factory = factory or InstrumentedList
    factory = _INSTRUMENTED.get(factory, factory)
    if not callable(factory):
        raise ArgumentError(
            f"{relation.prop}: collection_class must be a class or a function that returns an empty collection; "
            f"it is {factory!r}."
        )
    specimen = factory()
    class_ = type(specimen)
    make = factory
    if class_ in _INSTRUMENTED:
        class_ = _INSTRUMENTED[class_]

        def make() -> Any:
            return class_(factory())

    elif class_ is dict:
        raise ArgumentError(
            f"{relation.prop}: a plain dict does not know the key of an object. Use "
            f"attribute_keyed_dict('name'), column_keyed_dict(column) or keyfunc_mapping(function)."
        )
    elif class_ not in (InstrumentedList, InstrumentedSet):
        instrument_collection_class(class_)
    return CollectionKind(make, class_)
