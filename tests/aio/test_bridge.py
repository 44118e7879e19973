"""Clean-up that runs to its end."""

import asyncio

import pytest

from ropewalk.aio.bridge import run_to_completion


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
