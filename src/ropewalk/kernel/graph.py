"""Sorting a graph. Nothing here knows what the nodes are.

Strongly connected components after Tarjan (1972), iteratively, so that a chain
of a hundred thousand rows does not meet Python's recursion limit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def components(nodes: Iterable[Node], after: Mapping[Node, Iterable[Node]]) -> list[list[Node]]:
    """Return the strongly connected components, each before those that depend on it.

    :param nodes: all nodes; their order decides where the edges leave a choice.
    :param after: for a node, the nodes that must come *before* it. Names of nodes that
        are not in ``nodes`` are passed over.
    """
    order = list(nodes)
    known = set(order)
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    on_stack: set[Node] = set()
    stack: list[Node] = []
    result: list[list[Node]] = []
    for root in order:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(after.get(root, ())))]
        while work:
            node, edges = work[-1]
            for target in edges:
                if target not in known:
                    continue
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(after.get(target, ()))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    component.reverse()
                    result.append(component)
    return result


class CycleError(ValueError):
    """The nodes cannot be put in order; ``cycle`` holds those that depend on one another."""

    def __init__(self, cycle: list[object]) -> None:
        self.cycle = cycle
        super().__init__(f"a cycle of {len(cycle)} nodes")


def topological(nodes: Iterable[Node], after: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """Return ``nodes`` so that each comes after those it depends on.

    A node that names itself is no cycle. Raises :class:`CycleError`.
    """
    result: list[Node] = []
    for component in components(nodes, after):
        if len(component) > 1:
            raise CycleError(list(component))
        result.extend(component)
    return result
