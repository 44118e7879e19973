"""An association proxy on the objects of one class: reading, writing and deleting."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy.sql.operators import ColumnOperators

from ..exc import ArgumentError
from ..instrumentation.custom import duck_type
from .proxy_collections import AssociationCollection, AssociationDict, AssociationList
from .proxy_sets import AssociationSet

if TYPE_CHECKING:
    from .associationproxy import AssociationProxy

T = TypeVar("T")

_COLLECTIONS: dict[Any, Any] = {list: AssociationList, set: AssociationSet, dict: AssociationDict}


class LazyCollection:
    """Returns the collection of related objects as it is now: loaded when first asked for, or replaced since."""

    __slots__ = ("owner", "target")

    def __init__(self, owner: Any, target: str) -> None:
        self.owner = owner
        self.target = target

    def __call__(self) -> Any:
        return getattr(self.owner, self.target)


class AssociationProxyInstance(ColumnOperators, Generic[T]):
    """What an association proxy is on one class.

    :ivar parent: the :class:`AssociationProxy`.
    :ivar owning_class: the class that it is read from.
    :ivar target_class: the class of the related objects.
    """

    inherit_cache = True

    def __init__(self, parent: AssociationProxy[T], owning_class: type, target_class: type) -> None:
        self.parent = parent
        self.owning_class = owning_class
        self.target_class = target_class
        self.target_collection = parent.target_collection
        self.value_attr = parent.value_attr
        self._makers: dict[type, Callable[[LazyCollection], Any]] = {}
        self._getsets: dict[Any, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    @property
    def key(self) -> str:
        return self.parent.key

    @property
    def info(self) -> dict[Any, Any]:
        return self.parent.info

    @property
    def local_attr(self) -> Any:
        """The relationship, as an attribute of the owning class."""
        return getattr(self.owning_class, self.target_collection)

    @property
    def remote_attr(self) -> Any:
        """The attribute of the related class."""
        return getattr(self.target_class, self.value_attr)

    @property
    def attr(self) -> tuple[Any, Any]:
        """Both, in the order of a join along them."""
        return self.local_attr, self.remote_attr

    @functools.cached_property
    def scalar(self) -> bool:
        """Whether the relationship holds one object and not a collection."""
        return not self.local_attr.relationship.uselist

    def for_object(self, obj: Any) -> AssociationProxyInstance[T]:
        """Return what the proxy is for one object; another than this where the object decides."""
        return self

    # -- on an object -------------------------------------------------------------------

    def get(self, obj: Any) -> Any:
        """Return the value, or what stands for the collection of values."""
        if self.scalar:
            getter, _ = self._getset(None)
            return getter(getattr(obj, self.target_collection))
        # Made anew each time: kept with the object it would be a cycle, and the object garbage only for the collector.
        lazy = LazyCollection(obj, self.target_collection)
        collection = type(lazy())
        make = self._makers.get(collection)
        if make is None:
            make = self._makers[collection] = self._maker(collection)
        return make(lazy)

    def _maker(self, collection: type) -> Callable[[LazyCollection], Any]:
        """Return what makes the proxy of a collection of one class."""
        creator, factory = self.parent.creator or self.target_class, self.parent.proxy_factory
        if factory is not None:
            return lambda lazy: factory(lazy, creator, self.value_attr, self)
        kind = duck_type(collection)
        if kind not in _COLLECTIONS:
            raise ArgumentError(
                f"{self}: what {self.owning_class.__name__}.{self.target_collection} holds is like no list, set or "
                "dictionary. Give the association_proxy a proxy_factory and a proxy_bulk_set."
            )
        class_, (getter, setter) = _COLLECTIONS[kind], self._getset(kind)
        return lambda lazy: class_(lazy, creator, getter, setter, self)

    def set(self, obj: Any, values: Any) -> None:
        """Write the value, or replace the values."""
        if self.scalar:
            self._set_scalar(obj, values)
            return
        proxy = self.get(obj)
        if isinstance(values, AssociationCollection) and values.stands_for(proxy):
            return  # user.keywords += [...] has done its work already
        if self.parent.proxy_bulk_set is not None:
            values = dict(values) if duck_type(proxy) is dict else list(values)  # may be read from what is cleared
            proxy.clear()
            self.parent.proxy_bulk_set(proxy, values)
        else:
            proxy.bulk_replace(values)

    def _set_scalar(self, obj: Any, value: Any) -> None:
        target = getattr(obj, self.target_collection)
        if target is None:
            if value is not None or self.parent.create_on_none_assignment:
                creator = self.parent.creator or self.target_class
                setattr(obj, self.target_collection, creator(value))
            return
        _, setter = self._getset(None)
        setter(target, value)
        if value is None and self.parent.cascade_scalar_deletes:
            setattr(obj, self.target_collection, None)

    def delete(self, obj: Any) -> None:
        """Delete the value together with the related object, or empty the collection."""
        if self.scalar:
            target = getattr(obj, self.target_collection)
            if target is not None:
                delattr(target, self.value_attr)
        delattr(obj, self.target_collection)

    def _getset(self, kind: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return what reads the value from a related object, and what writes it there."""
        found = self._getsets.get(kind)
        if found is None:
            factory = self.parent.getset_factory
            found = self._getsets[kind] = self.default_getset(kind) if factory is None else factory(kind, self)
        return found

    def default_getset(self, kind: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return getter and setter as they are without a ``getset_factory``.

        :param kind: ``list``, ``set``, ``dict``, or None for a reference.
        """
        name = self.value_attr
        read = operator.attrgetter(name)

        def getter(target: Any) -> Any:
            return None if target is None else read(target)

        if kind is dict:
            return getter, lambda target, key, value: setattr(target, name, value)
        return getter, lambda target, value: setattr(target, name, value)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.parent!r})"

    __str__ = __repr__
