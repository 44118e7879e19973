"""A small graph of mapped classes, and objects in any state, without a session or a database."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from ropewalk import DeclarativeBase, mapped_column
from ropewalk.instrumentation.handling import instance_state, set_committed_value
from ropewalk.mapping.relationships import relationship
from ropewalk.state.instance import DETACHED, PERSISTENT


class Graph(SimpleNamespace):
    """The classes of one graph: Parent 1-n Child, Parent 1-1 Badge, Parent n-m Tag."""

    Base: Any
    Parent: Any
    Child: Any
    Badge: Any
    Tag: Any


def make_graph(reference: dict[str, Any] | None = None, hooks: dict[str, Any] | None = None, **children: Any) -> Graph:
    """Map the classes anew.

    :param reference: options for ``Child.parent``; ``children``: options for ``Parent.children``.
    :param hooks: what ``Parent`` has besides its attributes.
    """

    class Base(DeclarativeBase):
        pass

    Table(
        "parent_tag",
        Base.metadata,
        Column("parent_id", ForeignKey("parent.id"), primary_key=True),
        Column("tag_id", ForeignKey("tag.id"), primary_key=True),
    )

    def show(self: Any) -> str:
        return f"{type(self).__name__.lower()}{self.__dict__.get('id', '')}"

    def mapped(name: str, /, **attributes: Any) -> Any:
        body = {"__tablename__": name.lower(), "id": mapped_column(Integer, primary_key=True), "__repr__": show}
        return type(name, (Base,), body | attributes)

    parent = mapped(
        "Parent",
        children=relationship("Child", back_populates="parent", **children),
        badge=relationship("Badge", back_populates="parent", uselist=False),
        tags=relationship("Tag", secondary="parent_tag", back_populates="parents", collection_class=set),
        **(hooks or {}),
    )
    child = mapped(
        "Child",
        name=mapped_column(String),
        parent_id=mapped_column(ForeignKey("parent.id")),
        parent=relationship("Parent", back_populates="children", **(reference or {})),
    )
    badge = mapped(
        "Badge",
        parent_id=mapped_column(ForeignKey("parent.id")),
        parent=relationship("Parent", back_populates="badge"),
    )
    tag = mapped("Tag", parents=relationship("Parent", secondary="parent_tag", back_populates="tags"))
    return Graph(Base=Base, Parent=parent, Child=child, Badge=badge, Tag=tag)


class Owner:
    """What stands for an identity map and its session: it notes what it is told, and can answer."""

    def __init__(self) -> None:
        self.modified: dict[Any, Any] = {}
        self.rows: dict[tuple[Any, str], Any] = {}
        self.found: dict[Any, Any] = {}
        self.loaded: list[str] = []
        self.told: list[tuple[str, Any, Any]] = []
        self.loader = self.session = self
        self.no_autoflush = contextlib.nullcontext()
        self.token = None  # the shard of a session that works on one

    def load_attribute(self, state: Any, instance: Any, key: str) -> Any:
        self.loaded.append(key)
        value = self.rows.get((instance, key))
        uselist = state.mapper.relationship_props[key].uselist
        set_committed_value(instance, key, value or () if uselist else value)
        return instance.__dict__[key]

    def find(self, mapper: Any, pk: Any, token: Any = None) -> Any:
        return self.found.get((mapper.class_, pk))

    def related(self, state: Any, instance: Any, prop: Any, other: Any) -> None:
        self.told.append((f"+{prop.key}", instance, other))

    def unrelated(self, state: Any, instance: Any, prop: Any, other: Any) -> None:
        self.told.append((f"-{prop.key}", instance, other))

    def forget(self, state: Any) -> None:
        pass


def stored(instance: Any, owner: Owner | None = None, **values: Any) -> Any:
    """Make an object as if it had been loaded, with these values and nothing else."""
    state = instance_state(instance)
    state.pk = instance.id
    state.status = DETACHED if owner is None else PERSISTENT
    state.owner = owner  # type: ignore[assignment]
    for key, value in values.items():
        set_committed_value(instance, key, value)
    return instance


def family(graph: Graph, owner: Owner | None = None) -> tuple[Any, Any, list[Any]]:
    """A stored parent with three children, another with none, and two children without a parent."""
    first, second = graph.Parent(id=1), graph.Parent(id=2)
    children = [graph.Child(id=n, name=f"c{n}") for n in range(5)]
    stored(first, owner, children=children[:3])
    stored(second, owner, children=[])
    for n, child in enumerate(children):
        stored(child, owner, parent=first if n < 3 else None, parent_id=1 if n < 3 else None)
    return first, second, children
