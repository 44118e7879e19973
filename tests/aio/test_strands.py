"""Sync code that awaits, in greenlets that are used again; and clean-up that runs to its end."""

import asyncio
import gc
import threading
import weakref
from contextvars import ContextVar

import pytest
from greenlet import getcurrent
from sqlalchemy.util import await_only

from ropewalk.aio.strands import finish, run_to_completion, spawn


def test_result_and_error_come_through():
    async def give(value):
        await asyncio.sleep(0)
        return value

    async def fail():
        raise ZeroDivisionError

    assert asyncio.run(run_to_completion(give(3))) == 3
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_to_completion(fail()))


@pytest.mark.parametrize("times", [1, 3])
def test_cancellation_waits_for_it(times):
    done = []

    async def clean():
        for _ in range(10):
            await asyncio.sleep(0)
        done.append(True)

    async def work():
        task = asyncio.create_task(run_to_completion(clean()))
        for _ in range(times):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done

    asyncio.run(work())


def test_failure_under_cancellation_is_noted():
    async def fail():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise ZeroDivisionError("no way")

    async def work():
        task = asyncio.create_task(run_to_completion(fail()))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as err:
            return err

    error = asyncio.run(work())
    assert any("no way" in note for note in _notes(error))


def _notes(error):
    while error is not None:
        yield from getattr(error, "__notes__", ())
        error = error.__cause__ or error.__context__


# -- the greenlets ------------------------------------------------------------------------------


def _pause_and(value):
    await_only(asyncio.sleep(0))
    return value


def _who():
    return getcurrent()


def test_greenlets_are_used_again():
    async def work():
        first = await spawn(_who)
        assert await spawn(_who) is first
        with pytest.raises(ZeroDivisionError):
            await spawn(lambda: 1 / 0)
        assert await spawn(_who) is first

    asyncio.run(work())


def test_calls_at_the_same_time_have_one_each():
    async def work():
        assert await asyncio.gather(*(spawn(_pause_and, i) for i in range(200))) == list(range(200))
        seen = set()

        def stay():
            seen.add(getcurrent())
            await_only(asyncio.sleep(0))

        await asyncio.gather(*(spawn(stay) for _ in range(100)))
        assert len(seen) == 100

    asyncio.run(work())


def test_nothing_of_a_call_is_kept():
    class Thing:
        pass

    def fail(thing):
        raise KeyError(thing)

    async def work():
        thing = Thing()
        kept = weakref.ref(thing)
        assert await spawn(_pause_and, thing) is thing
        with pytest.raises(KeyError):
            await spawn(fail, thing)
        del thing
        gc.collect()
        assert kept() is None

    asyncio.run(work())


def test_context_variables_are_the_callers():
    variable = ContextVar("variable")

    def read_and_write(value):
        before = variable.get()
        await_only(asyncio.sleep(0))
        variable.set(value)
        return before

    async def work(value):
        variable.set(value)
        assert await spawn(read_and_write, value + 1) == value
        assert variable.get() == value + 1

    async def all_of_them():
        await asyncio.gather(*map(work, range(0, 100, 10)))

    asyncio.run(all_of_them())


def test_error_comes_as_it_was_raised():
    def fail():
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904

    async def work():
        with pytest.raises(ValueError) as caught:
            try:
                raise TypeError("what the caller handles")
            except TypeError:
                await spawn(fail)
        assert repr(caught.value.__context__) == "KeyError('first')"
        assert any(frame.name == "fail" for frame in caught.traceback)

    asyncio.run(work())


def test_cancellation_reaches_the_code_inside():
    seen = []

    def wait():
        try:
            await_only(asyncio.sleep(60))
        except asyncio.CancelledError:
            await_only(asyncio.sleep(0))  # clean-up may await
            seen.append("cancelled")
            raise

    async def work():
        task = asyncio.create_task(spawn(wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled"]
        assert await spawn(_pause_and, 1) == 1

    asyncio.run(work())


def test_each_thread_has_its_own():
    def run():
        asyncio.run(work())

    async def work():
        for _ in range(3):
            await asyncio.gather(*(spawn(_pause_and, i) for i in range(5)))
        found.append(await spawn(_who))

    found = []
    for _ in range(5):
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == len(found) == 15


def test_one_that_an_interrupt_has_ended_is_not_used():
    async def work():
        strand = await spawn(_who)
        with pytest.raises(KeyboardInterrupt):
            strand.throw(KeyboardInterrupt)
        assert strand.dead
        assert await spawn(_pause_and, 1) == 1

    asyncio.run(work())


# -- finishing --------------------------------------------------------------------------------------


def test_finish_needs_a_task_only_to_await():
    tasks = []

    async def work():
        assert await finish(lambda: 1, tasks.append) == 1
        assert not tasks
        assert await finish(lambda: _pause_and(2), tasks.append) == 2
        assert len(tasks) == 1
        with pytest.raises(ZeroDivisionError):
            await finish(lambda: _pause_and(2) / 0, tasks.append)

    asyncio.run(work())


def test_finish_is_not_stopped_by_a_cancellation():
    done = []

    def clean():
        for _ in range(5):
            await_only(asyncio.sleep(0))
        done.append(True)

    async def work():
        task = asyncio.create_task(finish(clean, lambda task: None))
        for _ in range(2):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done

    asyncio.run(work())
