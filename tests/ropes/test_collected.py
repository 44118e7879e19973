"""Ropes of what was left half-way: closed at once if it is dropped; found by the garbage collector, they warn."""

import gc
import sys
import warnings

import pytest
from sqlalchemy import text

from ropewalk import SessionJenny, sessionmaker

SELECT = text("SELECT 1")


@pytest.fixture
def jenny(sqlite_engine):
    made = SessionJenny(sessionmaker(sqlite_engine))
    gc.collect()
    gc.disable()
    yield made
    gc.enable()
    gc.collect()
    assert sqlite_engine.pool.checkedout() == 0
    assert not made._open


class Suspension:
    def __await__(self):
        yield


def half_way(jenny, kind):
    """A generator or coroutine that has tied a rope, and waits."""

    def generator():
        yield jenny.session.execute(SELECT)
        yield 2

    async def coroutine():
        jenny.session.execute(SELECT)
        await Suspension()

    made = {"generator": generator, "coroutine": coroutine}[kind]()
    made.send(None)
    return made


def in_a_circle(one):
    circle = [one]
    circle.append(circle)


KINDS = pytest.mark.parametrize("kind", ["generator", "coroutine"])


@KINDS
def test_in_a_circle_it_warns_with_the_line_that_tied_it_and_is_closed(jenny, sqlite_engine, kind):
    in_a_circle(half_way(jenny, kind))
    assert sqlite_engine.pool.checkedout() == 1
    with pytest.warns(
        ResourceWarning, match=rf"test_collected\.py:\d+ in half_way.*{kind} was left half-way"
    ) as caught:
        gc.collect()
    assert len(caught) == 1
    assert sqlite_engine.pool.checkedout() == 0


@KINDS
def test_dropped_it_is_closed_at_once(jenny, sqlite_engine, kind):
    one = half_way(jenny, kind)
    assert sqlite_engine.pool.checkedout() == 1
    del one
    assert sqlite_engine.pool.checkedout() == 0


def test_a_loop_left_by_break(jenny, sqlite_engine):
    def rows():
        yield jenny.session.execute(SELECT)
        yield 2

    for _ in rows():
        break
    assert sqlite_engine.pool.checkedout() == 0


def run_to_its_end(jenny):
    def rows():
        yield jenny.session.execute(SELECT)

    generator = rows()
    list(generator)
    in_a_circle(generator)


def failed(jenny):
    def fails():
        jenny.session.execute(SELECT)
        raise LookupError

    try:
        fails()
    except LookupError as error:
        in_a_circle(error)


def used_by_a_finalizer(jenny):
    class Finalized:
        def __del__(self):
            one = half_way(jenny, "generator")
            list(one)

    in_a_circle(Finalized())


def without_a_session(jenny):
    def rows():
        yield jenny.rope
        yield 2

    generator = rows()
    next(generator)
    in_a_circle(generator)


@pytest.mark.parametrize("leave", [run_to_its_end, failed, used_by_a_finalizer, without_a_session])
def test_what_was_left_as_it_should_be_does_not_warn(jenny, leave):
    leave(jenny)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()  # an error there would be told to sys.unraisablehook, which fails the test too


def never_left(jenny):
    scope = jenny.tied()
    scope.__enter__().execute(SELECT)


def handed_over_to_nobody(jenny):
    def start():
        jenny.session.execute(SELECT)
        return jenny.rope.transfer()

    start()


@pytest.mark.parametrize(
    "leave", [lambda jenny: in_a_circle(half_way(jenny, "generator")), never_left, handed_over_to_nobody]
)
def test_the_session_is_closed_even_where_warnings_are_errors(jenny, sqlite_engine, monkeypatch, leave):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told_of: told.append(told_of.exc_type))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        leave(jenny)
        gc.collect()
    assert told == [ResourceWarning]
    assert sqlite_engine.pool.checkedout() == 0


def test_an_abandoned_greenlet_closes(jenny, sqlite_engine):
    import greenlet

    def work():
        jenny.session.execute(SELECT)
        greenlet.getcurrent().parent.switch()

    abandoned = greenlet.greenlet(work)
    abandoned.switch()
    assert sqlite_engine.pool.checkedout() == 1
    del abandoned
    assert sqlite_engine.pool.checkedout() == 0


class TestEndedAndKept:
    """A generator that is over, and whose frame or self something keeps."""

    @pytest.fixture(params=[0, 1, 2, 3], ids="seen by {} collections".format)
    def age(self, request):
        def pass_time():
            for _ in range(request.param):
                gc.collect()

        return pass_time

    def rows(self, jenny):
        session = jenny.session
        yield session
        assert jenny.session is session
        yield 2

    def other(self, jenny):
        return jenny.session.in_transaction()

    def test_one_that_failed_is_closed_by_the_next_use_at_the_latest(self, jenny, sqlite_engine, age):
        def fails():
            yield jenny.session.execute(SELECT)
            raise LookupError

        generator = fails()
        age()
        next(generator)
        with pytest.raises(LookupError) as caught:
            next(generator)
        assert not self.other(jenny)
        assert sqlite_engine.pool.checkedout() == 0
        del caught

    def test_one_that_was_closed_is_so_too(self, jenny, sqlite_engine, age):
        generator = self.rows(jenny)
        age()
        next(generator).execute(SELECT)
        generator.close()
        assert not self.other(jenny)
        assert sqlite_engine.pool.checkedout() == 0

    def test_one_that_waits_is_not(self, jenny, age):
        generator = self.rows(jenny)
        age()
        next(generator).execute(SELECT)
        assert not self.other(jenny)
        assert len(jenny._open) == 1
        assert list(generator) == [2]

    def test_nor_one_that_the_collector_does_not_look_at(self, jenny):
        generator = self.rows(jenny)
        gc.collect()
        gc.freeze()
        try:
            next(generator).execute(SELECT)
            assert not self.other(jenny)
            assert len(jenny._open) == 1
            assert list(generator) == [2]
        finally:
            gc.unfreeze()
