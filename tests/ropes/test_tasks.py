"""Ropes in tasks, with asynchronous sessions and plain ones: whose session is whose, cancellation, handing over."""

import asyncio
import gc
import os
import random
import threading

import pytest
from shop import Base, Customer
from sqlalchemy import event, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from ropewalk import SessionJenny, select, sessionmaker
from ropewalk.ext.asyncio import async_sessionmaker, create_async_engine


@pytest.fixture
def database(tmp_path):
    """The URL of a SQLite file with the shop's tables."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"

    async def create():
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await engine.dispose()

    asyncio.run(create())
    return url


def run(work, url):
    """Run ``work(jenny, engine)`` in a loop; in the end nothing must be open."""

    async def main():
        engine = create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=5, max_overflow=0)
        jenny = SessionJenny(async_sessionmaker(engine))
        try:
            await work(jenny, engine)
            assert not jenny._open
            assert engine.pool.checkedout() == 0
        finally:
            await engine.dispose()

    asyncio.run(main())


def test_async_with(database):
    async def work(jenny, engine):
        async with jenny.tied(commit=True) as session:
            assert jenny.session is session
            session.add(Customer(id=1, name="ed"))
        assert not session.in_transaction()
        async with jenny.tied() as session:
            assert (await session.get(Customer, 1)).name == "ed"
            async with jenny.tied(propagation="nested") as inner:
                assert inner is session and session.in_nested_transaction()
                session.add(Customer(id=2, name="jack"))
            with pytest.raises(LookupError):
                async with jenny.tied(propagation="nested"):
                    session.add(Customer(id=3, name="wendy"))
                    await session.flush()
                    raise LookupError
            assert (await session.scalars(select(Customer.id).order_by(Customer.id))).all() == [1, 2]

    run(work, database)


def test_a_coroutine_and_an_async_generator(database):
    async def work(jenny, engine):
        @jenny.roped(commit=True)
        async def save(key):
            jenny.session.add(Customer(id=key, name="ed"))
            await jenny.session.flush()
            return jenny.session

        @jenny.roped
        async def keys():
            for one in await jenny.session.scalars(select(Customer.id).order_by(Customer.id)):
                yield one

        sessions = [await save(key) for key in (1, 2)]
        assert sessions[0] is not sessions[1]
        assert [key async for key in keys()] == [1, 2]

    run(work, database)


def test_what_cannot_be_awaited_is_refused(database):
    async def work(jenny, engine):
        with pytest.raises(InvalidRequestError, match="async with"):
            jenny.session  # noqa: B018
        jenny.remove()
        with pytest.raises(InvalidRequestError, match="async with"), jenny.tied():
            pass

        @jenny.roped
        def function():
            return jenny.session

        @jenny.roped
        def generator():
            yield jenny.session

        for call in (function, lambda: list(generator())):
            with pytest.raises(InvalidRequestError, match="@jenny.roped on an async function"):
                call()
        async with jenny.tied() as session:
            assert function() is session  # in a scope that can await its end
            await session.execute(text("SELECT 1"))
            with pytest.raises(InvalidRequestError, match="await session.close"):
                jenny.remove()
            await session.close()
            assert jenny.session is session

    run(work, database)


def test_each_of_many_gathered_coroutines_has_its_session(database):
    async def work(jenny, engine):
        @jenny.roped
        async def one():
            session = jenny.session
            await session.execute(text("SELECT 1"))
            assert jenny.session is session
            return session

        sessions = await asyncio.gather(*[one() for _ in range(20)])
        assert len(set(sessions)) == 20

    run(work, database)


def test_a_child_task_has_a_session_of_its_own_unless_handed_one(database):
    async def work(jenny, engine):
        async def child(parents):
            async with jenny.tied() as session:
                return session is parents

        async def adopts(handed):
            async with handed as session:
                assert jenny.session is session
                return (await session.execute(text("SELECT 1"))).scalar()

        async with jenny.tied() as session:
            assert not await asyncio.create_task(child(session))
            await session.execute(text("SELECT 1"))
            handed = jenny.rope.transfer()
            task = asyncio.create_task(adopts(handed))
        assert session.in_transaction()  # the scope has ended, and not the session
        assert await task == 1
        assert not session.in_transaction()
        with pytest.raises(InvalidRequestError, match="taken over"):
            await adopts(handed)

        async with jenny.tied(shared=True) as session:
            assert await asyncio.create_task(child(session))

    run(work, database)


def test_a_session_handed_over_and_not_taken(database):
    async def work(jenny, engine):
        async with jenny.tied() as session:
            await session.execute(text("SELECT 1"))
            handed = jenny.rope.transfer()
        assert engine.pool.checkedout() == 1
        with pytest.raises(InvalidRequestError, match="aclose"):
            handed.close()
        await handed.aclose()
        await handed.aclose()

    run(work, database)


@pytest.mark.usefixtures("quick_collector")
@pytest.mark.parametrize("seed", range(100 if os.environ.get("ROPEWALK_SOAK") else 3))
def test_cancellation_at_any_await_closes_cleanly(database, seed):
    async def work(jenny, engine):
        @jenny.roped(commit=True)
        async def one(key):
            jenny.session.add(Customer(id=key, name="ed"))
            await jenny.session.flush()
            await asyncio.sleep(0)
            await jenny.session.scalar(select(Customer.id))

        chance = random.Random(seed)
        for key in range(25):
            task = asyncio.create_task(one(key))
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() / 300)
            was_done = not task.cancel()
            done = await asyncio.gather(task, return_exceptions=True)
            committed = was_done or done == [None]
            del task, done
            await asyncio.sleep(0)  # lets the loop forget it too
            gc.collect()  # a cursor in the frames of a cancelled task keeps SQLite's file locked
            async with jenny.tied() as session:
                there = await session.get(Customer, key) is not None
            assert there or not committed

    run(work, database)


def test_sync_sessions_in_tasks(sqlite_engine):
    jenny = SessionJenny(sessionmaker(sqlite_engine))

    async def one():
        session = jenny.session
        session.connection()
        await asyncio.sleep(0)
        assert jenny.session is session
        return session

    async def main():
        assert len(set(await asyncio.gather(*[one() for _ in range(4)]))) == 4
        cancelled = asyncio.create_task(one())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert sqlite_engine.pool.checkedout() == 0
        with jenny.tied() as session:
            assert await asyncio.to_thread(lambda: jenny.session) is not session
        with jenny.tied(shared=True) as session:
            assert await asyncio.to_thread(lambda: jenny.session) is session

    asyncio.run(main())
    assert not jenny._open


class TestTransfer:
    @pytest.fixture
    def jenny(self, sqlite_engine):
        Base.metadata.create_all(sqlite_engine)
        made = SessionJenny(sessionmaker(sqlite_engine))
        yield made
        assert not made._open
        assert sqlite_engine.pool.checkedout() == 0

    def test_to_a_thread(self, jenny):
        def start():
            jenny.session.add(Customer(id=1, name="ed"))
            jenny.session.flush()
            session = jenny.session
            handed = jenny.rope.transfer(commit=True)
            assert jenny.session is not session
            return session, handed

        session, handed = start()
        assert session.in_transaction()
        inside = []

        def finish():
            with handed as taken:
                inside.append(jenny.session is taken)

        thread = threading.Thread(target=finish)
        thread.start()
        thread.join()
        assert inside == [True] and not session.in_transaction()
        assert session.get(Customer, 1).name == "ed"
        session.close()

    def test_to_a_generator_that_streams(self, jenny):
        def lines(handed):
            with handed as session:
                yield from session.scalars(text("SELECT 1 UNION SELECT 2"))
                assert jenny.session is session

        def answer():
            jenny.session.connection()
            return lines(jenny.rope.transfer())

        assert list(answer()) == [1, 2]

    def test_not_taken_it_is_closed_with_a_warning(self, jenny):
        def start():
            jenny.session.connection()
            return jenny.rope.transfer()

        with pytest.warns(ResourceWarning, match=r"test_tasks\.py:\d+.*nobody took it"):
            start()
        handed = start()
        handed.close()
        handed.close()

    def test_of_a_scope_that_is_over(self, jenny):
        def start():
            return jenny.rope

        with pytest.raises(InvalidRequestError, match="has ended"):
            start().transfer()


def test_a_session_is_never_in_two_tasks_at_once(database):
    async def work(jenny, engine):
        users = {}

        @event.listens_for(engine.sync_engine, "before_cursor_execute")
        def note(connection, *_):
            users.setdefault(id(connection), set()).add(asyncio.current_task().get_name())

        @jenny.roped
        async def one():
            for _ in range(3):
                await jenny.session.execute(text("SELECT 1"))

        keep = []
        event.listen(engine.sync_engine, "engine_connect", lambda connection: keep.append(connection))
        await asyncio.gather(*[one() for _ in range(10)])
        assert all(len(names) == 1 for names in users.values())

    run(work, database)
