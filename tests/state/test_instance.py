"""The state of one object: a weak reference that knows where the object stands."""

import gc
import weakref

import pytest
from sqlalchemy import JSON, String

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.exc import DetachedInstanceError, InvalidRequestError
from ropewalk.kernel.symbols import NO_VALUE
from ropewalk.mapping.properties import deferred, synonym
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import (
    DELETED,
    DETACHED,
    PENDING,
    PERSISTENT,
    STATUS_NAMES,
    TRANSIENT,
    InstanceState,
    state_of,
)
from ropewalk.state.mutable import watch


class Base(DeclarativeBase):
    pass


class Tree(Base):
    __tablename__ = "tree"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    rings: Mapped[list | None] = mapped_column(JSON)
    bark: Mapped[str | None] = deferred(mapped_column(String(20)))
    title = synonym("name")


class Leaf(Base):
    __tablename__ = "leaf"

    tree: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


class Holder:
    """Stands where a session stands, for the weak reference of its identity map."""


class Loader(Holder):
    def load_attribute(self, state, instance, key):
        return f"loaded {key}"


def persistent(instance, pk, owner=None):
    """Put an object where one that was loaded stands."""
    state = state_of(instance)
    state.pk, state.status, state.owner = pk, PERSISTENT, owner
    if owner is not None:
        owner.put(state, instance)
    return state


# Flags


@pytest.mark.parametrize("status", [TRANSIENT, PENDING, PERSISTENT, DELETED, DETACHED])
def test_exactly_one_flag_is_up(status):
    tree = Tree()
    state = state_of(tree)
    state.status = status
    flags = {name: getattr(state, name) for name in STATUS_NAMES}
    assert flags == {name: i == status for i, name in enumerate(STATUS_NAMES)}
    assert state.status_name == STATUS_NAMES[status]
    assert state.status_name in repr(state)


def test_a_new_object_is_transient_and_has_no_identity():
    tree = Tree()
    state = state_of(tree)
    assert state.transient
    assert not state.has_identity
    assert (state.identity, state.identity_key, state.key, state.session) == (None, None, None, None)


def test_was_deleted_is_remembered_after_the_object_left():
    tree = Tree()
    state = persistent(tree, 1)
    assert not state.was_deleted
    state.status = DELETED
    assert state.was_deleted
    state.status = DETACHED
    assert not state.was_deleted
    state.set_extra("was_deleted", True)
    assert state.was_deleted


# Identity


def test_the_identity_of_one_column_is_a_tuple_of_one():
    tree = Tree()
    state = persistent(tree, 7)
    assert state.identity == (7,)
    assert state.identity_key == state.key == (Tree, (7,), None)


def test_the_identity_of_several_columns_is_their_tuple():
    leaf = Leaf()
    assert persistent(leaf, (7, 2)).identity_key == (Leaf, (7, 2), None)


def test_an_identity_token_is_part_of_the_key():
    tree = Tree()
    state = persistent(tree, 7)
    state.set_extra("token", "east")
    assert state.identity_token == "east"
    assert state.identity_key == (Tree, (7,), "east")


# The reference


def test_the_state_is_a_weak_reference_to_its_object():
    tree = Tree()
    state = state_of(tree)
    assert isinstance(state, weakref.ref)
    assert state() is state.object is state.obj() is tree
    del tree
    gc.collect()
    assert state() is None
    assert state.object is None
    assert state.dict == {}


def test_a_state_can_be_described_after_its_object_is_gone():
    tree = Tree()
    state = persistent(tree, 7)
    del tree
    assert "Tree" in repr(state)
    assert "id=7" in repr(state)


def test_a_state_equals_itself_alone_even_if_objects_are_equal():
    class Same(Base):
        __tablename__ = "same"
        id: Mapped[int] = mapped_column(primary_key=True)

        def __eq__(self, other):
            return True

        def __hash__(self):
            raise TypeError("unhashable")

    one, two = Same(), Same()
    first, second = state_of(one), state_of(two)
    assert first == first
    assert first != second
    assert len({first: 1, second: 2}) == 2


def test_a_state_has_no_dictionary_of_its_own():
    tree = Tree()
    assert not hasattr(state_of(tree), "__dict__")


def test_each_class_has_states_that_know_its_mapper():
    tree, leaf = Tree(), Leaf()
    assert state_of(tree).mapper is Tree.__mapper__
    assert state_of(leaf).mapper is Leaf.__mapper__
    assert isinstance(state_of(tree), InstanceState)
    assert state_of(tree).class_ is Tree


def test_state_of_gives_the_same_state_each_time_even_without_init():
    tree = Tree.__new__(Tree)
    assert state_of(tree) is state_of(tree)


@pytest.mark.parametrize("thing", [object(), 7, None, "text"])
def test_state_of_what_is_not_mapped_is_none(thing):
    assert state_of(thing) is None


# What it holds


