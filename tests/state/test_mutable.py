"""Values that can change in place are told from a copy."""

import datetime
import decimal
import enum
import threading
import uuid

import pytest
from sqlalchemy import JSON, PickleType

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.state.instance import PERSISTENT, state_of
from ropewalk.state.mutable import changed_in_place, copied, is_atom, same, watch


class Base(DeclarativeBase):
    pass


class Box(Base):
    __tablename__ = "box"

    id: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[object | None] = mapped_column(JSON)
    thing: Mapped[object | None] = mapped_column(PickleType)


class Colour(enum.Enum):
    RED = 1


ATOMS = [
    None,
    True,
    3,
    2.5,
    1j,
    "text",
    b"bytes",
    decimal.Decimal("1.5"),
    datetime.date(2024, 1, 1),
    datetime.datetime(2024, 1, 1),
    datetime.time(1),
    datetime.timedelta(1),
    uuid.UUID(int=1),
    Colour.RED,
]


@pytest.fixture
def box():
    return Box(id=1)


@pytest.fixture
def state(box):
    state = state_of(box)
    state.pk, state.status = 1, PERSISTENT
    return state


def give(box, key, value):
    vars(box)[key] = value
    watch(state_of(box), key, value)


@pytest.mark.parametrize("value", ATOMS, ids=repr)
def test_what_cannot_change_is_not_copied(value):
    assert is_atom(value)
    assert copied(value) is value or isinstance(value, enum.Enum)


@pytest.mark.parametrize("value", [[], {}, set(), bytearray(), object(), (1,)], ids=lambda value: type(value).__name__)
def test_what_may_change_is_no_atom(value):
    assert not is_atom(value)


def test_a_copy_goes_all_the_way_down():
    value = {"a": [1, {"b": [2]}], "c": {3, 4}}
    twin = copied(value)
    assert twin == value
    value["a"][1]["b"].append(5)
    value["c"].add(5)
    assert twin == {"a": [1, {"b": [2]}], "c": {3, 4}}


def test_a_subclass_of_dict_stays_one():
    class Special(dict):
        pass

    assert type(copied(Special(a=1))) is Special


@pytest.mark.parametrize("change", [lambda v: v.append(3), lambda v: v[1].update(b=1), lambda v: v.clear()])
def test_a_change_in_place_is_seen(box, state, change):
    give(box, "content", [1, {"a": 2}])
    assert list(changed_in_place(state)) == []
    change(box.content)
    assert list(changed_in_place(state)) == ["content"]


def test_a_value_changed_back_is_no_change(box, state):
    give(box, "content", [1])
    box.content.append(2)
    box.content.pop()
    assert list(changed_in_place(state)) == []


def test_a_value_replaced_is_not_changed_in_place(box, state):
    give(box, "content", [1])
    old = box.content
    box.content = [1]
    old.append(2)
    assert list(changed_in_place(state)) == []


def test_an_atom_ends_the_watch(box, state):
    give(box, "content", [1])
    give(box, "content", None)
    assert state.mutables == {}


def test_an_atom_alone_costs_no_dictionary(box, state):
    give(box, "content", "text")
    assert state.mutables is None


def test_what_cannot_be_copied_is_left_alone(box, state):
    give(box, "thing", threading.Lock())
    assert state.mutables is None
    assert list(changed_in_place(state)) == []


def test_values_whose_comparison_fails_count_as_changed(state):
    class Grumpy:
        def __eq__(self, other):
            raise ValueError("no truth value")

        __hash__ = None

    assert not same(state, "thing", Grumpy(), Grumpy())
    assert same(state, "content", [1], [1])
    assert not same(state, "content", [1], [2])
