"""Objects leave a process whole and arrive as detached, whichever way their class is mapped."""

import copy
import pickle

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.state.history import EMPTY
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import PERSISTENT, state_of
from ropewalk.state.mutable import watch

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


class Base(DeclarativeBase):
    pass


class Slotted(Base):
    __tablename__ = "slotted"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    tags: Mapped[list | None] = mapped_column(JSON)


class Plain:
    pass


class OwnState:
    def __getstate__(self):
        return {**vars(self), "packed": True}

    def __setstate__(self, state):
        vars(self).update(state)


def table(name):
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("name", String(20)),
        Column("tags", JSON),
    )


mappings = registry()
mappings.map_imperatively(Plain, table("plain"))
mappings.map_imperatively(OwnState, table("own_state"))

CLASSES = [Slotted, Plain, OwnState]
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


class Holder:
    pass


def loaded(cls, owner=None, **values):
    thing = cls.__new__(cls)
    state = cls.__ropewalk_state__(thing)
    state.pk, state.status, state.owner = 7, PERSISTENT, owner
    vars(thing).update({"id": 7, "name": "ed", "tags": ["a"], **values})
    watch(state, "tags", vars(thing)["tags"])
    if owner is not None:
        owner.put(state, thing)
    return thing


def through_pickle(thing, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(thing, protocol))


def values(thing):
    return {key: value for key, value in vars(thing).items() if key in ("id", "name", "tags")}


@each_class
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_and_identity_arrive(cls, protocol):
    back = through_pickle(loaded(cls), protocol)
    assert type(back) is cls
    assert values(back) == {"id": 7, "name": "ed", "tags": ["a"]}
    assert state_of(back).identity_key == (cls, (7,), None)
    assert state_of(back).object is back


@each_class
def test_a_persistent_object_arrives_detached(cls):
    holder = Holder()
    thing = loaded(cls, IdentityMap(holder))
    back = through_pickle(thing)
    assert state_of(back).detached
    assert state_of(back).owner is None
    assert state_of(thing).persistent  # the one that stayed is what it was


@each_class
def test_a_transient_object_arrives_transient(cls):
    thing = cls()
    thing.name = "ed"
    back = through_pickle(thing)
    assert state_of(back).transient
    assert back.name == "ed"


@each_class
def test_changes_arrive_as_changes(cls):
    thing = loaded(cls)
    thing.name = "fred"
    back = through_pickle(thing)
    state = state_of(back)
    assert state.history("name") == (["fred"], (), ["ed"])
    assert state.modified


@each_class
def test_a_change_in_place_is_seen_after_the_journey(cls):
    back = through_pickle(loaded(cls))
    assert not state_of(back).modified
    back.tags.append("b")
    assert state_of(back).changed_keys() == ["tags"]


@each_class
def test_a_change_in_place_before_the_journey_arrives(cls):
    thing = loaded(cls)
    thing.tags.append("b")
    back = through_pickle(thing)
    assert state_of(back).history("tags") == ([["a", "b"]], (), [["a"]])


@each_class
def test_what_was_unloaded_stays_unloaded(cls):
    thing = loaded(cls)
    del vars(thing)["name"]
    state_of(thing).expired = True
    back = through_pickle(thing)
    state = state_of(back)
    assert state.unloaded == {"name"}
    assert state.expired
    assert state.history("name") == EMPTY


@each_class
def test_an_identity_token_arrives(cls):
    thing = loaded(cls)
    state_of(thing).set_extra("token", "east")
    back = through_pickle(thing)
    assert state_of(back).identity_token == "east"


@each_class
def test_objects_that_hold_each_other_arrive_together(cls):
    one, two = loaded(cls), loaded(cls)
    one.friend, two.friend = two, one
    back = through_pickle(one)
    assert back.friend.friend is back
    assert state_of(back).object is back
    assert state_of(back.friend).object is back.friend


@each_class
def test_one_object_twice_arrives_as_one(cls):
    thing = loaded(cls)
    first, second = through_pickle([thing, thing])
    assert first is second


@each_class
def test_peers_stay_behind(cls):
    one, two = loaded(cls), loaded(cls)
    state_of(one).peers = [state_of(one), state_of(two)]
    assert state_of(through_pickle(one)).peers is None


def test_a_states_own_pickling_runs_with_that_of_the_class():
    back = through_pickle(loaded(OwnState))
    assert back.packed
    assert state_of(back).identity == (7,)


def test_pickling_loads_nothing():
    class Counting(Holder):
        def load_attribute(self, state, instance, key):
            raise AssertionError(f"{key} was loaded")

    session = Counting()
    thing = loaded(Slotted, IdentityMap(session))
    del vars(thing)["name"]
    assert "name" not in vars(through_pickle(thing))


@each_class
def test_a_deep_copy_is_a_detached_object_of_its_own(cls):
    holder = Holder()
    thing = loaded(cls, IdentityMap(holder))
    twin = copy.deepcopy(thing)
    assert twin is not thing
    assert state_of(twin) is not state_of(thing)
    assert state_of(twin).object is twin
    assert state_of(twin).detached
    twin.tags.append("b")
    assert thing.tags == ["a"]
