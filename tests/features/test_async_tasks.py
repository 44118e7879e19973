"""Several tasks, and tasks that are cancelled: no session with two owners, no connection left behind."""

import asyncio
import gc
import sqlite3
from contextlib import closing

import pytest
from asynchronous import AUTHORS, Author, Book, asynchronous, cancelled_at, out, skip_old_aiosqlite
from sqlalchemy import func, text

from ropewalk import Session, select
from ropewalk.exc import IllegalStateChangeError
from ropewalk.ext.asyncio import AsyncSession, async_sessionmaker

# -- one task at a time -----------------------------------------------------------------------


@asynchronous
async def test_gather_on_one_session_is_refused_with_both_tasks_named(engine):
    async with AsyncSession(engine) as session:
        first = asyncio.create_task(session.execute(select(Author)), name="first")
        second = asyncio.create_task(session.execute(select(Book)), name="second")
        with pytest.raises(IllegalStateChangeError) as caught:
            await asyncio.gather(first, second)
        text = str(caught.value)
        assert "'second'" in text and "'first'" in text and "is inside its execute()" in text
        assert "async_sessionmaker()" in text
        assert len((await first).scalars().all()) == AUTHORS  # who was there first is not disturbed
        assert len((await session.scalars(select(Author))).all()) == AUTHORS


