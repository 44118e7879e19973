"""``merge``: a copy of an object's values on this session's own object for the same row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..exc import InvalidRequestError
from ..state.instance import PERSISTENT, InstanceState
from ..state.mutable import watch
from .moves import state_in

if TYPE_CHECKING:
    from .session import Session

T = TypeVar("T")


def merge(session: Session, instance: T, load: bool, options: Sequence[Any] | None) -> T:
    """Merge one object; see :meth:`Session.merge`."""
    if load:
        session._autoflush()
    autoflush, session.autoflush = session.autoflush, False
    try:
        return _merge(session, instance, load, options)
    finally:
        session.autoflush = autoflush


def _merge(session: Session, instance: T, load: bool, options: Sequence[Any] | None) -> T:
    state = state_in(instance)
    if state.owner is session.identity_map:
        return instance  # it is this session's own
    mapper = state.mapper
    pk = state.pk
    if pk is None:
        if not load:
            raise InvalidRequestError(
                f"merge(load=False) takes objects that have a row; {state.describe()} is {state.status_name}."
            )
        values = tuple(state.dict.get(key) for key in mapper.pk_keys)
        if all(value is not None for value in values):
            pk = values[0] if mapper.single_pk is not None else values
    target: Any = None
    if pk is not None:
        target = session.identity_map.find(mapper, pk, state.identity_token)
        if target is None and load:
            ident = (pk,) if mapper.single_pk is not None else pk
            target = session.get(mapper.class_, ident, options=options, identity_token=state.identity_token)
    if target is None:
        class_: Any = mapper.class_
        target = class_.__new__(class_)
        new_state: InstanceState = class_.__ropewalk_state__(target)
        if load:
            _copy_new(state, target)
            session.add(target)
            return target  # type: ignore[no-any-return]
        if state.modified:
            raise InvalidRequestError(
                f"merge(load=False) takes objects without changes; {state.describe()} has unflushed ones: "
                f"{', '.join(state.changed_keys())}."
            )
        new_state.pk, new_state.status, new_state.expired = pk, PERSISTENT, state.expired
        if state.identity_token is not None:
            new_state.set_extra("token", state.identity_token)
        new_state.owner = session.identity_map
        session.identity_map.put(new_state, target)
    if load:
        _copy_values(state, state_in(target), target)
    else:
        _copy_committed(state, state_in(target), target)
    return target  # type: ignore[no-any-return]


def _copy_new(source: InstanceState, target: Any) -> None:
    for key in source.mapper.column_props:
        if key in source.dict:
            setattr(target, key, source.dict[key])


def _copy_values(source: InstanceState, target_state: InstanceState, target: Any) -> None:
    """Set what differs, as a program would: validators run and history is kept."""
    for key, prop in source.mapper.column_props.items():
        if key not in source.dict or not prop.writable:
            continue
        value = source.dict[key]
        if key not in target_state.dict or not _equal(prop, target_state.dict[key], value):
            setattr(target, key, value)


def _copy_committed(source: InstanceState, target_state: InstanceState, target: Any) -> None:
    """Take the values over as if they had been loaded."""
    held = target.__dict__
    for key, prop in source.mapper.column_props.items():
        if key in source.dict:
            held[key] = source.dict[key]
            if prop.may_be_mutable:
                watch(target_state, key, held[key])
        else:
            held.pop(key, None)


def _equal(prop: Any, a: Any, b: Any) -> bool:
    try:
        return bool(prop.type.compare_values(a, b))
    except Exception:  # values that cannot be compared are taken for different
        return False
