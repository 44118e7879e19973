"""Attributes that somebody listens to.

An attribute without listeners does not come here: its writes go through the class's ``__setattr__``, and its
relation's own methods. Where somebody listens, a column's writes are handed to :func:`_telling_writer`, and a
relation gets methods that tell, in place of its own.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ..kernel.listening import anybody
from ..kernel.symbols import NO_KEY, NO_VALUE
from ..state.instance import state_of
from .attributes import InstrumentedAttribute
from .manager import ClassManager, validated_writer
from .writing import set_value


class AttributeOperation(Enum):
    """What happens to an attribute."""

    APPEND = "append"
    REMOVE = "remove"
    REPLACE = "replace"
    BULK_REPLACE = "bulk replace"
    MODIFIED = "modified"


OP_APPEND = AttributeOperation.APPEND
OP_REMOVE = AttributeOperation.REMOVE
OP_REPLACE = AttributeOperation.REPLACE
OP_BULK_REPLACE = AttributeOperation.BULK_REPLACE
OP_MODIFIED = AttributeOperation.MODIFIED


class AttributeEventToken:
    """Where a change began: the ``initiator`` that listeners are given.

    :ivar key: the attribute that the program changed; with a backref it may be that of the other class.
    :ivar op: what was done to that attribute; :ivar impl: what handles it.
    """

    __slots__ = ("impl", "key", "op", "parent_token")

    def __init__(self, impl: Any, op: AttributeOperation) -> None:
        self.impl = impl
        self.key: str = impl.key
        self.op = op
        self.parent_token = getattr(impl, "parent_token", impl)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AttributeEventToken) and other.impl is self.impl and other.op is self.op

    def __hash__(self) -> int:
        return hash((id(self.impl), self.op))

    def __repr__(self) -> str:
        return f"<AttributeEventToken {self.op.value} {self.impl!r}>"


def attend(attribute: Any, name: str) -> None:
    """Have an attribute tell of ``name`` from now on."""
    manager: ClassManager = attribute.class_.__mapper__.class_manager
    key = attribute.key
    if attribute.prop.is_relationship:
        manager.listened.add(key)
        if key in manager.relations:
            tell_of_relation(manager.relations[key])
    elif name == "set":
        _tell_of_writes(manager, attribute)
    elif name == "init_scalar":
        attribute.__class__ = _TellingAttribute
    if name == "remove":
        anybody.removes = True
    elif name == "modified":
        anybody.modified = True


# -- columns ----------------------------------------------------------------------------------


def _tell_of_writes(manager: ClassManager, attribute: Any) -> None:
    key = attribute.key
    manager.plain.discard(key)
    writer = _telling_writer(manager, attribute)
    validator = manager.mapper.validators.get(key)
    manager.special[key] = writer if validator is None else validated_writer(*validator, inner=writer)


def _telling_writer(manager: ClassManager, attribute: Any) -> Any:
    token = AttributeEventToken(attribute, OP_REPLACE)

    def write(instance: Any, key: str, value: Any) -> None:
        held = instance.__dict__
        old = held.get(key, NO_VALUE)
        if old is NO_VALUE and (attribute.needs_history or attribute.prop.active_history):
            state = state_of(instance)
            if state is not None and state.pk is not None:
                getattr(instance, key)
                old = held.get(key, NO_VALUE)
        for listener in attribute.dispatch.set:
            value = listener(instance, value, old, token)
        set_value(instance, key, value)

    return write


class _TellingAttribute(InstrumentedAttribute[Any]):
    """A column's attribute where somebody listens to the reading of what was never set."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        state = None if instance is None else state_of(instance)
        if state is None or state.pk is not None:
            return super().__get__(instance, owner)
        value: Any = None
        for listener in self.dispatch.init_scalar:
            value = listener(instance, value, instance.__dict__)
        return value


def tell_deleted(instance: Any, key: str, value: Any) -> None:
    """Tell that a column's value is deleted with ``del``."""
    attribute = type(instance).__dict__.get(key) or getattr(type(instance), key)
    for listener in attribute.dispatch.remove:
        listener(instance, value, AttributeEventToken(attribute, OP_REMOVE))


