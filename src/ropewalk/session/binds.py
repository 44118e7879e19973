"""Which engine serves a statement: the session's own, one per class or table, or the metadata's."""

from __future__ import annotations

import inspect as python_inspect
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table
from sqlalchemy.sql import visitors
from sqlalchemy.util import immutabledict

from ..exc import ArgumentError, UnboundExecutionError
from ..kernel.core import entity_of, statement_entity

Bind = Engine | Connection


def bind_metadata(metadata: MetaData, bind: Bind | None) -> None:
    """Associate a MetaData with an engine, for sessions that have no bind of their own.

    This is the "bound metadata" of SQLAlchemy 0.4, which Core has given up; ``None`` undoes it.

    :raises ArgumentError: it is no MetaData, or no engine.
    """
    if not isinstance(metadata, MetaData):
        raise ArgumentError(
            f"bind_metadata() takes a MetaData, such as Base.metadata, and an engine; got {metadata!r:.100}."
        )
    if bind is None:
        metadata.info.pop("bind", None)
    else:
        metadata.info["bind"] = check_bind(bind)


def check_bind(bind: Any, where: str = "bind") -> Bind:
    """Return ``bind`` if it is an engine or connection; ArgumentError otherwise."""
    if isinstance(bind, (Engine, Connection)):
        return bind
    if type(bind).__name__ in ("AsyncEngine", "AsyncConnection"):
        raise ArgumentError(
            f"{where}={bind!r} is an async engine; an AsyncSession takes it, this Session takes Engines."
        )
    if hasattr(bind, "dialect") and hasattr(bind, "connect"):
        return bind  # type: ignore[no-any-return]  # a mock or proxy engine
    raise ArgumentError(
        f"{where} must be an Engine or a Connection, as create_engine(...) and engine.connect() give them; "
        f"got {bind!r}."
    )


class Binds:
    """The engines that were named for classes and tables."""

    def __init__(self, given: Mapping[Any, Any] | None = None) -> None:
        self._by_key: dict[Any, Bind] = {}
        for key, bind in (given or {}).items():
            self.add(key, bind)

    def add(self, key: Any, bind: Any) -> None:
        """Name the engine of a mapped class, a mixin, a mapper or a table."""
        mapper = getattr(key, "__mapper__", None) if isinstance(key, type) else None
        if mapper is not None:
            self._by_key[mapper.class_] = bind
            for table in mapper.tables:
                self._by_key[table] = bind
        elif getattr(key, "is_mapper", False):
            self.add(key.class_, bind)
        elif isinstance(key, (type, Table)):
            self._by_key[key] = bind
        else:
            raise ArgumentError(f"binds: {key!r} is neither a mapped class, nor a mixin, nor a table.")

    def __bool__(self) -> bool:
        return bool(self._by_key)

    @property
    def named(self) -> Mapping[Any, Bind]:
        """What was named, to look at."""
        return immutabledict(self._by_key)

    def for_mapper(self, mapper: Any) -> Bind | None:
        for class_ in python_inspect.getmro(mapper.class_):
            if class_ in self._by_key:
                return self._by_key[class_]
        return self.for_clause(mapper.selectable)

    def for_clause(self, clause: Any) -> Bind | None:
        if not self._by_key or clause is None:
            return None
        for element in _parts(clause):
            if element in self._by_key if isinstance(element, Table) else False:
                return self._by_key[element]
            entity = entity_of(element)
            if entity is not None and entity.class_ in self._by_key:
                return self._by_key[entity.class_]
        return None


def _parts(clause: Any) -> Iterator[Any]:
    if not hasattr(clause, "get_children"):
        raise ArgumentError(f"clause= takes a table, statement or other SQL expression; got {clause!r:.100}.")
    return visitors.iterate(clause)


def metadata_bind(mapper: Any, clause: Any) -> Bind | None:
    """Return the engine that the metadata of the tables involved is bound to."""
    tables = list(mapper.tables) if mapper is not None else []
    if clause is not None:
        tables += [e for e in _parts(clause) if isinstance(e, Table)]
        target = getattr(clause, "table", None)
        if isinstance(target, Table):
            tables.append(target)
    for table in tables:
        bind = table.metadata.info.get("bind")
        if bind is not None:
            return bind  # type: ignore[no-any-return]
    return None


def entity_mapper(statement: Any) -> Any:
    """Return the mapper of the first entity of a statement, or None."""
    entity = statement_entity(statement)
    return None if entity is None else entity.mapper


def unbound(mapper: Any, clause: Any) -> UnboundExecutionError:
    subject = f"mapper {mapper}" if mapper is not None else "this SQL expression" if clause is not None else "this call"
    return UnboundExecutionError(
        f"This session has no engine for {subject}. Give it one: Session(bind=engine), Session.configure(bind=engine) "
        f"on a sessionmaker(), binds={{Class: engine}}, or bind_metadata(Base.metadata, engine)."
    )
