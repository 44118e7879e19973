from __future__ import annotations

import gc
import weakref

import pytest

from ropewalk.declare.names import add_class, find_class, remove_class
from ropewalk.exc import InvalidRequestError, SAWarning


def make(name, module):
    return type(name, (), {"__module__": module})


@pytest.fixture
def classes():
    return weakref.WeakValueDictionary()


def test_by_name(classes):
    user = make("User", "app.models")
    add_class(user, classes)
    assert find_class("User", classes) is user


def test_two_modules_need_the_module(classes):
    here, there = make("User", "app.here"), make("User", "app.there")
    add_class(here, classes)
    add_class(there, classes)
    assert find_class("app.here.User", classes) is here
    assert find_class("there.User", classes) is there
    with pytest.raises(InvalidRequestError, match=r"app\.here\.User, app\.there\.User"):
        find_class("User", classes)


def test_end_of_a_module_is_not_the_end_of_its_name(classes):
    user = make("User", "app.models")
    add_class(user, classes)
    with pytest.raises(InvalidRequestError):
        find_class("els.User", classes)


def test_one_module_warns_and_the_newer_wins(classes):
    old, new = make("User", "app"), make("User", "app")
    add_class(old, classes)
    with pytest.warns(SAWarning, match=r"app\.User"):
        add_class(new, classes)
    assert find_class("User", classes) is new


def test_unknown_name_offers_close_ones(classes):
    address = make("Address", "app")
    add_class(address, classes)
    with pytest.raises(InvalidRequestError, match="'Adress'.*'Address'"):
        find_class("Adress", classes)


def test_removed_class_leaves_the_other_one(classes):
    here, there = make("User", "here"), make("User", "there")
    add_class(here, classes)
    add_class(there, classes)
    remove_class(here, classes)
    assert find_class("User", classes) is there
    remove_class(there, classes)
    assert "User" not in classes


def test_classes_are_held_weakly(classes):
    here, there = make("User", "here"), make("User", "there")
    add_class(here, classes)
    add_class(there, classes)
    del here
    gc.collect()
    assert find_class("User", classes) is there
