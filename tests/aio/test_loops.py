"""Sessions without an event loop, in one of another kind, in a second one, and under anyio."""

import asyncio
import gc

import anyio
import pytest
from asynchronous import AUTHORS, Author, asynchronous, fill, out
from sqlalchemy import event

from ropewalk import select
from ropewalk.exc import InvalidRequestError
from ropewalk.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine


async def ask(engine):
    async with AsyncSession(engine) as session:
        return await session.get(Author, 1)


def test_without_a_loop_of_asyncio_a_session_says_so(async_url):
    engine = create_async_engine(async_url)
    asked = ask(engine)
    with pytest.raises(InvalidRequestError, match=r"No asyncio event loop.*trio.*asyncio\.run\(\)") as caught:
        asked.send(None)  # as any other kind of loop begins a coroutine
    assert not hasattr(caught.value, "__notes__")
    assert out(engine) == 0


# Drivers complain when a connection is left behind by its loop, which is what this is about.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_of_another_loop_is_explained(async_url):
    engine = create_async_engine(async_url)

    async def prepare():
        async with engine.begin() as connection:
            await connection.run_sync(fill)

    async def begin():
        async with async_sessionmaker(engine).begin() as session:
            await session.get(Author, 1)

    asyncio.run(prepare())
    for use in (lambda: ask(engine), begin):
        if async_url.get_driver_name() in ("psycopg", "aiosqlite"):  # whose connections mind no loop
            asyncio.run(use())
            continue
        with pytest.raises(RuntimeError) as caught:
            asyncio.run(use())
        assert any("another event loop" in note and "dispose()" in note for note in caught.value.__notes__)
        engine.sync_engine.dispose(close=False)
        asyncio.run(use())
    engine.sync_engine.dispose(close=False)
    gc.collect()


def test_anyio_runs_sessions(async_url):
    async def main():
        engine = create_async_engine(async_url)
        async with engine.begin() as connection:
            await connection.run_sync(fill)
        names = []

        async def work(number):
            async with AsyncSession(engine) as session:
                names.append((await session.get(Author, number)).name)

        async with anyio.create_task_group() as group:
            for number in range(1, AUTHORS + 1):
                group.start_soon(work, number)
        assert sorted(names) == sorted(f"a{i}" for i in range(1, AUTHORS + 1))
        assert out(engine) == 0
        await engine.dispose()

    anyio.run(main)


@pytest.mark.databases("postgresql", "mariadb")  # of SQLite's file see "Cancellation" in docs/async.md
@asynchronous
async def test_a_cancelled_scope_of_anyio_leaves_nothing(engine):
    """It cancels again and again, until the scope is left."""
    make = async_sessionmaker(engine)
    for place in range(1, 6):
        sent = 0

        def count(*args, place=place):
            nonlocal sent
            sent += 1
            if sent == place:
                scope.cancel()

        event.listen(engine.sync_engine, "before_cursor_execute", count)
        with anyio.CancelScope() as scope:
            async with make.begin() as session:
                session.add(Author(name=f"n{place}"))
                await session.flush()
                for number in range(1, 6):
                    await session.get(Author, number)
                session.add(Author(name=f"n{place}+"))
        event.remove(engine.sync_engine, "before_cursor_execute", count)
        assert scope.cancelled_caught and out(engine) == 0
        async with make() as session:
            assert not (await session.scalars(select(Author).where(Author.name.like("n%")))).all()
