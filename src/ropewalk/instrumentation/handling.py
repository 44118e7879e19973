"""Handling attributes by name, past or through what their class makes of them.

These are the helpers of ``sqlalchemy.orm.attributes`` that programs use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exc import InvalidRequestError, UnmappedInstanceError
from ..kernel.listening import anybody
from ..kernel.symbols import NO_VALUE, PassiveFlag
from ..state.history import History
from ..state.instance import state_of
from .adapter import CollectionAdapter, collection_adapter
from .told_attributes import tell_modified
from .writing import record
from .writing import set_committed_value as set_committed_column

if TYPE_CHECKING:
    from ..state.instance import InstanceState


def instance_state(instance: Any) -> InstanceState:
    """Return the state of a mapped object."""
    state = state_of(instance)
    if state is None:
        raise UnmappedInstanceError(instance)
    return state


def instance_dict(instance: Any) -> dict[str, Any]:
    """Return the dictionary that holds an object's loaded values."""
    return instance.__dict__  # type: ignore[no-any-return]


def get_attribute(instance: Any, key: str) -> Any:
    """Read an attribute, loading it where it must be, whatever the class's own ``__getattribute__`` does."""
    return object.__getattribute__(instance, key)


def set_attribute(instance: Any, key: str, value: Any, initiator: Any = None) -> None:
    """Assign an attribute as ``instance.key = value`` does, whatever the class's own ``__setattr__`` does."""
    manager = instance_state(instance).mapper.class_manager
    if key in manager.special:
        manager.special[key](instance, key, value)
    elif key in manager.plain:
        record(instance_state(instance), instance, key)
        instance.__dict__[key] = value
    else:
        setattr(instance, key, value)


def del_attribute(instance: Any, key: str) -> None:
    """Delete an attribute as ``del instance.key`` does."""
    delattr(instance, key)


def set_committed_value(instance: Any, key: str, value: Any) -> None:
    """Set an attribute as if it had been loaded: no change, and nobody is told.

    The members of a collection may come in any iterable.
    """
    state = instance_state(instance)
    if key in state.mapper.relationship_props:
        relation = state.mapper.class_manager.relations[key]
        if relation.uselist:
            members = value.values() if isinstance(value, dict) else value
            relation.set_loaded(state, instance, members)
            return
    set_committed_column(instance, key, value)


def init_collection(obj: Any, key: str) -> CollectionAdapter:
    """Give an object a new, empty collection, as if it had been loaded, and return its adapter. ::

    collection_adapter = init_collection(parent, "children")
    collection_adapter.append_without_event(child)
    """
    instance = obj.object if getattr(obj, "is_instance", False) else obj
    state = instance_state(instance)
    relation = state.mapper.class_manager.relations[key]
    return collection_adapter(relation.set_loaded(state, instance, ()))  # type: ignore[return-value]


def get_history(obj: Any, key: str, passive: PassiveFlag = PassiveFlag.PASSIVE_OFF) -> History:
    """Return what changed in an attribute since the last flush.

    :param passive: whether the present value is loaded first where it is not there.
    """
    state = obj if getattr(obj, "is_instance", False) else instance_state(obj)
    instance = state.object
    relation = state.mapper.class_manager.relations[key] if key in state.mapper.relationship_props else None
    if relation is not None and relation.queried:
        loads = instance is not None and passive & PassiveFlag.SQL_OK and passive & PassiveFlag.INIT_OK
        return relation.loaded_history(state, instance) if loads else relation.history(state)  # type: ignore[no-any-return]
    unloaded = instance is not None and key not in instance.__dict__
    if unloaded and state.pk is not None and passive & PassiveFlag.SQL_OK:
        getattr(instance, key)
    return state.history(key)


def flag_modified(instance: Any, key: str) -> None:
    """Mark an attribute as changed, so that the flush writes it whatever its value is.

    :raises InvalidRequestError: the attribute holds no value.
    """
    state = instance_state(instance)
    if key not in instance.__dict__:
        raise InvalidRequestError(
            f"Can't flag attribute {key!r} of {state.describe()} as modified: it holds no value. Read or set it first."
        )
    flag_dirty(instance)
    relationships = state.mapper.relationship_props
    if state.committed is not None and key not in relationships:
        state.committed[key] = NO_VALUE  # which differs from any value
    if anybody.modified:
        tell_modified(instance, key)


def flag_dirty(instance: Any) -> None:
    """Mark an object as changed though no attribute is: it takes part in the next flush, and its events."""
    state = instance_state(instance)
    if state.pk is not None and state.committed is None:
        state.committed = {}
        if state.owner is not None:
            state.owner.modified[state] = instance


def has_parent(class_: Any, obj: Any, key: str, optimistic: bool = False) -> bool:
    """Whether ``obj`` is known to be in relationship ``key`` of some object of ``class_``."""
    state = obj if getattr(obj, "is_instance", False) else instance_state(obj)
    relation = class_.__mapper__.class_manager.relations[key]
    return bool(relation.has_parent(state, optimistic))
