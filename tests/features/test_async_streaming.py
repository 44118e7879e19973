"""Results that fetch their rows as they are asked for."""

import asyncio

import pytest
import sqlalchemy
from asynchronous import AUTHORS, BOOKS_EACH, Author, Book, asynchronous, out
from sqlalchemy import func, text

from ropewalk import Session, defer, inspect, joinedload, select, selectinload
from ropewalk.exc import IllegalStateChangeError
from ropewalk.ext.asyncio import AsyncResult, AsyncScalarResult, AsyncSession, exc

ORDERED = select(Author).order_by(Author.id)
IDS = list(range(1, AUTHORS + 1))


@asynchronous
async def test_rows_one_by_one(engine):
    async with AsyncSession(engine) as session:
        result = await session.stream(select(Author, Author.name).order_by(Author.id))
        assert isinstance(result, AsyncResult)
        assert [(row[0].id, row.name) async for row in result] == [(i, f"a{i}") for i in IDS]
        scalars = await session.stream_scalars(ORDERED)
        assert isinstance(scalars, AsyncScalarResult)
        assert [author.id async for author in scalars] == IDS


@asynchronous
async def test_partitions(engine):
    async with AsyncSession(engine) as session:
        sizes, ids = [], []
        async for part in (await session.stream_scalars(ORDERED)).partitions(4):
            sizes.append(len(part))
            ids += [author.id for author in part]
        assert sizes == [4, 4, 2] and ids == IDS


@asynchronous
async def test_all_of_it_and_some_of_it(engine):
    async with AsyncSession(engine) as session:
        assert [a.id for a in await (await session.stream_scalars(ORDERED)).all()] == IDS
        assert (await (await session.stream_scalars(ORDERED)).first()).id == 1
        if sqlalchemy.__version__ >= "2.1":  # 2.0 cannot freeze a stream of single objects
            frozen = await (await session.stream(ORDERED)).freeze()
            assert [a.id for a in frozen().scalars().all()] == IDS
        assert (await (await session.stream(ORDERED.where(Author.id == 3))).scalar_one()).id == 3


@asynchronous
async def test_no_row_is_lost_between_sizes(engine):
    async with AsyncSession(engine) as session:
        result = await session.stream_scalars(ORDERED)
        found = await result.fetchmany(1)
        found += await result.fetchmany(3)
        found += await result.all()
        assert [author.id for author in found] == IDS


def test_no_row_is_lost_between_sizes_in_a_session(engine):
    from asynchronous import fill

    with engine.begin() as connection:
        fill(connection)
    with Session(engine) as session:
        for options in ({"stream_results": True}, {"yield_per": 4}):
            result = session.execute(ORDERED, execution_options=options).scalars()
            found = [*result.fetchmany(1), *result.fetchmany(3), *result.all()]
            assert [author.id for author in found] == IDS
        loaded = session.scalars(ORDERED.options(joinedload(Author.books)), execution_options={"stream_results": True})
        assert [len(author.books) for author in loaded.unique()] == [BOOKS_EACH] * AUTHORS


@asynchronous
async def test_yield_per_loads_a_chunk_at_a_time(engine):
    async with AsyncSession(engine) as session:
        result = await session.stream_scalars(ORDERED.execution_options(yield_per=4))
        first = await anext(aiter(result))
        assert first.id == 1
        assert len(session.identity_map) <= 4
        await result.close()


@asynchronous
async def test_collections_come_along(engine):
    async with AsyncSession(engine) as session:
        for option in (selectinload(Author.books), joinedload(Author.books)):
            result = (await session.stream(ORDERED.options(option))).unique().scalars()
            assert [len(author.books) async for author in result] == [BOOKS_EACH] * AUTHORS
            session.expunge_all()


@asynchronous
async def test_columns_and_text_stream_too(engine):
    async with AsyncSession(engine) as session:
        assert [n async for n in await session.stream_scalars(select(Author.name).order_by(Author.id))][:2] == [
            "a1",
            "a2",
        ]
        assert [row.n async for row in await session.stream(text("SELECT 1 AS n"))] == [1]
        counted = await session.stream_scalars(select(func.count()).select_from(Book.__table__))
        assert await counted.one() == AUTHORS * BOOKS_EACH


@asynchronous
async def test_objects_of_a_chunk_are_peers(engine):
    async with AsyncSession(engine) as session:
        seen = []
        async for part in (await session.stream_scalars(ORDERED)).partitions(5):
            assert [len(await author.awaitable_attrs.books) for author in part] == [BOOKS_EACH] * len(part)
            seen += [author.id for author in part]
        assert seen == IDS


@asynchronous
async def test_other_statements_between_two_chunks_lose_no_row(engine):
    async with AsyncSession(engine) as session:
        for option in (selectinload(Author.books), defer(Author.name)):
            result = await session.stream_scalars(ORDERED.options(option).execution_options(yield_per=3))
            seen = []
            async for author in result:
                seen.append(author.id)
                await session.scalar(select(func.count()).select_from(Author))
                async with session.begin_nested():
                    session.add(Book(title=await author.awaitable_attrs.name, author=author))
            assert seen == IDS


@asynchronous
async def test_execute_refuses_what_stays_on_the_server(engine):
    async with AsyncSession(engine) as session:
        for statement in (select(Author), select(Author.__table__)):
            for options in ({"stream_results": True}, {"yield_per": 5}):
                for method in (session.execute, session.scalars):
                    with pytest.raises(exc.AsyncMethodRequired, match="stream"):
                        await method(statement, execution_options=options)
        assert len((await session.scalars(select(Author))).all()) == AUTHORS


@asynchronous
async def test_closed_half_way(engine):
    session = AsyncSession(engine)
    result = await session.stream_scalars(ORDERED.execution_options(yield_per=2))
    author = await anext(aiter(result))
    await result.close()
    assert len((await session.scalars(select(Author))).all()) == AUTHORS
    result = await session.stream_scalars(ORDERED.execution_options(yield_per=2))
    await anext(aiter(result))
    await session.close()
    assert out(engine) == 0 and inspect(author).detached


@pytest.mark.databases("sqlite")  # drivers of PostgreSQL read so far ahead that nobody waits here
@asynchronous
async def test_second_task_is_kept_out_while_a_chunk_is_fetched(engine):
    async with AsyncSession(engine) as session:
        result = await session.stream_scalars(ORDERED.execution_options(yield_per=2))

        async def read():
            return [author.id async for author in result]

        reading = asyncio.create_task(read(), name="reader")
        meddling = asyncio.create_task(session.execute(select(Book)), name="meddler")
        await asyncio.wait([reading, meddling])
        assert reading.result() == IDS
        with pytest.raises(IllegalStateChangeError, match="'meddler'.*'reader'.*reading of a stream"):
            meddling.result()
