"""Collections: relationships that hold any number of objects.

The collection's own methods (``lists.py``, ``sets.py``, ``dicts.py``, ``custom.py``) say
what comes and goes; here it is made known. The members that a collection had are copied
once, at its first change since the flush, so that one more append costs the same however
many members there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..exc import ObjectDereferencedError, SAWarning
from ..kernel.symbols import NO_KEY, NO_VALUE, ONETOMANY
from ..state.history import EMPTY, History
from .adapter import CollectionAdapter
from .kinds import CollectionKind, duck_type, kind_for
from .pending import pending_changes, take_pending
from .references import instance_state, single_parent_error
from .relations import Relation
from .writing import record

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..mapping.properties import MapperProperty
    from ..state.instance import InstanceState


class Membership(Relation):
    """A relationship to a collection of objects."""

    uselist = True
    tells = False  # whether somebody listens
    place: Any = NO_KEY  # of what comes or goes, where that is known and somebody listens

    def __init__(self, mapper: Mapper[Any], prop: MapperProperty) -> None:
        super().__init__(mapper, prop)
        self._kind: CollectionKind | None = None
        self.notices_doubles = False

    def prepare(self) -> None:
        super().prepare()
        # An object that already refers to the owner when it comes in may be in the list twice.
        self.notices_doubles = self.back_key is not None and self.prop.direction is ONETOMANY

    @property
    def kind(self) -> CollectionKind:
        """What makes the collections, and how they are handled."""
        found = self._kind
        if found is None:
            found = self._kind = kind_for(self.prop.collection_class, self)
        return found

    # -- making collections ---------------------------------------------------------------

    def new_collection(self, state: InstanceState, instance: Any) -> Any:
        """Put an empty collection in place, without a change recorded."""
        collection = self.kind.make()
        collection._sa_adapter = CollectionAdapter(self, state)
        instance.__dict__[self.key] = collection
        return collection

    def get(self, state: InstanceState, instance: Any) -> Any:
        """Return the collection of an object that has none in its ``__dict__``."""
        committed = state.committed
        if committed is not None and self.key in committed and pending_changes(state, self.key) is None:
            return self.new_collection(state, instance)  # deleted with ``del``
        if state.pk is None and not state.may_load_pending(self.key):
            collection = self.new_collection(state, instance)
            collection._sa_adapter.untouched = True
            return collection
        saved = None
        if committed is not None and self.key in committed:
            saved = committed.pop(self.key)  # pending changes: what is unloaded is loaded all the same
        try:
            state.load_attribute(instance, self.key)
        finally:
            if saved is not None and state.committed is not None:
                state.committed.setdefault(self.key, saved)
        found = instance.__dict__.get(self.key)
        return self.set_loaded(state, instance, ()) if found is None else found

    def set_loaded(self, state: InstanceState, instance: Any, members: Iterable[Any]) -> Any:
        """Put the collection in place with the members that were loaded, and what waited for them."""
        collection = self.new_collection(state, instance)
        self.kind.fill(collection, members)
        extra = state.extra
        if extra is not None and "pending" in extra:
            self._merge_pending(state, instance, collection)
        elif state.committed is not None:
            state.committed.pop(self.key, None)
        return collection

    def _merge_pending(self, state: InstanceState, instance: Any, collection: Any) -> None:
        waiting = take_pending(state, self.key)
        if waiting is None:
            return
        members = list(self.kind.iterate(collection))
        if state.committed is None or self.key not in state.committed:
            record(state, instance, self.key)
        state.committed[self.key] = members  # type: ignore[index]
        there = {id(member) for member in members}
        for item in waiting.added:
            if id(item) not in there:
                self.kind.append(collection, item)
        for item in waiting.removed:
            if id(item) in there:
                self.kind.discard(collection, item)

    def history(self, state: InstanceState) -> History:
        """What came and went since the last flush; nothing is loaded."""
        key = self.key
        collection = state.dict.get(key)
        current = [] if collection is None else list(self.kind.iterate(collection))
        if self.prop.viewonly:
            return EMPTY if collection is None else History((), current, ())
        if state.pk is None:
            return EMPTY if collection is None else History(current, (), ())
        committed = state.committed
        if committed is None or key not in committed:
            return EMPTY if collection is None else History((), current, ())
        former = committed[key]
        if former is NO_VALUE:
            waiting = pending_changes(state, key)
            return EMPTY if waiting is None else History(list(waiting.added), (), list(waiting.removed))
        before = {id(item) for item in former}
        now = {id(item) for item in current}
        return History(
            [item for item in current if id(item) not in before],
            [item for item in current if id(item) in before],
            [item for item in former if id(item) not in now],
        )

    # -- what a collection says ---------------------------------------------------------

    def before_change(self, adapter: CollectionAdapter, collection: Any) -> Any:
        """Keep the members as they are for the history; return the owner, None if it is not its collection now."""
        adapter.untouched = False
        state = adapter.state
        instance = state()
        if instance is None:
            raise ObjectDereferencedError(
                f"Cannot change {self.mapper.class_.__name__}.{self.key}: the object that the collection belongs to "
                f"is gone. Keep a reference to it for as long as its collection is being changed."
            )
        if instance.__dict__.get(self.key) is not collection:
            warnings.warn(
                f"This collection is not {state.describe()}.{self.key} any more, since that was expired or replaced; "
                f"the change is not saved. Read the attribute again.",
                SAWarning,
                stacklevel=4,
            )
            return None
        if state.pk is not None:
            committed = state.committed
            if committed is None or self.key not in committed:
                if self.prop.viewonly:
                    self.warn_of_viewonly(state)
                record(state, instance, self.key)
                state.committed[self.key] = list(self.kind.iterate(collection))  # type: ignore[index]
        return instance

    def adding(self, adapter: CollectionAdapter, collection: Any, item: Any) -> Any:
        """An object is about to come in; return what is to be put in its place."""
        state = adapter.state
        instance = state()
        if instance is None or instance.__dict__.get(self.key) is not collection:
            if self.before_change(adapter, collection) is None:
                return item
        if self.validator is not None and not adapter.validated:
            item = self.validated(instance, item, False)
        if item is None:  # the flush will refuse it
            self.before_change(adapter, collection)
            return None
        try:
            other = item._sa_instance_state if type(item) in self.accepted else self.accept(item)
        except AttributeError:  # a new object without a state as yet
            other = self.accept(item)
        if self.prop.single_parent:
            self._only_parent(state, other)
        if state.pk is not None and ((committed := state.committed) is None or self.key not in committed):
            self.before_change(adapter, collection)
        self.reached(state, instance, other, item)
        back = self.back_on(other)
        if back is not None:
            if not back.uselist:
                held = item.__dict__.get(back.key, NO_VALUE)
                if held is instance:
                    adapter.doubles = True
                    return item
                if held is NO_VALUE and other.pk is not None:
                    adapter.doubles = True
            back.add_quietly(other, item, state, instance, self)
        return item

    def staying(self, adapter: CollectionAdapter, item: Any) -> None:
        """An object that is in already was put in again; a session that lost it takes it in."""
        state = adapter.state
        instance = state()
        if instance is not None and item is not None:
            self.reached(state, instance, instance_state(item), item)

    def removing(self, adapter: CollectionAdapter, collection: Any, item: Any) -> None:
        """An object is about to go."""
        instance = self.before_change(adapter, collection)
        if instance is None or item is None:
            return
        if self.validator is not None:
            self.validated(instance, item, True)
        self._let_go(adapter, collection, instance, item)

    def _let_go(self, adapter: CollectionAdapter, collection: Any, instance: Any, item: Any) -> None:
        if adapter.doubles and collection is not None and sum(one is item for one in self.kind.iterate(collection)) > 1:
            return  # it stands in the list once more
        state = adapter.state
        other = instance_state(item)
        self.left(state, instance, other, item)
        back = self.back_on(other)
        if back is not None:
            back.discard(other, item, state, instance, self)

    def _only_parent(self, state: InstanceState, other: InstanceState) -> None:
        parent = None if other.extra is None else other.extra.get(self.parent_token)
        if parent is not None and parent is not state:
            raise single_parent_error(self, other, parent)

    # -- by the other side ----------------------------------------------------------------

    def add_quietly(
        self, state: InstanceState, instance: Any, other: InstanceState, item: Any, origin: Relation
    ) -> None:
        """``item`` refers to ``instance`` now: take it in."""
        if self.validator is not None and self.validates_backrefs:
            item = self.validated(instance, item, False)
        collection = instance.__dict__.get(self.key)
        if collection is None and state.pk is not None:
            record(state, instance, self.key)
            pending_changes(state, self.key, make=True).add(item)  # type: ignore[union-attr]
        else:
            if collection is None:
                collection = self.new_collection(state, instance)
            elif state.pk is not None and ((committed := state.committed) is None or self.key not in committed):
                self.before_change(collection._sa_adapter, collection)
            self.kind.append(collection, item)
        self.reached(state, instance, other, item, by_other_side=True)
        back = self.back_on(other)
        if back is not None and back is not origin:
            back.add_quietly(other, item, state, instance, self)

    def discard(self, state: InstanceState, instance: Any, other: InstanceState, item: Any, origin: Relation) -> None:
        """``item`` refers to ``instance`` no more: let it go, if it is here."""
        collection = instance.__dict__.get(self.key)
        if collection is None and state.pk is None:
            return
        if self.validator is not None and self.validates_backrefs:
            self.validated(instance, item, True)
        if collection is None:
            record(state, instance, self.key)
            pending_changes(state, self.key, make=True).remove(item)  # type: ignore[union-attr]
        else:
            self.before_change(collection._sa_adapter, collection)
            if not self.kind.discard(collection, item):
                return
        self.left(state, instance, other, item)

    # -- as a whole -----------------------------------------------------------------------

    def write(self, instance: Any, key: str, value: Any) -> None:
        """Replace the collection: what is gone is let go, what is new comes in, what stays is not touched."""
        state = instance_state(instance)
        old = instance.__dict__.get(key)
        if old is None:
            old = self.former(state, instance)
        if old is value:
            return  # as after ``obj.children += [...]``
        members = self._members_of(value)
        if self.validator is not None:
            members = [self.validated(instance, member, False) for member in members]
        for member in members:
            if member is not None:
                self.accept(member)
        kind = self.kind
        former = list(kind.iterate(old))
        old_adapter = old._sa_adapter
        self.before_change(old_adapter, old)
        staying = {id(member) for member in former if not self._has_moved(member, instance)}
        collection = self.new_collection(state, instance)
        collection._sa_adapter.validated = True
        try:
            for member in members:
                stays = id(member) in staying
                collection._sa_appender(member, _sa_initiator=False if stays else None)
                if stays and member is not None:  # it may have come by the other side, and be in no session yet
                    self.reached(state, instance, instance_state(member), member)
        except BaseException:
            instance.__dict__[key] = old
            raise
        collection._sa_adapter.validated = False
        wanted = {id(member) for member in members}
        for member in former:
            if id(member) not in wanted and member is not None:
                if self.validator is not None:
                    self.validated(instance, member, True)
                self._let_go(old_adapter, None, instance, member)
        old._sa_adapter = None

    def _has_moved(self, member: Any, instance: Any) -> bool:
        """Whether a member, as the database has it, refers to something else by now, which no flush has written."""
        back = None if member is None else self.back_on(instance_state(member))
        return back is not None and not back.uselist and member.__dict__.get(back.key, instance) is not instance

    def _members_of(self, value: Any) -> list[Any]:
        kind = self.kind
        convert = getattr(kind.class_, "_sa_converter", None)
        if convert is not None:
            return list(convert(kind.make(), value))
        given = duck_type(value)
        if (given is not kind.duck or isinstance(value, type)) and not isinstance(value, kind.class_):
            shown = "None" if value is None else type(value).__name__
            raise TypeError(
                f"Incompatible collection type: {shown} is not {kind.duck.__name__}-like, which is what "
                f"{self.mapper.class_.__name__}.{self.key} takes."
            )
        if hasattr(value, "_sa_iterator"):
            return list(value._sa_iterator())
        if given is dict:
            return list(value.values())
        return list(value)

    def delete(self, instance: Any) -> None:
        """``del obj.children``: all are let go."""
        state = instance_state(instance)
        collection = instance.__dict__.get(self.key)
        if collection is None:
            if state.pk is None:
                return  # a collection that nobody has touched is empty
            collection = self.get(state, instance)
        adapter = collection._sa_adapter
        self.before_change(adapter, collection)
        adapter.clear_with_event()
        collection._sa_adapter = None
        instance.__dict__.pop(self.key, None)
