"""Holding the garbage collector back."""

from __future__ import annotations

import gc
import threading

import pytest

from ropewalk.kernel.collector import Paused


def test_the_collector_rests_inside_and_works_after():
    assert gc.isenabled()
    with Paused():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_inside_switches_it_on_again():
    with pytest.raises(ZeroDivisionError), Paused():
        1 / 0  # noqa: B018
    assert gc.isenabled()


def test_blocks_within_blocks():
    with Paused():
        with Paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with Paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_blocks_of_two_threads_overlap():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with Paused():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with Paused():
        thread.start()
        assert inside.wait(10)
    assert not gc.isenabled()  # the other thread is still inside
    leave.set()
    thread.join()
    assert gc.isenabled()
