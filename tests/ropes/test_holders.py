"""Who holds what: jenny.ropes(), report(), the limits, and what a pool's time-out says."""

import sys
import threading
import time
import warnings

import pytest
from shop import Base, Customer
from sqlalchemy import create_engine, text
from sqlalchemy.exc import TimeoutError
from sqlalchemy.pool import QueuePool

from ropewalk import SessionJenny, sessionmaker
from ropewalk.ropes import report


@pytest.fixture
def database(tmp_path):
    engine = create_engine(
        f"sqlite:///{tmp_path / 'test.db'}", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_ropes_lists_the_open_ones(database):
    jenny = SessionJenny(sessionmaker(database), count_statements=True)
    assert jenny.ropes() == []
    with jenny.tied() as session:
        ed = Customer(id=1, name="ed")
        session.add(ed)
        session.flush()
        session.execute(text("SELECT 1"))
        (one,) = jenny.ropes()
        assert (one.kind, one.thread, one.task) == ("with", threading.current_thread().name, None)
        assert one.filename == __file__ and one.function == "test_ropes_lists_the_open_ones"
        assert (one.connections, one.objects, one.statements) == (1, 1, 2)
        assert 0 <= one.age < 60
        assert one.rope.session is session
        assert f"{__file__}:{one.lineno}" in str(one) and "a connection" in str(one)
        session.rollback()
        assert jenny.ropes()[0].connections == 0
    assert jenny.ropes() == []


def test_statements_are_not_counted_unless_asked(database):
    jenny = SessionJenny(sessionmaker(database))
    with jenny.tied():
        assert jenny.ropes()[0].statements is None


def test_ropes_of_tasks_and_of_frames(database):
    import asyncio

    jenny = SessionJenny(sessionmaker(database))

    async def work():
        jenny.session  # noqa: B018
        return jenny.ropes()[0]

    async def main():
        return await asyncio.create_task(work(), name="the task")

    one = asyncio.run(main())
    assert (one.kind, one.task) == ("coroutine", "the task")


def test_ropes_of_sqlalchemys_own_sessions(database):
    import sqlalchemy.orm

    jenny = SessionJenny(sqlalchemy.orm.sessionmaker(database), count_statements=True)
    with jenny.tied() as session:
        session.execute(text("SELECT 1"))
        (one,) = jenny.ropes()
        assert (one.connections, one.objects, one.statements) == (1, 0, 1)


def test_report_names_the_ropes_of_all_jennies(database):
    first, second = SessionJenny(sessionmaker(database)), SessionJenny(sessionmaker(database))
    with first.tied(), second.tied():
        told = report()
        assert "2 ropes are open" in told
        assert told.count(f"{__file__}:") == 2
    assert __file__ not in report()


def test_a_pools_time_out_names_the_holders(database):
    jenny = SessionJenny(sessionmaker(database))
    with jenny.tied() as session:
        session.connection()
        with pytest.raises(TimeoutError) as caught, jenny.tied(propagation="requires_new") as other:
            other.connection()
    note = caught.value.__notes__[-1]
    assert "test_a_pools_time_out_names_the_holders" in note and note.count(__file__) == 1


def test_so_does_that_of_an_asynchronous_pool(database):
    import asyncio

    from sqlalchemy.pool import AsyncAdaptedQueuePool

    from ropewalk.ext.asyncio import async_sessionmaker, create_async_engine

    async def main():
        engine = create_async_engine(
            database.url.set(drivername="sqlite+aiosqlite"),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=0.05,
        )
        jenny = SessionJenny(async_sessionmaker(engine), count_statements=True)
        async with jenny.tied() as session:
            await session.execute(text("SELECT 1"))
            with pytest.raises(TimeoutError) as caught:
                async with jenny.tied(propagation="requires_new") as other:
                    await other.connection()
        await engine.dispose()
        return caught.value.__notes__[-1]

    note = asyncio.run(main())
    assert note.count(__file__) == 1
    assert "a connection, 0 objects, 1 statement" in note and not note.endswith("s")


def test_a_rope_open_for_too_long_warns_with_its_line(database):
    jenny = SessionJenny(sessionmaker(database), warn_after=0.01)
    with pytest.warns(ResourceWarning, match=r"test_holders\.py:\d+.*more than 0.01 s"), jenny.tied():
        time.sleep(0.02)
    with jenny.tied():
        time.sleep(0.02)
        with pytest.warns(ResourceWarning, match="test_holders"):
            report()
        jenny.ropes()  # once is enough; a second warning would be an error of this test


def test_a_use_of_the_jenny_tells_of_any_rope_that_is_open_for_too_long(database):
    jenny = SessionJenny(sessionmaker(database), warn_after=0.01)

    def use():
        jenny.session  # noqa: B018

    with jenny.tied():
        time.sleep(0.02)
        with pytest.warns(ResourceWarning, match=r"test_holders\.py:\d+.*more than 0.01 s") as told:
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
            use()
        assert len(told) == 1


def test_a_rope_open_for_too_long_is_closed_even_where_warnings_are_errors(database, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told_of: told.append(told_of.exc_type))
    jenny = SessionJenny(sessionmaker(database), warn_after=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with jenny.tied() as session:
            session.connection()
            time.sleep(0.02)
    assert told == [ResourceWarning]
    assert database.pool.checkedout() == 0
    assert jenny.ropes() == []


def test_a_rope_that_holds_a_connection_while_idle_warns(database):
    jenny = SessionJenny(sessionmaker(database), warn_idle=0.01)
    with jenny.tied() as session:
        time.sleep(0.02)
        assert jenny.ropes()  # idle, but it holds nothing
        session.connection()
        time.sleep(0.02)
        with pytest.warns(ResourceWarning, match="holds a connection"):
            jenny.ropes()
