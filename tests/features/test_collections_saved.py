"""Each way to change a collection reaches the database, whether the collection was loaded or not."""

import pytest
from instrumentation.graphs import make_graph
from instrumentation.test_collections_keyed import DICT_CHANGES, SET_CHANGES
from instrumentation.test_collections_list import CHANGES as LIST_CHANGES
from sqlalchemy import func

from ropewalk import Session, attribute_keyed_dict, select

KINDS = {"list": (list, LIST_CHANGES), "set": (set, SET_CHANGES), "dict": (attribute_keyed_dict("name"), DICT_CHANGES)}
WAYS = [(kind, change) for kind, (_, changes) in KINDS.items() for change in changes]


@pytest.fixture(scope="module")
def graphs():
    return {kind: make_graph(collection_class=class_, order_by="Child.id") for kind, (class_, _) in KINDS.items()}


def family(session, graph):
    """A parent of three children, another of none, two children of nobody; all in the database."""
    p, q = graph.Parent(id=1), graph.Parent(id=2)
    c = [graph.Child(id=n + 1, name=f"c{n}") for n in range(5)]
    for child in c[:3]:
        child.parent = p
    session.add_all([p, q, *c])
    session.commit()
    return p, q, c


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("kind", "change"), WAYS)
def test_a_change_is_saved(kind, change, graphs, sqlite_memory_engine):
    graph = graphs[kind]
    graph.Base.metadata.create_all(sqlite_memory_engine)
    with Session(sqlite_memory_engine) as session:
        p, q, c = family(session, graph)
        names = {"p": p, "q": q, "c": c}
        if "l" in compile(change, "test", "exec").co_names:
            names["l"] = p.children
        exec(compile(change, "test", "exec"), names)  # noqa: S102  # the changes are written as programs write them
        session.commit()
        wanted = sorted(KINDS[kind][1][change])
        found = session.scalars(select(graph.Child.id).where(graph.Child.parent_id == 1).order_by(graph.Child.id)).all()
        assert [number - 1 for number in found] == wanted
        there = p.children.values() if kind == "dict" else p.children
        assert sorted(child.id - 1 for child in there) == wanted
        assert all((child.parent is p) == (child in list(there)) for child in c)
        assert session.scalar(select(func.count()).select_from(graph.Child)) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_word_counts_where_a_replaced_collection_was_not_loaded(kind, graphs, sqlite_memory_engine):
    graph = graphs[kind]
    graph.Base.metadata.create_all(sqlite_memory_engine)
    with Session(sqlite_memory_engine) as session:
        p, q, c = family(session, graph)
        c[0].parent = q  # which no flush writes before the next line asks for the old children of p
        p.children = {child.name: child for child in c[:2]} if kind == "dict" else KINDS[kind][0](c[:2])
        assert c[0].parent is p
        assert not q.children
        session.commit()
        assert [child.parent_id for child in c[:3]] == [1, 1, None]