def tell_modified(instance: Any, key: str) -> None:
    """Tell that a value was flagged as modified."""
    attribute = getattr(type(instance), key)
    attribute.dispatch.modified(instance, AttributeEventToken(attribute, OP_MODIFIED))


# -- relationships ------------------------------------------------------------------------------


def tell_of_relation(relation: Any) -> None:
    """Give a relation methods that tell."""
    if "tells" not in vars(relation):
        relation.tells = True
        if relation.uselist:
            _Membership(relation)
        else:
            _Reference(relation)


class _Telling:
    """The methods of one relation; its own are called through ``own``."""

    names: tuple[str, ...]

    def __init__(self, relation: Any) -> None:
        self.relation = relation
        self.key = relation.key
        self.own = {name: getattr(relation, name) for name in self.names}
        for name in self.names:
            setattr(relation, name, getattr(self, name))
        special = relation.mapper.class_manager.special
        if "write" in self.own and special.get(self.key) == self.own["write"]:  # it has been written to before
            special[self.key] = relation.write

    @property
    def attribute(self) -> Any:
        return self.relation.mapper.class_.__dict__[self.key]

    @property
    def dispatch(self) -> Any:
        return self.attribute.dispatch

    def token(self, op: AttributeOperation, origin: Any = None) -> AttributeEventToken:
        """Return the initiator.

        :param origin: the relation of the other side, where that is what the program has changed.
        """
        if origin is None:
            return AttributeEventToken(self.relation, op)
        if not origin.uselist:
            return AttributeEventToken(origin, OP_REPLACE)
        return AttributeEventToken(origin, OP_REMOVE if op is OP_REMOVE else OP_APPEND)


class _Replacement:
    """A collection of an object on its way to be replaced.

    :ivar staying: the members that it keeps, where somebody wants to know.
    """

    def __init__(self, instance: Any) -> None:
        self.instance = instance
        self.staying: list[Any] = []


class _Reference(_Telling):
    names = ("get", "put", "discard", "delete")
    quiet = False

    def get(self, state: Any, instance: Any) -> Any:
        found = self.own["get"](state, instance)
        if found is None and state.pk is None and self.key not in instance.__dict__:
            for listener in self.dispatch.init_scalar:
                found = listener(instance, found, instance.__dict__)
        return found

    def put(self, state: Any, instance: Any, value: Any, other: Any, origin: Any) -> None:
        listeners = self.dispatch.set
        if listeners and not self.quiet:
            old = instance.__dict__.get(self.key, NO_VALUE)
            if old is NO_VALUE and state.pk is not None:
                load = self.attribute.needs_history
                old = self.relation.former(state, instance) if load else self.relation._former(state, instance)
            token = self.token(OP_REPLACE, origin)
            new = value
            for listener in listeners:
                new = listener(instance, new, old, token)
            if new is not value:
                value, other = new, None if new is None else self.relation.accept(new)
        self.own["put"](state, instance, value, other, origin)

    def discard(self, state: Any, instance: Any, other: Any, item: Any, origin: Any) -> None:
        if listeners := self.dispatch.set:
            held = instance.__dict__.get(self.key, NO_VALUE)
            if held is NO_VALUE and state.pk is not None:
                held = self.relation.peek(state, instance)
            if held is item:
                token = self.token(OP_REMOVE, origin)
                for listener in listeners:
                    listener(instance, None, item, token)
        self.own["discard"](state, instance, other, item, origin)

    def delete(self, instance: Any) -> None:
        old = instance.__dict__.get(self.key, NO_VALUE)
        for listener in self.dispatch.remove:
            listener(instance, old, self.token(OP_REMOVE))
        self.quiet = True
        try:
            self.own["delete"](instance)
        finally:
            self.quiet = False


