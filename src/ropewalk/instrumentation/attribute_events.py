"""What attributes tell: that they are set, that something comes into a collection, or leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..kernel.core import take_listeners, wrapped_listener
from ..kernel.listening import Telling, anybody
from ..mapping.mapper import Mapper
from ..mapping.properties import MapperProperty
from ..state.instance import state_of
from .attributes import QueryableAttribute
from .manager import managers
from .told_attributes import attend

NAMES = (
    "append",
    "append_wo_mutation",
    "bulk_replace",
    "remove",
    "set",
    "init_scalar",
    "init_collection",
    "dispose_collection",
    "modified",
)


class AttributeEvents(Telling):
    """Events of one attribute of a mapped class; of all attributes, given by ``QueryableAttribute``. ::

        @event.listens_for(User.name, "set", retval=True)
        def strip(target, value, oldvalue, initiator):
            return value.strip()

    ``active_history=True`` has an unloaded old value loaded; ``propagate=True`` includes subclasses; with
    ``retval=True`` the value that is returned takes the place of the one given; ``raw=True`` gives states
    instead of objects; ``include_key=True`` gives the ``key`` of what comes into a collection or leaves it: the
    dictionary's, or the index in a list, NO_KEY where neither is known (and the ``keys`` to ``bulk_replace``).
    """

    _target_class_doc = "SomeClass.some_attribute"
    _dispatch_target = QueryableAttribute

    @classmethod
    def _find(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, MapperProperty):
            return getattr(target.parent.class_, target.key)
        if isinstance(target, QueryableAttribute):
            prop: Any = target.prop
            found = target.class_.__dict__.get(prop.name if prop.is_synonym else target.key)
            return found if isinstance(found, QueryableAttribute) else target
        if isinstance(target, type) and issubclass(target, QueryableAttribute):
            return QueryableAttribute
        return None

    @classmethod
    def _listen(
        cls,
        event_key: Any,
        *,
        active_history: bool = False,
        raw: bool = False,
        retval: bool = False,
        propagate: bool = False,
        include_key: bool = False,
        **kw: Any,
    ) -> None:
        name, target = event_key.identifier, event_key.dispatch_target
        event_key = wrapped_listener(event_key, _adapted(raw, retval, include_key))
        targets = [target]
        if propagate and isinstance(target, QueryableAttribute):
            targets += _in_subclasses(target)
        for each in targets:
            event_key.with_dispatch_target(each).base_listen(propagate=propagate, **kw)
            if isinstance(each, QueryableAttribute):
                each.needs_history = each.needs_history or active_history
                attend(each, name)
            else:
                anybody.attributes = True
                for manager in list(managers):
                    for attribute in _attributes_of(manager.mapper):
                        attribute.needs_history = attribute.needs_history or active_history
                        attend(attribute, name)

    def append(self, target: Any, value: Any, initiator: Any, *, key: Any = None) -> None:
        """An object is about to come into a collection."""

    def append_wo_mutation(self, target: Any, value: Any, initiator: Any, *, key: Any = None) -> None:
        """An object that is in a collection was put in again."""

    def bulk_replace(self, target: Any, values: Any, initiator: Any, *, keys: Any = None) -> None:
        """A collection is about to be replaced; the list ``values`` may be changed."""

    def remove(self, target: Any, value: Any, initiator: Any, *, key: Any = None) -> None:
        """An object is about to leave a collection, or a value is deleted with ``del``."""

    def set(self, target: Any, value: Any, oldvalue: Any, initiator: Any) -> None:
        """A value is about to be set."""

    def init_scalar(self, target: Any, value: Any, dict_: Any) -> None:
        """A value that was never set is read of an object that has no row."""

    def init_collection(self, target: Any, collection: Any, collection_adapter: Any) -> None:
        """An object has got an empty collection, to be filled or used."""

    def dispose_collection(self, target: Any, collection: Any, collection_adapter: Any) -> None:
        """A collection was replaced by another one."""

    def modified(self, target: Any, initiator: Any) -> None:
        """``flag_modified()`` was called."""


def take_attribute_listeners(mapper: Mapper[Any]) -> None:
    """Give the attributes of a class just mapped the listeners of what it inherits, and of all attributes."""
    base = mapper.inherits
    if base is None and not anybody.attributes:
        return
    for attribute in _attributes_of(mapper):
        inherited = None if base is None else base.class_.__dict__.get(attribute.key)
        if inherited is not None and "dispatch" in vars(inherited):
            take_listeners(attribute.dispatch, inherited.dispatch, True)
            attribute.needs_history = inherited.needs_history
        elif not anybody.attributes:
            continue
        for name in NAMES:
            if getattr(attribute.dispatch, name):
                attend(attribute, name)


def _attributes_of(mapper: Mapper[Any]) -> Iterator[Any]:
    for key, prop in mapper.props.items():
        found = mapper.class_.__dict__.get(key)
        if isinstance(found, QueryableAttribute) and not prop.is_synonym:
            yield found


def _in_subclasses(attribute: Any) -> Iterator[Any]:
    for mapper in attribute.class_.__mapper__.self_and_descendants:
        if mapper.class_ is not attribute.class_:
            found = mapper.class_.__dict__.get(attribute.key)
            if isinstance(found, QueryableAttribute):
                yield found


def _adapted(raw: bool, retval: bool, include_key: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a listener of one that wants states or objects, and may return values."""

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        def call(target: Any, *arguments: Any, **kw: Any) -> Any:
            if raw:
                target = state_of(target)
            found = fn(target, *arguments, **kw) if include_key else fn(target, *arguments)
            return found if retval else (arguments[0] if arguments else None)

        return call

    return wrap
