"""Reading an attribute: Python's own business once the value is there."""

import gc

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.instrumentation.attributes import InstrumentedAttribute
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import PERSISTENT, state_of


class Base(DeclarativeBase):
    pass


class Cup(Base):
    __tablename__ = "cup"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class Plate:
    pass


registry().map_imperatively(
    Plate, Table("plate", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))
)

each_class = pytest.mark.parametrize("cls", [Cup, Plate])


class Loader:
    """Gives every attribute a value that says how often it was asked."""

    def __init__(self):
        self.asked = []

    def load_attribute(self, state, instance, key):
        self.asked.append(key)
        return vars(instance).setdefault(key, f"loaded {key}")


@pytest.fixture
def loader():
    return Loader()


def loaded(cls, loader, **values):
    thing = cls.__new__(cls)
    state = cls.__ropewalk_state__(thing)
    state.pk, state.status, state.owner = 1, PERSISTENT, IdentityMap(loader)
    vars(thing).update(values)
    return thing


@pytest.fixture
def calls(monkeypatch):
    """The names for which the descriptor on the class was called."""
    called = []
    original = InstrumentedAttribute.__get__

    def get(self, instance, owner=None):
        if instance is not None:
            called.append(self.key)
        return original(self, instance, owner)

    monkeypatch.setattr(InstrumentedAttribute, "__get__", get)
    return called


@each_class
def test_reading_a_loaded_value_does_not_call_the_descriptor(cls, loader, calls):
    thing = loaded(cls, loader, name="ed")
    assert [thing.name, thing.name] == ["ed", "ed"]
    assert calls == []


@each_class
def test_reading_a_written_value_does_not_call_the_descriptor(cls, loader, calls):
    thing = loaded(cls, loader, name="ed")
    thing.name = "fred"
    assert thing.name == "fred"
    assert calls == []


@each_class
def test_the_descriptor_is_called_once_for_what_is_not_loaded(cls, loader, calls):
    thing = loaded(cls, loader)
    assert [thing.name, thing.name] == ["loaded name"] * 2
    assert calls == ["name"]
    assert loader.asked == ["name"]


def test_attributes_are_no_data_descriptors():
    for name in ("__set__", "__delete__"):
        assert not hasattr(type(Cup.name), name), "Python asks a data descriptor before the object's own dictionary"


@each_class
def test_hasattr_and_getattr_load_too(cls, loader):
    thing = loaded(cls, loader)
    assert hasattr(thing, "name")
    assert getattr(thing, "id", None) == "loaded id"


@each_class
def test_a_name_that_is_not_mapped_is_no_attribute(cls, loader):
    with pytest.raises(AttributeError, match="nom"):
        loaded(cls, loader).nom  # noqa: B018
    assert loader.asked == []


@each_class
def test_an_unset_attribute_of_a_new_object_reads_as_none_and_stays_unset(cls):
    thing = cls()
    assert thing.name is None
    assert "name" not in vars(thing)
    assert not state_of(thing).modified


def test_an_object_made_without_init_reads_and_writes():
    cup = Cup.__new__(Cup)
    assert cup.name is None
    cup.name = "x"
    assert cup.name == "x"
    assert state_of(cup).transient


# The object's dictionary


def test_the_dictionary_of_a_declarative_object_holds_data_only():
    assert vars(Cup()) == {}
    assert vars(Cup(id=1, name="x")) == {"id": 1, "name": "x"}


def test_the_dictionary_of_a_loaded_declarative_object_holds_data_only(loader):
    cup = loaded(Cup, loader)
    assert cup.name
    cup.id = 3
    assert vars(cup) == {"name": "loaded name", "id": 3}


def test_the_dictionary_of_a_plain_class_holds_its_state_too():
    plate = Plate()
    plate.name = "x"
    state = state_of(plate)
    assert vars(plate) == {"name": "x", "_sa_instance_state": state}


def test_a_programs_own_attributes_are_left_alone(loader):
    cup = loaded(Cup, loader)
    cup.note = "mine"
    assert vars(cup)["note"] == "mine"
    assert not state_of(cup).modified
    del cup.note
    assert not hasattr(cup, "note")


def test_an_object_with_plain_values_refers_to_its_state_and_no_other_container():
    cup = Cup(id=1, name="x")
    state = state_of(cup)
    tracked = [thing for thing in gc.get_referents(cup) if gc.is_tracked(thing) and not isinstance(thing, type)]
    assert [thing for thing in tracked if thing is not vars(cup)] == [state]
