"""Lists: each method tells what comes and goes, and the other side and the history show it."""

from __future__ import annotations

from typing import Any

import pytest
from instrumentation.graphs import family, make_graph, stored

from ropewalk.instrumentation.handling import get_history
from ropewalk.instrumentation.lists import InstrumentedList


def do(text: str, **names: Any) -> None:
    code = compile(text, "test", "exec")
    eval(code, names)


# what is done → the numbers of the children that are in the list then
CHANGES = {
    "l.append(c[3])": [0, 1, 2, 3],
    "l.insert(1, c[3])": [0, 3, 1, 2],
    "l.insert(-1, c[3])": [0, 1, 3, 2],
    "l.extend([c[3], c[4]])": [0, 1, 2, 3, 4],
    "l.extend(x for x in c[3:])": [0, 1, 2, 3, 4],
    "l += [c[3]]": [0, 1, 2, 3],
    "p.children += [c[3]]": [0, 1, 2, 3],
    "l.pop()": [0, 1],
    "l.pop(0)": [1, 2],
    "l.remove(c[1])": [0, 2],
    "l[0] = c[4]": [4, 1, 2],
    "l[-1] = c[4]": [0, 1, 4],
    "l[1] = c[1]": [0, 1, 2],
    "l[1:2] = [c[3], c[4]]": [0, 3, 4, 2],
    "l[:] = [c[2], c[4]]": [2, 4],
    "l[::2] = [c[3], c[4]]": [3, 1, 4],
    "l[0:0] = [c[3]]": [3, 0, 1, 2],
    "del l[0]": [1, 2],
    "del l[0:2]": [2],
    "del l[::2]": [1],
    "l.clear()": [],
    "l *= 0": [],
    "l.sort(key=lambda x: -x.id)": [2, 1, 0],
    "l.reverse()": [2, 1, 0],
    "p.children = [c[2], c[3]]": [2, 3],
    "p.children = []": [],
    "p.children = l": [0, 1, 2],
    "del p.children": [],
    "c[3].parent = p": [0, 1, 2, 3],
    "c[0].parent = None": [1, 2],
    "c[0].parent = q": [1, 2],
    "del c[0].parent": [1, 2],
    "q.children.append(c[0])": [1, 2],
    "q.children = [c[0], c[1]]": [2],
}
FAILING = {
    "l.pop(7)": IndexError,
    "l[9] = c[4]": IndexError,
    "del l[5]": IndexError,
    "l.remove(c[4])": ValueError,
    "l[::2] = [c[3]]": ValueError,
    "l.append(q)": TypeError,
    "l.extend([c[3], 'x'])": TypeError,
    "p.children = [c[3], q]": AssertionError,
    "p.children = None": TypeError,
    "p.children = c[0]": TypeError,
    "p.children = (c[0],)": TypeError,
    "p.children = {c[0]}": TypeError,
    "p.children = (x for x in c)": TypeError,
    "p.children = list": TypeError,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "new"])
def test_a_change_is_seen_on_both_sides_and_in_the_history(change: str, is_stored: bool) -> None:
    graph = make_graph()
    if is_stored:
        p, q, c = family(graph)
    else:
        p, q, c = graph.Parent(id=1), graph.Parent(id=2), [graph.Child(id=n) for n in range(5)]
        p.children = c[:3]
    before = list(p.children)
    do(change, p=p, q=q, c=c, l=p.children)
    wanted = [c[n] for n in CHANGES[change]]
    history = get_history(p, "children")
    assert p.children == wanted
    assert [child.parent is p for child in c] == [child in wanted for child in c]
    assert all((child in q.children) == (child.parent is q) for child in c)
    if is_stored:
        assert list(history.added) == [x for x in wanted if x not in before]
        assert list(history.unchanged) == [x for x in wanted if x in before]
        assert list(history.deleted) == [x for x in before if x not in wanted]
    else:
        assert (list(history.added), list(history.unchanged), list(history.deleted)) == (wanted, [], [])


