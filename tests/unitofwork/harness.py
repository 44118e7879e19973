"""A stand-in for the session: just what the unit of work asks of one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from ropewalk.instrumentation.manager import instrument_class
from ropewalk.mapping.mapper import Mapper
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import PENDING, InstanceState, state_of
from ropewalk.unitofwork.flush import flush
from ropewalk.unitofwork.work import Outcome, Work


def map_class(class_: type, table: Table, **options: Any) -> Mapper[Any]:
    """Map a class the short way."""
    mapper: Mapper[Any] = Mapper(class_, table, **options)
    instrument_class(mapper)
    return mapper


def state(instance: Any) -> InstanceState:
    found = state_of(instance)
    assert found is not None
    return found


class Owner:
    """Holds objects and a connection, and flushes."""

    def __init__(self, engine: Engine, strong: bool = False) -> None:
        self.connection: Connection = engine.connect()
        self.identity_map = IdentityMap(self, strong=strong)
        self.new: dict[InstanceState, Any] = {}
        self.deleted: dict[InstanceState, Any] = {}
        self.asked_for: list[Mapper[Any]] = []

    def load_attribute(self, state: InstanceState, instance: Any, key: str) -> Any:
        """Load a single attribute, as an expired object needs."""
        mapper = state.mapper
        statement = select(mapper.column_props[key].columns[0])
        for column, value in zip(mapper.primary_key, state.identity or (), strict=True):
            statement = statement.where(column == value)
        instance.__dict__[key] = value = self.connection.scalar(statement)
        return value

    def add(self, *instances: Any) -> None:
        for instance in instances:
            pending = state(instance)
            pending.owner = self.identity_map
            pending.status = PENDING
            self.new[pending] = instance

    def delete(self, *instances: Any) -> None:
        self.deleted.update({state(instance): instance for instance in instances})

    def flush(self, only: set[InstanceState] | None = None) -> Outcome:
        outcome = flush(Work(self.identity_map, self.new, self.deleted, self._connection_for), only)
        for done in (*outcome.inserted, *outcome.deleted):
            self.new.pop(done, None)
            self.deleted.pop(done, None)
        return outcome

    def _connection_for(self, mapper: Mapper[Any]) -> Connection:
        self.asked_for.append(mapper)
        return self.connection

    def rows(self, table: Table) -> list[tuple[Any, ...]]:
        """What the table holds, in order of the key."""
        return [tuple(row) for row in self.connection.execute(table.select().order_by(*table.primary_key))]

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
