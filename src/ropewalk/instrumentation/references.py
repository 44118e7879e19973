"""References: relationships that hold one object, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exc import ImplicitLoadError, InvalidRequestError
from ..kernel.symbols import MANYTOONE, NO_VALUE
from ..state.history import EMPTY, History
from .relations import Relation, relation_of
from .writing import record

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..mapping.properties import MapperProperty
    from ..state.instance import InstanceState


class Reference(Relation):
    """A relationship to one object.

    What an unloaded reference held need not be loaded to be replaced where the object's own
    foreign key will be overwritten. Where the key is in the other table (one-to-one), the
    former object has to be told at the flush, so it is loaded.
    """

    def __init__(self, mapper: Mapper[Any], prop: MapperProperty) -> None:
        super().__init__(mapper, prop)
        self.loads_former = False
        self.finds_former = False

    def prepare(self) -> None:
        super().prepare()
        prop = self.prop
        own_key = prop.direction is MANYTOONE
        self.finds_former = own_key and bool(prop.use_get)
        self.loads_former = not prop.viewonly and (prop.active_history or not self.finds_former)

    # -- by the program -----------------------------------------------------------------

    def get(self, state: InstanceState, instance: Any) -> Any:
        """Return what is not in the ``__dict__``: None where nothing was set, else what is loaded."""
        if state.pk is None and not state.may_load_pending(self.key):
            return None
        return state.load_attribute(instance, self.key)

    def write(self, instance: Any, key: str, value: Any) -> None:
        """Assign ``value``: the ``__setattr__`` of the class comes here."""
        state = instance_state(instance)
        if self.validator is not None:
            value = self.validated(instance, value, False)
        other = None if value is None else self.accept(value)
        self.put(state, instance, value, other, None)

    def delete(self, instance: Any) -> None:
        """``del obj.ref``: the object is let go, and the attribute is as if never set."""
        state = instance_state(instance)
        if self.key not in instance.__dict__ and (state.pk is None or self._former(state, instance) is None):
            raise AttributeError(f"{type(instance).__name__}.{self.key} object does not have a value to delete")
        self.put(state, instance, None, None, None)
        instance.__dict__.pop(self.key, None)

    # -- by either side -----------------------------------------------------------------

    def put(
        self, state: InstanceState, instance: Any, value: Any, other: InstanceState | None, origin: Relation | None
    ) -> None:
        """Let the reference hold ``value`` and let the other sides, former and new, follow.

        :param origin: the relation whose change brought this one about; it is in step already.
        """
        held = instance.__dict__
        key = self.key
        old = held.get(key, NO_VALUE)
        if old is value:
            return
        if old is NO_VALUE and state.pk is not None:
            old = self._former(state, instance)
            if old is value and key in held:
                return
        if other is not None and self.prop.single_parent and origin is None:
            self._only_parent(state, other)
        if state.pk is not None and self.prop.viewonly:
            self.warn_of_viewonly(state)
        elif state.pk is not None:
            record(state, instance, key)
            if state.committed[key] is NO_VALUE and old is not NO_VALUE:  # type: ignore[index]
                state.committed[key] = old  # type: ignore[index]
        if other is not None:
            self.reached(state, instance, other, value, origin is not None)
            back = self.back_on(other)
            if back is not None and back is not origin:
                back.add_quietly(other, value, state, instance, self)
        held[key] = value
        if old is not NO_VALUE and old is not None and old is not value:
            former = instance_state(old)
            self.left(state, instance, former, old)
            back = self.back_on(former)
            if back is not None and not (
                origin is not None and origin.prop is back.prop and _is_as_loaded(back, former)
            ):
                back.discard(former, old, state, instance, self)

    def _former(self, state: InstanceState, instance: Any) -> Any:
        """Return the object that an unloaded reference holds, NO_VALUE if it is not known and need not be."""
        committed = state.committed
        if committed is not None and self.key in committed:
            return NO_VALUE  # deleted before
        if self.loads_former:
            owner = state.owner
            if self.prop.active_history:
                return self.former(state, instance)  # which a detached object cannot, and says so
            if owner is not None and owner.loader is not None:
                try:
                    return self.former(state, instance)
                except ImplicitLoadError:  # async code cannot await here; the flush asks in its stead
                    owner.session.ask_at_flush(self, state)
                    return NO_VALUE
        return self.peek(state, instance)

    def settle_former(self, state: InstanceState, instance: Any) -> None:
        """Find out what an assignment replaced, where that could not be asked when it was made."""
        committed, key = state.committed, self.key
        if committed is None or committed.get(key) is not NO_VALUE or key not in instance.__dict__:
            return
        value = instance.__dict__.pop(key)
        del committed[key]
        self.former(state, instance)
        self.put(state, instance, value, None if value is None else instance_state(value), None)

    def peek(self, state: InstanceState, instance: Any) -> Any:
        """Return the object that an unloaded reference holds, if the session has it; nothing is loaded."""
        if state.owner is None or not self.finds_former:
            return NO_VALUE
        values = [state.original(key) for key in self.prop.get_keys]
        if NO_VALUE in values:
            return NO_VALUE
        if None in values:
            return None
        target = self.prop.mapper
        pk = values[0] if target.single_pk is not None else tuple(values)
        found = state.owner.find(target, pk, state.identity_token)
        return NO_VALUE if found is None else found

    def _only_parent(self, state: InstanceState, other: InstanceState) -> None:
        """Refuse a second parent of an object that may have one."""
        parent = None if other.extra is None else other.extra.get(self.parent_token)
        if parent is not None and parent is not state:
            raise single_parent_error(self, other, parent)

    def history(self, state: InstanceState) -> History:
        """What changed since the last flush; nothing is loaded."""
        current = state.dict.get(self.key, NO_VALUE)
        if self.prop.viewonly:
            return EMPTY if current is NO_VALUE else History((), [current], ())
        if state.pk is None:
            return EMPTY if current is NO_VALUE else History([current], (), ())
        committed = state.committed
        if committed is None or self.key not in committed:
            return EMPTY if current is NO_VALUE else History((), [current], ())
        old = committed[self.key]
        if current is old and current is not NO_VALUE:
            return History((), [current], ())
        if old is NO_VALUE:  # unknown; where it was deleted unseen, there is None in its place
            return History([None if current is NO_VALUE else current], (), ())
        return History(() if current is NO_VALUE else [current], (), [old])

    # -- by the other side ----------------------------------------------------------------

    def add_quietly(
        self, state: InstanceState, instance: Any, other: InstanceState, item: Any, origin: Relation
    ) -> None:
        """``item`` refers to ``instance`` now: refer to ``item``."""
        if self.validator is not None and self.validates_backrefs:
            item = self.validated(instance, item, False)
        self.put(state, instance, item, other, origin)

    def discard(self, state: InstanceState, instance: Any, other: InstanceState, item: Any, origin: Relation) -> None:
        """``item`` refers to ``instance`` no more: let it go, if it is held."""
        held = instance.__dict__
        old = held.get(self.key, NO_VALUE)
        if old is NO_VALUE and state.pk is not None:
            old = self._former(state, instance) if self.prop.active_history else self.peek(state, instance)
            if old is NO_VALUE and not self.finds_former:
                return  # another object may be there: do not say that there is none
        if old is not item and old is not NO_VALUE:
            return
        if state.pk is None:
            if old is NO_VALUE:
                return
        else:
            record(state, instance, self.key)
            if state.committed[self.key] is NO_VALUE and old is not NO_VALUE:  # type: ignore[index]
                state.committed[self.key] = old  # type: ignore[index]
        if self.validator is not None and self.validates_backrefs:
            self.validated(instance, None, False)
        held[self.key] = None
        if old is item:
            self.left(state, instance, other, item)


def _is_as_loaded(reference: Any, former: InstanceState) -> bool:
    """Whether a former end of a one-to-one pair, which another object has taken over, holds what its row says.

    As in SQLAlchemy it keeps that in memory until it is expired; no flush will look at it. What was assigned and
    is not flushed yet, the flush would write, so that it is let go.
    """
    return not reference.uselist and former.pk is not None and reference.key not in (former.committed or ())


def single_parent_error(relation: Relation, other: InstanceState, parent: InstanceState) -> InvalidRequestError:
    """Return the error for a second parent of an object that may have one only."""
    return InvalidRequestError(
        f"Instance {other.describe()} is already associated with {parent.describe()} through "
        f"{relation.mapper.class_.__name__}.{relation.key}, and single_parent=True allows one parent. Take it out "
        f"there first."
    )


def instance_state(instance: Any) -> InstanceState:
    """Return an object's state, giving it one where it has none yet."""
    try:
        return instance._sa_instance_state  # type: ignore[no-any-return]
    except AttributeError:
        return type(instance).__ropewalk_state__(instance)  # type: ignore[no-any-return]


__all__ = ["Reference", "instance_state", "relation_of", "single_parent_error"]