@pytest.mark.parametrize("change", FAILING)
def test_what_cannot_be_done_changes_nothing(change: str) -> None:
    p, q, c = family(make_graph())
    with pytest.raises(FAILING[change]):
        do(change, p=p, q=q, c=c, l=p.children)
    assert p.children[:3] == c[:3]
    assert [child.parent for child in c[:3]] == [p, p, p]


def test_a_failing_assignment_leaves_the_collection_as_it_was() -> None:
    p, q, c = family(make_graph())
    there = p.children
    with pytest.raises(TypeError):
        p.children = [c[3], q]
    assert p.children is there
    assert c[3].parent is None
    assert not get_history(p, "children").has_changes()


def test_the_same_object_twice_leaves_with_the_second_removal() -> None:
    p, _, c = family(make_graph())
    p.children.append(c[0])
    p.children.remove(c[0])
    assert c[0].parent is p
    p.children.remove(c[0])
    assert (p.children, c[0].parent) == ([c[1], c[2]], None)


def test_former_members_are_copied_once() -> None:
    p, _, c = family(make_graph())
    p.children.append(c[3])
    kept = p._sa_instance_state.committed["children"]
    assert kept == c[:3]
    p.children.append(c[4])
    assert p._sa_instance_state.committed["children"] is kept
    assert p._sa_instance_state.committed.keys() == {"children"}


def test_a_loaded_collection_is_read_from_the_dictionary() -> None:
    p, _, _ = family(make_graph())
    assert p.__dict__["children"] is p.children
    assert type(p.children) is InstrumentedList


def test_a_list_of_its_own_is_a_plain_list() -> None:
    _, _, c = family(make_graph())
    free: Any = InstrumentedList(c)
    free.append("anything")
    free[0:2] = [1]
    del free[0]
    assert free == [*c[2:], "anything"]


def test_a_copy_does_not_belong_to_the_object() -> None:
    p, _, c = family(make_graph())
    copied = p.children[:]
    copied.append(c[3])
    p.children.copy().remove(c[0])
    assert (c[3].parent, c[0].parent) == (None, p)


def test_the_given_list_is_not_the_collection() -> None:
    graph = make_graph()
    given = [graph.Child()]
    p = graph.Parent(children=given)
    given.append(graph.Child())
    assert len(p.children) == 1


def test_a_replaced_collection_is_a_plain_list() -> None:
    p, _, c = family(make_graph())
    old = p.children
    p.children = []
    old.append(c[3])
    assert (c[3].parent, p.children) == (None, [])


def test_none_is_taken_in_for_the_flush_to_refuse() -> None:
    p, _, c = family(make_graph())
    p.children.append(None)
    p.children.remove(None)
    assert p.children == c[:3]


def test_equal_objects_are_not_mixed_up() -> None:
    graph = make_graph()
    graph.Child.__eq__ = lambda self, other: isinstance(other, graph.Child)
    graph.Child.__hash__ = lambda self: 1
    p, _, c = family(graph)
    c[1].parent = None
    assert [x is y for x, y in zip(p.children, [c[0], c[2]], strict=True)] == [True, True]
    assert c[0].parent is p


def test_a_new_object_gets_an_empty_collection_and_no_change() -> None:
    p = make_graph().Parent()
    assert p.children == [] and p.children is p.children
    assert not get_history(p, "children").has_changes()


def test_deleting_what_was_never_there() -> None:
    p = make_graph().Parent()
    del p.children
    assert p.children == []


def test_a_deleted_collection_is_empty_when_read_again() -> None:
    p, _, c = family(make_graph())
    del p.children
    assert p.children == []
    assert list(get_history(p, "children").deleted) == c[:3]
    p.children.append(c[4])
    assert c[4].parent is p


def test_no_collection_may_be_made_of_a_plain_dict() -> None:
    graph = make_graph(collection_class=dict)
    with pytest.raises(Exception, match="attribute_keyed_dict"):
        graph.Parent().children  # noqa: B018


def test_stored_without_session_says_so() -> None:
    graph = make_graph()
    with pytest.raises(Exception, match="children"):
        stored(graph.Parent(id=1)).children  # noqa: B018
