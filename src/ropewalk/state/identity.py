"""The identity map: for each row at most one object.

One plain dictionary per mapped hierarchy holds the states under their bare primary key
(``7``, or ``(7, "x")`` for a composite key), which spares two tuples a row. Outside, it
looks like the dictionary that the SQLAlchemy 0.4 chapter describes, with keys like
``(User, (7,))`` and objects as values. (Pattern: Fowler, *Patterns of Enterprise
Application Architecture*, "Identity Map".)
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .orphans import changed_values, may_still_change, revive

if TYPE_CHECKING:
    from ..kernel.protocols import LazyLoader
    from ..mapping.mapper import Mapper
    from .instance import InstanceState


class IdentityMap(Mapping[Any, Any]):
    """The objects of one session that have a row in the database.

    Entries are weak: an object that the program drops goes, except while it has changes
    to be flushed (``modified`` holds those). With ``strong=True`` every object stays.
    """

    token: Any = None  # of the one shard that it stands for
    shard_of: Any = None  # gives an object's shard, where the session has several
    upserts: dict[InstanceState, Any] | None = None  # new objects whose rows may be there already

    def __init__(self, session: Any, strong: bool = False) -> None:
        self._session = weakref.ref(session)
        self.maps: dict[Any, dict[Any, InstanceState]] = {}
        self.modified: dict[InstanceState, Any] = {}
        self.watched: dict[InstanceState, None] = {}
        self.orphans: dict[InstanceState, None] = {}
        self.held: dict[InstanceState, Any] | None = {} if strong else None

    @property
    def session(self) -> Any:
        return self._session()

    @property
    def home(self) -> IdentityMap:
        """The session's own identity map: this one, unless it stands for one shard of it."""
        return self

    @property
    def loader(self) -> LazyLoader | None:
        """Who loads what an object lacks: the session, as long as there is one."""
        return self._session()

    # -- what the floors above use ------------------------------------------------------

    def map_for(self, mapper: Mapper[Any], token: Any = None) -> dict[Any, InstanceState]:
        """Return the dictionary of one hierarchy: bare primary key → state."""
        root: Any = mapper.base_mapper.class_
        if token is not None:
            root = (root, token)
        try:
            return self.maps[root]
        except KeyError:
            return self.maps.setdefault(root, {})

    def find(self, mapper: Mapper[Any], pk: Any, token: Any = None) -> Any:
        """Return the object with that key, or None."""
        state = self.map_for(mapper, token).get(pk)
        return None if state is None else state()

    def put(self, state: InstanceState, instance: Any) -> InstanceState | None:
        """Enter a state under its key; return another state that held the place, if one did."""
        entries = self.map_for(state.mapper, state.identity_token)
        before = entries.get(state.pk)
        entries[state.pk] = state
        if self.held is not None:
            self.held[state] = instance
        if state.mutables:
            self.watched[state] = None
        return before if before is not state else None

    def remove(self, state: InstanceState) -> None:
        """Take a state out, whether or not it was in."""
        entries = self.map_for(state.mapper, state.identity_token)
        if entries.get(state.pk) is state:
            del entries[state.pk]
        self.modified.pop(state, None)
        self.watched.pop(state, None)
        if self.held is not None:
            self.held.pop(state, None)

    def contains_state(self, state: InstanceState) -> bool:
        if state.pk is None:
            return False
        return self.map_for(state.mapper, state.identity_token).get(state.pk) is state

    def forget(self, state: InstanceState) -> None:
        """Called when the object of ``state`` is gone."""
        entries = self.maps.get(state.mapper.base_mapper.class_ if not state.extra else self._root(state))
        if entries is not None and entries.get(state.pk) is state:
            del entries[state.pk]
        if state.mutables:
            self.watched.pop(state, None)
            if changed_values(state):
                revive(self, state)
            elif may_still_change(state):
                self.orphans[state] = None

    def _root(self, state: InstanceState) -> Any:
        root: Any = state.mapper.base_mapper.class_
        return root if state.identity_token is None else (root, state.identity_token)

    def settle_orphans(self) -> None:
        """Bring back objects that the program dropped while it went on changing their values."""
        for state in list(self.orphans):
            if changed_values(state):
                del self.orphans[state]
                revive(self, state)

    def forget_upserts(self, states: Any) -> None:
        """Take no note any more of how these new objects were to be inserted."""
        if self.upserts:
            for state in states:
                self.upserts.pop(state, None)

    def all_states(self) -> list[InstanceState]:
        return [state for entries in list(self.maps.values()) for state in list(entries.values())]

    def instances(self) -> list[Any]:
        """The objects, those that live."""
        return [instance for state in self.all_states() if (instance := state()) is not None]

    def clear_all(self) -> None:
        self.maps.clear()
        self.modified.clear()
        self.watched.clear()
        self.orphans.clear()
        if self.held is not None:
            self.held.clear()

    # -- the dictionary that programs see ---------------------------------------------

    def _state_at(self, key: Any) -> InstanceState | None:
        try:
            class_, identity, *token = key
            mapper = class_.__mapper__
            pk = identity[0] if mapper.single_pk is not None else tuple(identity)
            return self.map_for(mapper, token[0] if token else None).get(pk)
        except (TypeError, ValueError, AttributeError, IndexError):
            return None

    def __getitem__(self, key: Any) -> Any:
        state = self._state_at(key)
        instance = None if state is None else state()
        if instance is None:
            raise KeyError(key)
        return instance

    def __contains__(self, key: object) -> bool:
        state = self._state_at(key)
        return state is not None and state() is not None

    def __iter__(self) -> Iterator[Any]:
        for state in self.all_states():
            if state() is not None:
                yield instance_key(state)

    def __len__(self) -> int:
        return sum(len(entries) for entries in self.maps.values())

    def values(self) -> list[Any]:  # type: ignore[override]
        return self.instances()

    def keys(self) -> list[Any]:  # type: ignore[override]
        return list(self)

    def items(self) -> list[tuple[Any, Any]]:  # type: ignore[override]
        return [(instance_key(s), obj) for s in self.all_states() if (obj := s()) is not None]

    def check_modified(self) -> bool:
        return bool(self.modified)

    def __repr__(self) -> str:
        return f"<IdentityMap of {len(self)} objects>"

    # two identity maps are one only if they are the same one
    __hash__ = object.__hash__
    __eq__ = object.__eq__


def instance_key(state: InstanceState) -> tuple[Any, ...]:
    """The key of an object as the chapter shows it: ``(User, (7,))``, with the token where there is one."""
    root = state.mapper.base_mapper.class_
    token = state.identity_token
    identity = state.identity
    return (root, identity) if token is None else (root, identity, token)
