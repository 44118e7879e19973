from __future__ import annotations

import subprocess
import sys
from typing import Any, NewType

import pytest
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, select

from ropewalk.declare import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    DeclarativeMeta,
    Mapped,
    add_mapped_attribute,
    as_declarative,
    configure_mappers,
    declarative_base,
    map_class,
    mapped_column,
    mapper,
    registry,
    synonym_for,
)
from ropewalk.exc import ArgumentError, InvalidRequestError
from ropewalk.mapping.properties import column_property, synonym

Big = NewType("Big", int)


def declare(Base):
    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return User


def by_hand():
    class Base(metaclass=DeclarativeMeta):
        __abstract__ = True
        registry = registry()
        metadata = registry.metadata

    return Base


class Plain:
    pass


@pytest.fixture(
    params=[
        lambda: type("Base", (DeclarativeBase,), {}),
        lambda: type("Base", (DeclarativeBaseNoMeta,), {}),
        declarative_base,
        lambda: declarative_base(cls=(Plain,)),
        lambda: registry().generate_base(),
        lambda: as_declarative()(type("Base", (Plain,), {})),
        by_hand,
    ],
    ids=["class", "no meta", "function", "cls", "generate", "decorator", "by hand"],
)
def Base(request):
    return request.param()


def test_every_kind_of_base_maps_alike(Base):
    User = declare(Base)
    user = User(id=1, name="ed")
    assert vars(user).keys() - {"_sa_instance_state"} == {"id", "name"}
    assert str(select(User.name)).split() == ["SELECT", '"user".name', "FROM", '"user"']
    assert Base.metadata.tables["user"] is User.__table__
    assert Base.registry.mappers == {User.__mapper__}
    with pytest.raises(TypeError, match="'nick' is an invalid keyword"):
        User(nick=3)


def test_objects_of_declarative_classes_keep_their_state_out_of_the_dict():
    User = declare(type("Base", (DeclarativeBase,), {}))
    assert vars(User(name="ed")) == {"name": "ed"}


def test_base_may_be_called_as_super():
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

        def __init__(self, name):
            super().__init__(name=name.upper())

    assert User("ed").name == "ED"


def test_parts_of_a_base():
    metadata = MetaData()

    class Base(DeclarativeBase):
        type_annotation_map = {str: String(20), Big | None: BigInteger}

    Base.metadata  # noqa: B018
    shared = registry(metadata=metadata)

    class Other(DeclarativeBase):
        registry = shared

    class User(Base):
        __tablename__ = "user"
        id: Mapped[Big] = mapped_column(primary_key=True)
        name: Mapped[str | None]

    assert User.__table__.c.name.type.length == 20
    assert isinstance(User.__table__.c.id.type, BigInteger)
    assert Other.metadata is metadata
    assert Other.registry is shared


def test_own_constructor():
    def build(self, **kw: Any):
        self.name = kw["name"] * 2

    User = declare(declarative_base(constructor=build))
    assert User(name="ed").name == "eded"
    assert declare(declarative_base(constructor=None))().name is None


def test_map_declaratively_and_mapped():
    reg = registry()

    class A:
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    @reg.mapped
    class B:
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert reg.map_declaratively(A).class_ is A
    assert reg.mappers == {A.__mapper__, B.__mapper__}
    assert A(id=3).id == 3


def users(metadata):
    return Table("users", metadata, Column("id", Integer, primary_key=True), Column("user_name", String))


@pytest.mark.parametrize("how", ["registry", "mapper", "door"])
def test_plain_classes(how):
    class User:
        def __init__(self, name):
            self.name = name

    reg = registry()
    table = users(reg.metadata)
    properties = {"name": table.c.user_name, "nick": synonym("name")}
    if how == "registry":
        made = reg.map_imperatively(User, table, properties=properties)
    elif how == "mapper":
        made = mapper(User, table, properties=properties)
    else:
        made = map_class(User, table, registry=reg, properties=properties)
    user = User("ed")
    assert made is User.__mapper__
    assert (user.name, user.nick, user.id) == ("ed", "ed", None)
    assert not made.has_property("user_name")
    assert User.__table__ is table


