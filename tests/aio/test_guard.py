"""The guard that tells tasks apart."""

import asyncio

import pytest

from ropewalk.aio.guard import TaskGuard
from ropewalk.exc import IllegalStateChangeError


def test_reentrant_for_its_task_and_free_afterwards():
    async def work():
        guard = TaskGuard()
        with guard("outer()"), guard("inner()"):
            guard.check("more()")
            assert guard.holder is asyncio.current_task()
        assert not guard.holder and not guard.depth

    asyncio.run(work())


def test_second_task_is_refused_until_the_first_has_left():
    async def work():
        guard, inside = TaskGuard(), asyncio.Event()

        async def stay():
            with guard("execute()"):
                inside.set()
                await asyncio.sleep(0.01)

        staying = asyncio.create_task(stay(), name="stays")
        await inside.wait()
        for call in (guard, guard.check):
            with pytest.raises(IllegalStateChangeError, match=r"flush\(\).*'stays'.*execute\(\)"):
                call("flush()")
        await guard.wait()
        assert staying.done() or not guard.holder
        with guard("flush()"):
            pass
        await staying

    asyncio.run(work())


def test_callback_outside_any_task_is_refused_too():
    async def work():
        guard, refused = TaskGuard(), []

        def callback():
            try:
                guard.check("add()")
            except IllegalStateChangeError as err:
                refused.append(str(err))

        with guard("execute()"):
            asyncio.get_running_loop().call_soon(callback)
            await asyncio.sleep(0)
        assert "outside any task" in refused[0]

    asyncio.run(work())


def test_task_that_died_inside_gives_way():
    guard = TaskGuard()

    async def enter():
        guard("execute()")  # and never leaves, as when its loop was closed

    asyncio.run(enter())
    with guard("close()"):
        assert guard.depth == 1
    assert not guard.holder


def test_without_a_loop_threads_count():
    guard = TaskGuard()
    with guard("execute()"):
        guard.check("add()")
