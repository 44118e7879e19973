"""Finding what a flush has to write.

Only what may have changed is looked at: the session's new and deleted objects, those that
were written to (``identity_map.modified``) and those with values that can change in place
(``watched``). What an UPDATE will contain is worked out when its turn comes, not here:
the statements before it may yet give the object a foreign key.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..exc import SAWarning
from ..kernel.symbols import NO_VALUE
from ..state.mutable import changed_in_place
from .plan import MapperPlan, TablePlan, plan_of
from .work import Work

if TYPE_CHECKING:
    from ..state.instance import InstanceState


class Kind(Enum):
    """What is to happen to rows."""

    UPDATE = "UPDATE"
    INSERT = "INSERT"
    DELETE = "DELETE"


class ChangeSet:
    """Rows of one table that the same is to happen to.

    :ivar objects: the values of each object, its ``__dict__``.
    """

    __slots__ = ("kind", "objects", "plan", "states")

    def __init__(self, plan: TablePlan, kind: Kind, states: list[InstanceState], objects: list[dict[str, Any]]) -> None:
        self.plan = plan
        self.kind = kind
        self.states = states
        self.objects = objects

    def part(self, places: Iterable[int]) -> ChangeSet:
        """Return a change set of some of the rows."""
        chosen = list(places)
        return ChangeSet(self.plan, self.kind, [self.states[i] for i in chosen], [self.objects[i] for i in chosen])


class Changes:
    """What was found, by class.

    :ivar switched: new states that take over the row of a deleted one → that one.
    :ivar held: the objects that changed, which must not go before they are written.
    """

    __slots__ = ("deletes", "held", "inserts", "switched", "updates")

    def __init__(self) -> None:
        self.inserts: dict[MapperPlan, Group] = {}
        self.updates: dict[MapperPlan, Group] = {}
        self.deletes: dict[MapperPlan, Group] = {}
        self.switched: dict[InstanceState, InstanceState] = {}
        self.held: dict[InstanceState, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.inserts or self.updates or self.deletes)

    def are_related(self) -> bool:
        """Whether a class of the objects has relationships, or is deleted when it loses one."""
        for groups in (self.inserts, self.updates, self.deletes):
            for plan in groups:
                if plan.mapper.relationship_props or plan.mapper.delete_orphan_from:
                    return True
        return False

    def change_sets(self) -> list[ChangeSet]:
        """Return all of it as change sets, one for each table of each class."""
        return [
            ChangeSet(plan, kind, states, objects)
            for kind, found in (
                (Kind.UPDATE, self.updates),
                (Kind.INSERT, self.inserts),
                (Kind.DELETE, self.deletes),
            )
            for mapper_plan, (states, objects) in found.items()
            for plan in mapper_plan.tables
        ]


Group = tuple[list["InstanceState"], list[dict[str, Any]]]


def find_changes(work: Work, only: set[InstanceState] | None) -> Changes:
    """Return what is to be written."""
    changes = Changes()
    shard_of = work.identity_map.shard_of
    if work.new:
        changes.inserts = _by_class(work.new.items(), shard_of)
    if work.deleted:
        changes.deletes = _by_class(work.deleted.items(), shard_of)
    modified = changes.held = dict(work.identity_map.modified)
    for state in list(work.identity_map.watched):  # comparing runs foreign code, during which objects may go
        if state not in modified and (instance := state()) is not None and any(changed_in_place(state)):
            modified[state] = instance
    if modified:
        updated = (
            (state, instance)
            for state, instance in modified.items()
            if state not in work.deleted and (only is None or state in only)
        )
        changes.updates = _by_class(updated, shard_of)
    return changes


def _by_class(found: Iterable[tuple[InstanceState, Any]], shard_of: Any) -> dict[MapperPlan, Group]:
    if shard_of is not None:
        return _by_class_and_shard(found, shard_of)
    groups: dict[type[InstanceState], Group] = {}
    for state, instance in found:
        group = groups.get(type(state))
        if group is None:
            group = groups[type(state)] = ([], [])
        group[0].append(state)
        group[1].append(instance.__dict__)
    return {plan_of(state_class.mapper): group for state_class, group in groups.items()}


def _by_class_and_shard(found: Iterable[tuple[InstanceState, Any]], shard_of: Any) -> dict[MapperPlan, Group]:
    """Group objects also by the shard that each belongs to."""
    groups: dict[MapperPlan, Group] = {}
    for state, instance in found:
        plan = plan_of(state.mapper, shard_of(state, instance))
        states, objects = groups.setdefault(plan, ([], []))
        states.append(state)
        objects.append(instance.__dict__)
    return groups


def meet_existing_rows(work: Work, changes: Changes) -> None:
    """Find new objects whose key some object of the session already has.

    If that object is being deleted, the new one takes over its row: an UPDATE does what DELETE
    and INSERT would do, in an order that no constraint minds.
    """
    doomed: set[InstanceState] | None = None
    for plan, (states, objects) in changes.inserts.items():
        entries = work.identity_map.map_for(plan.mapper, plan.token)
        if not entries:
            continue
        single, pk_keys = plan.mapper.single_pk, plan.mapper.pk_keys
        for state, values in zip(states, objects, strict=True):
            pk = values.get(single) if single is not None else tuple([values.get(key) for key in pk_keys])
            if pk is None:
                continue
            try:
                existing = entries.get(pk)
            except TypeError:  # not hashable, so in no identity map
                continue
            if existing is None or existing is state or existing() is None:
                continue
            if doomed is None:
                doomed = {state for deleted, _ in changes.deletes.values() for state in deleted}
            if existing in doomed:
                changes.switched[state] = existing
            else:
                warnings.warn(
                    f"New object {state.describe()} has the primary key of another {existing.describe()} that the "
                    f"session holds already; the INSERT will most likely fail. To change that object, change its "
                    f"attributes or use session.merge().",
                    SAWarning,
                    stacklevel=2,
                )
    if changes.switched:
        replaced = set(changes.switched.values())
        changes.deletes = without(changes.deletes, replaced)
        taking_over = set(changes.switched)
        for plan, (states, objects) in list(changes.inserts.items()):
            moved = [(s, o) for s, o in zip(states, objects, strict=True) if s in taking_over]
            if moved:
                updates = changes.updates.setdefault(plan, ([], []))
                updates[0].extend(s for s, _ in moved)
                updates[1].extend(o for _, o in moved)
        changes.inserts = without(changes.inserts, taking_over)


def without(groups: dict[MapperPlan, Group], states: set[InstanceState]) -> dict[MapperPlan, Group]:
    """Return the groups without some of the objects."""
    result = {}
    for plan, (members, objects) in groups.items():
        kept = [i for i, state in enumerate(members) if state not in states]
        if kept:
            result[plan] = ([members[i] for i in kept], [objects[i] for i in kept])
    return result


def changed_keys(
    plan: MapperPlan, state: InstanceState, values: dict[str, Any], replaced: InstanceState | None = None
) -> list[str]:
    """Return the attributes whose values differ from those that the row has.

    :param replaced: the deleted object whose row this new one takes over.
    """
    if replaced is not None:
        return [
            key
            for key in plan.mapper.column_props
            if key in values
            and key not in plan.mapper.pk_keys
            and (key not in replaced.dict or differs(plan, replaced, key, values[key], replaced.original(key)))
        ]
    found = []
    for key, old in (state.committed or {}).items():
        new = values.get(key)  # what was deleted with ``del`` is written as NULL
        if new is not old and differs(plan, state, key, new, old):
            found.append(key)
    if state.mutables is not None:
        found.extend(changed_in_place(state))
    return found


def differs(plan: MapperPlan, state: InstanceState, key: str, new: Any, old: Any) -> bool:
    """Whether an attribute's new value is another one than the old, to its column type."""
    if old is NO_VALUE:
        if key not in plan.mapper.pk_keys or state.identity is None:
            return True
        old = state.identity[plan.mapper.pk_keys.index(key)]  # a key is known even where it was not loaded
    try:
        return plan.compare[key](new, old) is not True  # SQL compared with anything is SQL again, so it differs
    except Exception:  # what cannot be compared is taken for different
        return True
