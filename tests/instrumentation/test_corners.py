"""Corners of relationships: what is only read, what is there already, who may be the parent."""

from __future__ import annotations

from typing import Any

import pytest
from instrumentation.graphs import Owner, make_graph, stored

from ropewalk.exc import InvalidRequestError, SAWarning
from ropewalk.instrumentation.handling import get_history
from ropewalk.instrumentation.keyed import attribute_keyed_dict
from ropewalk.kernel.symbols import PassiveFlag
from ropewalk.mapping.relationships import relationship


@pytest.mark.parametrize("is_stored", [False, True])
def test_what_is_only_read_has_no_changes(is_stored: bool) -> None:
    graph = make_graph(reference={"viewonly": True})
    parent, child = graph.Parent(id=1), graph.Child(id=1)
    owner = Owner()
    if is_stored:
        stored(child, owner, parent=None)
    child.parent = parent
    assert child.parent is parent
    assert not get_history(child, "parent").has_changes()
    assert not owner.modified

    graph = make_graph(viewonly=True)
    parent, child = graph.Parent(id=1), graph.Child(id=1)
    parent.children.append(child)
    assert not get_history(parent, "children").has_changes()


def test_a_single_parent_counts_though_it_is_gone() -> None:
    graph = make_graph(reference={"single_parent": True})
    parent = graph.Parent()
    graph.Child(parent=parent)
    with pytest.raises(InvalidRequestError, match="single_parent"):
        graph.Child(parent=parent)


def test_a_single_parent_is_exchanged_from_the_other_side() -> None:
    graph = make_graph(single_parent=True)
    first, second, child = graph.Parent(), graph.Parent(), graph.Child()
    first.children.append(child)
    child.parent = second
    assert (first.children, second.children) == ([], [child])


@pytest.mark.parametrize("kind", [list, set])
def test_what_is_put_in_again_comes_into_the_session(kind: Any) -> None:
    graph = make_graph(collection_class=kind)
    owner = Owner()
    child = graph.Child(id=1)
    parent = stored(graph.Parent(id=1), owner, children=[child])
    if kind is set:
        parent.children.add(child)
    else:
        parent.children[0] = child
    assert owner.told == [("+children", parent, child)]
    assert not get_history(parent, "children").has_changes()


def test_a_list_with_an_object_twice_is_replaced() -> None:
    graph = make_graph()
    owner = Owner()
    child = graph.Child(id=1)
    parent = stored(graph.Parent(id=1), owner, children=[])
    stored(child, owner)
    parent.children.append(child)
    parent.children.append(child)
    parent.children = []
    assert child.parent is None


def test_configuring_happens_for_who_asks_first() -> None:
    graph = make_graph()
    assert graph.Parent.children.property.mapper is graph.Child.__mapper__
    graph = make_graph()
    assert graph.Parent.__mapper__.relationships.tags.secondary.name == "parent_tag"


def test_a_parameter_of_old_is_taken() -> None:
    assert relationship("Child", _legacy_inactive_history_style=True).active_history is False


def test_an_unloaded_reference_is_deleted_without_loading() -> None:
    graph = make_graph()
    owner = Owner()
    child = stored(graph.Child(id=1), owner, parent_id=1)
    del child.parent
    assert (owner.loaded, get_history(child, "parent", PassiveFlag.PASSIVE_NO_FETCH).added) == ([], [None])


def test_keys_that_are_none() -> None:
    graph = make_graph(collection_class=attribute_keyed_dict("name", ignore_unpopulated_attribute=True))
    parent = graph.Parent()
    child = graph.Child(name=None, parent=parent)
    assert (parent.children, child.parent) == ({}, parent)
    graph = make_graph(collection_class=attribute_keyed_dict("name"))
    parent = graph.Parent()
    with pytest.warns(SAWarning, match="is None, and so is the key"):
        child = graph.Child(name=None, parent=parent)
    assert parent.children == {None: child}


def test_a_keyed_dictionary_is_copied_by_its_type() -> None:
    graph = make_graph(collection_class=attribute_keyed_dict("name"))
    parent, child = graph.Parent(), graph.Child(name="a")
    parent.children["a"] = child
    assert type(parent.children)([("a", child)]) == {"a": child}


def test_a_cascade_is_assigned() -> None:
    prop = relationship("Child")
    prop.cascade = "all, delete-orphan"
    assert prop.cascade.delete_orphan and "merge" in prop.cascade
    prop = relationship("Child", viewonly=True)
    prop.cascade = "all"
    assert not prop.cascade.save_update
