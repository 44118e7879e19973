"""The identity map of a session over several shards: the shard is part of the key.

The maps of other sessions know nothing of it. Here a row's key is bare within one dictionary for each
hierarchy *and shard*; a loader that works for one shard gets a :class:`ShardMap`, which looks to it like
an identity map of that shard alone. States it makes are handed over to the session's map afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .identity import IdentityMap

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from .instance import InstanceState


class Entries(dict[Any, Any]):
    """The states of one hierarchy on one shard; notes those that come in."""

    def __init__(self, token: Any, fresh: list[tuple[InstanceState, Any]]) -> None:
        super().__init__()
        self._token = token
        self._fresh = fresh

    def __setitem__(self, key: Any, state: Any) -> None:
        super().__setitem__(key, state)
        self._fresh.append((state, self._token))


class ShardedIdentityMap(IdentityMap):
    """The identity map of a sharded session."""

    def __init__(self, session: Any, strong: bool = False) -> None:
        super().__init__(session, strong)
        self.fresh: list[tuple[InstanceState, Any]] = []

    def shard_of(self, state: InstanceState, instance: Any) -> Any:
        """Return the shard of an object; that of a new one is chosen now."""
        return self.session.shard_of(state, instance)

    def map_for(self, mapper: Mapper[Any], token: Any = None) -> dict[Any, InstanceState]:
        if token is None:
            return super().map_for(mapper)
        root = (mapper.base_mapper.class_, token)
        found = self.maps.get(root)
        if found is None:
            found = self.maps[root] = Entries(token, self.fresh)
        return found

    def adopt(self, marks: dict[str, Any] | None = None) -> None:
        """Take over the states that loaders have made for shards.

        :param marks: what all of them shall remember beside their shard.
        """
        for state, token in self.fresh:
            if state.owner is not None and state.owner.home is self:
                state.owner = self
                state.set_extra("token", token)
                for name, value in (marks or {}).items():
                    state.set_extra(name, value)
        self.fresh.clear()


class ShardMap(IdentityMap):
    """One shard of a sharded session's identity map, for those who load from it."""

    def __init__(self, home: ShardedIdentityMap, token: Any, session: Any) -> None:
        self._home = home
        self.token = token
        self._face = session
        self.maps = home.maps
        self.modified = home.modified
        self.watched = home.watched
        self.orphans = home.orphans
        self.held = home.held

    @property
    def session(self) -> Any:
        return self._face

    @property
    def loader(self) -> Any:
        return self._face

    @property
    def home(self) -> IdentityMap:
        return self._home

    def map_for(self, mapper: Mapper[Any], token: Any = None) -> dict[Any, InstanceState]:
        return self._home.map_for(mapper, self.token if token is None else token)

    def forget(self, state: InstanceState) -> None:
        state.owner = self._home
        state.set_extra("token", self.token)
        self._home.forget(state)
