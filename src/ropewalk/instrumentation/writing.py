"""Writing an attribute: one generated ``__setattr__`` and ``__delattr__`` per mapped class.

A property per attribute, as SQLAlchemy has it, makes reads slow too: a data descriptor
goes before the instance's ``__dict__``. One ``__setattr__`` leaves reads to Python, and
costs a write some 60 ns. The first write of an attribute records the value that it
replaces in ``state.committed``; the first write of an object also puts it into the
session's ``modified``, which holds it until the flush.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..kernel.listening import anybody
from ..kernel.symbols import NO_VALUE
from ..state.instance import STATE, state_of

if TYPE_CHECKING:
    from ..state.instance import InstanceState

Setter = Callable[[Any, str, Any], None]


def record(state: InstanceState, instance: Any, key: str) -> None:
    """Note that ``key`` is about to be written, with the value that it has now."""
    if state.pk is None:
        return
    committed = state.committed
    if committed is None:
        state.committed = committed = {}
        if state.owner is not None:
            state.owner.modified[state] = instance
    if key not in committed:
        if state.mutables is not None and key in state.mutables:
            committed[key] = state.mutables[key][1]
        else:
            committed[key] = instance.__dict__.get(key, NO_VALUE)


def set_value(instance: Any, key: str, value: Any) -> None:
    """Write a mapped column attribute, recording the change; no validator is called."""
    state = state_of(instance)
    if state is not None:
        record(state, instance, key)
    instance.__dict__[key] = value


def set_committed_value(instance: Any, key: str, value: Any) -> None:
    """Set an attribute as if it had been loaded: no change is recorded."""
    state = state_of(instance)
    instance.__dict__[key] = value
    if state is not None and state.committed is not None:
        state.committed.pop(key, None)


def make_setattr(plain: set[str], special: dict[str, Setter], inherited: Any) -> Callable[[Any, str, Any], None]:
    """Return the ``__setattr__`` of one class.

    :param plain: names of column attributes with nothing attached; the set may change later.
    :param special: other mapped names → what writes them (a validator, active history).
    :param inherited: the ``__setattr__`` for every other name.
    """

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name in plain:
            held = self.__dict__
            try:
                state = self._sa_instance_state
            except AttributeError:  # not given a state yet, so in no session
                held[name] = value
                return
            first = state.first_key
            if first is None:
                if state.pk is None:
                    pass
                elif state.mutables is None:
                    try:
                        state.first_value = held[name]
                    except KeyError:
                        state.first_value = NO_VALUE
                    state.first_key = name
                    if (owner := state.owner) is not None:
                        owner.modified[state] = self
                else:
                    record(state, self, name)
            elif first is not name:
                record(state, self, name)
            held[name] = value
        elif name in special:
            special[name](self, name, value)
        elif name != STATE or value() is self:  # copy.copy() hands on the original's state; a copy gets its own
            inherited(self, name, value)

    return __setattr__


def make_delattr(
    columns: Any, delete_related: Callable[[Any, str], bool], inherited: Any
) -> Callable[[Any, str], None]:
    """Return the ``__delattr__`` of one class: a deleted value is written as NULL.

    :param delete_related: lets go what a relationship holds; False for any other name.
    """

    def __delattr__(self: Any, name: str) -> None:
        if name not in columns:
            if not delete_related(self, name):
                inherited(self, name)
            return
        state = state_of(self)
        held = self.__dict__
        if state is not None and state.pk is not None:
            if name not in held and not (state.committed and name in state.committed):
                getattr(self, name)  # the value to be deleted must be known
            if name not in held:
                raise AttributeError(f"{type(self).__name__} object does not have a value for attribute {name!r}")
            record(state, self, name)
        if name not in held:
            raise AttributeError(f"{type(self).__name__} object does not have a value for attribute {name!r}")
        validator = type(self).__mapper__.validators.get(name)
        if validator is not None and validator[1]["include_removes"]:
            validator[0](self, name, held[name], True)
        if anybody.removes:
            from .told_attributes import tell_deleted

            tell_deleted(self, name, held[name])
        del held[name]

    return __delattr__


def guarded_setattr(own: Any, columns: Any, special: dict[str, Setter]) -> Callable[[Any, str, Any], None]:
    """Wrap a ``__setattr__`` that the class itself defines, so that its writes are recorded too.

    Such a method may well store the value with ``object.__setattr__``, which nothing of ours sees. What it
    stored in a relationship is taken out again and assigned as it should be.
    """

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name in columns:
            if (state := state_of(self)) is not None:
                record(state, self, name)
        elif name in special:
            held = self.__dict__
            before = held.get(name, NO_VALUE)
            own(self, name, value)
            after = held.get(name, NO_VALUE)
            if after is not before:
                if before is NO_VALUE:
                    del held[name]
                else:
                    held[name] = before
                special[name](self, name, after)
            return
        own(self, name, value)

    return __setattr__