class _Membership(_Telling):
    names = ("adding", "staying", "_let_go", "add_quietly", "discard", "write", "_members_of", "new_collection")

    def __init__(self, relation: Any) -> None:
        super().__init__(relation)
        self.replacing: list[_Replacement] = []

    def _replacement(self, instance: Any) -> _Replacement | None:
        return next((one for one in self.replacing if one.instance is instance), None)

    def _place(self) -> Any:
        """Return the place of what comes or goes, and forget it: what listeners do may be of another place."""
        place, self.relation.place = self.relation.place, NO_KEY
        return place

    def adding(self, adapter: Any, collection: Any, item: Any) -> Any:
        place = self._place()
        found = self.own["adding"](adapter, collection, item)
        instance = adapter.state()
        listeners = self.dispatch.append
        if not listeners or instance is None:
            return found
        token = self.token(OP_APPEND if self._replacement(instance) is None else OP_BULK_REPLACE)
        new = found
        for listener in listeners:
            new = listener(instance, new, token, key=place)
        if new is not found:  # another one comes in its place
            if found is not None:
                self.own["_let_go"](adapter, None, instance, found)
            return self.own["adding"](adapter, collection, new)
        return found

    def staying(self, adapter: Any, item: Any) -> None:
        self.own["staying"](adapter, item)
        instance = adapter.state()
        if instance is not None:
            for listener in self.dispatch.append_wo_mutation:
                listener(instance, item, self.token(OP_APPEND), key=NO_KEY)

    def _let_go(self, adapter: Any, collection: Any, instance: Any, item: Any) -> None:
        place = self._place()
        self.own["_let_go"](adapter, collection, instance, item)
        if listeners := self.dispatch.remove:
            replacement = self._replacement(instance)
            token = self.token(OP_REMOVE if replacement is None else OP_BULK_REPLACE)
            for listener in listeners:
                listener(instance, item, token, key=place)

    def add_quietly(self, state: Any, instance: Any, other: Any, item: Any, origin: Any) -> None:
        new = item
        for listener in self.dispatch.append:
            new = listener(instance, new, self.token(OP_APPEND, origin), key=NO_KEY)
        if new is not item:
            item, other = new, self.relation.accept(new)
        self.own["add_quietly"](state, instance, other, item, origin)

    def discard(self, state: Any, instance: Any, other: Any, item: Any, origin: Any) -> None:
        for listener in self.dispatch.remove:
            listener(instance, item, self.token(OP_REMOVE, origin), key=NO_KEY)
        self.own["discard"](state, instance, other, item, origin)

    def write(self, instance: Any, key: str, value: Any) -> None:
        before = instance.__dict__.get(key)
        adapter = getattr(before, "_sa_adapter", None)
        self.replacing.append(replacement := _Replacement(instance))
        try:
            self.own["write"](instance, key, value)
        finally:
            self.replacing.pop()
        for item in replacement.staying:
            for listener in self.dispatch.append_wo_mutation:
                listener(instance, item, self.token(OP_BULK_REPLACE), key=NO_KEY)
        if before is not None and instance.__dict__.get(key) is not before:
            self.dispatch.dispose_collection(instance, before, adapter)

    def _members_of(self, value: Any) -> Any:
        members = self.own["_members_of"](value)
        if self.replacing:
            instance = self.replacing[-1].instance
            keys = list(value) if isinstance(value, dict) and len(value) == len(members) else None
            for listener in self.dispatch.bulk_replace:
                listener(instance, members, self.token(OP_BULK_REPLACE), keys=keys)
            if self.dispatch.append_wo_mutation and (held := instance.__dict__.get(self.key)) is not None:
                there = {id(item) for item in self.relation.kind.iterate(held)}
                self.replacing[-1].staying = [item for item in members if id(item) in there]
        return members

    def new_collection(self, state: Any, instance: Any) -> Any:
        collection = self.own["new_collection"](state, instance)
        if listeners := self.dispatch.init_collection:
            listeners(instance, collection, collection._sa_adapter)
        return collection


__all__ = [
    "OP_APPEND",
    "OP_BULK_REPLACE",
    "OP_MODIFIED",
    "OP_REMOVE",
    "OP_REPLACE",
    "AttributeEventToken",
    "AttributeOperation",
    "attend",
    "tell_deleted",
    "tell_modified",
    "tell_of_relation",
]
