"""What relationships ask of a flush: keys to be handed on, rows of association tables, an order.

Only objects that are new, deleted, or changed in a relationship are looked at. What is found is
data: who gives its key to whom (:class:`Copies`), and which association rows come and go. Keys
are handed on when the statements of the receiving rows are about to be made (synchronize.py):
by then the database has made the keys of the givers.

Where both ends of a pair keep in step, an object and its new parent would be met from either
side; from the parent's, those are passed over who refer to it already.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from ..exc import FlushError, SAWarning
from ..state.instance import DELETED, PENDING, TRANSIENT
from .association import AssociationRows
from .changes import Changes
from .plan import MapperPlan, plan_for
from .relating import RelationPlan
from .work import Work

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..state.instance import InstanceState


class Copies:
    """Keys that one relationship hands on to objects of one class.

    :ivar givers: the objects that have the key; None where the foreign key is to be NULL.
    :ivar takers: the objects whose foreign key gets it.
    """

    __slots__ = ("givers", "relation", "takers")

    def __init__(
        self, relation: RelationPlan, givers: list[Any] | None = None, takers: list[Any] | None = None
    ) -> None:
        self.relation = relation
        self.givers: list[Any] = givers or []
        self.takers: list[Any] = takers or []


Found = dict[tuple["Mapper[Any]", RelationPlan], Copies]


class Dependencies:
    """What was found.

    :ivar clears: by class of the receiving objects and relationship, who loses a foreign key.
    :ivar copies: in the same way, who is given one; that comes after the clears.
    :ivar late: what relationships with ``post_update`` hand on, when all rows are there.
    :ivar before_delete: the foreign keys that they set to NULL so that rows can be deleted.
    :ivar known: keys that the database hands on itself, which objects have to know of.
    :ivar deletes: of objects that are both deleted, those that others refer to and these others.
    :ivar tables: a table → those whose rows its rows must come after.
    """

    def __init__(self) -> None:
        self.clears: Found = {}
        self.copies: Found = {}
        self.late: list[Copies] = []
        self.before_delete: list[tuple[RelationPlan, Any]] = []
        self.known: list[Copies] = []
        self.deletes: list[tuple[InstanceState, InstanceState]] = []
        self.associations = AssociationRows()
        self.tables: dict[Table, dict[Table, None]] = {}

    def for_class(self, mapper: Mapper[Any]) -> list[Copies]:
        """Return what is to be handed on to objects of a class, in the order in which to do it."""
        return [copies for found in (self.clears, self.copies) for (to, _), copies in found.items() if to is mapper]

    def bonds(self, deletes: bool) -> Iterator[tuple[InstanceState, InstanceState]]:
        """Yield objects of which the second's row must come after the first's, or for deletes go before it."""
        if deletes:
            yield from self.deletes
            return
        for copies in self.copies.values():
            for giver, taker in zip(copies.givers, copies.takers, strict=True):
                if giver._sa_instance_state.pk is None:
                    yield giver._sa_instance_state, taker._sa_instance_state


def find_dependencies(work: Work, changes: Changes) -> Dependencies:
    """Return what the relationships of the changed objects ask for."""
    return _Search(work, changes).run()


class _Search:
    """One look at all that changed."""

    def __init__(self, work: Work, changes: Changes) -> None:
        self.work = work
        self.owner = work.identity_map.home
        self.changes = changes
        self.doomed = {state for states, _ in changes.deletes.values() for state in states}
        self.found = Dependencies()

    def run(self) -> Dependencies:
        for plan, (states, objects) in self.changes.inserts.items():
            for relation in plan.relations.values():
                self._of_new(relation, states, objects)
        for plan, (states, objects) in list(self.changes.updates.items()):
            if plan.relations:
                self._of_changed(plan, list(states), list(objects))
        for plan, (states, _) in self.changes.deletes.items():
            for relation in plan.relations.values():
                for state in states:
                    self._of_deleted(relation, state)
        return self.found

    # -- new objects: what they hold now is all there is ---------------------------------

    def _of_new(self, relation: RelationPlan, states: list[InstanceState], objects: list[dict[str, Any]]) -> None:
        key = relation.key
        if relation.many_to_one:
            copies = None
            for state, values in zip(states, objects, strict=True):
                if key not in values:
                    continue
                other = values[key]
                if relation.relation.uselist:
                    other = next(iter(relation.members(values)), None)
                    if other is None:
                        continue
                if copies is None:
                    copies = self._copies(relation, state.mapper)
                if other is None:
                    self._clear(relation, state())
                elif self._takes_part(other, relation, state):
                    copies.givers.append(other)
                    copies.takers.append(state())
            return
        for state, values in zip(states, objects, strict=True):
            if values.get(key) is not None:
                self._added(relation, state(), relation.members(values))

    # -- changed and deleted ones: what came, what went ------------------------------------

    def _of_changed(self, plan: MapperPlan, states: list[InstanceState], objects: list[dict[str, Any]]) -> None:
        relations = plan.relations
        for state, values in zip(states, objects, strict=True):
            if state.pk is None:  # takes over the row of a deleted object
                for relation in relations.values():
                    self._of_new(relation, [state], [values])
                continue
            key = state.first_key
            if key and key not in relations:  # the most usual: a column was written, and nothing else
                if key in plan.mapper.pk_keys:
                    self._rekeyed(relations, state)
                continue
            committed = state.committed or {}
            for key in committed:
                if key in relations:
                    self._changed(relations[key], state)
            if not committed.keys().isdisjoint(plan.mapper.column_props):
                self._rekeyed(relations, state)

    def _changed(self, relation: RelationPlan, state: InstanceState) -> None:
        came, _, went = relation.history(state)
        instance = state()
        if relation.many_to_one:
            other = came[0] if came else None
            if other is None:
                if came or went:
                    self._clear(relation, instance)
            elif self._takes_part(other, relation, state):
                self._copy(relation, other, instance)
            return
        self._added(relation, instance, came)
        self._removed(relation, state, instance, went)

    def _of_deleted(self, relation: RelationPlan, state: InstanceState) -> None:
        instance = state()
        if instance is None:
            return
        if relation.many_to_one:
            if relation.prop.post_update:
                self.found.before_delete.append((relation, instance))
                return
            _, kept, went = relation.history(state)
            for other in (*kept, *went):
                if other is not None and other._sa_instance_state in self.doomed:
                    self.found.deletes.append((other._sa_instance_state, state))
            return
        if relation.prop.passive_deletes == "all":
            return
        _, kept, went = relation.loaded_history(state, instance)
        self._removed(relation, state, instance, (*kept, *went), gone=True)

    def _rekeyed(self, relations: dict[str, RelationPlan], state: InstanceState) -> None:
        """Hand a natural key that changed on to those who refer to it."""
        committed = state.committed or {}
        for relation in relations.values():
            if relation.many_to_one or not any(
                giver in committed and committed[giver] != state.dict.get(giver) for giver in relation.given_keys
            ):
                continue
            instance = state()
            passive = relation.prop.passive_updates
            if passive and relation.many_to_many:
                continue  # no object holds what stands in association rows
            found = relation.history(state) if passive else relation.full_history(state, instance)
            for other in found.unchanged:
                if other is None:
                    continue
                if relation.many_to_many:
                    self.found.associations.rekey(relation, instance, other)
                elif passive:  # the database does it; so the object need only know
                    self.found.known.append(Copies(relation, [instance], [other]))
                elif self._takes_part(other, relation, state):
                    self._copy(relation, instance, other)

    # -- members of collections, and of the far end of one-to-one --------------------------

    def _added(self, relation: RelationPlan, instance: Any, members: Iterable[Any]) -> None:
        state = instance._sa_instance_state
        back = relation.back
        if not relation.relation.uselist:  # the far end of one-to-one may be empty
            members = [other for other in members if other is not None]
        if relation.many_to_many:
            for other in members:
                self._refuse_none(other, relation, state)
                if self._takes_part(other, relation, state):
                    self.found.associations.add(relation, instance, other)
            return
        for other in members:
            self._refuse_none(other, relation, state)
            if back is not None and other.__dict__.get(back) is instance:
                taker = other._sa_instance_state
                if taker.pk is None and taker.owner is self.owner and taker.status == PENDING:
                    continue  # its own reference, which is met as well, says the same
            if self._takes_part(other, relation, state):
                self._copy(relation, instance, other)

    def _removed(
        self, relation: RelationPlan, state: InstanceState, instance: Any, members: Iterable[Any], gone: bool = False
    ) -> None:
        """See to those who left: NULL for their foreign keys, unless they are gone or found another parent."""
        if relation.many_to_many:
            for other in members:
                if other is not None and self._is_here(other._sa_instance_state):
                    self.found.associations.remove(relation, instance, other)
            return
        for other in members:
            if other is None:
                continue
            other_state = other._sa_instance_state
            if other_state in self.doomed:
                if relation.prop.post_update and gone:
                    self.found.before_delete.append((relation, other))
                elif gone:
                    self.found.deletes.append((state, other_state))
                continue
            if not self._is_here(other_state):
                continue
            if relation.leaves_lost and not gone:
                continue
            if other_state.pk is not None and not _moved(relation, state, other_state):
                self._clear(relation, other)

    # -- what was found -------------------------------------------------------------------

    def _copies(self, relation: RelationPlan, mapper: Mapper[Any], clears: bool = False) -> Copies:
        found = self.found.clears if clears else self.found.copies
        copies = found.get((mapper, relation))
        if copies is None:
            copies = Copies(relation)
            if relation.prop.post_update:
                self.found.late.append(copies)
                return copies
            found[mapper, relation] = copies
            for taker, giver in relation.tables:
                self.found.tables.setdefault(taker, {})[giver] = None
        return copies

    def _copy(self, relation: RelationPlan, giver: Any, taker: Any) -> None:
        copies = self._copies(relation, taker._sa_instance_state.mapper)
        copies.givers.append(giver)
        copies.takers.append(taker)
        self._to_be_written(taker)

    def _clear(self, relation: RelationPlan, taker: Any) -> None:
        clears = self._copies(relation, taker._sa_instance_state.mapper, clears=True)
        clears.givers.append(None)
        clears.takers.append(taker)
        self._to_be_written(taker)

    def _to_be_written(self, instance: Any) -> None:
        """Have an object that nobody wrote to looked at by the UPDATE step."""
        state = instance._sa_instance_state
        changes = self.changes
        if state.pk is None or state in changes.held or state in self.doomed:
            return
        changes.held[state] = instance
        states, objects = changes.updates.setdefault(plan_for(state), ([], []))
        states.append(state)
        objects.append(instance.__dict__)

    def _is_here(self, state: InstanceState) -> bool:
        """Whether an object is in the session, and has not been deleted by an earlier flush."""
        return state.owner is self.owner and state.status != DELETED

    def _takes_part(self, other: Any, relation: RelationPlan, state: InstanceState) -> bool:
        """Whether a related object is in the session, and stays."""
        other_state: InstanceState | None = getattr(other, "_sa_instance_state", None)
        if other_state is not None and self._is_here(other_state) and other_state.status != TRANSIENT:
            if other_state in self.doomed:
                return False
            return other_state.status != PENDING or other_state in self.work.new
        warnings.warn(
            f"Object of type <{type(other).__name__}> not in session, add operation along "
            f"'{relation.prop.parent.class_.__name__}.{relation.key}' will not proceed: "
            f"{state.describe()} refers to it, but it is not saved. Add it with session.add(), or let the "
            f"relationship do so with cascade='save-update'.",
            SAWarning,
            stacklevel=2,
        )
        return False

    def _refuse_none(self, other: Any, relation: RelationPlan, state: InstanceState) -> None:
        if other is None:
            raise FlushError(
                f"Can't flush None value found in collection {relation.prop.parent.class_.__name__}.{relation.key} of "
                f"{state.describe()}: take it out."
            )


def _moved(relation: RelationPlan, parent: InstanceState, child: InstanceState) -> bool:
    """Whether a child that left is known to have been given to another parent, by an earlier flush."""
    values, committed = child.dict, child.committed or {}
    given = parent.dict
    return any(
        taker in values
        and taker not in committed
        and giver in given
        and values[taker] not in (given[giver], parent.original(giver))
        for giver, taker in relation.pairs
    )
