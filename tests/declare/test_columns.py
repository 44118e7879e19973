from __future__ import annotations

from typing import Annotated, Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    String,
    UniqueConstraint,
    func,
)

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.exc import ArgumentError, MappedAnnotationError
from ropewalk.mapping.properties import column_property

Key = Annotated[int, mapped_column(primary_key=True)]
Name = Annotated[str, mapped_column(String(30), default="?", index=True)]
Named = Annotated[str, mapped_column("name")]


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    return Base


def test_name_type_and_nullability_come_from_the_attribute(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        nick: Mapped[str | None]

    columns = User.__table__.c
    assert columns.keys() == ["id", "name", "nick"]
    assert [column.nullable for column in columns] == [False, False, True]
    assert isinstance(columns.name.type, String)


def test_what_is_given_wins(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column("user_id", primary_key=True)
        name: Mapped[str] = mapped_column(String(7), nullable=True)
        nick: Mapped[str | None] = mapped_column(nullable=False)

    columns = User.__table__.c
    assert columns.keys() == ["user_id", "name", "nick"]
    assert columns.name.nullable
    assert not columns.nick.nullable
    assert columns.name.type.length == 7
    assert User.__mapper__.get_property("id").columns == [columns.user_id]


def test_type_may_come_from_a_foreign_key(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Address(Base):
        __tablename__ = "address"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[Any] = mapped_column(ForeignKey("user.id"))

    assert isinstance(Address.__table__.c.user_id.type, Integer)


def test_column_inside_annotated_is_merged_into_each_attribute(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[Key]
        first: Mapped[Name]
        last: Mapped[Name | None] = mapped_column(default="none", comment="family")

    columns = User.__table__.c
    assert columns.id.primary_key
    assert [columns.first.type.length, columns.last.type.length] == [30, 30]
    assert [columns.first.default.arg, columns.last.default.arg] == ["?", "none"]
    assert [columns.first.nullable, columns.last.nullable] == [False, True]
    assert columns.last.comment == "family"
    assert {tuple(index.columns.keys()) for index in User.__table__.indexes} == {("first",), ("last",)}


def test_column_inside_annotated_has_no_name(Base):
    with pytest.raises(ArgumentError, match=r"User\.name.*Annotated.*'name'"):

        class User(Base):
            __tablename__ = "user"
            id: Mapped[Key]
            name: Mapped[Named]


def test_deferred_and_history_options_reach_the_property(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[Key]
        photo: Mapped[bytes] = mapped_column(deferred_group="heavy", deferred_raiseload=True)
        score: Mapped[int] = mapped_column(active_history=True)

    photo, score = (User.__mapper__.get_property(key) for key in ("photo", "score"))
    assert (photo.deferred, photo.deferred_group, photo.deferred_raiseload) == (True, "heavy", True)
    assert score.active_history
    assert not score.deferred


def test_sort_order_moves_columns_in_the_table(Base):
    class User(Base):
        __tablename__ = "user"
        last: Mapped[str] = mapped_column(sort_order=1)
        id: Mapped[Key]
        first: Mapped[str] = mapped_column(sort_order=-1)

    assert User.__table__.c.keys() == ["first", "id", "last"]


def test_insert_default_differs_from_the_default():
    column = mapped_column(Integer, default=1, insert_default=2).column
    assert column.default.arg == 2


def test_schema_items_and_keywords_reach_the_column():
    column = mapped_column(
        "n",
        Integer,
        Sequence("seq"),
        server_default=func.now(),
        onupdate=3,
        info={"a": 1},
        doc="words",
        unique=True,
    ).column
    assert column.default.name == "seq"
    assert column.server_default is not None
    assert (column.onupdate.arg, column.info, column.doc, column.unique) == (3, {"a": 1}, "words", True)


def test_expressions_in_the_class_body(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        first: Mapped[str] = mapped_column()
        last: Mapped[str] = mapped_column("surname")
        full: Mapped[str] = column_property(first + " " + last)
        __table_args__ = (Index("by_name", last, first), UniqueConstraint(first), CheckConstraint(id > 0))

    assert str(User.full.expression).replace('"', "") == "user.first || :param_1 || user.surname"
    assert [column.name for column in User.__table__.indexes.copy().pop().columns] == ["surname", "first"]


def test_enum_constraint_knows_its_column(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[Key]
        mood: Mapped[str] = mapped_column(Enum("good", "bad", native_enum=False, create_constraint=True))

    assert any(isinstance(constraint, CheckConstraint) for constraint in User.__table__.constraints)


def test_plain_columns_are_mapped(Base):
    class User(Base):
        __tablename__ = "user"
        id = Column(Integer, primary_key=True)
        name = Column("user_name", String)

    assert User.__table__.c.keys() == ["id", "user_name"]
    assert User.name.property.columns == [User.__table__.c.user_name]


def test_no_type_at_all():
    with pytest.raises(MappedAnnotationError, match=r"User\.x: mapped_column\(\) has neither"):

        @registry().mapped
        class User:
            __tablename__ = "user"
            id = mapped_column(Integer, primary_key=True)
            x = mapped_column()
