"""Collections that are queried and never loaded: ``lazy="write_only"`` and ``lazy="dynamic"``.

An object of the database holds nothing for such a collection. What comes and goes waits as it does
for any collection that is not in memory (``pending.py``), and the flush writes it. A new object keeps
its members in an :class:`~.pending.ObjectSet` until it has a row.

What a program meets when it reads the attribute, a *face* of the collection, makes statements, and so
stands on a floor above this one, which leaves word here of how to make it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from ..exc import InvalidRequestError
from ..kernel.symbols import LoaderCallableStatus
from ..mapping.relationships import QUERIED
from ..state.history import History
from .membership import Membership
from .pending import ObjectSet, PendingChanges, pending_changes
from .references import instance_state
from .relationship_attribute import RelationshipAttribute
from .writing import record

if TYPE_CHECKING:
    from ..state.instance import InstanceState
    from .relations import Relation

_UNCHANGED = History([], [], [])

faces: dict[str, Callable[[QueriedMembership, Any], Any]] = {}
"""``lazy=`` → what makes, of a relation and an object, the value of the attribute."""


class QueriedAttribute(RelationshipAttribute[Any]):
    """The attribute of such a collection, which Python asks before the ``__dict__``: it has a ``__set__``."""

    if not TYPE_CHECKING:

        def __set__(self, instance: Any, value: Any) -> None:
            instance_state(instance).mapper.class_manager.relations[self.key].write(instance, self.key, value)


class _Kind:
    """How the members of new objects are handled; see :class:`~.kinds.CollectionKind`."""

    make = ObjectSet
    class_ = ObjectSet
    duck = list
    iterate = staticmethod(iter)
    fill = staticmethod(ObjectSet.extend)
    append = staticmethod(ObjectSet.add)
    discard = staticmethod(ObjectSet.discard)


class QueriedMembership(Membership):
    """A collection that stays in the database."""

    queried = True
    _KIND: Any = _Kind()

    @property
    def kind(self) -> Any:
        return self._KIND

    @property
    def can_iterate(self) -> bool:
        """Whether the members may be fetched where an operation needs all of them."""
        return bool(self.prop.lazy == "dynamic")

    # -- reading --------------------------------------------------------------------------

    def get(self, state: InstanceState, instance: Any) -> Any:
        """Return the face of the collection."""
        return faces[self.prop.lazy](self, instance)

    def waiting(self, state: InstanceState) -> ObjectSet:
        """Return what the program put in and no flush has written yet."""
        if state.pk is None:
            return state.dict.get(self.key) or ObjectSet()
        changes = pending_changes(state, self.key)
        return ObjectSet() if changes is None else changes.added

    def history(self, state: InstanceState) -> History:
        """What came and went since the last flush; nothing is loaded."""
        if state.pk is None:
            return History(list(self.waiting(state)), [], [])
        changes = pending_changes(state, self.key)
        return _UNCHANGED if changes is None else History(list(changes.added), [], list(changes.removed))

    def loaded_history(self, state: InstanceState, instance: Any, passive: bool = False) -> History:
        """What came, what went, and what is there, for which the members are fetched.

        :param passive: leave to the database what is there.
        :raises InvalidRequestError: a write-only collection is not fetched.
        """
        if passive or state.pk is None or state.owner is None:
            return self.history(state)
        if not self.can_iterate:
            raise InvalidRequestError(
                f"{self.prop} is write-only, and all its members would have to be loaded for this. If it is for a "
                f"delete, say passive_deletes=True on the relationship: then ON DELETE in the database sees to them, "
                f"or a statement of your own, session.execute(obj.{self.key}.delete())."
            )
        with state.owner.session.no_autoflush:
            there = ObjectSet(self.get(state, instance))
        changes = pending_changes(state, self.key) or PendingChanges()
        return History(
            [item for item in changes.added if item not in there],
            [item for item in there if item not in changes.removed],
            [item for item in changes.removed if item in there],
        )

    # -- changing -------------------------------------------------------------------------

    def _changes(self, state: InstanceState, instance: Any) -> Any:
        """Return what takes note of a change."""
        if state.pk is not None:
            record(state, instance, self.key)
            return pending_changes(state, self.key, make=True)
        held = instance.__dict__.get(self.key)
        if held is None:
            held = instance.__dict__[self.key] = ObjectSet()
        return held

    def put_in(self, instance: Any, item: Any) -> None:
        """The program puts an object in."""
        state = instance_state(instance)
        if self.validator is not None:
            item = self.validated(instance, item, False)
        other = self.accept(item)
        if self.prop.single_parent:
            self._only_parent(state, other)
        self._changes(state, instance).add(item)
        self.reached(state, instance, other, item)
        back = self.back_on(other)
        if back is not None:
            back.add_quietly(other, item, state, instance, self)

    def take_out(self, instance: Any, item: Any) -> None:
        """The program takes an object out; whether it was in, only the database could tell."""
        state = instance_state(instance)
        other = self.accept(item)
        if self.validator is not None:
            self.validated(instance, item, True)
        self._drop(state, instance, item)
        self.left(state, instance, other, item)
        back = self.back_on(other)
        if back is not None:
            back.discard(other, item, state, instance, self)

    def _drop(self, state: InstanceState, instance: Any, item: Any) -> None:
        changes = self._changes(state, instance)
        if state.pk is None:
            changes.discard(item)
        else:
            changes.remove(item)

    def add_quietly(
        self, state: InstanceState, instance: Any, other: InstanceState, item: Any, origin: Relation
    ) -> None:
        """``item`` refers to ``instance`` now: take it in."""
        if self.validator is not None and self.validates_backrefs:
            item = self.validated(instance, item, False)
        self._changes(state, instance).add(item)
        self.reached(state, instance, other, item, by_other_side=True)
        back = self.back_on(other)
        if back is not None and back is not origin:
            back.add_quietly(other, item, state, instance, self)

    def discard(self, state: InstanceState, instance: Any, other: InstanceState, item: Any, origin: Relation) -> None:
        """``item`` refers to ``instance`` no more: let it go."""
        if self.validator is not None and self.validates_backrefs:
            self.validated(instance, item, True)
        self._drop(state, instance, item)
        self.left(state, instance, other, item)

    # -- as a whole -----------------------------------------------------------------------

    def write(self, instance: Any, key: str, value: Any) -> None:
        """Replace the members: those of a new object, or of any where they may be fetched."""
        if value is LoaderCallableStatus.DONT_SET:
            return
        state = instance_state(instance)
        try:
            wanted = ObjectSet(value)
        except TypeError:
            raise TypeError(
                f"{self.prop} is a collection and takes an iterable of {self.prop.mapper.class_.__name__}; got "
                f"{value!r:.80}."
            ) from None
        for item in wanted:
            self.accept(item)
        if state.pk is None:
            former = ObjectSet(self.waiting(state))
            self._changes(state, instance)
        else:
            if not self.can_iterate:
                raise InvalidRequestError(
                    f'Collection "{self.prop}" does not support implicit iteration, because it is write-only, and so '
                    f"cannot be replaced once its object has a row: use its add(), add_all() and remove()."
                )
            former = ObjectSet(self.get(state, instance))
            former.extend(self.waiting(state))
        for item in wanted:
            if item not in former:
                self.put_in(instance, item)
        for item in former:
            if item not in wanted:
                self.take_out(instance, item)

    def delete(self, instance: Any) -> None:
        raise NotImplementedError(
            f"{self.prop} cannot be deleted: the collection is not in memory. Take out what is to go with remove(), "
            f"or with a statement."
        )

    def set_loaded(self, state: InstanceState, instance: Any, members: Iterable[Any]) -> NoReturn:
        raise NotImplementedError(
            f"Dynamic and write-only collections such as {self.prop} are not populated: their members stay in the "
            f"database."
        )


__all__ = ["QUERIED", "QueriedAttribute", "QueriedMembership", "faces"]
