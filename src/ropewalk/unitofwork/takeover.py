"""Taking over what was written, once all statements have gone through.

Only here do states and the identity map change. Nothing here can fail half-way.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..exc import SAWarning
from ..instrumentation.pending import forget_pending
from ..state.instance import DELETED, DETACHED, PERSISTENT, SEVERAL
from ..state.mutable import watch
from ..state.parting import Parting
from .changes import Changes, Group
from .journal import Journal
from .plan import MapperPlan, Values, plan_of
from .work import Outcome, Work

if TYPE_CHECKING:
    from ..state.identity import IdentityMap
    from ..state.instance import InstanceState


def take_over(work: Work, changes: Changes, journal: Journal) -> Outcome:
    """Make states and identity map agree with the database, and say what was done."""
    outcome = work.outcome = Outcome(statements=journal.statements)
    identity_map = work.identity_map
    lacking = [plan for plan, (_, objects) in changes.inserts.items() if not _fill_nulls(plan, objects)]
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
        if journal.left_values or plan in lacking:
            _expire_partly_loaded(plan, group)
        outcome.inserted.extend(group[0])
    if changes.switched:
        for plan, (states, objects) in changes.updates.items():
            places = [i for i, state in enumerate(states) if state in changes.switched]
            if places:
                taken = [states[i] for i in places], [objects[i] for i in places]
                _register(identity_map, plan, taken)
                _expire_partly_loaded(plan, taken)  # what it was not given stands as the deleted object had it
                outcome.inserted.extend(taken[0])
        outcome.updated = [state for state in journal.updated if state not in changes.switched]
    else:
        outcome.updated = list(journal.updated)
    return outcome


def _forget_deleted(identity_map: IdentityMap, plan: MapperPlan, states: list[InstanceState]) -> None:
    entries = identity_map.map_for(plan.mapper)
    for state in states:
        state.status = DELETED  # first: what is deleted finds its way back into the map, if we are interrupted
        # identity_map.remove(), which costs twice as much, is for the few that it knows more of
        if state.extra is None and entries.get(state.pk) is state:
            del entries[state.pk]
        else:
            identity_map.remove(state)
        state.first_key = None
        state.mutables = None  # changed in place, it must not come back to life over a row that takes its key
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
        names = state.mapper.pk_keys
        # A part of the key that was not loaded has not changed either.
        parts = tuple([values.get(key, old) for key, old in zip(names, state.identity or (), strict=True)])
        new = parts[0] if state.mapper.single_pk is not None else parts
        if new != state.pk:
            moved.append((state, values, new))
    # All out before the first goes in: two objects may have swapped their keys.
    for state, _, _ in moved:
        entries = identity_map.map_for(state.mapper, state.identity_token)
        if entries.get(state.pk) is state:
            del entries[state.pk]
    for state, _, new in moved:
        outcome.rekeyed[state] = state.pk, state()
        state.pk = new
        displaced = identity_map.put(state, state())
        if displaced is not None:
            _displace(identity_map, displaced, state)


def _settle(
    identity_map: IdentityMap,
    plan: MapperPlan,
    states: list[InstanceState],
    objects: list[Values],
    journal: Journal,
) -> None:
    """Make the values that objects hold their committed ones."""
    if plan.computed_keys:
        for state, values in zip(states, objects, strict=True):
            if state in journal.updated:
                _unload(plan, state, values)
    modified = identity_map.modified
    related = [state for state in states if state.first_key is SEVERAL] if plan.mapper.relationship_props else ()
    for state in states:
        state.first_key = None
        modified.pop(state, None)
        if state.extra is not None:
            forget_pending(state)
    for state in related:
        del state._committed  # and with it its hold on objects that have left
    if plan.mutable_keys:
        for state, values in zip(states, objects, strict=True):
            _watch(plan, state, values)


def _register(identity_map: IdentityMap, plan: MapperPlan, group: Group) -> None:
    """Make inserted objects persistent."""
    states, objects = group
    keys = list(map(plan.key_of, objects))
    entries = identity_map.map_for(plan.mapper, plan.token)
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
    for name in plan.queried_keys:
        for values in objects:
            values.pop(name, None)
    if plan.mutable_keys:
        for state, values in zip(states, objects, strict=True):
            _watch(plan, state, values)


def _fill_nulls(plan: MapperPlan, objects: list[Values]) -> bool:
    """Give inserted objects None for what was inserted as NULL, and tell whether they now have all values."""
    try:
        for _ in map(plan.get_loaded, objects):
            pass
        return True
    except KeyError:
        for values in objects:
            for key in plan.null_keys:
                values.setdefault(key)
        return False


def _expire_partly_loaded(plan: MapperPlan, group: Group) -> None:
    """Have what the database made loaded when it is next read."""
    for state, values in zip(*group, strict=True):
        if not plan.loaded_keys <= values.keys():
            state.expired = True


def _watch(plan: MapperPlan, state: InstanceState, values: Values) -> None:
    """Keep new copies of the values that can change in place."""
    for key in plan.mutable_keys:
        if key in values:
            watch(state, key, values[key])
        elif state.mutables is not None:
            state.mutables.pop(key, None)


def _unload(plan: MapperPlan, state: InstanceState, values: Values) -> None:
    """Drop what the database computes from columns that it has just been given, save what the program set itself."""
    for key in plan.computed_keys:
        if key in values and key not in (state.committed or ()):
            del values[key]
            state.expired = True


def _displace(identity_map: IdentityMap, old: InstanceState, new: InstanceState) -> None:
    """Put an object out whose key another one has taken."""
    instance = old()
    if instance is None:
        return
    if all(key in instance.__dict__ for key in old.mapper.pk_keys):  # an expired one was in doubt anyway
        warnings.warn(
            f"{new.describe()} has taken the place of another object with the same primary key in the identity map; "
            f"that one is detached now. Its row was deleted, or got another key, without the session's knowledge.",
            SAWarning,
            stacklevel=2,
        )
    for others in (identity_map.modified, identity_map.watched, identity_map.held):
        if others:
            others.pop(old, None)
    old.owner = None
    old.status = DETACHED
    old.parting = Parting("a flush that entered another object under its key")
