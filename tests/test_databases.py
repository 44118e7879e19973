"""The tests' own footing: each gets an empty database, and the count is right."""

from __future__ import annotations

from typing import Any

import pytest
from databases import MARIADB_DEFAULT, Unavailable, count_statements, mariadb
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError

metadata = MetaData()
parent = Table("parent", metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
child = Table(
    "child",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent_id", ForeignKey("parent.id"), nullable=False),
)


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_empty(engine: Engine, turn: int) -> None:
    assert inspect(engine).get_table_names() == []
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(parent), [{"name": "a"}, {"name": "b"}])
        assert connection.scalars(select(parent.c.name).order_by(parent.c.id)).all() == ["a", "b"]


@pytest.mark.parametrize("turn", [1, 2])
def test_a_forgotten_transaction_does_not_reach_the_next_test(engine: Engine, turn: int) -> None:
    assert inspect(engine).get_table_names() == []
    metadata.create_all(engine)
    forgotten = engine.connect()
    forgotten.execute(insert(parent), {"name": "a"})
    # Out of the pool's hands, as one that a failed test's traceback keeps alive.
    forgotten.detach()
    _kept.append(forgotten)


_kept: list[object] = []


def test_foreign_keys_are_checked(engine: Engine) -> None:
    metadata.create_all(engine)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(child), {"parent_id": 7})


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("turn", [1, 2])
def test_further_schemas_and_types_are_dropped_too(engine: Engine, turn: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "Other"')
        connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('well')")


def test_the_marker_limits_the_databases(engine: Engine, request: pytest.FixtureRequest) -> None:
    expected = {"sqlite": "sqlite", "postgresql": "postgresql", "mariadb": "mysql"}
    assert engine.dialect.name == expected[request.node.callspec.params["engine"]]


def test_sqlite_in_a_file_and_in_memory(sqlite_engine: Engine, sqlite_memory_engine: Engine) -> None:
    assert sqlite_engine.url.database and sqlite_engine.url.database.endswith("test.db")
    assert sqlite_memory_engine.url.database is None
    for engine in (sqlite_engine, sqlite_memory_engine):
        metadata.create_all(engine)
        assert inspect(engine).get_table_names() == ["child", "parent"]


def test_statements_are_counted_as_the_driver_gets_them(sqlite_engine: Engine) -> None:
    metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(text("SELECT 0"))
        with count_statements(sqlite_engine) as sent:
            connection.execute(insert(parent), [{"name": "a"}, {"name": "b"}])
            connection.execute(text("SELECT 1"))
        connection.execute(text("SELECT 2"))
        with count_statements(connection) as inner:
            connection.execute(text("SELECT 3"))
    assert sent.count == 2
    assert sent.statements[0].startswith("INSERT INTO parent") and sent.statements[1] == "SELECT 1"
    assert inner.statements == ["SELECT 3"]


def test_connections_of_a_database_in_memory_are_counted(sqlite_memory_engine: Engine) -> None:
    pool: Any = sqlite_memory_engine.pool
    metadata.create_all(sqlite_memory_engine)
    assert pool.checkedout() == 0
    with sqlite_memory_engine.connect(), sqlite_memory_engine.connect():  # both are the thread's one
        assert pool.checkedout() == 1
    assert pool.checkedout() == 0
    assert inspect(sqlite_memory_engine).get_table_names() == ["child", "parent"]


def test_a_server_that_was_not_named_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROPEWALK_TEST_MARIADB", raising=False)
    nowhere = make_url(MARIADB_DEFAULT).set(port=1)
    monkeypatch.setattr("databases.MARIADB_DEFAULT", nowhere.render_as_string())
    with pytest.raises(Unavailable, match=r"MariaDB: no way in at 127\.0\.0\.1:1 .*ROPEWALK_TEST_MARIADB"):
        with mariadb():
            pass
