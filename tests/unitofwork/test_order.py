"""Parents before children, rows before rows."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, String
from sqlalchemy.exc import CircularDependencyError

from ropewalk.unitofwork.changes import find_changes
from ropewalk.unitofwork.order import commit_order
from ropewalk.unitofwork.work import Work


def order(owner):
    """What would be written, as (kind, table)."""
    work = Work(owner.identity_map, owner.new, owner.deleted, owner._connection_for)
    sets = commit_order(find_changes(work, None).change_sets())
    return [(change_set.kind.value, change_set.plan.table.name) for change_set in sets]


@pytest.fixture
def chain(owner, make):
    """Three classes, of which each refers to the one before."""
    metadata = MetaData()
    A = make(owner, Column("id", Integer, primary_key=True), name="aa", metadata=metadata)
    B = make(
        owner, Column("id", Integer, primary_key=True), Column("up", ForeignKey("aa.id")), name="bb", metadata=metadata
    )
    C = make(
        owner, Column("id", Integer, primary_key=True), Column("up", ForeignKey("bb.id")), name="cc", metadata=metadata
    )
    return A, B, C


def test_tables(owner, chain):
    A, B, C = chain
    objects = [C(id=1, up=1), B(id=1, up=1), A(id=1)]
    owner.add(*objects)
    assert order(owner) == [("INSERT", "aa"), ("INSERT", "bb"), ("INSERT", "cc")]
    owner.flush()
    owner.delete(*reversed(objects))
    assert order(owner) == [("DELETE", "cc"), ("DELETE", "bb"), ("DELETE", "aa")]
    owner.flush()
    assert owner.rows(A.__table__) == []


def test_tables_in_between_count(owner, chain):
    A, _, C = chain
    owner.add(C(id=1), A(id=1))
    assert order(owner) == [("INSERT", "aa"), ("INSERT", "cc")]


def test_move_to_a_new_parent_and_delete_the_old_one(owner, chain):
    A, B, _ = chain
    old, child = A(id=1), B(id=1, up=1)
    owner.add(old, child)
    owner.flush()
    owner.add(A(id=2))
    child.up = 2
    owner.delete(old)
    owner.flush()
    assert owner.rows(B.__table__) == [(1, 2)] and owner.rows(A.__table__) == [(2,)]


def test_tree_of_rows(owner, make):
    Node = make(owner, Column("id", Integer, primary_key=True), Column("parent", ForeignKey("node.id")), name="node")
    nodes = [Node(id=number, parent=number // 2 or None) for number in range(1, 200)]
    random.Random(5).shuffle(nodes)
    owner.add(*nodes)
    outcome = owner.flush()
    assert outcome.statements <= 8
    owner.delete(*nodes)
    assert owner.flush().statements <= 8


def test_new_parent_of_an_old_row(owner, make):
    Node = make(owner, Column("id", Integer, primary_key=True), Column("parent", ForeignKey("node.id")), name="node")
    old = Node(id=1)
    owner.add(old)
    owner.flush()
    old.parent = 2
    owner.add(Node(id=2))
    owner.flush()
    assert owner.rows(Node.__table__) == [(1, 2), (2, None)]


@pytest.mark.databases("sqlite", "postgresql")  # MariaDB lets nobody delete such a row
def test_row_that_refers_to_itself(owner, make):
    Node = make(owner, Column("id", Integer, primary_key=True), Column("parent", ForeignKey("node.id")), name="node")
    owner.add(node := Node(id=1, parent=1))
    owner.flush()
    owner.delete(node)
    owner.flush()
    assert owner.rows(Node.__table__) == []


def test_cycle_of_rows_names_them(owner, make):
    Node = make(owner, Column("id", Integer, primary_key=True), Column("parent", ForeignKey("node.id")), name="node")
    owner.add(Node(id=1, parent=2), Node(id=2, parent=1), Node(id=3))
    with pytest.raises(CircularDependencyError, match="<Node id=[12]>, <Node id=[12]>: each refers"):
        owner.flush()


@pytest.mark.databases("sqlite", "postgresql")
def test_deferred_constraint_allows_a_cycle(owner, make):
    Node = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("parent", ForeignKey("node.id", deferrable=True, initially="DEFERRED")),
        name="node",
    )
    owner.add(Node(id=1, parent=2), Node(id=2, parent=1))
    owner.flush()
    owner.connection.commit()


def test_two_tables_that_refer_to_each_other(owner, make):
    metadata = MetaData()
    from sqlalchemy import Table
    from unitofwork.harness import map_class

    man = Table(
        "man",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("dog_id", ForeignKey("dog.id", name="fk_dog", use_alter=True)),
    )
    dog = Table(
        "dog", metadata, Column("id", Integer, primary_key=True), Column("man_id", ForeignKey("man.id", name="fk_man"))
    )
    if owner.connection.dialect.name == "sqlite":
        pytest.skip("cannot add a constraint later")
    metadata.create_all(owner.connection)
    owner.connection.commit()

    class Man:
        pass

    class Dog:
        pass

    map_class(Man, man)
    map_class(Dog, dog)
    first, second, third = Dog(), Man(), Dog()
    first.id, second.id, third.id = 1, 1, 2
    second.dog_id, third.man_id = 1, 1
    owner.add(third, second, first)
    owner.flush()
    assert owner.rows(dog) == [(1, None), (2, 1)]
    owner.delete(first, second, third)
    owner.flush()
    assert owner.rows(man) == []


def test_composite_foreign_key(owner, make):
    Part = make(
        owner,
        Column("a", Integer, primary_key=True),
        Column("b", String(3), primary_key=True),
        Column("up_a", Integer),
        Column("up_b", String(3)),
        ForeignKeyConstraint(["up_a", "up_b"], ["part.a", "part.b"]),
        name="part",
    )
    parts = [Part(a=1, b="z", up_a=2, up_b="y"), Part(a=2, b="y", up_a=1, up_b="x"), Part(a=1, b="x")]
    owner.add(*parts)
    owner.flush()
    owner.delete(*parts)
    owner.flush()
    assert owner.rows(Part.__table__) == []


def test_deep_chain_of_rows(lite, make):
    Node = make(lite, Column("id", Integer, primary_key=True), Column("parent", ForeignKey("node.id")), name="node")
    nodes = [Node(id=number, parent=number - 1 or None) for number in range(1, 3_000)]
    lite.add(*reversed(nodes))
    lite.flush()
    assert len(lite.rows(Node.__table__)) == 2_999
