"""async_scoped_session: one session for each task, behind one name."""

import asyncio
import warnings

import pytest
from asynchronous import AUTHORS, Author, asynchronous, out
from sqlalchemy import func

from ropewalk import inspect, select, sessionmaker
from ropewalk.exc import InvalidRequestError, SAWarning
from ropewalk.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker

COUNT = select(func.count()).select_from(Author)


@asynchronous
async def test_same_session_in_a_task_and_another_in_the_next(engine):
    Session = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)

    async def work():
        mine = Session()
        assert Session() is mine
        await Session.get(Author, 1)
        await asyncio.sleep(0)
        assert Session.sync_session is mine.sync_session
        await Session.remove()
        return mine

    one, two = await asyncio.gather(work(), work())
    assert one is not two
    assert not Session.registry.has()


@asynchronous
async def test_everything_is_passed_on(engine):
    Session = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
    async with Session.begin():
        author = Author(name="new")
        Session.add(author)
        assert author in Session and list(Session) == [author] == list(Session.new)
        await Session.flush()
        assert await Session.scalar(COUNT) == AUTHORS + 1
        await Session.delete(author)
    assert Session.bind is engine and Session.get_bind() is engine.sync_engine
    Session.autoflush = False
    assert not Session().autoflush
    assert Session.identity_key(Author, 1) == AsyncSession.identity_key(Author, 1)
    assert (await Session.scalars(select(Author.id).limit(1))).all()
    assert [a async for a in await Session.stream_scalars(select(Author.id).where(Author.id == 1))] == [1]
    await Session.aclose()
    await Session.remove()


def test_it_has_every_public_name_of_a_session():
    Session = async_scoped_session(async_sessionmaker(), scopefunc=lambda: 1)
    names = {name for name in dir(AsyncSession) if not name.startswith("_")} - {"sync_session_class"}
    assert names and {name for name in names if not hasattr(type(Session), name)} == set()
    assert type(Session).execute.__doc__ == AsyncSession.execute.__doc__


@asynchronous
async def test_remove_closes_and_forgets(engine):
    Session = async_scoped_session(sessionmaker(engine, class_=AsyncSession), scopefunc=asyncio.current_task)
    await Session.remove()  # nothing there
    author = await Session.get(Author, 1)
    before = Session()
    assert out(engine) == 1
    await Session.remove()
    assert out(engine) == 0 and inspect(author).detached
    assert Session() is not before
    await Session.remove()


@asynchronous
async def test_arguments_are_for_new_sessions(engine):
    Session = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
    assert not Session(autoflush=False).autoflush
    with pytest.raises(InvalidRequestError, match="autoflush"):
        Session(autoflush=True)
    with pytest.warns(SAWarning, match="later"):
        Session.configure(info={"a": 1})
    await Session.remove()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Session.configure(info={"b": 1})
    assert Session.info == {"b": 1}
    await Session.remove()
