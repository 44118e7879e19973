"""Objects that a flush deletes without being told to: what hangs on deleted ones, and what lost its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..state.instance import DELETED
from .changes import Changes, without
from .plan import MapperPlan, plan_for
from .work import Work

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..state.instance import InstanceState


def settle_orphans(work: Work, changes: Changes) -> list[InstanceState]:
    """Move orphans, and what deletes cascade to, from the updates to the deletes.

    :return: new objects that lost their parent before they were ever saved; they are written no more.
    """
    doomed = _Doomed(work, changes)
    lost: list[InstanceState] = []
    for plan, (states, _) in changes.inserts.items():
        if plan.mapper.delete_orphan_from:
            lost += [state for state in states if state.extra and _was_let_go(state) and is_orphan(state, plan.mapper)]
    for plan, (states, _) in changes.updates.items():
        if plan.mapper.delete_orphan_from:
            for state in states:
                if state.extra and state.pk is not None and is_orphan(state, plan.mapper):
                    doomed.add(state)
        keepers = [relation for relation in plan.relations.values() if relation.deletes_orphans]
        for relation in keepers:
            for state in states:
                if relation.changed(state):
                    for other in relation.history(state).deleted:
                        if other is not None and not relation.relation.has_parent(other._sa_instance_state):
                            doomed.add(other._sa_instance_state)
    for plan, (states, _) in list(changes.deletes.items()):
        doomed.go_on_from(plan, states)
    doomed.spread()
    doomed.settle()
    if lost:
        changes.inserts = without(changes.inserts, set(lost))
    return lost


def is_orphan(state: InstanceState, mapper: Mapper[Any]) -> bool:
    """Whether an object that cannot be without a parent is without one."""
    found = False
    for prop in mapper.delete_orphan_from:
        relation = prop.parent.class_manager.relations[prop.key]
        found = True
        has_parent = relation.has_parent(state, optimistic=state.pk is not None)
        if has_parent and mapper.legacy_is_orphan:
            return False
        if not has_parent and not mapper.legacy_is_orphan:
            return True
    return found and mapper.legacy_is_orphan


def _was_let_go(state: InstanceState) -> bool:
    """Whether a new object was taken out of a relationship; one that never was in any is for the database to judge."""
    return any(value is None and name.startswith("parent:") for name, value in (state.extra or {}).items())


class _Doomed:
    """What is to be deleted, growing along the cascades."""

    def __init__(self, work: Work, changes: Changes) -> None:
        self._owner = work.identity_map.home
        self._changes = changes
        self._known = {state for states, _ in changes.deletes.values() for state in states}
        self._waiting: list[InstanceState] = []
        self._added: dict[InstanceState, Any] = {}

    def add(self, state: InstanceState) -> None:
        instance = state()
        if state in self._known or state.pk is None or state.owner is not self._owner or state.status == DELETED:
            return
        self._known.add(state)
        self._added[state] = instance
        self._waiting.append(state)

    def go_on_from(self, plan: MapperPlan, states: list[InstanceState]) -> None:
        """Add what the deletion of some objects of a class cascades to."""
        for relation in plan.relations.values():
            if not relation.deletes:
                continue
            for state in states:
                instance = state()
                if instance is None:
                    continue
                came, kept, went = relation.loaded_history(state, instance)
                for other in (*came, *kept) if relation.many_to_one else kept:
                    if other is not None:
                        self.add(other._sa_instance_state)
                if relation.deletes_orphans:
                    for other in went:
                        if other is not None and not relation.relation.has_parent(other._sa_instance_state):
                            self.add(other._sa_instance_state)

    def spread(self) -> None:
        while self._waiting:
            state = self._waiting.pop()
            self.go_on_from(plan_for(state), [state])

    def settle(self) -> None:
        if not self._added:
            return
        self._changes.updates = without(self._changes.updates, set(self._added))
        for state, instance in self._added.items():
            states, objects = self._changes.deletes.setdefault(plan_for(state), ([], []))
            states.append(state)
            objects.append(instance.__dict__)
            self._changes.held[state] = instance
