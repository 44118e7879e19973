"""A change in place is not lost with the object that the program dropped."""

import gc

import pytest
from sqlalchemy import JSON

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import PERSISTENT, state_of
from ropewalk.state.mutable import watch


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    tags: Mapped[list] = mapped_column(JSON)
    data: Mapped[dict | None] = mapped_column(JSON)
    title: Mapped[str | None]


class Holder:
    pass


@pytest.fixture
def holder():
    return Holder()


@pytest.fixture
def notes(holder):
    return IdentityMap(holder)


def load(owner, pk=1, **values):
    """Put a note where a loaded one stands."""
    note = Note.__new__(Note)
    state = Note.__ropewalk_state__(note)
    state.pk, state.status, state.owner = pk, PERSISTENT, owner
    vars(note).update({"id": pk, "tags": ["a"], **values})
    owner.put(state, note)
    for key in ("tags", "data"):
        if key in vars(note):
            watch(state, key, vars(note)[key])
    return note


def test_an_object_changed_in_place_and_dropped_is_brought_back(notes):
    note = load(notes)
    note.tags.append("b")
    del note
    back = notes[Note, (1,)]
    assert vars(back)["tags"] == ["a", "b"]
    assert state_of(back) in notes.modified
    assert state_of(back).history("tags") == ([["a", "b"]], (), [["a"]])


def test_what_comes_back_is_expired_but_for_its_change(notes):
    load(notes, title="x").tags.append("b")
    notes.settle_orphans()
    state = state_of(notes[Note, (1,)])
    assert state.expired
    assert state.persistent
    assert state.expired_attributes == {"id", "data", "title"}


def test_it_is_held_until_its_change_is_flushed(notes):
    load(notes).tags.append("b")
    notes.settle_orphans()
    gc.collect()
    assert len(notes) == 1
    notes.modified.clear()
    assert len(notes) == 0


def test_an_unchanged_object_does_not_come_back(notes):
    assert load(notes).tags == ["a"]
    notes.settle_orphans()
    assert len(notes) == 0
    assert not notes.modified


def test_a_value_changed_and_changed_back_does_not_come_back(notes):
    note = load(notes)
    note.tags.append("b")
    note.tags.pop()
    del note
    notes.settle_orphans()
    assert len(notes) == 0


def test_a_value_held_alone_may_change_after_its_object_is_gone(notes):
    tags = load(notes).tags
    assert len(notes) == 0
    tags.append("b")
    notes.settle_orphans()
    assert vars(notes[Note, (1,)])["tags"] is tags


def test_a_part_held_alone_may_change_too(notes):
    inner = load(notes, data={"deep": [{"n": 1}]}).data["deep"][0]
    inner["n"] = 2
    notes.settle_orphans()
    assert vars(notes[Note, (1,)])["data"] == {"deep": [{"n": 2}]}


def test_nothing_waits_for_values_that_nobody_holds(notes):
    load(notes, data={"deep": [{"n": 1}]})
    assert notes.orphans == {}


def test_a_value_still_held_and_unchanged_keeps_waiting(notes):
    tags = load(notes).tags
    notes.settle_orphans()
    assert len(notes.orphans) == 1
    assert tags == ["a"]


def test_the_change_goes_to_the_object_that_was_loaded_meanwhile(notes):
    tags = load(notes).tags
    again = load(notes, title="x")
    tags.append("b")
    notes.settle_orphans()
    assert notes.values() == [again]
    assert again.tags is tags
    assert notes.modified == {state_of(again): again}
    assert again.title == "x"


def test_two_changed_values_come_back_together(notes):
    note = load(notes, data={"a": 1})
    note.tags.append("b")
    note.data["b"] = 2
    del note
    back = vars(notes[Note, (1,)])
    assert (back["tags"], back["data"]) == (["a", "b"], {"a": 1, "b": 2})


def test_only_the_changed_value_counts_as_changed(notes):
    note = load(notes, data={"a": 1})
    note.data["b"] = 2
    del note
    assert state_of(notes[Note, (1,)]).changed_keys() == ["data"]


def test_a_dropped_object_in_a_cycle_comes_back_too(notes):
    note = load(notes)
    note.self = note
    note.tags.append("b")
    del note
    gc.collect()
    assert vars(notes[Note, (1,)])["tags"] == ["a", "b"]


def test_nobody_comes_back_to_a_session_that_is_gone():
    notes = IdentityMap(Holder())
    note = load(notes)
    note.tags.append("b")
    del note
    assert len(notes) == 0


def test_an_object_taken_out_does_not_come_back(notes):
    note = load(notes)
    notes.remove(state_of(note))
    state_of(note).owner = None
    note.tags.append("b")
    del note
    notes.settle_orphans()
    assert len(notes) == 0
