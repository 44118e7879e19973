"""References: what is set, read, deleted and refused."""

from __future__ import annotations

from typing import Any

import pytest
from instrumentation.graphs import Owner, family, make_graph, stored

from ropewalk import validates
from ropewalk.exc import DetachedInstanceError, InvalidRequestError, RelatedTypeError
from ropewalk.instrumentation.handling import (
    collection_adapter,
    del_attribute,
    flag_dirty,
    flag_modified,
    get_attribute,
    get_history,
    init_collection,
    set_attribute,
    set_committed_value,
)


def test_unset_is_none_and_stores_nothing() -> None:
    child = make_graph().Child()
    assert child.parent is None
    assert "parent" not in child.__dict__


def test_a_set_reference_lies_in_the_dictionary() -> None:
    graph = make_graph()
    p = graph.Parent()
    assert graph.Child(parent=p).__dict__["parent"] is p


def test_an_unloaded_reference_is_asked_for() -> None:
    graph, owner = make_graph(), Owner()
    child = stored(graph.Child(id=1), owner)
    p = owner.rows[child, "parent"] = stored(graph.Parent(id=1), owner)
    assert child.parent is p
    assert child.parent is p
    assert owner.loaded == ["parent"]


def test_an_unloaded_reference_without_session() -> None:
    with pytest.raises(DetachedInstanceError, match="parent"):
        stored(make_graph().Child(id=1)).parent  # noqa: B018


def test_history_of_a_reference() -> None:
    p, q, c = family(make_graph())
    assert get_history(c[0], "parent") == ((), [p], ())
    c[0].parent = q
    assert get_history(c[0], "parent") == ([q], (), [p])
    c[0].parent = None
    assert get_history(c[0], "parent") == ([None], (), [p])
    c[0].parent = p
    assert get_history(c[0], "parent") == ((), [p], ())
    del c[0].parent
    assert get_history(c[0], "parent", passive=0) == ((), (), [p])  # type: ignore[arg-type]


def test_history_of_a_new_object() -> None:
    graph = make_graph()
    p, child = graph.Parent(), graph.Child()
    assert not get_history(child, "parent")
    child.parent = p
    assert get_history(child, "parent") == ([p], (), ())


def test_setting_what_is_there_is_no_change() -> None:
    p, _, c = family(make_graph())
    c[0].parent = p
    assert c[0]._sa_instance_state.committed is None
    assert p.children == c[:3]


def test_deleting_a_reference() -> None:
    p, _, c = family(make_graph())
    del c[0].parent
    assert (p.children, c[0].parent, "parent" in c[0].__dict__) == (c[1:3], None, False)
    with pytest.raises(AttributeError, match="parent"):
        del make_graph().Child().parent


@pytest.mark.parametrize("wrong", ["x", 1, object(), [], "child", "class"])
def test_the_wrong_class(wrong: Any) -> None:
    graph = make_graph()
    child = graph.Child(id=7)
    given = {"child": child, "class": graph.Parent}.get(wrong, wrong) if isinstance(wrong, str) else wrong
    with pytest.raises(RelatedTypeError, match=r"'parent' of class Child .* takes Parent") as caught:
        child.parent = given
    error = caught.value
    assert (error.class_, error.attribute, error.got) == (graph.Child, "parent", given)
    assert isinstance(error, TypeError) and isinstance(error, AssertionError)
    assert "parent" not in child.__dict__


def test_typechecks_can_be_turned_off() -> None:
    graph = make_graph(enable_typechecks=False)
    p, tag = graph.Parent(), graph.Tag()
    p.children.append(tag)
    assert p.children == [tag]
    with pytest.raises(RelatedTypeError):
        p.children.append("not mapped")


def test_a_subclass_will_do() -> None:
    graph = make_graph()

    class Grand(graph.Parent):  # type: ignore[name-defined, misc]
        pass

    grand = Grand()
    child = graph.Child(parent=grand)
    assert grand.children == [child]
    grand.children.remove(child)
    assert child.parent is None


def test_a_validator_of_a_reference() -> None:
    def check(self: Any, key: str, value: Any) -> Any:
        if value is not None and value.id == 1:
            raise ValueError(key)
        return value

    graph = make_graph(hooks={"check": validates("badge")(check)})
    p = graph.Parent()
    p.badge = graph.Badge(id=2)
    with pytest.raises(ValueError, match="badge"):
        p.badge = graph.Badge(id=1)
    with pytest.raises(ValueError, match="badge"):
        graph.Badge(id=1, parent=p)
    assert p.badge.id == 2


def test_a_class_with_a_setattr_of_its_own() -> None:
    seen: list[str] = []

    def __setattr__(self: Any, name: str, value: Any) -> None:
        seen.append(name)
        object.__setattr__(self, name, value)

    graph = make_graph(hooks={"__setattr__": __setattr__})
    p, child = graph.Parent(), graph.Child()
    p.children = [child]
    assert child.parent is p
    assert seen == ["children"]


def test_a_backref_is_there_when_the_first_object_is_made() -> None:
    from sqlalchemy import ForeignKey, Integer

    from ropewalk import DeclarativeBase, mapped_column
    from ropewalk.mapping.relationships import relationship

    class Base(DeclarativeBase):
        pass

    class Author(Base):
        __tablename__ = "author"
        id = mapped_column(Integer, primary_key=True)
        books = relationship("Book", backref="author")

    class Book(Base):
        __tablename__ = "book"
        id = mapped_column(Integer, primary_key=True)
        author_id = mapped_column(ForeignKey("author.id"))

    author = Author()
    book = Book(author=author)
    assert author.books == [book]


def test_by_name() -> None:
    p, q, c = family(make_graph())
    set_attribute(c[0], "parent", q)
    assert (get_attribute(c[0], "parent"), q.children) == (q, [c[0]])
    del_attribute(c[0], "parent")
    assert q.children == []
    set_attribute(c[0], "name", "new")
    assert c[0].name == "new" and "name" in c[0]._sa_instance_state.committed


def test_committed_values_tell_nobody() -> None:
    p, q, c = family(make_graph())
    set_committed_value(c[0], "parent", q)
    set_committed_value(q, "children", (x for x in c[3:]))
    assert (q.children, c[3].parent) == (c[3:], None)
    assert not get_history(q, "children").has_changes()
    assert not get_history(c[0], "parent").has_changes()


def test_init_collection() -> None:
    graph = make_graph()
    p, child = stored(graph.Parent(id=1)), graph.Child()
    adapter = init_collection(p, "children")
    adapter.append_without_event(child)
    assert (p.children, child.parent) == ([child], None)
    assert adapter is collection_adapter(p.children)
    assert (list(adapter), len(adapter), adapter.data) == ([child], 1, p.children)
    adapter.remove_without_event(child)
    adapter.append_with_event(child)
    assert child.parent is p
    adapter.remove_with_event(child)
    assert child.parent is None


def test_flags() -> None:
    p, _, c = family(make_graph(), owner := Owner())
    flag_dirty(p)
    assert list(owner.modified.values()) == [p]
    flag_modified(c[0], "name")
    assert get_history(c[0], "name").added == ["c0"]
    with pytest.raises(InvalidRequestError, match="tags"):
        flag_modified(p, "tags")
