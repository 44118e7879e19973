"""``merge``: copies of objects' values on this session's own objects for the same rows.

It goes in two steps, so that the depth of a graph does not matter: first each object that the
``merge`` cascade leads to finds its target and gives it its columns, then the targets are
related as their sources are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..exc import InvalidRequestError, SAWarning, StaleDataError
from ..instrumentation.pending import forget_pending
from ..kernel.symbols import NO_VALUE
from ..loading.peers import Peers
from ..state.instance import DETACHED, PERSISTENT, InstanceState
from ..state.mutable import watch
from . import telling
from .cascading import relations_with
from .moves import expire_keys, state_in

if TYPE_CHECKING:
    from .session import Session

T = TypeVar("T")


def merge(session: Session, instances: Iterable[T], load: bool, options: Sequence[Any] | None) -> list[T]:
    """Merge objects, and what the cascade leads to, each once; see :meth:`Session.merge`."""
    if load:
        session._autoflush()
    autoflush, session.autoflush = session.autoflush, False
    try:
        merging = _Merge(session, load, options)
        return [merging.run(instance) for instance in instances]
    finally:
        session.autoflush = autoflush


class _Merge:
    """One call of ``merge`` or ``merge_all``."""

    def __init__(self, session: Session, load: bool, options: Sequence[Any] | None) -> None:
        self._session = session
        self._load = load
        self._options = options
        self._targets: dict[InstanceState, Any] = {}
        self._by_key: dict[Any, Any] = {}
        self._reached: set[tuple[InstanceState, Any]] = set()
        self._relations: list[tuple[Any, InstanceState, Any]] = []
        self._waiting: list[Any] = []
        self._made: list[Any] = []

    def run(self, instance: Any) -> Any:
        self._waiting = [instance]
        for source in self._waiting:  # it grows while we are at it
            self._copy(source)
        for relation, state, source in self._relations:
            self._relate(relation, state, source)
        self._relations.clear()
        if not self._load:
            for state, target in self._targets.items():
                if target is not state():
                    _take_for_unchanged(state_in(target))
        while self._made:
            target = self._made.pop(0)
            state_in(target).mapper.class_manager.dispatch.load(target, None)
        return self._targets[state_in(instance)]

    def _copy(self, source: Any) -> None:
        state = state_in(source)
        if state in self._targets:
            return
        key = self._key(state)
        target = self._by_key.get(key)
        if target is None:
            target = _target(
                self._session, source, self._load, self._options if len(self._waiting) == 1 else None, self._made
            )
        else:
            _copy_values(state, state_in(target), target)
        self._targets[state] = target
        if key is not None:
            self._by_key[key] = target
        if target is source:
            return
        if type(state.peers) is Peers:  # what loads later honours the options that the source was loaded with
            state_in(target).peers = state.peers.left
        for relation in relations_with(state.mapper, "merge"):
            if _holds_nothing(relation, source):
                continue
            if self._load and any((state, other) in self._reached for other in relation.prop.reverse):
                continue  # the other side, where we come from, sets both
            self._relations.append((relation, state, source))
            if self._load and relation.uselist and state_in(target).pk is not None:
                relation.load_anyway(state_in(target), target)  # loads members together, not one by one
            for other in _members(relation, source):
                if other is not None:
                    self._reached.add((state_in(other), relation.prop))
                    self._waiting.append(other)

    def _key(self, state: InstanceState) -> Any:
        mapper = state.mapper
        values = state.identity or tuple([state.dict.get(key, NO_VALUE) for key in mapper.pk_keys])
        return (mapper.base_mapper, values, state.identity_token) if _is_key(mapper, values) else None

    def _relate(self, relation: Any, state: InstanceState, source: Any) -> None:
        target = self._targets[state]
        target_state = state_in(target)
        found = [None if other is None else self._targets[state_in(other)] for other in _members(relation, source)]
        written = self._load and not (relation.prop.viewonly and target_state.pk is not None)
        if not relation.uselist:
            value = found[0] if found else None
            if written:
                relation.write(target, relation.key, value)
            else:
                target.__dict__[relation.key] = value
        elif written:
            collection = relation.kind.make()
            relation.kind.fill(collection, found)
            relation.write(target, relation.key, collection)
        else:
            relation.set_loaded(target_state, target, found)


def _holds_nothing(relation: Any, source: Any) -> bool:
    """Whether there is nothing to merge: not loaded, never set, or an empty collection that came of being read."""
    held = source.__dict__.get(relation.key, NO_VALUE)
    if held is NO_VALUE:
        return True
    adapter = getattr(held, "_sa_adapter", None) if relation.uselist else None
    return adapter is not None and adapter.untouched and not any(True for _ in relation.kind.iterate(held))


def _take_for_unchanged(state: InstanceState) -> None:
    """What was put in place is what the database has: so ``load=False`` says."""
    state.committed = None
    forget_pending(state)
    if state.owner is not None:
        state.owner.modified.pop(state, None)


def _members(relation: Any, instance: Any) -> list[Any]:
    held = instance.__dict__[relation.key]
    if relation.uselist:
        return list(relation.kind.iterate(held))
    return [held]


def _target(session: Session, instance: T, load: bool, options: Sequence[Any] | None, made: list[Any]) -> T:
    """Return this session's object for an object's row, with the values of its columns."""
    state = state_in(instance)
    if state.owner is session.identity_map:
        if state in session._new:
            warnings.warn(
                f"{state.describe()} is pending in this session, so merge() has nothing to do: it gives back the "
                f"object itself.",
                SAWarning,
                stacklevel=2,
            )
        return instance  # it is this session's own
    mapper = state.mapper
    pk = state.pk
    if pk is None:
        if not load:
            raise InvalidRequestError(
                f"merge(load=False) takes objects that have a row; {state.describe()} is {state.status_name}."
            )
        values = tuple(state.dict.get(key, NO_VALUE) for key in mapper.pk_keys)
        if _is_key(mapper, values):
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
        made.append(target)
        if load:
            _copy_new(state, target)
            session.add(target)
            return target  # type: ignore[no-any-return]
        if state.modified:
            raise InvalidRequestError(
                f"merge(load=False) takes objects without changes; {state.describe()} has unflushed ones: "
                f"{', '.join(state.changed_keys())}."
            )
        new_state.pk, new_state.status, new_state.expired = pk, DETACHED, state.expired
        if state.identity_token is not None:
            new_state.set_extra("token", state.identity_token)
        if session._heard is not None:
            telling.attaching(session, new_state, target)
        new_state.status = PERSISTENT
        new_state.owner = session.identity_map
        session.identity_map.put(new_state, target)
        if session._heard is not None:
            telling.attached(session, new_state, target)
    if load:
        _check_version(state, target)
        _copy_values(state, state_in(target), target)
    else:
        _copy_committed(state, state_in(target), target)
    return target  # type: ignore[no-any-return]


def _is_key(mapper: Any, values: Sequence[Any]) -> bool:
    """Whether the values of a primary key, NO_VALUE for what was never set, can be those of a row."""
    if NO_VALUE in values:
        return False
    if mapper.allow_partial_pks and len(values) > 1:
        return any(value is not None for value in values)
    return None not in values


def _check_version(source: InstanceState, target: Any) -> None:
    """Refuse to merge an object that stems from an older version of its row."""
    column = source.mapper.version_id_col
    if column is None:
        return
    key = source.mapper.key_of[column]
    given = source.dict.get(key)
    if given is None:
        return
    present = getattr(target, key)
    if present != given:
        raise StaleDataError(
            f"{source.describe()} cannot be merged: it is of version {given!r}, and its row has {present!r} by now. "
            f"Merge it without a value for {key!r} to write over the present version all the same.",
            source.mapper,
        )


def _copy_new(source: InstanceState, target: Any) -> None:
    for key in source.mapper.column_props:
        if key in source.dict:
            setattr(target, key, source.dict[key])


def _copy_values(source: InstanceState, target_state: InstanceState, target: Any) -> None:
    """Set what differs, as a program would: validators run and history is kept."""
    gone = target_state.committed or {}
    for key, prop in source.mapper.column_props.items():
        if key not in source.dict and key in gone and key not in target_state.dict:
            expire_keys(target_state, [key])  # it was deleted, and the source knows of no value either: read it again
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
