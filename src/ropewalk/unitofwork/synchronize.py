"""Handing keys on: what one object has as its key becomes the foreign key of another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..exc import BlankedKeyError
from ..instrumentation.writing import record
from .changes import ChangeSet, Kind
from .dependencies import Copies, Dependencies
from .journal import Journal
from .relating import RelationPlan, value_of

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..state.instance import InstanceState


class Synchronizer:
    """Hands keys on in the course of one flush, to each class when its first rows are about to be written.

    Where rows are ordered one by one (trees, circles of tables), some givers have no key by then, so that
    each part of a class gets what it needs when its own turn comes.
    """

    def __init__(self, dependencies: Dependencies, order: list[ChangeSet], journal: Journal) -> None:
        self._dependencies = dependencies
        self._journal = journal
        self._done: set[Mapper[Any]] = set()
        times = Counter((change_set.plan, change_set.kind) for change_set in order)
        self._divided = {plan.mapper for (plan, _), count in times.items() if count > 1}
        self._by_taker: dict[Mapper[Any], dict[InstanceState, list[Copies]]] = {}

    def before(self, change_set: ChangeSet) -> None:
        """Give the objects of a change set the keys that their relationships name."""
        mapper = change_set.plan.mapper
        if change_set.kind is Kind.DELETE or mapper in self._done:
            return
        if mapper not in self._divided:
            self._done.add(mapper)
            for copies in self._dependencies.for_class(mapper):
                hand_on(copies, self._journal)
            return
        found = self._by_taker.get(mapper)
        if found is None:
            found = self._by_taker[mapper] = _by_taker(self._dependencies.for_class(mapper))
        if found:
            for state in change_set.states:
                for copies in found.get(state, ()):
                    hand_on(copies, self._journal)


def hand_on_known_keys(dependencies: Dependencies, journal: Journal) -> None:
    """Give new objects those parts of their primary keys that saved objects have.

    Only then can it be seen whose row a new object takes over.
    """
    for (mapper, relation), copies in dependencies.copies.items():
        if relation.prop.post_update or not any(key in mapper.pk_keys for _, key in relation.pairs):
            continue
        known = Copies(relation)
        for giver, taker in zip(copies.givers, copies.takers, strict=True):
            if giver._sa_instance_state.pk is not None and taker._sa_instance_state.pk is None:
                known.givers.append(giver)
                known.takers.append(taker)
        hand_on(known, journal)


def _by_taker(found: list[Copies]) -> dict[InstanceState, list[Copies]]:
    single: dict[InstanceState, list[Copies]] = {}
    for copies in found:
        for giver, taker in zip(copies.givers, copies.takers, strict=True):
            single.setdefault(taker._sa_instance_state, []).append(Copies(copies.relation, [giver], [taker]))
    return single


def hand_on(copies: Copies, journal: Journal) -> None:
    """Make the copies."""
    for giver_key, taker_key in copies.relation.pairs:
        values = [_given(giver, giver_key) for giver in copies.givers]
        new_objects: list[dict[str, Any]] = []
        new_values: list[Any] = []
        for value, taker in zip(values, copies.takers, strict=True):
            state = taker._sa_instance_state
            held = taker.__dict__
            if value is None:
                _refuse_blank(copies.relation, state, held, taker_key)
            if state.pk is None:
                new_objects.append(held)
                new_values.append(value)
            elif taker_key not in held or held[taker_key] != value:
                record(state, taker, taker_key)
                journal.fill(taker_key, [held], [value], replaces=True)
        if new_objects:
            journal.fill(taker_key, new_objects, new_values, replaces=True)


def make_known(copies: Copies, journal: Journal) -> None:
    """Give objects the foreign keys that the database has changed in their rows by itself."""
    for giver_key, taker_key in copies.relation.pairs:
        for giver, taker in zip(copies.givers, copies.takers, strict=True):
            if taker_key in taker.__dict__:
                journal.fetched(taker_key, [taker.__dict__], [_given(giver, giver_key)])


def _given(giver: Any, key: str) -> Any:
    if giver is None:
        return None
    value = giver.__dict__.get(key)
    return value_of(giver._sa_instance_state, giver.__dict__, key) if value is None else value


def _refuse_blank(relation: RelationPlan, state: InstanceState, held: dict[str, Any], key: str) -> None:
    """Refuse to take a part of its key from an object."""
    if key not in state.mapper.pk_keys:
        return
    had = held.get(key) if state.pk is None else value_of(state, held, key)
    if had is None:
        return
    prop = relation.prop
    taker = prop.parent if relation.many_to_one else prop.mapper
    raise BlankedKeyError(
        f"{state.describe()} would lose its primary key {taker.column_props[key].columns[0]}: it was taken out of "
        f"{prop.parent.class_.__name__}.{relation.key}, where it had that key from, and cannot exist without a parent. "
        f"Delete it, or let the relationship do so with cascade='all, delete-orphan'.",
        state,
    )
