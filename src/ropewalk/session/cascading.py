"""Cascades: which moves of one object take those along that it refers to.

``add`` goes along values that are in memory, and stops at objects that the session holds already:
what these refer to has come in with them, or when it was assigned. ``delete`` loads what it
needs to know, unless the database sees to it (``passive_deletes``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..instrumentation.pending import pending_changes
from ..kernel.symbols import MANYTOONE, NO_VALUE, ONETOMANY
from ..mapping import configuring
from ..mapping.relationships import QUERIED
from ..state.instance import PENDING, TRANSIENT, InstanceState, state_of
from ..unitofwork.orphans import is_orphan
from . import moves

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from .session import Session

CASCADES = ("save_update", "delete", "merge", "expunge", "refresh_expire")
_NONE: tuple[Any, ...] = ()


class Cascading:
    """What relationships tell a Session of its objects; the Session derives from it."""

    def related(self, state: InstanceState, instance: Any, prop: Any, other: Any) -> None:
        """``instance`` of this session refers to ``other`` now, which comes in too."""
        session: Session = self  # type: ignore[assignment]
        found = moves.state_in(other)
        moves.add(session, found, other)
        add_related(session, found, other)

    def unrelated(self, state: InstanceState, instance: Any, prop: Any, other: Any) -> None:
        """``other``, new in this session, has left ``instance``: without any parent it goes."""
        session: Session = self  # type: ignore[assignment]
        found = moves.state_in(other)
        if state.owner is not session.identity_map:
            return  # the flush will see
        if prop.cascade.delete_orphan and found in session._new and is_orphan(found, found.mapper):
            expunge(session, found, other)


def relations_with(mapper: Mapper[Any], cascade: str) -> tuple[Any, ...]:
    """Return the relations of a class that have a cascade, as instrumentation knows them."""
    if not mapper.relationship_props:
        return _NONE
    found = mapper.__dict__.get("_cascades")
    if found is None or found[0] != len(mapper.props):
        if configuring.pending:
            configuring.configure(mapper)
        relations = mapper.class_manager.relations
        by_name = {
            name: tuple(relations[key] for key, p in mapper.relationship_props.items() if getattr(p.cascade, name))
            for name in CASCADES
        }
        found = mapper.__dict__["_cascades"] = (len(mapper.props), by_name)
    return found[1][cascade]


def members_of(relation: Any, value: Any) -> Iterable[Any]:
    """Return the objects in the value of a relationship."""
    return relation.kind.iterate(value) if relation.uselist else (value,)


def loaded_members(relation: Any, state: InstanceState, instance: Any) -> Iterator[Any]:
    """Yield the objects that a relationship holds in memory, and those that left it and are not flushed."""
    held = instance.__dict__.get(relation.key)
    if held is not None:
        yield from members_of(relation, held)
    committed = state.committed
    if committed is not None and relation.key in committed:
        former = committed[relation.key]
        if former is NO_VALUE:
            waiting = pending_changes(state, relation.key)
            if waiting is not None:
                yield from waiting.added
                yield from waiting.removed
        elif relation.uselist:
            yield from former
        elif former is not None:
            yield former


# -- add -----------------------------------------------------------------------------------


def add_related(session: Session, state: InstanceState, instance: Any) -> None:
    """Bring in what an object refers to, which has just come in itself."""
    if not state.mapper.relationship_props:
        return
    owner = session.identity_map
    new = session._new
    heard = session._heard is not None
    waiting = [(state, instance)]
    for state, instance in waiting:  # it grows while we are at it
        held = instance.__dict__
        changed = state.first_key is not None
        for relation in relations_with(state.mapper, "save_update"):
            if changed:
                members: Iterable[Any] = [*loaded_members(relation, state, instance)]
            else:
                value = held.get(relation.key)
                if value is None:
                    continue
                members = members_of(relation, value)
            for other in members:
                if other is None:
                    continue
                try:
                    found = other._sa_instance_state
                except AttributeError:
                    found = moves.state_in(other)
                if found.owner is owner:
                    continue
                if found.owner is None and found.pk is None and found.status == TRANSIENT and not heard:
                    found.owner = owner
                    found.status = PENDING
                    new[found] = other
                else:
                    moves.add(session, found, other)
                waiting.append((found, other))


# -- delete --------------------------------------------------------------------------------


def delete(session: Session, state: InstanceState, instance: Any) -> None:
    """Mark an object for deletion, and what its relationships delete with it."""
    if not state.mapper.relationship_props:
        moves.delete(session, state, instance)
        return
    if state in session._deleted:
        return
    if state.pk is not None and state.owner is not session.identity_map:
        moves.delete(session, state, instance)  # it must be in the session before anything can be loaded
        add_related(session, state, instance)
        session._deleted.pop(state, None)
    found: dict[InstanceState, Any] = {state: instance}
    if state.pk is not None and state.owner is session.identity_map:
        waiting = [(state, instance)]
        for state, instance in waiting:
            for other in _deleted_with(state, instance):
                other_state = moves.state_in(other)
                if other_state not in found:
                    found[other_state] = other
                    waiting.append((other_state, other))
    for place, (state, instance) in enumerate(found.items()):
        if place == 0 or state.pk is not None:
            moves.delete(session, state, instance)


def _deleted_with(state: InstanceState, instance: Any) -> Iterator[Any]:
    for relation in relations_with(state.mapper, "delete"):
        if relation.queried:
            found = relation.loaded_history(state, instance, relation.prop.passive_deletes)
            yield from (*found.added, *found.unchanged)
            continue
        if relation.key not in instance.__dict__ and state.pk is not None and not relation.prop.passive_deletes:
            relation.load_anyway(state, instance)
        held = instance.__dict__.get(relation.key)
        if held is not None:
            yield from [other for other in members_of(relation, held) if other is not None]
    for key, prop in state.mapper.relationship_props.items():
        # What the flush will have to know of besides is loaded now, not while it is writing.
        if (
            key not in instance.__dict__
            and state.pk is not None
            and not prop.viewonly
            and not prop.passive_deletes
            and not prop.cascade.delete
            and prop.direction is not MANYTOONE
            and prop.lazy not in QUERIED
        ):
            state.mapper.class_manager.relations[key].load_anyway(state, instance)


def flushed_with(session: Session, objects: Iterable[Any]) -> set[InstanceState]:
    """Return the states of these objects, and of those that came into their collections, which get keys from them."""
    waiting = [moves.state_in(instance) for instance in objects]
    found = set(waiting)
    for state in waiting:  # it grows while we are at it
        relations = state.mapper.class_manager.relations
        for key, prop in state.mapper.relationship_props.items():
            if prop.viewonly:
                continue
            relation = relations[key]  # which also sees to it that the mapping is configured
            if prop.direction is not ONETOMANY:
                continue
            for other in relation.history(state).added:
                other_state = None if other is None else state_of(other)
                if other_state is not None and other_state.owner is session.identity_map and other_state not in found:
                    found.add(other_state)
                    waiting.append(other_state)
    return found


# -- expunge, expire -----------------------------------------------------------------------


def expunge(session: Session, state: InstanceState, instance: Any) -> None:
    """Take an object out, and what its relationships take out with it."""
    found = reach(state, instance, "expunge")
    moves.expunge(session, state)
    owner = session.identity_map
    moves.release(session, [other for other in found if other is not state and other.owner is owner])


def expire(session: Session, state: InstanceState, instance: Any) -> None:
    """Forget what an object holds, and what goes with it along ``refresh-expire``.

    A new object that is no orphan only because of what is forgotten leaves the session.
    """
    owner = state.owner
    found = [other for other in reach(state, instance, "refresh_expire") if other.owner is owner]
    moves.release(session, [other for other in found if other.pk is None])
    moves.expire([other for other in found if other.pk is not None])


def reach(state: InstanceState, instance: Any, cascade: str) -> dict[InstanceState, Any]:
    """Return an object and all those that a cascade leads to from it, along what is in memory."""
    found = {state: instance}
    if not state.mapper.relationship_props:
        return found
    waiting = [(state, instance)]
    for state, instance in waiting:
        for relation in relations_with(state.mapper, cascade):
            stays = cascade == "refresh_expire" and not relation.prop.cascade.delete_orphan
            for other in loaded_members(relation, state, instance):
                other_state = None if other is None else state_of(other)
                if other_state is None or (stays and other_state.pk is None):
                    continue
                if other_state not in found:
                    found[other_state] = other
                    waiting.append((other_state, other))
    return found
