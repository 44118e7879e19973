"""Unmapped[...]: columns of the table that the class has no attribute for."""

import dataclasses
from typing import Annotated

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, insert, select

from ropewalk import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    Unmapped,
    inspect,
    mapped_column,
    unmapped_column,
)
from ropewalk.exc import ArgumentError


class Base(DeclarativeBase):
    pass


class DataBase(MappedAsDataclass, DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)


class Cat(Base):
    __tablename__ = "cat"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Unmapped[str | None] = unmapped_column("old_code", String(10), default="none")
    weight: Unmapped[int] = unmapped_column(server_default="4")
    owner_id: Unmapped[int | None] = unmapped_column(ForeignKey("owner.id"), sort_order=1)
    remark: Unmapped[str | None] = unmapped_column(String(10))
    name: Mapped[str] = mapped_column(String(30))


def test_the_table_has_the_columns_and_the_class_has_not():
    assert Cat.__table__.c.keys() == ["id", "old_code", "weight", "remark", "name", "owner_id"]
    assert Cat.__table__.c.old_code.nullable
    assert not Cat.__table__.c.weight.nullable
    assert next(iter(Cat.__table__.c.owner_id.foreign_keys)).column is Owner.__table__.c.id
    assert inspect(Cat).attrs.keys() == ["id", "name"]
    assert not any(hasattr(Cat, name) for name in ("code", "weight", "owner_id", "remark"))


def test_rows_get_their_defaults_and_objects_do_not_load_them(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Cat(id=1, name="Tom"), Cat(id=2, name="Kit")])
        session.commit()
        table = Cat.__table__
        rows = session.execute(select(table.c.old_code, table.c.weight, table.c.remark).order_by(table.c.id)).all()
        assert rows == [("none", 4, None)] * 2
        found = session.get(Cat, 1)
        assert set(inspect(found).dict) == {"id", "name"}
        found.name = "Tim"
        session.execute(insert(table), {"id": 3, "name": "Zoe", "weight": 9})
        session.commit()
        assert [cat.name for cat in session.scalars(select(Cat).where(table.c.weight == 9))] == ["Zoe"]
        assert session.execute(select(table.c.old_code).where(table.c.id == 1)).scalar() == "none"


def test_an_annotation_alone_and_a_type_from_annotated():
    short = Annotated[str, mapped_column(String(7))]

    class Base(DeclarativeBase):
        type_annotation_map = {short: String(7)}

    class Dog(Base):
        __tablename__ = "dog"
        id: Mapped[int] = mapped_column(primary_key=True)
        call: Unmapped[short]
        bark: Unmapped[short | None] = unmapped_column(index=True)

    assert Dog.__table__.c.call.type.length == Dog.__table__.c.bark.type.length == 7
    assert (Dog.__table__.c.call.nullable, Dog.__table__.c.bark.nullable) == (False, True)
    assert inspect(Dog).attrs.keys() == ["id"]


def test_a_mixin_gives_each_class_a_column_of_its_own():
    class Base(DeclarativeBase):
        pass

    class Stamped:
        stamp: Unmapped[int | None] = unmapped_column()
        seal: Unmapped[str | None]

    class One(Stamped, Base):
        __tablename__ = "one"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Two(Stamped, Base):
        __tablename__ = "two"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert One.__table__.c.keys() == Two.__table__.c.keys() == ["id", "stamp", "seal"]
    assert One.__table__.c.stamp is not Two.__table__.c.stamp
    assert inspect(Two).attrs.keys() == ["id"]


def test_a_dataclass_has_no_field_for_it():
    class Noted(MappedAsDataclass):
        note: Unmapped[str | None]

    class Bird(Noted, DataBase):
        __tablename__ = "bird"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        ring: Unmapped[int | None] = unmapped_column(default=5)
        name: Mapped[str]

    assert [field.name for field in dataclasses.fields(Bird)] == ["id", "name"]
    assert Bird("Finch").name == "Finch"
    assert set(Bird.__table__.c.keys()) == {"id", "ring", "name", "note"}


def test_a_key_that_only_the_table_has(engine):
    class Base(DeclarativeBase):
        pass

    class Fish(Base):
        __tablename__ = "fish"
        __mapper_args__ = {"primary_key": ["code"]}
        number: Unmapped[int] = unmapped_column(primary_key=True)
        code: Mapped[str] = mapped_column(String(10), unique=True)
        kind: Mapped[str] = mapped_column(String(10))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Fish(code="a", kind="cod"), Fish(code="b", kind="eel")])
        session.commit()
        session.get(Fish, "b").kind = "hake"
        session.commit()
        rows = session.execute(select(Fish.__table__).order_by(Fish.__table__.c.code)).all()
    assert [row[1:] for row in rows] == [("a", "cod"), ("b", "hake")]
    assert rows[0].number != rows[1].number


def test_added_to_a_class_that_is_mapped():
    class Base(DeclarativeBase):
        pass

    class Ant(Base):
        __tablename__ = "ant"
        id: Mapped[int] = mapped_column(primary_key=True)

    Ant.legs = unmapped_column(Integer)
    assert Ant.__table__.c.keys() == ["id", "legs"]
    assert inspect(Ant).attrs.keys() == ["id"]
    assert not hasattr(Ant, "legs")


@pytest.mark.parametrize("value", [mapped_column(), Column(Integer), 5])
def test_only_an_unmapped_column_can_have_the_annotation(value):
    with pytest.raises(ArgumentError, match="Bee.x is annotated with Unmapped"):

        class Bee(Base):
            __tablename__ = "bee"
            id: Mapped[int] = mapped_column(primary_key=True)
            x: Unmapped[int] = value


def test_it_cannot_have_the_annotation_of_an_attribute():
    with pytest.raises(ArgumentError, match=r"Wasp.x is annotated with Mapped.* and given unmapped_column"):

        class Wasp(Base):
            __tablename__ = "wasp"
            id: Mapped[int] = mapped_column(primary_key=True)
            x: Mapped[int] = unmapped_column()


@pytest.mark.parametrize("option", [{"deferred": True}, {"deferred_group": "g"}, {"active_history": True}])
def test_options_of_attributes_are_refused(option):
    (name,) = option
    with pytest.raises(ArgumentError, match=f"{name}, which only a mapped attribute can have"):
        unmapped_column(**option)
    with pytest.raises(ArgumentError, match=f"Moth.x has {name}"):

        class Moth(Base):
            __tablename__ = "moth"
            id: Mapped[int] = mapped_column(primary_key=True)
            x: Unmapped[Annotated[str, mapped_column(**option)]]
