"""History: what changed in an attribute since the last flush; asking for it loads nothing."""

import pytest
from sqlalchemy import JSON

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.state.history import EMPTY, History
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import PERSISTENT, state_of
from ropewalk.state.mutable import watch


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None]
    notes: Mapped[list | None] = mapped_column(JSON)


class Fetching:
    """What an unloaded attribute asks; it gives the value that the row has."""

    def load_attribute(self, state, instance, key):
        return vars(instance).setdefault(key, "from the row")


@pytest.fixture
def fetching():
    return Fetching()


@pytest.fixture
def page(fetching):
    page = Page(id=1, text="old", notes=["a"])
    state = state_of(page)
    state.pk, state.status, state.owner = 1, PERSISTENT, IdentityMap(fetching)
    watch(state, "notes", page.notes)
    return page


def history(page, key="text"):
    return state_of(page).history(key)


def test_a_loaded_value_is_unchanged(page):
    assert history(page) == ((), ["old"], ())
    assert not history(page).has_changes()


def test_a_write_adds_the_new_and_deletes_the_old(page):
    page.text = "new"
    assert history(page) == (["new"], (), ["old"])
    assert history(page).has_changes()


def test_several_writes_are_one_change(page):
    page.text = "new"
    page.text = "newer"
    assert history(page) == (["newer"], (), ["old"])


def test_a_value_set_back_is_unchanged(page):
    page.text = "new"
    page.text = "old"
    assert history(page) == ((), ["old"], ())


def test_none_is_a_value(page):
    page.text = None
    assert history(page) == ([None], (), ["old"])


def test_a_deleted_value_is_deleted(page):
    del page.text
    assert history(page) == ((), (), ["old"])


def test_a_change_in_place_is_a_change(page):
    page.notes.append("b")
    assert history(page, "notes") == ([["a", "b"]], (), [["a"]])


def test_an_unloaded_attribute_has_an_empty_history(page):
    del vars(page)["text"]
    assert history(page) == EMPTY
    assert history(page).empty()
    assert not history(page)
    assert "text" not in vars(page)


def test_writing_an_unloaded_attribute_deletes_nothing_known(page):
    del vars(page)["text"]
    page.text = "new"
    assert history(page) == (["new"], (), ())


def test_a_new_objects_values_are_added():
    page = Page(text="x")
    assert history(page) == (["x"], (), ())
    assert history(page, "notes") == EMPTY


def test_load_history_loads_and_history_does_not(page):
    del vars(page)["text"]
    attribute = state_of(page).attrs.text
    assert attribute.history == EMPTY
    assert attribute.load_history() == ((), ["from the row"], ())


def test_the_parts_can_be_put_together():
    history = History([1], [2], [3])
    assert history.sum() == [1, 2, 3]
    assert history.non_deleted() == [1, 2]
    assert history.non_added() == [2, 3]
    assert history
    assert not history.empty()
    added, unchanged, deleted = history
    assert (added, unchanged, deleted) == ([1], [2], [3])