@asynchronous
async def test_every_way_in_is_closed_while_a_task_is_inside(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        await session.commit()
        nested = session.begin_nested

        async def enter_savepoint():
            await nested()

        ways = {
            "get": lambda: session.get(Author, 2),
            "execute": lambda: session.execute(select(Book)),
            "scalar": lambda: session.scalar(select(Book.id)),
            "flush": session.flush,
            "commit": session.commit,
            "rollback": session.rollback,
            "refresh": lambda: session.refresh(author),
            "merge": lambda: session.merge(Author(id=3, name="x")),
            "delete": lambda: session.delete(author),
            "connection": session.connection,
            "begin_nested": enter_savepoint,
            "stream": lambda: session.stream(select(Book)),
            "awaitable_attrs": lambda: author.awaitable_attrs.books,
            "add": lambda: asyncio.sleep(0, session.add(Author(name="new"))),
            "expire": lambda: asyncio.sleep(0, session.expire(author)),
        }
        for name, way in ways.items():
            inside = asyncio.create_task(session.execute(select(Author)), name="inside")
            await asyncio.sleep(0)
            with pytest.raises(IllegalStateChangeError, match="'inside'"):
                await way()
                pytest.fail(f"{name} was let in")
            await inside


@asynchronous
async def test_transaction_cannot_be_ended_under_another_task(engine):
    async with AsyncSession(engine) as session:
        transaction = await session.begin()
        inside = asyncio.create_task(session.execute(select(Author)), name="inside")
        await asyncio.sleep(0)
        for end in (transaction.commit, transaction.rollback):
            with pytest.raises(IllegalStateChangeError, match="'inside'"):
                await end()
        await inside
        await transaction.commit()


@asynchronous
async def test_tasks_may_take_turns(engine):
    async with AsyncSession(engine) as session:
        authors = [await asyncio.create_task(session.get(Author, i)) for i in range(1, 4)]
        names = await asyncio.to_thread(lambda: {author.name for author in session})  # so may threads
        assert names == {author.name for author in authors} == {"a1", "a2", "a3"}


@asynchronous
async def test_close_waits_for_who_is_inside(engine):
    with pytest.raises(IllegalStateChangeError):
        async with AsyncSession(engine) as session:
            # gather() raises the second one's error, and leaves the first at its work.
            await asyncio.gather(session.execute(select(Author)), session.execute(select(Book)))
    assert out(engine) == 0
    assert not session.in_transaction()


@asynchronous
async def test_a_session_for_each_task(engine):
    make = async_sessionmaker(engine)

    async def work(number):
        async with make() as session:
            await asyncio.sleep(0)
            return (await session.get(Author, number)).name

    numbers = range(1, AUTHORS + 1)
    assert await asyncio.gather(*map(work, numbers)) == [f"a{i}" for i in numbers]


@asynchronous
async def test_sync_sessions_have_no_guard_for_tasks(engine):
    assert type(Session()._guard) is not type(AsyncSession(engine).sync_session._guard)


# -- cancellation -----------------------------------------------------------------------------


def _what(task):
    """Name a task's coroutine. Drivers leave some that close what was thrown away, as is their business."""
    code = getattr(task.get_coro(), "cr_code", None)
    return f"{code.co_filename}: {code.co_qualname}" if code is not None else ""


async def work_of_each_kind(make, name):
    """One transaction, of two inserts and all around them."""
    async with make() as session:
        author = await session.get(Author, 1)
        await author.awaitable_attrs.books
        session.add(Author(name=name))
        await session.flush()
        async with session.begin_nested():
            session.add(Author(name=f"{name}+"))
        await (await session.connection()).execute(select(Book.__table__))
        async for part in (await session.stream_scalars(select(Author))).partitions(3):
            assert part
        await session.refresh(author)
        await session.commit()
        await session.scalar(select(func.count()).select_from(Author))


async def work_in_blocks(make, name):
    async with make.begin() as session:
        session.add_all([Author(name=name), Author(name=f"{name}+")])
        await session.flush()
        await session.scalars(select(Author))


@skip_old_aiosqlite
@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("work", [work_of_each_kind, work_in_blocks])
def test_cancelled_at_each_step_nothing_is_left(async_url, work, again):
    @asynchronous
    async def test(engine):
        make = async_sessionmaker(engine)
        place = cancellations = 0
        while True:
            place += 1
            waits = await cancelled_at(place, work(make, f"n{place}"), again)
            assert not {name for name in map(_what, asyncio.all_tasks()) if "ropewalk" in name}
            assert out(engine) == 0, f"cancelled at step {place}"
            # What Core's connections and results run by themselves leaves circles, and a cursor in one keeps SQLite's
            # file locked. The error stays with the event loop until this task has waited for something.
            await asyncio.sleep(0)
            gc.collect()
            async with make() as session:
                written = await session.scalars(select(Author.name).where(Author.name.in_([f"n{place}", f"n{place}+"])))
                assert len(written.all()) in (0, 2), f"half a transaction, cancelled at step {place}"
            if waits is not None:
                break
            cancellations += 1
        assert cancellations >= 3

    test(async_url)


NEVER_ENDING = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


@skip_old_aiosqlite
@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_cancelled_statement_of_sqlite_ends_and_frees_the_file(async_url, again):
    @asynchronous
    async def test(engine):
        async def work():
            async with AsyncSession(engine) as session:
                session.add(Author(name="new"))
                await session.flush()  # which locks the file
                started.set()
                await session.execute(select(Author).from_statement(NEVER_ENDING))

        started = asyncio.Event()
        gc.disable()
        try:
            task = asyncio.create_task(work())
            await started.wait()
            for _ in range(3):
                await asyncio.sleep(0)
            task.cancel()
            if again:
                await asyncio.sleep(0)
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with closing(sqlite3.connect(async_url.database, timeout=0)) as other, other:
                other.execute("UPDATE author SET name = 'free' WHERE id = 1")
        finally:
            gc.enable()
        async with AsyncSession(engine) as session:
            assert (await session.get(Author, 1)).name == "free"
            assert await session.scalar(select(func.count()).select_from(Author)) == AUTHORS

    test(async_url)


@asynchronous
async def test_cancelled_task_leaves_a_session_that_can_be_used(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        author.name = "changed"
        task = asyncio.create_task(session.execute(select(Author)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await session.rollback()
        assert await author.awaitable_attrs.name == "a1"
        assert len((await session.scalars(select(Author))).all()) == AUTHORS


@asynchronous
async def test_timeout_around_a_session(engine):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), AsyncSession(engine) as session:
            while True:
                await session.execute(select(Author))
    assert out(engine) == 0


@asynchronous
async def test_task_group_that_fails(engine):
    make = async_sessionmaker(engine)

    async def work(number):
        async with make() as session:
            await session.get(Author, number)
            if number == 3:
                raise ZeroDivisionError
            await asyncio.sleep(60)

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for number in range(1, 5):
                group.create_task(work(number))
    assert out(engine) == 0