def test_unloaded_names_what_is_not_there():
    tree = Tree(id=1)
    assert state_of(tree).unloaded == {"name", "rings", "bark"}


def test_attrs_give_values_without_loading():
    tree = Tree(name="oak")
    attrs = state_of(tree).attrs
    assert attrs.name.loaded_value == "oak"
    assert attrs.id.loaded_value is NO_VALUE
    assert attrs.keys() == ["id", "name", "rings", "bark", "title"]
    assert attrs.name.value == "oak"


def test_a_transient_object_is_modified_when_something_was_set():
    tree = Tree()
    assert not state_of(tree).modified
    tree.name = "oak"
    assert state_of(tree).modified


def test_a_persistent_object_is_modified_by_a_write():
    tree = Tree(id=1, name="oak")
    state = persistent(tree, 1)
    assert not state.modified
    tree.name = "elm"
    assert state.modified
    assert state.changed_keys() == ["name"]
    assert state.unmodified == {"id", "rings", "bark", "title"}
    assert state.unmodified_intersection(["id", "name"]) == {"id"}


def test_a_persistent_object_is_modified_by_a_change_in_place():
    tree = Tree(id=1, rings=[1])
    state = persistent(tree, 1)
    watch(state, "rings", tree.rings)
    assert not state.modified
    tree.rings.append(2)
    assert state.modified
    assert state.changed_keys() == ["rings"]


def test_a_change_both_written_and_in_place_is_listed_once():
    tree = Tree(id=1, rings=[1])
    state = persistent(tree, 1)
    watch(state, "rings", tree.rings)
    tree.rings = [9]
    tree.rings.append(2)
    assert state.changed_keys() == ["rings"]


def test_original_is_the_value_of_the_last_flush():
    tree = Tree(id=1, name="oak", rings=[1])
    state = persistent(tree, 1)
    watch(state, "rings", tree.rings)
    tree.name = "elm"
    tree.name = "ash"
    tree.rings.append(2)
    assert state.original("name") == "oak"
    assert state.original("rings") == [1]
    assert state.original("id") == 1
    assert state.original("bark") is NO_VALUE


def test_original_of_what_was_written_unread_is_no_value():
    tree = Tree(id=1)
    state = persistent(tree, 1)
    tree.name = "elm"
    assert state.original("name") is NO_VALUE


def test_an_expired_state_lists_what_the_next_read_fetches():
    tree = Tree(id=1)
    state = persistent(tree, 1)
    assert state.expired_attributes == set()
    state.expired = True
    assert state.expired_attributes == {"name", "rings"}  # and not the deferred one


def test_attributes_expired_by_name_are_listed_too():
    tree = Tree(id=1, name="oak")
    state = persistent(tree, 1)
    state.set_extra("expired_keys", {"bark", "name"})
    assert state.expired_attributes == {"bark"}  # name has been read again


# Loading


def test_what_was_never_set_on_a_new_object_reads_as_none():
    tree = Tree()
    assert tree.name is None
    assert "name" not in vars(tree)


def test_an_unloaded_attribute_is_asked_of_the_owners_loader():
    session = Loader()
    tree = Tree()
    persistent(tree, 1, IdentityMap(session))
    assert tree.name == "loaded name"


def test_a_detached_object_says_which_attribute_and_what_to_do():
    tree = Tree(id=1)
    state = persistent(tree, 1)
    state.status = DETACHED
    with pytest.raises(DetachedInstanceError, match="<Tree id=1> is not bound to a Session.*Tree.name.*") as caught:
        tree.name  # noqa: B018
    assert caught.value.instance is tree
    assert caught.value.attribute == "name"


def test_an_object_whose_session_is_gone_counts_as_detached():
    session = Loader()
    tree = Tree()
    persistent(tree, 1, IdentityMap(session))
    del session
    gc.collect()
    assert state_of(tree).session is None
    with pytest.raises(DetachedInstanceError):
        tree.name  # noqa: B018


# Messages


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Tree(id=7), "<Tree id=7>"),
        (lambda: Leaf(tree=7, number=2), "<Leaf tree=7, number=2>"),
        (lambda: Leaf(tree=7), "<Leaf tree=7, number=None>"),
    ],
)
def test_an_object_is_described_by_its_key(make, text):
    instance = make()
    assert state_of(instance).describe() == text


def test_an_object_without_key_is_described_by_address_and_status():
    tree = Tree()
    assert state_of(tree).describe() == f"<Tree at {id(tree):#x}, transient>"


def test_describing_an_expired_object_loads_nothing():
    tree = Tree()
    state = persistent(tree, 7)
    state.expired = True
    assert state.describe() == "<Tree id=7>"


def test_the_state_of_a_lost_object_cannot_be_pickled():
    tree = Tree()
    state = persistent(tree, 7)
    del tree
    with pytest.raises(InvalidRequestError, match="its object is gone"):
        state.__reduce__()
