"""Sets and dictionaries: each method tells what comes and goes."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from instrumentation.graphs import family, make_graph

from ropewalk import synonym
from ropewalk.exc import ArgumentError, InvalidRequestError
from ropewalk.instrumentation.dicts import InstrumentedDict
from ropewalk.instrumentation.handling import get_history
from ropewalk.instrumentation.keyed import (
    KeyFuncDict,
    attribute_keyed_dict,
    attribute_mapped_collection,
    column_keyed_dict,
    keyfunc_mapping,
    mapped_collection,
)
from ropewalk.instrumentation.sets import InstrumentedSet

SET_CHANGES = {
    "l.add(c[3])": [0, 1, 2, 3],
    "l.add(c[0])": [0, 1, 2],
    "l.remove(c[1])": [0, 2],
    "l.discard(c[0])": [1, 2],
    "l.discard(c[4])": [0, 1, 2],
    "l.clear()": [],
    "l.update([c[3]], [c[4]])": [0, 1, 2, 3, 4],
    "l |= {c[3]}": [0, 1, 2, 3],
    "l &= {c[0]}": [0],
    "l -= {c[0], c[4]}": [1, 2],
    "l ^= {c[0], c[4]}": [1, 2, 4],
    "l.difference_update([c[0]])": [1, 2],
    "l.intersection_update([c[0], c[4]])": [0],
    "l.symmetric_difference_update([c[0], c[3]])": [1, 2, 3],
    "p.children |= {c[3]}": [0, 1, 2, 3],
    "p.children = {c[3], c[0]}": [0, 3],
    "del p.children": [],
    "c[0].parent = None": [1, 2],
    "c[3].parent = p": [0, 1, 2, 3],
}
SET_FAILING = {
    "l.remove(c[4])": KeyError,
    "l |= [c[3]]": TypeError,
    "l ^= 1": TypeError,
    "l.add(p)": TypeError,
    "p.children = [c[3]]": TypeError,
    "p.children = {1: c[3]}": TypeError,
}
DICT_CHANGES = {
    "l['c3'] = c[3]": [0, 1, 2, 3],
    "l['c0'] = c[0]": [0, 1, 2],
    "l['c0'] = c[4]": [1, 2, 4],
    "del l['c0']": [1, 2],
    "l.pop('c0')": [1, 2],
    "l.pop('zz', None)": [0, 1, 2],
    "l.popitem()": [0, 1],
    "l.clear()": [],
    "l.setdefault('c0', c[4])": [0, 1, 2],
    "l.setdefault('c4', c[4])": [0, 1, 2, 4],
    "l.update(c3=c[3])": [0, 1, 2, 3],
    "l.update({'c3': c[3], 'c0': c[0]})": [0, 1, 2, 3],
    "l.update([('c3', c[3])], c4=c[4])": [0, 1, 2, 3, 4],
    "l |= {'c3': c[3]}": [0, 1, 2, 3],
    "l.set(c[3])": [0, 1, 2, 3],
    "l.remove(c[0])": [1, 2],
    "p.children = {'c3': c[3]}": [3],
    "del p.children": [],
    "c[0].parent = None": [1, 2],
    "c[3].parent = p": [0, 1, 2, 3],
}
DICT_FAILING = {
    "del l['zz']": KeyError,
    "l.pop('zz')": KeyError,
    "l.remove(c[4])": KeyError,
    "l['x'] = p": TypeError,
    "p.children = [c[3]]": TypeError,
    "p.children = None": TypeError,
}
KEYED = {
    "attribute": lambda: attribute_keyed_dict("name"),
    "function": lambda: keyfunc_mapping(lambda child: child.name),
}


def _check(graph: Any, change: str, wanted_numbers: list[int]) -> Any:
    p, q, c = family(graph)
    before = [c[0], c[1], c[2]]
    exec_names = {"p": p, "q": q, "c": c, "l": p.children}
    eval(compile(change, "test", "exec"), exec_names)
    wanted = [c[n] for n in wanted_numbers]
    found = p.children.values() if isinstance(p.children, dict) else p.children
    assert sorted(found, key=lambda child: child.id) == wanted
    assert [child.parent is p for child in c] == [child in wanted for child in c]
    history = get_history(p, "children")
    assert set(history.added) == set(wanted) - set(before)
    assert set(history.unchanged) == set(wanted) & set(before)
    assert set(history.deleted) == set(before) - set(wanted)
    return p.children


@pytest.mark.parametrize("change", SET_CHANGES)
def test_a_set(change: str) -> None:
    assert type(_check(make_graph(collection_class=set), change, SET_CHANGES[change])) is InstrumentedSet


def test_a_set_pops_one() -> None:
    p, _, c = family(make_graph(collection_class=set))
    gone = p.children.pop()
    assert gone.parent is None
    assert list(get_history(p, "children").deleted) == [gone]


@pytest.mark.parametrize("change", SET_FAILING)
def test_a_set_refuses(change: str) -> None:
    p, _, c = family(make_graph(collection_class=set))
    with pytest.raises(SET_FAILING[change]):
        eval(compile(change, "test", "exec"), {"p": p, "c": c, "l": p.children})
    assert p.children == set(c[:3])


@pytest.mark.parametrize("kind", KEYED)
@pytest.mark.parametrize("change", DICT_CHANGES)
def test_a_dictionary(change: str, kind: str) -> None:
    found = _check(make_graph(collection_class=KEYED[kind]()), change, DICT_CHANGES[change])
    assert isinstance(found, KeyFuncDict)
    assert isinstance(found, InstrumentedDict)


@pytest.mark.parametrize("change", DICT_FAILING)
def test_a_dictionary_refuses(change: str) -> None:
    p, _, c = family(make_graph(collection_class=attribute_keyed_dict("name")))
    with pytest.raises(DICT_FAILING[change]):
        eval(compile(change, "test", "exec"), {"p": p, "c": c, "l": p.children})
    assert p.children == {"c0": c[0], "c1": c[1], "c2": c[2]}


def test_keys_are_those_of_the_objects() -> None:
    p, _, c = family(make_graph(collection_class=attribute_keyed_dict("name")))
    p.children = {"whatever": c[3]}
    assert p.children == {"c3": c[3]}


def test_columns_as_keys() -> None:
    graph = make_graph()
    one = column_keyed_dict(graph.Child.__table__.c.name)()
    two = column_keyed_dict([graph.Child.__table__.c.id, graph.Child.__table__.c.name])()
    child = graph.Child(id=4, name="x")
    one.set(child)
    two.set(child)
    assert (one, two) == ({"x": child}, {(4, "x"): child})
    assert pickle.loads(pickle.dumps(two.keyfunc))(child) == (4, "x")
    assert pickle.loads(pickle.dumps(one.keyfunc))(child) == "x"


def test_an_object_without_its_key() -> None:
    graph = make_graph(collection_class=attribute_keyed_dict("name"))
    p, child = graph.Parent(), graph.Child()
    with pytest.raises(InvalidRequestError, match="ignore_unpopulated_attribute"):
        child.parent = p
    assert (p.children, child.parent) == ({}, None)
    with pytest.raises(InvalidRequestError, match=r"into the dictionary Parent\.children: .*not been set"):
        p.children.set(child)


def test_a_key_under_a_second_name() -> None:
    graph = make_graph(collection_class=attribute_keyed_dict("title"))
    graph.Child.title = synonym("name")
    p, child = graph.Parent(), graph.Child(id=1)
    with pytest.raises(InvalidRequestError, match="not been set"):
        p.children.set(child)
    child.title = "x"
    p.children = {"whatever": child}
    assert p.children == {"x": child}


def test_a_key_that_is_no_column() -> None:
    with pytest.raises(ArgumentError, match="'mapping_spec'; got 'name'"):
        column_keyed_dict("name")


def test_an_object_without_its_key_may_be_left_out() -> None:
    graph = make_graph(collection_class=attribute_keyed_dict("name", ignore_unpopulated_attribute=True))
    p = graph.Parent()
    child = graph.Child(parent=p)
    assert (p.children, child.parent) == ({}, p)
    child.parent = None


def test_a_changed_key_is_noticed() -> None:
    p, _, c = family(make_graph(collection_class=attribute_keyed_dict("name")))
    c[0].name = "c1"
    with pytest.raises(InvalidRequestError, match="'c1'"):
        p.children.remove(c[0])


def test_the_former_names() -> None:
    assert mapped_collection is keyfunc_mapping
    assert attribute_mapped_collection is attribute_keyed_dict


def test_a_dictionary_of_a_class_of_its_own() -> None:
    class ByLength(KeyFuncDict[int, Any]):
        def __init__(self, *args: Any) -> None:
            super().__init__(lambda child: len(child.name), *args)

    graph = make_graph(collection_class=ByLength)
    p = graph.Parent()
    child = graph.Child(name="four", parent=p)
    assert type(p.children) is ByLength
    assert p.children == {4: child}
    del p.children[4]
    assert child.parent is None
