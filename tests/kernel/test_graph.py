"""Sorting: what must come first comes first, and what cannot be sorted is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.kernel.graph import CycleError, components, topological

GRAPHS = st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4), max_size=13)


def reachable(start, after, nodes):
    """All nodes that ``start`` depends on, found the simple way."""
    seen, todo = set(), [start]
    while todo:
        for node in after.get(todo.pop(), ()):
            if node in nodes and node not in seen:
                seen.add(node)
                todo.append(node)
    return seen


def test_a_node_comes_after_those_it_depends_on():
    order = topological("dcba", {"d": "bc", "c": "a", "b": "a"})
    assert order.index("a") < order.index("b") < order.index("d")
    assert order.index("a") < order.index("c") < order.index("d")


def test_without_edges_the_given_order_stays():
    assert topological([3, 1, 2], {}) == [3, 1, 2]


def test_the_given_order_decides_where_edges_leave_a_choice():
    assert topological(["x", "b", "a"], {"x": ["a"]}) == ["a", "x", "b"]


def test_the_order_is_the_same_each_time():
    after = {n: [(n * 7) % 50, (n * 3) % 50] for n in range(50) if n % 3}
    assert components(range(50), after) == components(range(50), after)


def test_unknown_names_in_edges_are_passed_over():
    assert topological(["a", "b"], {"a": ["nobody", "b"], "stranger": ["a"]}) == ["b", "a"]


def test_no_nodes_give_no_order():
    assert topological([], {"a": ["b"]}) == []


def test_a_node_that_names_itself_is_no_cycle():
    assert topological(["a", "b"], {"a": ["a", "b"]}) == ["b", "a"]


def test_a_cycle_is_refused_with_its_members_alone():
    with pytest.raises(CycleError, match="a cycle of 3 nodes") as caught:
        topological("xabcy", {"a": "b", "b": "c", "c": "a", "x": "a", "a2": "x"})
    assert sorted(caught.value.cycle) == ["a", "b", "c"]


def test_components_hold_the_nodes_of_a_cycle_together():
    found = components("abcd", {"a": "b", "b": "a", "c": "b", "d": "c"})
    assert [sorted(component) for component in found] == [["a", "b"], ["c"], ["d"]]


def test_two_cycles_joined_by_one_edge_stay_two_components():
    found = components("abcd", {"a": "b", "b": "ac", "c": "d", "d": "c"})
    assert [sorted(component) for component in found] == [["c", "d"], ["a", "b"]]


def test_two_cycles_that_share_a_node_are_one_component():
    found = components("abc", {"a": "b", "b": "ac", "c": "b"})
    assert [sorted(component) for component in found] == [["a", "b", "c"]]


@pytest.mark.parametrize("last_first", [True, False])
def test_a_chain_of_100_000_nodes_meets_no_recursion_limit(last_first):
    size = 100_000
    nodes = range(size - 1, -1, -1) if last_first else range(size)
    after = {node: (node - 1,) for node in range(1, size)}
    assert topological(nodes, after) == list(range(size))


def test_a_cycle_of_100_000_nodes_is_one_component():
    size = 100_000
    found = components(range(size), {node: ((node + 1) % size,) for node in range(size)})
    assert len(found) == 1
    assert len(found[0]) == size


@given(GRAPHS)
def test_any_graph_splits_into_its_components_in_order(after):
    nodes = list(after)
    found = components(nodes, after)
    assert sorted(node for component in found for node in component) == sorted(nodes)
    depends = {node: reachable(node, after, set(nodes)) for node in nodes}
    done = set()
    for component in found:
        members = set(component)
        for node in component:
            together = {other for other in depends[node] if node in depends[other]} | {node}
            assert together == members
            assert depends[node] <= done | members
        done |= members
