"""The engines of an AsyncSession: async ones outside, their sync sides inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.util import immutabledict

from ..session.session import Session
from .bridge import AsyncBind, AsyncBindNotFound, sync_side


class AsyncBinds:
    """The part of an AsyncSession that knows which async engine or connection each sync one came from."""

    sync_session: Session
    _async_bind: AsyncBind | None
    _async_binds: dict[Any, AsyncBind]

    def _async_side(self, bind: Engine | Connection | None) -> AsyncBind | None:
        if bind is None:
            return None
        for known in (self._async_bind, *self._async_binds.values()):
            if known is not None and sync_side(known) is bind:
                return known
        raise AsyncBindNotFound(
            f"Can't translate bind {bind!r} into an async one: it was given to the sync session directly. Name binds "
            f"on the {type(self).__name__}, with bind=, binds=, bind_mapper() or bind_table()."
        )

    def _sync_arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return arguments for a session class of another kind, with sync engines in the place of async ones.

        ``shards={"north": engine}`` and ``replicas=[engine]`` are found by what they hold, whatever their names.
        """

        def sync(value: Any) -> Any:
            if not isinstance(value, AsyncBind):
                return value
            self._async_binds[value] = value
            return sync_side(value)

        made = {}
        for name, value in given.items():
            if isinstance(value, dict) and any(isinstance(one, AsyncBind) for one in value.values()):
                value = {key: sync(one) for key, one in value.items()}
            elif isinstance(value, list | tuple) and any(isinstance(one, AsyncBind) for one in value):
                value = [sync(one) for one in value]
            made[name] = sync(value)
        return made

    @property
    def bind(self) -> AsyncBind | None:
        """The AsyncEngine or AsyncConnection of this session; it may be set."""
        return self._async_side(self.sync_session.bind)

    @bind.setter
    def bind(self, bind: AsyncBind | None) -> None:
        self.sync_session.bind = None if bind is None else sync_side(bind)
        self._async_bind = bind

    @property
    def binds(self) -> Mapping[Any, AsyncBind]:
        """The async engines that were named for classes and tables; a mapped class also stands for its tables."""
        named = self.sync_session.binds
        return immutabledict({key: self._async_side(bind) for key, bind in named.items()})

    def bind_mapper(self, mapper: Any, bind: AsyncBind) -> None:
        """Name the async engine of a mapped class."""
        self.sync_session.bind_mapper(mapper, sync_side(bind))
        self._async_binds[mapper] = bind

    def bind_table(self, table: Any, bind: AsyncBind) -> None:
        """Name the async engine of a table."""
        self.sync_session.bind_table(table, sync_side(bind))
        self._async_binds[table] = bind

    def get_bind(
        self, mapper: Any = None, clause: Any = None, bind: Engine | Connection | None = None, **kw: Any
    ) -> Engine | Connection:
        """Return the **sync** engine or connection that serves a mapper or a SQL expression.

        It is what a ``sync_session_class`` of one's own overrides; see :meth:`get_async_bind` for the async one.
        """
        return self.sync_session.get_bind(mapper, clause=clause, bind=bind, **kw)

    def get_async_bind(
        self, mapper: Any = None, clause: Any = None, bind: AsyncBind | None = None, **kw: Any
    ) -> AsyncBind:
        """Return the AsyncEngine or AsyncConnection that serves a mapper or a SQL expression.

        :raises AsyncBindNotFound: a sync session class of the program's own chose an engine that this session does
            not know.
        """
        if bind is not None:
            return bind
        found = self._async_side(self.sync_session.get_bind(mapper, clause=clause, **kw))
        assert found is not None
        return found
