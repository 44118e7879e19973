"""How often an async driver is asked for a statement, and what is left of a cursor then."""

from contextlib import closing, suppress

import aiosqlite
import pytest
from asynchronous import AUTHORS, Author, asynchronous
from sqlalchemy import DDL, event, func, text
from sqlalchemy.exc import NotSupportedError

from ropewalk import select
from ropewalk.ext.asyncio import AsyncSession
from ropewalk.kernel.core import is_quiet, run_text


@pytest.fixture
def trips(monkeypatch):
    """What goes to aiosqlite's threads, in the order it does."""
    found: list[str] = []
    real = aiosqlite.Connection._execute

    async def told(self, function, *args, **kw):
        found.append(getattr(function, "__name__", str(function)))
        return await real(self, function, *args, **kw)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", told)
    return found


def on_sqlite(test):
    """Make a test of a coroutine function that takes an engine and the list of trips."""

    def run(async_url, trips):
        @asynchronous
        async def with_engine(engine):
            async with AsyncSession(engine) as session:  # the dialect and the pool are warm afterwards
                await session.get(Author, 1)
            trips.clear()
            await test(engine, trips)

        with_engine(async_url)

    run.__name__, run.__module__ = test.__name__, test.__module__
    return pytest.mark.databases("sqlite")(run)


@on_sqlite
async def test_a_session_that_only_reads_takes_one_trip_for_each_statement(engine, trips):
    async with AsyncSession(engine) as session:
        await session.get(Author, 1)
        await session.get(Author, 2)
    assert len(trips) == 2
    async with AsyncSession(engine) as session:
        await session.get(Author, 1)
        await session.commit()
        await session.get(Author, 1)
        await session.rollback()
    assert len(trips) == 4


@on_sqlite
async def test_what_was_written_is_committed_or_rolled_back(engine, trips):
    for end, left in (("commit", 1), ("rollback", 0), ("close", 0)):
        async with AsyncSession(engine) as session:
            session.add(Author(name=end))
            await session.flush()
            await getattr(session, end)()
            assert end == "close" or end in trips
        async with AsyncSession(engine) as session:
            assert await session.scalar(select(func.count()).where(Author.name == end)) == left


@on_sqlite
async def test_who_listens_hears_of_each_end(engine, trips):
    heard = []
    event.listen(engine.sync_engine, "rollback", lambda connection: heard.append("rollback"))
    event.listen(engine.sync_engine, "commit", lambda connection: heard.append("commit"))
    async with AsyncSession(engine) as session:
        await session.get(Author, 1)
        await session.commit()
        await session.get(Author, 1)
    assert heard == ["commit", "rollback"]


@on_sqlite
async def test_the_pool_is_told_of_the_return(engine, trips):
    heard = []
    event.listen(engine.sync_engine, "reset", lambda raw, record, state: heard.append(state.transaction_was_reset))
    async with AsyncSession(engine) as session:
        await session.get(Author, 1)
    assert heard == [True] and len(trips) == 1


@on_sqlite
async def test_a_given_connection_stays_in_its_own_transaction(engine, trips):
    async with engine.connect() as connection:
        async with AsyncSession(connection) as session:
            await session.get(Author, 1)
            await session.commit()
        async with connection.begin():
            assert await connection.scalar(select(func.count()).select_from(Author.__table__)) == AUTHORS


@asynchronous
async def test_it_looks_like_the_cursor_it_came_from(engine):
    def both(session):
        connection = session.connection()
        assert is_quiet(connection)
        for statement in (
            "SELECT id, name FROM author WHERE id < 4 ORDER BY id",
            "SELECT id FROM author WHERE id < 0",
            "UPDATE author SET name = name WHERE id < 3",
            "DELETE FROM author WHERE id < 0",
        ):
            ours = run_text(connection, statement, ())
            with closing(connection.connection.cursor()) as theirs:
                theirs.execute(statement, ())
                found, expected = (
                    (
                        None if cursor.description is None else [column[:2] for column in cursor.description],
                        cursor.rowcount,
                        [tuple(row) for row in cursor.fetchall()] if cursor.description else [],
                    )
                    for cursor in (ours, theirs)
                )
            assert found == expected, statement

    async with AsyncSession(engine) as session:
        await session.run_sync(both)


@asynchronous
async def test_rows_are_handed_out_once(engine):
    def work(session):
        cursor = run_text(session.connection(), "SELECT id FROM author ORDER BY id", ())
        assert [row[0] for row in cursor.fetchmany(3)] == [1, 2, 3]
        assert cursor.fetchone()[0] == 4
        assert [row[0] for row in cursor] == [5, 6, 7, 8, 9, 10]
        assert cursor.fetchone() is None and not cursor.fetchall()
        cursor.close()

    async with AsyncSession(engine) as session:
        await session.run_sync(work)


@pytest.mark.databases("postgresql")
@asynchronous
async def test_a_table_may_be_altered_between_two_statements(engine):
    for type_ in ("bigint", "int"):
        async with AsyncSession(engine) as session:
            assert (await session.get(Author, 1)).name == "a1"
        async with engine.begin() as connection:
            await connection.execute(DDL(f"ALTER TABLE author ALTER COLUMN id TYPE {type_}"))
    async with AsyncSession(engine) as session:
        assert (await session.get(Author, 1)).name == "a1"


@pytest.mark.databases("postgresql")
@asynchronous
async def test_after_ddl_that_nobody_told_of_one_statement_fails_at_most(engine):
    async with AsyncSession(engine) as session:
        await session.get(Author, 1)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE author ALTER COLUMN id TYPE bigint"))
    async with AsyncSession(engine) as session:
        with suppress(NotSupportedError):  # asyncpg
            await session.get(Author, 1)
        await session.rollback()
        assert (await session.get(Author, 1)).name == "a1"
