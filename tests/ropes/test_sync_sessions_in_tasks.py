"""Plain sessions in asynchronous code: each coroutine's is closed when that is over, whatever else the thread does."""

import asyncio
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.util import await_only, greenlet_spawn

from ropewalk import SessionJenny, sessionmaker

SELECT = text("SELECT 1")
TELLS = sys.version_info >= (3, 12)  # whether the interpreter says when a frame is over


@pytest.fixture
def jenny(sqlite_engine):
    made = SessionJenny(sessionmaker(sqlite_engine))
    yield made
    assert not made._open
    assert sqlite_engine.pool.checkedout() == 0


async def other(jenny):
    """Another task that uses the jenny."""
    jenny.session.execute(SELECT)


async def coroutine(jenny):
    jenny.session.execute(SELECT)
    raise LookupError


def function(jenny):
    jenny.session.execute(SELECT)
    raise LookupError


@pytest.mark.parametrize("fails", [coroutine, function])
def test_what_failed_in_a_task_that_goes_on_is_closed_by_the_next_use_in_the_thread(jenny, sqlite_engine, fails):
    async def goes_on(failed, end):
        try:
            result = fails(jenny)
            if result is not None:
                await result
        except LookupError as error:
            kept = error
        failed.set()
        await end.wait()
        del kept

    async def main():
        failed, end = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(goes_on(failed, end))
        await failed.wait()
        if TELLS:
            assert sqlite_engine.pool.checkedout() == 0
        await asyncio.create_task(other(jenny))
        assert sqlite_engine.pool.checkedout() == 0
        end.set()
        await task

    asyncio.run(main())


def test_what_waits_is_left_open(jenny, sqlite_engine):
    async def waits(ready, end):
        session = jenny.session
        session.execute(SELECT)
        ready.set()
        await end.wait()
        assert jenny.session is session and session.in_transaction()

    async def main():
        ready, end = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(waits(ready, end))
        await ready.wait()
        await asyncio.create_task(other(jenny))
        assert sqlite_engine.pool.checkedout() == 1
        end.set()
        await task

    asyncio.run(main())


def test_so_is_a_function_that_waits_in_a_greenlet(jenny, sqlite_engine):
    def waits(ready, end):
        session = jenny.session
        session.execute(SELECT)
        ready.set()
        await_only(end.wait())
        assert jenny.session is session and session.in_transaction()

    async def main():
        ready, end = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(greenlet_spawn(waits, ready, end))
        await ready.wait()
        await asyncio.create_task(other(jenny))
        assert sqlite_engine.pool.checkedout() == 1
        end.set()
        await task

    asyncio.run(main())


def test_the_function_around_the_loop_is_left_open(jenny, sqlite_engine):
    def program():
        session = jenny.session
        session.execute(SELECT)
        asyncio.run(other(jenny))
        assert session.in_transaction()
        assert jenny.session is session

    program()


def test_a_rope_of_its_own_inside_another_scope_that_failed(jenny, sqlite_engine):
    def fails():
        jenny.set_rope().session.execute(SELECT)
        raise LookupError

    def program():
        session = jenny.session
        session.execute(SELECT)
        try:
            fails()
        except LookupError as error:
            kept = error
        found = jenny.session is session, sqlite_engine.pool.checkedout()
        del kept
        return found

    # no assert in there: pytest makes it look at its own variables, which then keep what was deleted
    assert program() == (True, 1)