def test_attributes_set_on_a_mapped_class():
    Base = declarative_base()
    User = declare(Base)
    User.nick = mapped_column("nick_name", String(5))
    User.age = Column(Integer)
    User.shout = column_property(User.nick + "!")
    User.alias = User.nick
    User.plain = 5
    assert User.__table__.c.keys() == ["id", "name", "nick_name", "age"]
    assert str(User.shout.expression) == '"user".nick_name || :nick_name_1'
    assert User(alias="x").nick == "x"
    assert User(nick="y", age=3).age == 3
    assert User.plain == 5
    with pytest.raises(NotImplementedError, match=r"User\.nick is mapped"):
        del User.nick
    del User.plain


def test_add_mapped_attribute():
    class Base(DeclarativeBaseNoMeta):
        pass

    User = declare(Base)
    add_mapped_attribute(User, "nick", mapped_column(String))
    assert User(nick="x").nick == "x"
    with pytest.raises(ArgumentError, match=r"User\.x cannot be mapped to 5"):
        add_mapped_attribute(User, "x", 5)
    with pytest.raises(ArgumentError, match="Plain is not mapped"):
        add_mapped_attribute(Plain, "x", mapped_column(String))


def test_column_added_to_a_class_over_a_select():
    reg = registry()

    class User:
        pass

    reg.map_imperatively(User, select(users(reg.metadata)).subquery())
    with pytest.raises(InvalidRequestError, match="no Table"):
        add_mapped_attribute(User, "age", Column(Integer))


def test_synonym_for():
    class Base(DeclarativeBase):
        pass

    class Job(Base):
        __tablename__ = "job"
        id: Mapped[int] = mapped_column(primary_key=True)
        _status: Mapped[str] = mapped_column("status")

        @synonym_for("_status")
        @property
        def status(self):
            return self._status.upper()

    assert Job(_status="new").status == "NEW"
    assert "job.status" in str(select(Job.id).where(Job.status == "new"))


def test_dispose_takes_everything_off():
    Base = declarative_base()
    User = declare(Base)
    Base.registry.dispose()
    assert "__mapper__" not in vars(User)
    assert not Base.registry.mappers
    with pytest.raises(InvalidRequestError):
        Base.registry.find_class("User")


def test_clear_mappers_lets_a_class_be_mapped_again():
    # in a process of its own: it clears the mappers of every other test too
    program = """
from sqlalchemy import Column, Integer, MetaData, String, Table
from ropewalk import clear_mappers, mapper

class User:
    pass

table = Table("user", MetaData(), Column("id", Integer, primary_key=True), Column("user_name", String))
mapper(User, table)
clear_mappers()
mapper(User, table, properties={"name": table.c.user_name})
print(User.__mapper__.has_property("name"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_find_class():
    Base = declarative_base()
    User = declare(Base)
    assert Base.registry.find_class("User") is User
    assert Base.registry.find_class(f"{__name__}.User") is User


def test_registries_may_share_names():
    names: dict[str, Any] = {}
    first, second = registry(class_registry=names), registry(class_registry=names)
    User = declare(first.generate_base())
    assert second.find_class("User") is User


def test_hooks_run_once_around_configuring():
    calls = []

    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

        @classmethod
        def __declare_first__(cls):
            calls.append("first")

        @classmethod
        def __declare_last__(cls):
            calls.append("last")

    configure_mappers()
    configure_mappers()
    assert calls == ["first", "last"]


def test_right_hand_side_may_read_its_annotation():
    seen = []

    class Relation:
        def declarative_scan(self, registry, class_, key, annotation):
            seen.append((registry, class_, key, annotation.inner, annotation.container))

    class Base(DeclarativeBase):
        pass

    relation = Relation()
    with pytest.raises(Exception):  # noqa: B017 - the mapper refuses it afterwards, having no idea what it is

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            friends: Mapped[list[Friend]] = relation  # noqa: F821

    ((found, class_, key, inner, container),) = seen
    assert (found, class_.__name__, key, container) == (Base.registry, "User", "friends", Mapped)
    assert inner.__args__[0].__forward_arg__ == "Friend"
