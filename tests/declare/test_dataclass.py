from __future__ import annotations

import dataclasses
import inspect
from dataclasses import KW_ONLY, InitVar
from typing import ClassVar

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Sequence, Table, func

from ropewalk.declare import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    declared_attr,
    mapped_as_dataclass,
    mapped_column,
    registry,
    unmapped_dataclass,
)
from ropewalk.exc import ArgumentError, InvalidRequestError, SAWarning
from ropewalk.mapping.properties import column_property, synonym


@pytest.fixture
def Base():
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    return Base


def parameters(class_):
    return [
        (parameter.name, parameter.default if parameter.default is not parameter.empty else ...)
        for parameter in inspect.signature(class_).parameters.values()
    ]


def test_annotated_attributes_are_fields(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]
        age: Mapped[int | None] = mapped_column(default=None, repr=False)
        tags: Mapped[list[str]] = mapped_column(default_factory=list)
        limit: ClassVar[int] = 3

    user = User("ed")
    assert (user.name, user.age, user.tags) == ("ed", None, [])
    assert repr(user).endswith("User(id=None, name='ed', tags=[])")
    assert user == User("ed") != User("wendy")
    assert [field.name for field in dataclasses.fields(User)] == ["id", "name", "age", "tags"]
    assert User.name.key == "name"
    assert User.__table__.c.age.default is None


def test_class_arguments_are_inherited_and_overridden():
    class Base(MappedAsDataclass, DeclarativeBase, kw_only=True, eq=False):
        pass

    class User(Base, eq=True):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert User(id=1) == User(id=1)
    with pytest.raises(TypeError):
        User(1)


def test_default_of_the_field_and_of_the_column(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        score: Mapped[int] = mapped_column(default=3)
        made: Mapped[int] = mapped_column(insert_default=func.now(), default=None)
        hidden: Mapped[str] = mapped_column(default="x", init=False)
        serial: Mapped[int] = mapped_column(default=Sequence("seq"))

    user = User()
    assert (user.score, user.made, user.hidden, user.serial) == (3, None, "x", None)
    assert User.__table__.c.score.default.arg == 3
    assert User.__table__.c.made.default.is_clause_element
    assert User.__table__.c.serial.default.name == "seq"


def test_mixins_are_dataclasses_and_their_columns_are_mapped(Base):
    class Timed(MappedAsDataclass):
        made: Mapped[int] = mapped_column(default=7, kw_only=True)
        seen: Mapped[int]

    @unmapped_dataclass(repr=False)
    class Noted:
        note: Mapped[str] = mapped_column(default="")

    class User(Noted, Timed, Base, kw_only=True):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)

    assert dataclasses.is_dataclass(Timed)
    assert isinstance(Timed.made.column, Column)
    assert {name for name, _ in parameters(User)} == {"seen", "made", "note"}
    assert sorted(User.__table__.c.keys()) == ["id", "made", "note", "seen"]
    assert User(seen=1).made == 7


def test_abstract_base_with_a_field(Base):
    class Numbered(Base):
        __abstract__ = True
        id: Mapped[int] = mapped_column(primary_key=True, init=False)

    class User(Numbered):
        __tablename__ = "user"
        name: Mapped[str]

    assert parameters(User) == [("name", ...)]


def test_subclass_of_a_mapped_dataclass(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]

    class B(A):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(ForeignKey("a.id"), primary_key=True, init=False)
        size: Mapped[int]

    assert parameters(B) == [("name", ...), ("size", ...)]


def test_decorators():
    reg = registry()

    @reg.mapped_as_dataclass
    class A:
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    @reg.mapped_as_dataclass(kw_only=True)
    class B:
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)

    @mapped_as_dataclass(reg, repr=False)
    class C:
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert A(1) == A(1)
    assert B(id=1).id == 1
    assert "id=1" not in repr(C(1))


def test_finished_dataclass_is_mapped_as_it_is():
    reg = registry()

    @reg.mapped
    @dataclasses.dataclass
    class A:
        __table__ = Table("a", reg.metadata, Column("id", Integer, primary_key=True), Column("n", Integer))
        id: int
        n: int = 5

    assert A(1).n == 5
    assert A.n.key == "n"


def test_fields_that_are_not_mapped(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        start: InitVar[int]
        free: str
        _: KW_ONLY
        listed: list[int] = dataclasses.field(default_factory=list)
        name: Mapped[str]

        def __post_init__(self, start):
            self.begun = start

    user = User(3, "free", name="ed")
    assert (user.begun, user.free, user.listed, user.name) == (3, "free", [], "ed")
    assert User.__table__.c.keys() == ["id", "name"]


def test_expressions_and_synonyms(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str] = mapped_column()
        twice: Mapped[str] = column_property(name + name)
        nick: Mapped[str] = synonym("name", init=False, repr=False)

    assert parameters(User) == [("name", ...)]
    assert User("ed").nick == "ed"


def test_declared_attr_of_a_dataclass_mixin(Base):
    class Mixin(MappedAsDataclass):
        @declared_attr
        def size(cls) -> Mapped[int]:
            return mapped_column(default=2)

    class User(Mixin, Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)

    assert User(size=5).size == 5
    assert User.__table__.c.size.default.arg == 2


def test_annotations_are_as_they_were(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert User.__annotations__ == {"id": "Mapped[int]"}


# What makes no sense


def test_unknown_argument():
    with pytest.raises(ArgumentError, match=r"A: a mapped dataclass has no argument 'slots'"):

        @registry().mapped_as_dataclass(slots=True)
        class A:
            pass


def test_plain_mixin(Base):
    class Plain:
        note: Mapped[str]

    with pytest.raises(InvalidRequestError, match=r"A is to be a dataclass, but inherits note from Plain"):

        class A(Plain, Base):
            __tablename__ = "a"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_given_table(Base):
    with pytest.raises(InvalidRequestError, match=r"A has __table__"):

        class A(Base):
            __table__ = Table("a", Base.metadata, Column("id", Integer, primary_key=True))


def test_twice(Base):
    with pytest.raises(InvalidRequestError, match=r"A is a dataclass already"):

        @registry().mapped_as_dataclass
        @dataclasses.dataclass
        class A:
            __tablename__ = "a"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_what_dataclasses_refuses(Base):
    with pytest.raises(InvalidRequestError, match=r"A cannot become a dataclass: .*mutable default"):

        class A(Base):
            __tablename__ = "a"
            id: Mapped[int] = mapped_column(primary_key=True)
            tags: Mapped[list[str]] = mapped_column(default=[])


def test_callable_default_warns(Base):
    with pytest.warns(SAWarning, match=r"A\.n has a callable as default.*insert_default.*default_factory"):

        class A(Base):
            __tablename__ = "a"
            id: Mapped[int] = mapped_column(primary_key=True)
            n: Mapped[int] = mapped_column(default=lambda: 1)
