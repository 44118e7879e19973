"""Sentinels: one of each, falsy, and nobody's value."""

import copy
import pickle

import pytest

from ropewalk.kernel.symbols import NO_ARG, NO_VALUE, PASSIVE_NO_RESULT, LoaderCallableStatus, PassiveFlag


@pytest.mark.parametrize("sentinel", [NO_VALUE, PASSIVE_NO_RESULT, NO_ARG])
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_a_sentinel_are_the_sentinel(sentinel, again):
    assert again(sentinel) is sentinel


@pytest.mark.parametrize("status", LoaderCallableStatus)
def test_a_status_is_false(status):
    assert not status


def test_never_set_is_no_value():
    assert LoaderCallableStatus.NEVER_SET is NO_VALUE


def test_no_arg_shows_its_name_in_a_signature():
    assert repr(NO_ARG) == "NO_ARG"


def test_passive_flags_take_away_from_passive_off():
    assert not PassiveFlag.PASSIVE_NO_FETCH & PassiveFlag.SQL_OK
    assert PassiveFlag.PASSIVE_NO_FETCH | PassiveFlag.SQL_OK == PassiveFlag.PASSIVE_OFF
    assert not PassiveFlag.PASSIVE_ONLY_PERSISTENT & PassiveFlag.NON_PERSISTENT_OK
