"""One shard of a sharded session, as those see it who load for the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..state.sharded import ShardMap

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Face:
    """Stands for a session towards loaders: all connections lead to one shard, all objects belong to it.

    Whatever is not of one shard is the session's own.

    :param elsewhere: gives the faces of the shards on which relationships are looked for, from the statement and
        the state that they are loaded for; None where they are on this shard.
    """

    _heard: frozenset[str] | None  # the session's own, unless it is set: statements are told of once, not by shard

    def __init__(self, session: Any, shard_id: Any, elsewhere: Callable[[Any, Any], list[Face]] | None = None) -> None:
        self.session = session
        self.shard_id = shard_id
        self.elsewhere = elsewhere
        self.lazy_state: Any = None
        self.identity_map = ShardMap(session.identity_map, shard_id, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    @property
    def options_now(self) -> Mapping[str, Any] | None:
        """The execution options of the query that is loading."""
        return self.session.options_now  # type: ignore[no-any-return]

    @options_now.setter
    def options_now(self, options: Mapping[str, Any] | None) -> None:
        self.session.options_now = options

    def connection_for(self, mapper: Any, clause: Any = None, **bind_arguments: Any) -> Connection:
        """Return the connection to this shard."""
        return self.session.connection_for(mapper, clause, **{**bind_arguments, "shard_id": self.shard_id})  # type: ignore[no-any-return]

    def for_statement(self, statement: Any, bind_arguments: Mapping[str, Any] | None = None) -> Connection:
        """Return the connection to this shard that serves a statement."""
        return self.session.for_statement(statement, {**(bind_arguments or {}), "shard_id": self.shard_id})  # type: ignore[no-any-return]

    def faces_for(self, statement: Any) -> list[Face] | None:
        """Return where related objects are to be looked for, if not here."""
        return None if self.elsewhere is None else self.elsewhere(statement, self.lazy_state)
