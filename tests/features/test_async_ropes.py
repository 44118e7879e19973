"""Ropes around awaited sessions: a jenny over an async_sessionmaker."""

import asyncio
import gc

import pytest
from asynchronous import AUTHORS, Author, asynchronous, cancelled_at, out, skip_old_aiosqlite
from sqlalchemy import func

from ropewalk import SessionJenny, inspect, select
from ropewalk.ext.asyncio import AsyncSession, async_sessionmaker

COUNT = select(func.count()).select_from(Author)


@asynchronous
async def test_tied_block_gives_a_session_and_closes_it(engine):
    jenny = SessionJenny(async_sessionmaker(engine))
    async with jenny.tied() as session:
        assert isinstance(session, AsyncSession) and jenny.session is session
        author = await session.get(Author, 1)
        assert out(engine) == 1
    assert out(engine) == 0 and inspect(author).detached


@asynchronous
async def test_tied_block_commits_if_asked(engine):
    jenny = SessionJenny(async_sessionmaker(engine))
    async with jenny.tied(commit=True) as session:
        session.add(Author(name="kept"))
    with pytest.raises(ZeroDivisionError):
        async with jenny.tied(commit=True) as session:
            session.add(Author(name="lost"))
            await session.flush()
            raise ZeroDivisionError
    async with jenny.tied() as session:
        assert await session.scalar(COUNT) == AUTHORS + 1


@asynchronous
async def test_each_task_has_its_own(engine):
    jenny = SessionJenny(async_sessionmaker(engine))

    async def work(number):
        async with jenny.tied() as session:
            await asyncio.sleep(0)
            assert jenny.session is session
            return session, (await session.get(Author, number)).name

    done = await asyncio.gather(*(work(number) for number in range(1, AUTHORS + 1)))
    assert len({id(session) for session, _ in done}) == AUTHORS
    assert [name for _, name in done] == [f"a{number}" for number in range(1, AUTHORS + 1)]


@asynchronous
async def test_roped_coroutine(engine):
    jenny = SessionJenny(async_sessionmaker(engine))

    @jenny.roped(commit=True)
    async def add(name):
        jenny.session.add(Author(name=name))
        await jenny.session.flush()

    await add("kept")
    assert out(engine) == 0
    async with jenny.tied() as session:
        assert await session.scalar(COUNT) == AUTHORS + 1


@skip_old_aiosqlite
@asynchronous
async def test_cancelled_at_each_step_nothing_is_left(engine):
    jenny = SessionJenny(async_sessionmaker(engine))

    async def work(name):
        async with jenny.tied(commit=True) as session:
            session.add(Author(name=name))
            await session.flush()
            await session.scalars(select(Author))

    place = 0
    while True:
        place += 1
        waits = await cancelled_at(place, work(f"n{place}"))
        gc.collect()  # what a cancelled statement leaves half read may hold SQLite's lock (docs/async.md)
        assert out(engine) == 0, f"cancelled at step {place}"
        if waits is not None:
            break
    assert place > 3
