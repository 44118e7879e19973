"""Taking over what was written, once all statements have gone through.

Only here do states and the identity map change. Nothing here can fail half-way.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..exc import SAWarning
from ..state.instance import DELETED, DETACHED, PERSISTENT
from ..state.mutable import watch
from .changes import Changes, Group
from .journal import Journal
from .plan import MapperPlan, Values, plan_of
from .work import Outcome, Work

if TYPE_CHECKING:
    from ..state.identity import IdentityMap
    from ..state.instance import InstanceState


def take_over(work: Work, changes: Changes, journal: Journal) -> Outcome:
    """Make states and identity map agree with the database, and say what was done."""
    outcome = Outcome(statements=journal.statements)
    identity_map = work.identity_map
    journal.take_over()
    for plan, (states, _) in changes.deletes.items():
        _forget_deleted(identity_map, plan, states)
        outcome.deleted.extend(states)
    for old in changes.switched.values():
        _forget_deleted(identity_map, plan_of(old.mapper), [old])
        outcome.deleted.append(old)
    _rekey(identity_map, changes, journal, outcome)
    for plan, (states, objects) in changes.updates.items():
        _settle(identity_map, plan, states, objects, journal)
    for plan, group in changes.inserts.items():
        _register(identity_map, plan, group)
        outcome.inserted.extend(group[0])
    if changes.switched:
        for plan, (states, objects) in changes.updates.items():
            places = [i for i, state in enumerate(states) if state in changes.switched]
            if places:
                taken = [states[i] for i in places], [objects[i] for i in places]
                for state in taken[0]:  # what it was not given stands as the deleted object had it
                    state.expired = True
                _register(identity_map, plan, taken)
                outcome.inserted.extend(taken[0])
        outcome.updated = [state for state in journal.updated if state not in changes.switched]
    else:
        outcome.updated = list(journal.updated)
    return outcome


def _forget_deleted(identity_map: IdentityMap, plan: MapperPlan, states: list[InstanceState]) -> None:
    entries = identity_map.map_for(plan.mapper)
    for state in states:
        # identity_map.remove(), which costs twice as much, is for the few that it knows more of
        if state.extra is None and entries.get(state.pk) is state:
            del entries[state.pk]
        else:
            identity_map.remove(state)
        state.status = DELETED
        state.committed = None
    for others in (identity_map.modified, identity_map.watched, identity_map.held):
        if others:
            for state in states:
                others.pop(state, None)


def _rekey(identity_map: IdentityMap, changes: Changes, journal: Journal, outcome: Outcome) -> None:
    """Enter objects whose primary key changed under the new one."""
    if not journal.rekeyed:
        return
    objects = {s: v for states, held in changes.updates.values() for s, v in zip(states, held, strict=True)}
    moved: list[tuple[InstanceState, Values, Any]] = []
    for state in dict.fromkeys(journal.rekeyed):
        values = objects[state]
        new = _plan(changes, state).key_of(values)
        if new != state.pk:
            moved.append((state, values, new))
    # All out before the first goes in: two objects may have swapped their keys.
    for state, _, _ in moved:
        entries = identity_map.map_for(state.mapper, state.identity_token)
        if entries.get(state.pk) is state:
            del entries[state.pk]
    for state, _, new in moved:
        outcome.rekeyed[state] = state.pk
        state.pk = new
        displaced = identity_map.put(state, state())
        if displaced is not None:
            _displace(identity_map, displaced, state)


def _plan(changes: Changes, state: InstanceState) -> MapperPlan:
    return next(plan for plan in changes.updates if plan.mapper is state.mapper)


def _settle(
    identity_map: IdentityMap,
    plan: MapperPlan,
    states: list[InstanceState],
    objects: list[Values],
    journal: Journal,
) -> None:
    """Make the values that objects hold their committed ones."""
    modified = identity_map.modified
    for state in states:
        state.committed = None
        modified.pop(state, None)
    if plan.mutable_keys:
        for state, values in zip(states, objects, strict=True):
            _watch(plan, state, values)
    if plan.computed_keys:
        for state, values in zip(states, objects, strict=True):
            if state in journal.updated:
                _unload(plan, state, values)


def _register(identity_map: IdentityMap, plan: MapperPlan, group: Group) -> None:
    """Make inserted objects persistent."""
    states, objects = group
    keys = list(map(plan.key_of, objects))
    entries = identity_map.map_for(plan.mapper)
    for state, key in zip(states, keys, strict=True):
        state.pk = key
        state.status = PERSISTENT
        displaced = entries.get(key)
        if displaced is not None and displaced is not state:
            _displace(identity_map, displaced, state)
        entries[key] = state
    if identity_map.held is not None or any(state.extra for state in states):
        for state in states:  # the map itself knows of strong references and tokens
            if state.identity_token is not None and entries.get(state.pk) is state:
                del entries[state.pk]
            identity_map.put(state, state())
    if plan.mutable_keys:
        for state, values in zip(states, objects, strict=True):
            _watch(plan, state, values)
    if plan.computed_keys:
        for state, values in zip(states, objects, strict=True):
            _unload(plan, state, values)
    try:
        all(map(plan.get_loaded, objects))
    except KeyError:
        for state, values in zip(states, objects, strict=True):
            _complete(plan, state, values)


def _complete(plan: MapperPlan, state: InstanceState, values: Values) -> None:
    """Give an inserted object what it lacks.

    What was inserted as NULL is None. What the database made is left to be loaded, and where it
    made anything, all that lacks is loaded together.
    """
    lacking = plan.loaded_keys - values.keys()
    if state.expired or not lacking <= plan.null_keys:
        state.expired = True
    else:
        values.update(dict.fromkeys(lacking))


def _watch(plan: MapperPlan, state: InstanceState, values: Values) -> None:
    """Keep new copies of the values that can change in place."""
    for key in plan.mutable_keys:
        if key in values:
            watch(state, key, values[key])
        elif state.mutables is not None:
            state.mutables.pop(key, None)


def _unload(plan: MapperPlan, state: InstanceState, values: Values) -> None:
    """Drop what the database computes from columns that it has just been given."""
    for key in plan.computed_keys:
        if key in values:
            del values[key]
            state.expired = True


def _displace(identity_map: IdentityMap, old: InstanceState, new: InstanceState) -> None:
    """Put an object out whose key another one has taken."""
    if old() is None:
        return
    warnings.warn(
        f"{new.describe()} has taken the place of another object with the same primary key in the identity map; that "
        f"one is detached now. Its row was deleted, or got another key, without the session's knowledge.",
        SAWarning,
        stacklevel=2,
    )
    identity_map.modified.pop(old, None)
    identity_map.watched.pop(old, None)
    if identity_map.held is not None:
        identity_map.held.pop(old, None)
    old.owner = None
    old.status = DETACHED
