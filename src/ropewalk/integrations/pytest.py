"""pytest: each test in a transaction that is rolled back, commits included.

Install Ropewalk and define the engine; the fixtures are there::

    # conftest.py
    @pytest.fixture(scope="session")
    def ropewalk_engine():          # with xdist, each worker has one of its own
        engine = create_engine(...)
        Base.metadata.create_all(engine)
        return engine

    def test_rename(ropewalk_session):
        ropewalk_session.add(User(name="ed"))
        ropewalk_session.commit()   # as far as the test can see; gone when it ends
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ..ropes.jenny import SessionJenny

async_fixture: Any = pytest.fixture  # for anyio
with suppress(ImportError):
    from pytest_asyncio import fixture as async_fixture


@pytest.fixture(scope="session")
def ropewalk_engine() -> Any:
    """The engine of the tests, with its tables; a project defines this fixture itself."""
    raise pytest.UsageError(
        "ropewalk_session needs an engine: define a fixture ropewalk_engine, with scope='session', that returns one."
    )


@pytest.fixture
def ropewalk_connection(ropewalk_engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is rolled back when the test ends."""
    with ropewalk_engine.connect() as connection, _own_begin(connection):
        transaction = connection.begin()
        try:
            yield connection
        finally:
            transaction.rollback()


@pytest.fixture
def ropewalk_jenny(ropewalk_connection: Connection) -> Iterator[SessionJenny[Any]]:
    """A jenny whose sessions all work in the test's transaction; their commits end a savepoint only.

    A program that has a jenny of its own lends it the factory: ``app.jenny.session_factory =
    ropewalk_jenny.session_factory``.
    """
    from ..ropes.jenny import SessionJenny
    from ..session.factory import sessionmaker

    jenny = SessionJenny(sessionmaker(ropewalk_connection, join_transaction_mode="create_savepoint"))
    yield jenny
    for rope in list(jenny._open.values()):
        rope.end()


@pytest.fixture
def ropewalk_session(ropewalk_jenny: SessionJenny[Any]) -> Iterator[Any]:
    """The session of the test; ``ropewalk_jenny.session`` is the same."""
    with ropewalk_jenny.tied(shared=True) as session:
        yield session


@async_fixture  # type: ignore[untyped-decorator, unused-ignore]
async def ropewalk_async_session(ropewalk_async_engine: Any) -> AsyncIterator[Any]:
    """An AsyncSession in a transaction that is rolled back; for pytest-asyncio, or without that for anyio.

    A project defines the fixture ``ropewalk_async_engine``.
    """
    from ..aio.session import AsyncSession

    async with ropewalk_async_engine.connect() as connection:
        with _own_begin(connection.sync_connection):
            transaction = await connection.begin()
            try:
                async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
                    yield session
            finally:
                await transaction.rollback()


@contextmanager
def _own_begin(connection: Connection) -> Iterator[None]:
    """Have SQLite begin a transaction where we do: its driver waits for the first write, and savepoints come before."""
    from sqlalchemy import event

    with ExitStack() as stack:
        if connection.dialect.name == "sqlite":

            def begin(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN")

            event.listen(connection, "begin", begin)
            stack.callback(event.remove, connection, "begin", begin)
        yield
