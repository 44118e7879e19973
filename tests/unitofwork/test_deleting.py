"""DELETE, and rows that change owner."""

from __future__ import annotations

import warnings

import pytest
from sqlalchemy import Column, Integer, String
from unitofwork.harness import state

from ropewalk.exc import SAWarning
from ropewalk.state.instance import DELETED, PERSISTENT


@pytest.fixture
def Thing(owner, make):
    return make(owner, Column("id", Integer, primary_key=True), Column("name", String(20)), Column("x", Integer))


def test_many(owner, Thing):
    things = [Thing(name=f"n{number}") for number in range(1_300)]
    owner.add(*things)
    owner.flush()
    owner.delete(*things[1:])
    things[5].name = "changed and deleted"
    outcome = owner.flush()
    assert outcome.statements <= 3 and not outcome.updated
    assert outcome.deleted == [state(thing) for thing in things[1:]]
    assert [row[0] for row in owner.rows(Thing.__table__)] == [things[0].id]
    assert len(owner.identity_map) == 1 and not owner.identity_map.modified
    assert {state(thing).status for thing in things[1:]} == {DELETED}


def test_composite_key(owner, make):
    Pair = make(owner, Column("a", Integer, primary_key=True), Column("b", Integer, primary_key=True), name="pair")
    pairs = [Pair(a=a, b=b) for a in range(3) for b in range(3)]
    owner.add(*pairs)
    owner.flush()
    owner.delete(*pairs[:8])
    owner.flush()
    assert owner.rows(Pair.__table__) == [(2, 2)]


def test_changed_key_is_not_used(owner, Thing):
    thing = Thing(name="a")
    owner.add(thing)
    owner.flush()
    thing.id = 77
    owner.delete(thing)
    owner.flush()
    assert owner.rows(Thing.__table__) == []


@pytest.mark.parametrize("confirm", [True, False])
def test_missing_row_is_a_warning(owner, make, confirm):
    Thing = make(owner, Column("id", Integer, primary_key=True), confirm_deleted_rows=confirm)
    things = [Thing(), Thing()]
    owner.add(*things)
    owner.flush()
    owner.connection.execute(Thing.__table__.delete())
    owner.delete(*things)
    if confirm:
        with pytest.warns(SAWarning, match="DELETE on table 'thing' was for 2 Thing objects, but 0 rows"):
            owner.flush()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            owner.flush()
    assert state(things[0]).status == DELETED


def test_new_object_takes_over_the_row_of_a_deleted_one(owner, Thing):
    old = Thing(id=1, name="old", x=5)
    owner.add(old)
    owner.flush()
    new = Thing(id=1, name="new")
    owner.delete(old)
    owner.add(new)
    outcome = owner.flush()
    assert (outcome.inserted, outcome.updated, outcome.deleted) == ([state(new)], [], [state(old)])
    assert owner.rows(Thing.__table__) == [(1, "new", 5)]
    assert (state(old).status, state(new).status) == (DELETED, PERSISTENT)
    assert owner.identity_map.find(Thing.__mapper__, 1) is new
    assert new.x == 5  # what the new object says nothing of stays as it was
    new.x = 6
    owner.flush()
    assert owner.rows(Thing.__table__) == [(1, "new", 6)]


def test_key_of_a_living_object_is_a_warning(owner, Thing):
    owner.add(first := Thing(id=1, name="first"))
    owner.flush()
    owner.add(Thing(id=1, name="second"))
    from sqlalchemy.exc import IntegrityError

    with pytest.warns(SAWarning, match="primary key of another"), pytest.raises(IntegrityError):
        owner.flush()
    assert owner.identity_map.find(Thing.__mapper__, 1) is first


def test_strong_identity_map_lets_go_of_the_deleted(sqlite_engine, road, make):
    from unitofwork.harness import Owner

    with Owner(sqlite_engine, strong=True) as owner:
        Thing = make(owner, Column("id", Integer, primary_key=True))
        owner.add(thing := Thing())
        owner.flush()
        assert owner.identity_map.held == {state(thing): thing}
        owner.delete(thing)
        owner.flush()
        assert owner.identity_map.held == {}
