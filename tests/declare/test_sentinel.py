"""orm_insert_sentinel(): a column of the table that is no attribute of the class."""

from __future__ import annotations

import dataclasses
import inspect
import uuid
from typing import Annotated

import pytest
from sqlalchemy import BigInteger, Column, Integer, String, Table, Uuid, insert, insert_sentinel, select

from ropewalk import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    add_mapped_attribute,
    class_mapper,
    declared_attr,
    mapped_column,
    orm_insert_sentinel,
    registry,
)
from ropewalk.exc import ArgumentError

Counted = Annotated[int, orm_insert_sentinel()]


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    return Base


def attributes(class_):
    return class_mapper(class_).column_attrs.keys()


def sql(statement):
    return " ".join(str(statement).split())


def test_the_column_is_in_the_table_and_no_attribute(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        _sentinel: Mapped[int] = orm_insert_sentinel()
        x: Mapped[str]

    column = A.__table__.c._sentinel
    assert A.__table__.c.keys() == ["id", "_sentinel", "x"]
    assert column._insert_sentinel
    assert column.nullable
    assert isinstance(column.type, Integer)
    assert column.default.is_sentinel
    assert attributes(A) == ["id", "x"]
    assert sql(select(A)) == "SELECT a.id, a.x FROM a"
    assert sql(insert(A)) == "INSERT INTO a (id, x) VALUES (:id, :x)"
    assert sql(select(A._sentinel)) == "SELECT a._sentinel FROM a"


def test_the_type_is_the_given_one_or_that_of_the_annotation_or_integer(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        s: Mapped[int] = orm_insert_sentinel("marker", BigInteger())

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        s: Mapped[uuid.UUID] = orm_insert_sentinel(default=uuid.uuid4)

    class C(Base):
        __tablename__ = "c"
        id = mapped_column(Integer, primary_key=True)
        s = orm_insert_sentinel()

    assert isinstance(A.__table__.c.marker.type, BigInteger)
    assert isinstance(B.__table__.c.s.type, Uuid)
    assert isinstance(C.__table__.c.s.type, Integer)
    assert B.__table__.c.s.default.is_callable
    assert [attributes(c) for c in (A, B, C)] == [["id"], ["id"], ["id"]]


def test_one_that_is_not_left_out_is_an_attribute(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        s: Mapped[int] = orm_insert_sentinel(omit_from_statements=False)

    assert A.__table__.c.s._insert_sentinel
    assert attributes(A) == ["id", "s"]
    assert sql(select(A)) == "SELECT a.id, a.s FROM a"


def test_mixins(Base):
    class Marked:
        _sentinel: Mapped[int] = orm_insert_sentinel()

    class Computed:
        @declared_attr
        def _sentinel(cls) -> Mapped[int]:
            return orm_insert_sentinel()

    class A(Marked, Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(Marked, Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)

    class C(Computed, Base):
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(primary_key=True)

    for class_ in (A, B, C):
        column = class_.__table__.c._sentinel
        assert column.table is class_.__table__
        assert column._insert_sentinel
        assert column.default.is_sentinel
        assert attributes(class_) == ["id"]
    assert sql(select(B._sentinel)) == "SELECT b._sentinel FROM b"


def test_inside_annotated(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        s: Mapped[Counted]

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        s: Mapped[Counted]

    for class_ in (A, B):
        assert class_.__table__.c.s._insert_sentinel
        assert class_.__table__.c.s.nullable
        assert attributes(class_) == ["id"]


def test_dataclasses_have_no_field_for_it():
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Marked(MappedAsDataclass):
        _sentinel: Mapped[int] = orm_insert_sentinel()

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        _sentinel: Mapped[int] = orm_insert_sentinel()
        x: Mapped[str]  # no default, after what would be a field with one

    class B(Marked, Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert [field.name for field in dataclasses.fields(A)] == ["id", "x"]
    assert [field.name for field in dataclasses.fields(B)] == ["id"]
    assert list(inspect.signature(A).parameters) == ["x"]
    assert A("y") == A("y")
    assert "_sentinel" in A.__annotations__
    assert [class_.__table__.c._sentinel._insert_sentinel for class_ in (A, B)] == [True, True]


def test_a_dataclass_has_an_optional_field_for_one_that_is_not_left_out():
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        x: Mapped[str]
        s: Mapped[uuid.UUID] = orm_insert_sentinel(default=uuid.uuid4, omit_from_statements=False)

    assert A("y").s is None
    assert A.__table__.c.s.default.is_callable


def test_subclasses_in_the_same_table_may_repeat_it(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        s: Mapped[int] = orm_insert_sentinel()
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "a"}

    class B(A):
        s: Mapped[int] = orm_insert_sentinel()
        __mapper_args__ = {"polymorphic_identity": "b"}

    assert A.__table__.c.keys() == ["id", "kind", "s"]
    assert attributes(B) == ["id", "kind"]


def test_a_table_has_one_at_most(Base):
    with pytest.raises(ArgumentError, match="sentinel"):

        class A(Base):
            __tablename__ = "a"
            id: Mapped[int] = mapped_column(primary_key=True)
            s: Mapped[int] = orm_insert_sentinel()
            t: Mapped[int] = orm_insert_sentinel()


def test_one_that_comes_later(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)

    A.s = orm_insert_sentinel()
    add_mapped_attribute(B, "s", orm_insert_sentinel())
    for class_ in (A, B):
        assert class_.__table__.c.s._insert_sentinel
        assert attributes(class_) == ["id"]


def test_tables_and_columns_of_core():
    reg = registry()
    table = Table("t", reg.metadata, Column("id", Integer, primary_key=True), insert_sentinel("s"), Column("x", String))

    class A:
        pass

    class B:
        pass

    reg.map_imperatively(A, table)
    reg.map_imperatively(B, table, properties={"marker": table.c.s})

    class C(reg.generate_base()):
        __tablename__ = "c"
        id = Column(Integer, primary_key=True)
        s = insert_sentinel()

    assert attributes(A) == ["id", "x"]
    assert attributes(B) == ["id", "marker", "x"]  # who asks for it by name gets it
    assert attributes(C) == ["id"]
    assert C.__table__.c.s._insert_sentinel
