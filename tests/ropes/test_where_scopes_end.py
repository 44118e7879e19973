"""Implicit scopes in odd places: recursion, threads that end, pools that reuse them, nested jennies, kept frames."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from ropewalk import SessionJenny, sessionmaker

SELECT = text("SELECT 1")
TELLS = sys.version_info >= (3, 12)  # whether the interpreter says when a frame is over


@pytest.fixture
def jenny(sqlite_engine):
    made = SessionJenny(sessionmaker(sqlite_engine))
    yield made
    assert not made._open
    assert sqlite_engine.pool.checkedout() == 0


class TestRecursion:
    def test_all_levels_work_in_the_session_of_the_first(self, jenny, sqlite_engine):
        def down(level, seen):
            jenny.session.execute(SELECT)
            seen.append(jenny.session)
            if level:
                down(level - 1, seen)
                assert jenny.session.in_transaction()  # the end of an inner level has closed nothing
            return seen

        assert len(set(down(5, []))) == 1
        assert sqlite_engine.pool.checkedout() == 0

    def test_a_level_can_have_one_of_its_own(self, jenny, sqlite_engine):
        def down(level, held):
            own = jenny.set_rope().session
            own.execute(SELECT)
            assert sqlite_engine.pool.checkedout() == held + 1
            if level:
                down(level - 1, held + 1)
            assert sqlite_engine.pool.checkedout() == held + 1
            assert jenny.session is own

        down(3, 0)
        assert sqlite_engine.pool.checkedout() == 0


class TestThreads:
    def test_one_that_ends_closes_what_something_keeps_of_it(self, jenny, sqlite_engine):
        kept = []

        def work():
            jenny.session.execute(SELECT)
            kept.append(sys._getframe())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert sqlite_engine.pool.checkedout() == 0
        assert not jenny._open
        kept.clear()

    def test_each_work_of_a_pools_thread_has_a_session_of_its_own(self, jenny, sqlite_engine):
        def work(fails):
            session = jenny.session
            session.execute(SELECT)
            if fails:
                raise LookupError(session)
            return session

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(work, False).result()
            assert sqlite_engine.pool.checkedout() == 0
            failed = pool.submit(work, True).exception()  # which keeps the frame
            last = pool.submit(work, False).result()
            assert sqlite_engine.pool.checkedout() == 0
        assert len({first, *failed.args, last}) == 3


class TestNestedJennies:
    def test_one_that_takes_its_sessions_from_another(self, jenny, sqlite_engine):
        outer = SessionJenny(jenny)

        def work():
            session = outer.session
            assert session is jenny.session
            session.execute(SELECT)
            return session

        assert not work().in_transaction()
        assert not outer._open

    def test_scopes_of_one_inside_those_of_the_other(self, jenny, sqlite_engine):
        other = SessionJenny(sessionmaker(sqlite_engine))

        def inner(outers):
            own = other.session
            assert jenny.session is outers and own is not outers
            own.execute(SELECT)
            with jenny.tied(propagation="requires_new") as new:
                assert other.session is own and jenny.session is new
            return own

        def outer():
            session = jenny.session
            session.execute(SELECT)
            assert not inner(session).in_transaction()
            assert session.in_transaction()
            return session

        assert not outer().in_transaction()
        assert not other._open


def kept_by_a_traceback(leave):
    try:
        leave(LookupError)
    except LookupError as error:
        return error
    return None


def kept_by_exc_info(leave):
    try:
        leave(LookupError)
    except LookupError:
        return sys.exc_info()
    return None


def kept_by_a_debugger(leave):
    """As one does that lets its user look at the frames of a program that has failed."""
    frames = []

    def trace(frame, event, argument):
        frames.append(frame)
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        leave(None)
    finally:
        sys.settrace(before)
    return frames


KEEPERS = pytest.mark.parametrize("keep", [kept_by_a_traceback, kept_by_exc_info, kept_by_a_debugger])


@KEEPERS
class TestKeptFrames:
    def test_an_implicit_scope_ends_at_once_or_at_the_next_use(self, jenny, sqlite_engine, keep):
        def leave(error):
            jenny.session.execute(SELECT)
            if error is not None:
                raise error

        def other():
            return jenny.session.in_transaction()

        kept = keep(leave)
        if TELLS:
            assert sqlite_engine.pool.checkedout() == 0
        assert other() is False
        assert sqlite_engine.pool.checkedout() == 0
        del kept

    def test_a_block_ends_at_once(self, jenny, sqlite_engine, keep):
        def leave(error):
            with jenny.tied() as session:
                session.execute(SELECT)
                if error is not None:
                    raise error

        kept = keep(leave)
        assert sqlite_engine.pool.checkedout() == 0
        del kept

    def test_a_roped_function_ends_at_once(self, jenny, sqlite_engine, keep):
        @jenny.roped
        def leave(error):
            jenny.session.execute(SELECT)
            if error is not None:
                raise error

        kept = keep(leave)
        assert sqlite_engine.pool.checkedout() == 0
        del kept


AT_THE_END = {
    "in the script": "jenny.session.execute(SELECT)",
    "in a generator": "rows = generator(); next(rows)",
    "in a circle": "rows = [generator()]; next(rows[0]); rows.append(rows)",
    "in a kept frame": "kept = fails()",
    "in a daemon thread": (
        "def work():\n    jenny.session.execute(SELECT)\n    ready.set()\n    threading.Event().wait()\n"
        "ready = threading.Event()\nthreading.Thread(target=work, daemon=True).start()\nready.wait()"
    ),
    "after a fatal error": "jenny.session.execute(SELECT)\nraise SystemExit(0)",
    "in a coroutine": "one = coroutine(); one.send(None)",
}

PROGRAM = """
import sys, threading
from sqlalchemy import create_engine, text
from ropewalk import SessionJenny, sessionmaker

SELECT = text("SELECT 1")
jenny = SessionJenny(sessionmaker(create_engine("sqlite://")))


def generator():
    yield jenny.session.execute(SELECT)
    yield 2


class Wait:
    def __await__(self):
        yield


async def coroutine():
    jenny.session.execute(SELECT)
    await Wait()


def fails():
    try:
        jenny.session.execute(SELECT)
        raise LookupError
    except LookupError as error:
        return error.__traceback__


"""


@pytest.mark.parametrize("what", AT_THE_END.values(), ids=AT_THE_END.keys())
def test_the_interpreter_ends_without_a_word(what, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM + what + "\n")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
