"""Collection classes of a program's own."""

from __future__ import annotations

from typing import Any

import pytest
from instrumentation.graphs import family, make_graph

from ropewalk.exc import ArgumentError
from ropewalk.instrumentation.custom import collection
from ropewalk.instrumentation.handling import collection_adapter, get_history


class Stack(list[Any]):
    """A list with a method more, and one of its own."""

    def append(self, item: Any) -> None:
        super().append(item)

    def push(self, item: Any) -> None:
        self.append(item)


class Duck:
    """Like a list, and none."""

    def __init__(self) -> None:
        self.data: list[Any] = []

    def append(self, item: Any) -> None:
        self.data.append(item)

    def remove(self, item: Any) -> None:
        self.data.remove(item)

    def extend(self, items: Any) -> None:
        self.data.extend(items)

    def __iter__(self) -> Any:
        return iter(self.data)


class Bag:
    """Like nothing that we know."""

    __emulates__ = None

    def __init__(self) -> None:
        self.data: list[Any] = []

    @collection.appender
    def put(self, item: Any) -> None:
        self.data.append(item)

    @collection.remover
    def take(self, item: Any) -> None:
        self.data.remove(item)

    @collection.iterator
    def every(self) -> Any:
        return iter(self.data)

    @collection.removes_return()
    def grab(self) -> Any:
        return self.data.pop()

    @collection.replaces(1)
    def swap(self, item: Any) -> Any:
        former = self.data.pop()
        self.data.append(item)
        return former

    @collection.adds("item")
    def put_at(self, place: int, item: Any) -> None:
        self.data.insert(place, item)

    @collection.removes(1)
    def drop(self, item: Any) -> None:
        self.data.remove(item)

    def __iter__(self) -> Any:
        return iter(self.data)


CHANGES: dict[Any, dict[str, list[int]]] = {
    Stack: {
        "l.push(c[3])": [0, 1, 2, 3],
        "l.append(c[3])": [0, 1, 2, 3],
        "l.extend([c[3]])": [0, 1, 2, 3],
        "l.pop()": [0, 1],
        "l.remove(c[0])": [1, 2],
        "l[0] = c[3]": [3, 1, 2],
        "p.children = [c[3]]": [3],
        "c[3].parent = p": [0, 1, 2, 3],
        "c[0].parent = None": [1, 2],
    },
    Duck: {
        "l.append(c[3])": [0, 1, 2, 3],
        "l.extend(c[3:])": [0, 1, 2, 3, 4],
        "l.remove(c[0])": [1, 2],
        "p.children = [c[3]]": [3],
        "c[3].parent = p": [0, 1, 2, 3],
        "c[0].parent = None": [1, 2],
    },
    Bag: {
        "l.put(c[3])": [0, 1, 2, 3],
        "l.take(c[0])": [1, 2],
        "l.drop(c[0])": [1, 2],
        "l.grab()": [0, 1],
        "l.swap(c[4])": [0, 1, 4],
        "l.put_at(0, c[3])": [3, 0, 1, 2],
        "l.put_at(0, item=c[3])": [3, 0, 1, 2],
        "p.children = [c[3]]": [3],
        "p.children = type(l)()": [],
        "c[3].parent = p": [0, 1, 2, 3],
        "c[0].parent = None": [1, 2],
    },
}


@pytest.mark.parametrize(("kind", "change"), [(kind, change) for kind in CHANGES for change in CHANGES[kind]])
def test_a_change(kind: Any, change: str) -> None:
    p, _, c = family(make_graph(collection_class=kind))
    before = c[:3]
    eval(compile(change, "test", "exec"), {"p": p, "c": c, "l": p.children})
    wanted = [c[n] for n in CHANGES[kind][change]]
    assert type(p.children) is kind
    assert list(p.children) == wanted
    assert [child.parent is p for child in c] == [child in wanted for child in c]
    history = get_history(p, "children")
    assert list(history.added) == [x for x in wanted if x not in before]
    assert list(history.deleted) == [x for x in before if x not in wanted]


def test_a_factory() -> None:
    graph = make_graph(collection_class=lambda: Stack())
    assert type(graph.Parent().children) is Stack


def test_a_factory_of_builtins() -> None:
    graph = make_graph(collection_class=lambda: [])
    p = graph.Parent()
    p.children.append(child := graph.Child())
    assert child.parent is p


def test_a_class_outside_a_relationship_is_as_it_was() -> None:
    make_graph(collection_class=Stack).Parent().children  # noqa: B018
    stack = Stack()
    stack.push("x")
    assert stack == ["x"]
    assert collection_adapter(stack) is None


def test_what_is_internally_instrumented_tells_once() -> None:
    class Sorted(list[Any]):
        @collection.internally_instrumented
        def extend(self, items: Any) -> None:
            for item in sorted(items, key=lambda child: -child.id):
                self.append(item)

    p, _, c = family(make_graph(collection_class=Sorted))
    p.children.extend(c[3:])
    assert list(p.children) == [*c[:3], c[4], c[3]]
    assert c[4].parent is p


def test_a_converter_says_what_may_be_assigned() -> None:
    class Lenient(list[Any]):
        @collection.converter
        def take(self, given: Any) -> Any:
            return [given] if hasattr(given, "parent") else given

    p, _, c = family(make_graph(collection_class=Lenient))
    p.children = c[4]
    assert list(p.children) == [c[4]]


@pytest.mark.parametrize("missing", ["append", "remove", "__iter__"])
def test_a_class_that_cannot_serve(missing: str) -> None:
    methods = {name: lambda self, *_: None for name in ("append", "remove", "__iter__") if name != missing}
    graph = make_graph(collection_class=type("Half", (), {"__emulates__": list, **methods}))
    with pytest.raises(ArgumentError, match="Half must elect an"):
        graph.Parent().children  # noqa: B018


def test_what_is_no_class_at_all() -> None:
    graph = make_graph(collection_class="list")
    with pytest.raises(ArgumentError, match=r"Parent\.children: collection_class"):
        graph.Parent().children  # noqa: B018
