"""The identity map: a dictionary to programs, bare keys inside, weak unless told otherwise."""

import gc

import pytest

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.state.identity import IdentityMap, instance_key
from ropewalk.state.instance import PERSISTENT, state_of


class Base(DeclarativeBase):
    pass


class Bird(Base):
    __tablename__ = "bird"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class Nest(Base):
    __tablename__ = "nest"

    tree: Mapped[int] = mapped_column(primary_key=True)
    branch: Mapped[str] = mapped_column(primary_key=True)


class Holder:
    pass


@pytest.fixture
def holder():
    return Holder()


@pytest.fixture
def birds(holder):
    return IdentityMap(holder)


def put(owner, instance, pk, token=None):
    state = state_of(instance)
    state.pk, state.status, state.owner = pk, PERSISTENT, owner
    if token is not None:
        state.set_extra("token", token)
    assert owner.put(state, instance) is None
    return instance


# A dictionary


def test_an_object_is_found_under_class_and_key_tuple(birds):
    wren = put(birds, Bird(), 7)
    assert birds[Bird, (7,)] is wren
    assert birds.get((Bird, (7,))) is wren
    assert (Bird, (7,)) in birds


def test_a_key_with_a_token_of_none_means_the_same(birds):
    wren = put(birds, Bird(), 7)
    assert birds[Bird, (7,), None] is wren


def test_a_composite_key_is_its_tuple(birds):
    nest = put(birds, Nest(), (1, "a"))
    assert birds[Nest, (1, "a")] is nest
    assert birds[Nest, [1, "a"]] is nest


@pytest.mark.parametrize(
    "key",
    [(Bird, (8,)), (Nest, (7,)), (object, (7,)), Bird, 7, None, (Bird,), (Bird, ()), (Bird, 7), (Bird, ([],)), "x"],
)
def test_any_other_key_is_not_there(birds, key):
    wren = put(birds, Bird(), 7)
    assert key not in birds
    assert birds.get(key) is None
    with pytest.raises(KeyError):
        birds[key]
    assert wren


def test_keys_values_and_items_agree(birds):
    wren, nest = put(birds, Bird(), 7), put(birds, Nest(), (1, "a"))
    assert birds.keys() == list(birds) == [(Bird, (7,)), (Nest, (1, "a"))]
    assert birds.values() == [wren, nest]
    assert birds.items() == [((Bird, (7,)), wren), ((Nest, (1, "a")), nest)]
    assert len(birds) == 2
    assert dict(birds) == dict(birds.items())


def test_an_empty_map_is_false_and_shows_its_size(birds):
    assert not birds
    put(birds, bird := Bird(), 7)
    assert birds
    assert repr(birds) == "<IdentityMap of 1 objects>"
    assert bird


def test_two_maps_are_equal_only_if_they_are_one(holder):
    one, two = IdentityMap(holder), IdentityMap(holder)
    assert one == one
    assert one != two
    assert len({one, two}) == 2


def test_a_token_keeps_objects_of_one_key_apart(birds):
    east, west = put(birds, Bird(), 7, "east"), put(birds, Bird(), 7, "west")
    assert birds[Bird, (7,), "east"] is east
    assert birds[Bird, (7,), "west"] is west
    assert (Bird, (7,)) not in birds
    assert instance_key(state_of(east)) == (Bird, (7,), "east")
    assert len(birds) == 2


# Inside


def test_states_stand_under_bare_keys(birds):
    wren = put(birds, Bird(), 7)
    assert birds.map_for(Bird.__mapper__) == {7: state_of(wren)}


def test_one_dictionary_serves_a_hierarchy_however_often_it_is_asked_for(birds):
    assert birds.map_for(Bird.__mapper__) is birds.map_for(Bird.__mapper__)
    assert birds.map_for(Bird.__mapper__) is not birds.map_for(Nest.__mapper__)


