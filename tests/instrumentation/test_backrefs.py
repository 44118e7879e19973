"""Both sides of a relationship follow one another, and nothing is loaded for it."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import pytest
from instrumentation.graphs import Owner, family, make_graph, stored

from ropewalk import validates
from ropewalk.exc import InvalidRequestError, ObjectDereferencedError, SAWarning
from ropewalk.instrumentation.handling import get_history, has_parent, instance_state, set_committed_value
from ropewalk.instrumentation.pending import pending_changes
from ropewalk.kernel.symbols import NO_VALUE


def test_a_new_parent_gets_its_child_through_the_reference() -> None:
    graph = make_graph()
    p = graph.Parent()
    child = graph.Child(parent=p)
    assert p.children == [child]


def test_a_child_moved_leaves_the_first_parent() -> None:
    p, q, c = family(make_graph())
    q.children.append(c[0])
    assert (p.children, q.children, c[0].parent) == (c[1:3], [c[0]], q)
    assert list(get_history(p, "children").deleted) == [c[0]]
    assert list(get_history(c[0], "parent").deleted) == [p]


def test_a_collection_that_is_not_loaded_keeps_what_came_and_went() -> None:
    graph, owner = make_graph(), Owner()
    p = stored(graph.Parent(id=1), owner)
    there, new = stored(graph.Child(id=1), owner, parent=p), graph.Child(id=2)
    new.parent = p
    there.parent = None
    assert owner.loaded == []
    assert "children" not in p.__dict__
    history = get_history(p, "children", passive=0)  # type: ignore[arg-type]
    assert (list(history.added), list(history.unchanged), list(history.deleted)) == ([new], [], [there])
    assert p._sa_instance_state.committed == {"children": NO_VALUE}
    owner.rows[p, "children"] = [there]
    assert p.children == [new]
    assert owner.loaded == ["children"]
    assert pending_changes(p._sa_instance_state, "children") is None
    history = get_history(p, "children")
    assert (list(history.added), list(history.unchanged), list(history.deleted)) == ([new], [], [there])


def test_what_came_and_went_again_is_no_change() -> None:
    graph, owner = make_graph(), Owner()
    p = stored(graph.Parent(id=1), owner)
    child = graph.Child(id=2, parent=p)
    child.parent = None
    waiting = pending_changes(p._sa_instance_state, "children")
    assert waiting is not None and not waiting.added and not waiting.removed


def test_what_the_load_brings_too_comes_once() -> None:
    graph, owner = make_graph(), Owner()
    p = stored(graph.Parent(id=1), owner)
    child = graph.Child(id=2, parent=p)
    owner.rows[p, "children"] = [child]
    assert p.children == [child]


def test_a_reference_that_is_not_loaded_is_replaced_without_loading() -> None:
    graph, owner = make_graph(), Owner()
    p, q = stored(graph.Parent(id=1), owner, children=[]), stored(graph.Parent(id=2), owner, children=[])
    child = stored(graph.Child(id=1), owner, parent_id=1)
    set_committed_value(p, "children", [child])
    child.parent = q
    assert owner.loaded == []
    assert child._sa_instance_state.committed == {"parent": NO_VALUE}
    assert q.children == [child]


def test_a_parent_that_the_session_holds_is_left_without_loading() -> None:
    graph, owner = make_graph(), Owner()
    child = stored(graph.Child(id=1), owner, parent_id=1)
    p, q = stored(graph.Parent(id=1), owner, children=[child]), stored(graph.Parent(id=2), owner, children=[])
    owner.found[graph.Parent, 1] = p
    q.children.append(child)
    assert (owner.loaded, p.children, q.children) == ([], [], [child])
    assert list(get_history(child, "parent").deleted) == [p]


def test_active_history_loads_the_former_object() -> None:
    graph, owner = make_graph(reference={"active_history": True}), Owner()
    child = stored(graph.Child(id=1), owner)
    child.parent = graph.Parent()
    assert owner.loaded == ["parent"]


def test_one_to_one_lets_go_on_both_sides() -> None:
    graph = make_graph()
    p, q = graph.Parent(), graph.Parent()
    a, b = graph.Badge(), graph.Badge()
    p.badge = a
    q.badge = b
    p.badge = b
    assert (p.badge, q.badge, a.parent, b.parent) == (b, None, None, p)
    a.parent = p
    assert (p.badge, a.parent, b.parent) == (a, p, None)


def test_one_to_one_keeps_what_was_loaded_and_lets_go_what_was_assigned() -> None:
    graph, owner = make_graph(), Owner()
    badge = stored(graph.Badge(id=1), owner)
    p = stored(graph.Parent(id=1), owner, badge=badge)
    badge.__dict__["parent"] = p
    q, r = stored(graph.Parent(id=2), owner, badge=None), stored(graph.Parent(id=3), owner, badge=None)
    q.badge = badge
    assert (p.badge, q.badge, badge.parent) == (badge, badge, q)
    r.badge = badge
    assert (q.badge, r.badge, badge.parent) == (None, badge, r)


def test_one_to_one_knows_whom_it_replaces() -> None:
    graph, owner = make_graph(), Owner()
    p = stored(graph.Parent(id=1), owner)
    former = owner.rows[p, "badge"] = stored(graph.Badge(id=1), owner, parent=p)
    new = graph.Badge(id=2)
    new.parent = p
    assert owner.loaded == ["badge"]
    assert former.parent is p  # as its row says, until it is expired
    assert list(get_history(p, "badge").deleted) == [former]


def test_many_to_many_follows_both_ways() -> None:
    graph = make_graph()
    p, q, tag, other = graph.Parent(), graph.Parent(), graph.Tag(), graph.Tag()
    p.tags.add(tag)
    tag.parents.append(q)
    assert (tag.parents, q.tags) == ([p, q], {tag})
    tag.parents = [q]
    assert (p.tags, q.tags) == (set(), {tag})
    q.tags = {other}
    assert (tag.parents, other.parents) == ([], [q])


def test_viewonly_changes_alone() -> None:
    graph = make_graph(viewonly=True)
    p, child = graph.Parent(), graph.Child()
    p.children.append(child)
    assert (p.children, child.parent) == ([child], None)
    assert graph.Child(parent=p) not in p.children


def test_sync_backref_can_be_turned_off() -> None:
    graph = make_graph(sync_backref=False)
    p, child = graph.Parent(), graph.Child()
    p.children.append(child)
    assert child.parent is None


def test_a_session_hears_who_comes_within_reach() -> None:
    graph, owner = make_graph(), Owner()
    p = stored(graph.Parent(id=1), owner, children=[], badge=None)
    child, badge = graph.Child(), graph.Badge()
    p.children.append(child)
    p.badge = badge
    assert owner.told == [("+children", p, child), ("+badge", p, badge)]


def test_a_session_is_told_through_the_side_that_it_holds_only() -> None:
    graph, owner = make_graph(cascade="none"), Owner()
    p = stored(graph.Parent(id=1), owner, children=[])
    p.children.append(graph.Child())
    assert owner.told == []


def test_a_session_hears_of_orphans() -> None:
    graph, owner = make_graph(cascade="all, delete-orphan"), Owner()
    p = stored(graph.Parent(id=1), owner, children=[])
    q = stored(graph.Parent(id=2), owner, children=[])
    child = graph.Child(id=5)
    instance_state(child).owner = owner  # type: ignore[assignment]
    p.children.append(child)
    assert has_parent(graph.Parent, child, "children")
    q.children.append(child)  # it moves, and is no orphan meanwhile
    assert (owner.told, has_parent(graph.Parent, child, "children")) == ([], True)
    child.parent = None
    assert owner.told == [("-children", q, child)]
    assert not has_parent(graph.Parent, child, "children")


def test_a_changed_object_is_held() -> None:
    graph, owner = make_graph(), Owner()
    p, _, c = family(graph, owner)
    p.children.remove(c[1])
    assert set(owner.modified.values()) == {p, c[1]}


def test_single_parent_refuses_a_second_one() -> None:
    graph = make_graph(single_parent=True)
    p, q, child = graph.Parent(), graph.Parent(), graph.Child()
    p.children.append(child)
    with pytest.raises(InvalidRequestError, match=r"already associated .* Parent\.children"):
        q.children.append(child)
    assert (child.parent, q.children) == (p, [])
    p.children.remove(child)
    q.children.append(child)
    assert child.parent is q


def test_a_collection_keeps_no_object_alive() -> None:
    graph = make_graph()
    p = graph.Parent()
    children, gone = p.children, weakref.ref(p)
    gc.disable()
    try:
        del p
        assert gone() is None
    finally:
        gc.enable()
    with pytest.raises(ObjectDereferencedError, match=r"Parent\.children"):
        children.append(graph.Child())


def test_an_expired_collection_warns_and_changes_nothing() -> None:
    p, _, c = family(make_graph())
    old = p.children
    del p.__dict__["children"]
    with pytest.warns(SAWarning, match="expired or replaced"):
        old.append(c[3])
    assert c[3].parent is None


def _watching(seen: list[Any], **options: Any) -> dict[str, Any]:
    def watch(self: Any, key: str, value: Any, *is_remove: bool) -> Any:
        seen.append((key, value, *is_remove))
        return value

    return {"watch": validates("children", **options)(watch)}


def test_a_validator_sees_what_comes() -> None:
    seen: list[Any] = []
    graph = make_graph(hooks=_watching(seen))
    p, a, b, c = graph.Parent(), graph.Child(id=1), graph.Child(id=2), graph.Child(id=3)
    p.children.append(a)
    p.children = [a, b]
    c.parent = p
    c.parent = None
    assert seen == [("children", a), ("children", a), ("children", b), ("children", c)]


def test_a_validator_sees_removals_if_it_asks() -> None:
    seen: list[Any] = []
    graph = make_graph(hooks=_watching(seen, include_removes=True))
    p, a = graph.Parent(), graph.Child(id=1)
    p.children.append(a)
    a.parent = None
    p.children.append(a)
    p.children = []
    assert [is_remove for _, _, is_remove in seen] == [False, True, False, True]


def test_a_validator_need_not_see_the_other_side() -> None:
    seen: list[Any] = []
    graph = make_graph(hooks=_watching(seen, include_backrefs=False))
    graph.Child(parent=graph.Parent())
    assert seen == []


def test_a_validator_may_refuse_or_replace() -> None:
    graph = make_graph()
    replacement = graph.Child(id=9)

    def check(self: Any, key: str, value: Any) -> Any:
        if value.id == 1:
            raise ValueError("no")
        return replacement

    other = make_graph(hooks={"check": validates("children")(check)})
    p, bad = other.Parent(), other.Child(id=1)
    with pytest.raises(ValueError, match="no"):
        p.children.append(bad)
    assert (p.children, bad.parent) == ([], None)
    replacement = other.Child(id=9)
    p.children.append(other.Child(id=2))
    assert (p.children, replacement.parent) == ([replacement], p)


_picklable = make_graph()
for _class in (_picklable.Parent, _picklable.Child, _picklable.Badge, _picklable.Tag):
    _class.__module__ = __name__
    _class.__qualname__ = _class.__name__
    globals()[_class.__name__] = _class


@pytest.mark.parametrize("start", ["parent", "list", "child", "set"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_pickled_graphs_stay_in_step(start: str, protocol: int) -> None:
    child = _picklable.Child(name="x")
    p = _picklable.Parent(children=[child], tags={_picklable.Tag()})
    found = pickle.loads(
        pickle.dumps({"parent": p, "list": p.children, "child": child, "set": p.tags}[start], protocol)
    )
    if start == "list":
        found = found[0].parent
    elif start == "child":
        found = found.parent
    elif start == "set":
        (tag,) = found
        found = tag.parents[0]
    assert [c.parent for c in found.children] == [found]
    new = _picklable.Child()
    found.children.append(new)
    assert new.parent is found
    new.parent = None
    assert [c.name for c in found.children] == ["x"]
