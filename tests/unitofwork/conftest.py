"""Each test of the unit of work runs on both roads: own SQL text, and Core's execute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table
from unitofwork.harness import Owner, map_class

from ropewalk.kernel import core


@pytest.fixture(params=["quick", "core"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(core, "_fast_path", request.param == "quick")
    return str(request.param)


@pytest.fixture
def owner(engine: Engine, road: str) -> Iterator[Owner]:
    with Owner(engine) as owner:
        yield owner


@pytest.fixture
def lite(sqlite_engine: Engine, road: str) -> Iterator[Owner]:
    """An owner on SQLite only, for what does not depend on the database."""
    with Owner(sqlite_engine) as owner:
        yield owner


@pytest.fixture
def make() -> Callable[..., Any]:
    """Give a function that makes a table in the owner's database and a class mapped to it."""

    def make(owner: Owner, *columns: Any, name: str = "thing", metadata: Any = None, **options: Any) -> Any:
        table = Table(name, MetaData() if metadata is None else metadata, *columns)
        table.create(owner.connection)
        owner.connection.commit()

        def __init__(self: Any, **values: Any) -> None:
            for key, value in values.items():
                setattr(self, key, value)

        cls = type(name.title(), (), {"__init__": __init__})
        map_class(cls, table, **options)
        return cls

    return make