def test_find_gives_the_object_or_none(birds):
    wren = put(birds, Bird(), 7)
    assert birds.find(Bird.__mapper__, 7) is wren
    assert birds.find(Bird.__mapper__, 8) is None


def test_put_gives_back_whoever_held_the_place(birds):
    wren, robin = put(birds, Bird(), 7), Bird()
    state = state_of(robin)
    state.pk, state.status, state.owner = 7, PERSISTENT, birds
    assert birds.put(state, robin) is state_of(wren)
    assert birds.put(state, robin) is None
    assert birds[Bird, (7,)] is robin


def test_removing_takes_out_of_every_list(birds):
    wren = put(birds, Bird(), 7)
    wren.name = "wren"
    state = state_of(wren)
    birds.watched[state] = None
    birds.remove(state)
    assert (len(birds), birds.modified, birds.watched) == (0, {}, {})
    assert not birds.contains_state(state)


def test_removing_one_that_lost_its_place_leaves_the_other(birds):
    wren, robin = put(birds, Bird(), 7), Bird()
    state = state_of(robin)
    state.pk, state.owner = 7, birds
    birds.put(state, robin)
    birds.remove(state_of(wren))
    assert birds[Bird, (7,)] is robin


def test_contains_state_asks_for_this_very_state(birds):
    wren, robin = put(birds, Bird(), 7), Bird()
    assert birds.contains_state(state_of(wren))
    assert not birds.contains_state(state_of(robin))
    state_of(robin).pk = 7
    assert not birds.contains_state(state_of(robin))


def test_clear_all_leaves_nothing(holder):
    birds = IdentityMap(holder, strong=True)
    put(birds, Bird(), 7).name = "wren"
    birds.clear_all()
    assert not (birds or birds.modified or birds.watched or birds.held or birds.orphans)


def test_the_map_does_not_keep_its_session_alive(holder):
    birds = IdentityMap(Holder())
    assert birds.session is None
    assert birds.loader is None
    assert IdentityMap(holder).session is holder


# Weak and strong


def test_a_dropped_object_is_gone_at_once(birds):
    put(birds, Bird(), 7)
    assert (Bird, (7,)) not in birds
    assert len(birds) == 0
    assert birds.values() == []


def test_a_dropped_object_in_a_cycle_is_gone_after_a_collection(birds):
    wren = put(birds, Bird(), 7)
    wren.self = wren
    del wren
    gc.collect()
    assert len(birds) == 0


def test_a_changed_object_stays_until_it_is_no_longer_modified(birds):
    put(birds, Bird(), 7).name = "wren"
    gc.collect()
    assert birds[Bird, (7,)].name == "wren"
    assert birds.check_modified()
    birds.modified.clear()
    assert len(birds) == 0


def test_a_strong_map_keeps_every_object_until_it_is_removed(holder):
    birds = IdentityMap(holder, strong=True)
    put(birds, Bird(), 7)
    gc.collect()
    assert len(birds.values()) == 1
    birds.remove(state_of(birds[Bird, (7,)]))
    assert len(birds) == 0


def test_a_new_object_in_the_place_is_not_forgotten_with_the_old(birds):
    wren = put(birds, Bird(), 7)
    old = state_of(wren)
    birds.map_for(Bird.__mapper__).clear()
    robin = put(birds, Bird(), 7)
    del wren
    assert old() is None
    assert birds[Bird, (7,)] is robin


def test_dropping_an_object_with_a_token_empties_the_right_place(birds):
    put(birds, Bird(), 7, "east")
    west = put(birds, Bird(), 7, "west")
    assert birds.values() == [west]


def test_objects_may_be_dropped_while_the_map_is_iterated(birds):
    held = [put(birds, Bird(), n) for n in range(50)]
    seen = 0
    for _key in birds:
        seen += 1
        held.clear()
    assert seen == 1


def test_an_object_may_outlive_its_map():
    birds = IdentityMap(Holder())
    wren = put(birds, Bird(), 7)
    del birds
    gc.collect()
    del wren  # forgets itself where nobody asks any more
