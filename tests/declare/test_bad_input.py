"""What a declaration that makes no sense is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, Table

from ropewalk.declare import DeclarativeBase, Mapped, declared_attr, mapped_column, mapper, registry
from ropewalk.exc import ArgumentError, InvalidRequestError, MappedAnnotationError, SAWarning
from ropewalk.mapping.properties import column_property

if TYPE_CHECKING:
    pass


class Unknown:
    pass


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    return Base


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (
            "Mapped[Unknown]",
            r"User\.x: no column type is known for Unknown.*type_annotation_map.*relationship",
        ),
        ("Mapped[list[Unknown]]", r"no column type is known for list\[.*Unknown\]"),
        ("Mapped[Secret]", r"User\.x: .*'Secret'.*not define.*Import it"),
        ("Mapped[String]", r"User\.x: .*String.* is a SQL type"),
        ("Mapped[3]", r"User\.x: 3 inside Mapped"),
        ("int", r"User\.x is annotated with 'int'.*Mapped.*ClassVar"),
        ("Mapd[int]", r"User\.x is annotated with 'Mapd\[int\]'"),
    ],
)
def test_annotation(Base, annotation, message):
    with pytest.raises(MappedAnnotationError, match=message):
        type(
            "User",
            (Base,),
            {
                "__module__": __name__,
                "__tablename__": "user",
                "__annotations__": {"id": "Mapped[int]", "x": annotation},
                "id": mapped_column(primary_key=True),
            },
        )


@pytest.mark.parametrize("name", ["metadata", "registry"])
@pytest.mark.parametrize("make", [Column, mapped_column])
def test_reserved_names(Base, name, make):
    with pytest.raises(InvalidRequestError, match=rf"User\.{name} cannot be mapped.*mapped_column\('{name}'"):
        type(
            "User",
            (Base,),
            {"__tablename__": "user", "id": Column(Integer, primary_key=True), name: make(String)},
        )


def test_no_primary_key(Base):
    with pytest.raises(ArgumentError, match=r"User.*primary key.*primary_key=True"):

        class User(Base):
            __tablename__ = "user"
            name: Mapped[str]


def test_no_table(Base):
    with pytest.raises(InvalidRequestError, match=r"User has no table.*__tablename__.*__abstract__"):

        class User(Base):
            id: Mapped[int] = mapped_column(primary_key=True)


def test_root_class_is_no_base():
    with pytest.raises(InvalidRequestError, match=r"User derives from DeclarativeBase itself"):

        class User(DeclarativeBase):
            __tablename__ = "user"


def test_registry_must_be_one():
    with pytest.raises(InvalidRequestError, match=r"Base\.registry must be a registry\(\), not 5"):

        class Base(DeclarativeBase):
            registry = 5


def test_registry_and_type_map_of_a_base():
    with pytest.raises(InvalidRequestError, match=r"both a registry and a type_annotation_map"):

        class Base(DeclarativeBase):
            registry = registry()
            type_annotation_map = {str: String(5)}


def test_table_args(Base):
    with pytest.raises(ArgumentError, match=r"User\.__table_args__ must be a tuple.*\[1\]"):

        class User(Base):
            __tablename__ = "user"
            __table_args__ = [1]
            id: Mapped[int] = mapped_column(primary_key=True)


def test_column_beside_a_given_table(Base):
    with pytest.raises(ArgumentError, match=r"User\.name is a column that its __table__ .* does not have"):

        class User(Base):
            __table__ = Table("user", Base.metadata, Column("id", Integer, primary_key=True))
            name = mapped_column(String)


def test_property_on_a_mixin(Base):
    class Mixin:
        x = column_property(Column("x", Integer))

    with pytest.raises(InvalidRequestError, match=r"Mixin\.x is a ColumnProperty on a mixin.*@declared_attr"):

        class User(Mixin, Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_foreign_key_to_a_column_of_a_mixin(Base):
    class Mixin:
        id = mapped_column(Integer, primary_key=True)
        parent_id = mapped_column(ForeignKey(id.column))

    with pytest.raises(InvalidRequestError, match=r"Mixin\.parent_id refers to a column that has no table"):

        class User(Mixin, Base):
            __tablename__ = "user"


def test_two_mapped_bases(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(InvalidRequestError, match=r"C derives from several mapped classes, A, B"):

        class C(A, B):
            pass


def test_dataclass_options_without_a_dataclass(Base):
    with pytest.raises(ArgumentError, match=r"User\.id has init, which only a dataclass understands"):

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True, init=False)


def test_mapping_twice(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(ArgumentError, match=r"User is mapped already, to user"):
        mapper(User, User.__table__)
    with pytest.raises(InvalidRequestError, match=r"User is mapped already"):
        Base.registry.mapped(User)


@pytest.mark.parametrize("table", [Unknown, "user", 5])
def test_no_from_clause(table):
    class User:
        pass

    with pytest.raises(ArgumentError, match="User cannot be mapped to .*Table"):
        mapper(User, table)


def test_instance_in_place_of_a_class():
    with pytest.raises(ArgumentError, match="A class is needed to map, not <"):
        mapper(Unknown(), None)


def test_unknown_keyword(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    with pytest.raises(TypeError, match=r"'nmae' is an invalid keyword argument for User: did you mean 'name'"):
        User(nmae="ed")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"x": (Column(Integer),)}, r"User\.x is a tuple of one column"),
        ({"x": Column("x", Integer) + 1}, r"User\.x is a SQL expression.*column_property"),
        ({"x": Column("same", Integer), "y": Column("same", Integer)}, r"'same' under several names, x, y"),
    ],
)
def test_likely_mistakes_warn(Base, body, message):
    with pytest.raises(SAWarning, match=message):
        type("User", (Base,), {"__tablename__": "user", "id": Column(Integer, primary_key=True), **body})


def test_declared_attr_read_from_an_unmapped_class_warns():
    class Mixin:
        @declared_attr
        def x(cls):
            return mapped_column(Integer)

    with pytest.warns(SAWarning, match=r"Mixin\.x is a declared_attr"):
        Mixin.x  # noqa: B018
