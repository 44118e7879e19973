"""Declarative mappings: what a class statement says, and what the mapped class then does."""

import uuid
from dataclasses import fields
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)

from ropewalk import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    Mapped,
    MappedAsDataclass,
    Session,
    as_declarative,
    column_property,
    declarative_base,
    declared_attr,
    inspect,
    mapped_column,
    registry,
    select,
    synonym,
)


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    return Base


def saved(engine, base, *objects):
    """A session with the tables made and the objects committed."""
    base.metadata.create_all(engine)
    session = Session(engine)
    session.add_all(objects)
    session.commit()
    return session


# The base


def test_base_has_metadata_and_registry(Base):
    assert isinstance(Base.metadata, MetaData)
    assert Base.registry.metadata is Base.metadata


def test_two_bases_share_nothing(Base):
    class Other(DeclarativeBase):
        pass

    assert Other.metadata is not Base.metadata
    assert Other.registry is not Base.registry


def test_base_takes_the_metadata_it_is_given():
    given = MetaData(schema="yard")

    class Base(DeclarativeBase):
        metadata = given

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Base.metadata is given
    assert Mast.__table__.schema == "yard"


def test_base_takes_the_registry_it_is_given():
    given = registry()

    class Base(DeclarativeBase):
        registry = given

    assert Base.registry is given
    assert Base.metadata is given.metadata


def test_base_class_itself_is_not_mapped(Base):
    assert inspect(Base, raiseerr=False) is None


def test_naming_convention_of_the_metadata_is_used():
    class Base(DeclarativeBase):
        metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast.__table__.primary_key.name == "pk_mast"


def test_declarative_base_without_metaclass(sqlite_engine):
    class Base(DeclarativeBaseNoMeta):
        pass

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    with saved(sqlite_engine, Base, Mast(id=1)) as session:
        assert session.get(Mast, 1).id == 1


def test_declarative_base_function(sqlite_engine):
    Base = declarative_base()

    class Mast(Base):
        __tablename__ = "mast"
        id = Column(Integer, primary_key=True)
        height = Column(Integer)

    with saved(sqlite_engine, Base, Mast(height=30)) as session:
        assert session.scalars(select(Mast)).one().height == 30


def test_declarative_base_function_takes_a_class_and_a_constructor():
    class Common:
        def hello(self):
            return "hello"

    def constructor(self, height):
        self.height = height

    Base = declarative_base(cls=Common, constructor=constructor, name="Root")

    class Mast(Base):
        __tablename__ = "mast"
        id = Column(Integer, primary_key=True)
        height = Column(Integer)

    assert Base.__name__ == "Root"
    assert Mast(7).height == 7
    assert Mast(7).hello() == "hello"


def test_as_declarative_decorator():
    @as_declarative()
    class Base:
        def hello(self):
            return "hello"

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast().hello() == "hello"
    assert Mast.__table__.metadata is Base.metadata


def test_registry_mapped_decorator(sqlite_engine):
    reg = registry()

    @reg.mapped
    class Mast:
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    with saved(sqlite_engine, reg, Mast(id=4)) as session:
        assert session.get(Mast, 4) is not None


def test_registry_generate_base(sqlite_engine):
    Base = registry().generate_base()

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    with saved(sqlite_engine, Base, Mast(id=4)) as session:
        assert session.get(Mast, 4) is not None


# Columns from annotations


def test_attribute_name_is_the_column_name(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int]

    assert Mast.__table__.c.keys() == ["id", "height"]


def test_columns_stand_in_the_order_of_the_class_body(Base):
    class Mast(Base):
        __tablename__ = "mast"
        zeta: Mapped[int]
        id: Mapped[int] = mapped_column(primary_key=True)
        alpha: Mapped[str | None]
        beta = mapped_column(Integer)

    assert set(Mast.__table__.c.keys()) == {"zeta", "id", "alpha", "beta"}
    assert Mast.__table__.c.keys()[:3] == ["zeta", "id", "alpha"]


def test_sort_order_moves_a_column(Base):
    class Mast(Base):
        __tablename__ = "mast"
        zeta: Mapped[int]
        id: Mapped[int] = mapped_column(primary_key=True, sort_order=-1)

    assert Mast.__table__.c.keys() == ["id", "zeta"]


def test_column_can_have_another_name(sqlite_engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column("mast_id", primary_key=True)
        height: Mapped[int] = mapped_column("h")

    assert Mast.__table__.c.keys() == ["mast_id", "h"]
    with saved(sqlite_engine, Base, Mast(id=1, height=30)) as session:
        assert session.scalars(select(Mast).where(Mast.height == 30)).one().id == 1


def test_none_in_the_annotation_makes_the_column_nullable(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int]
        flag: Mapped[str | None]
        depth: Mapped[int] = mapped_column(nullable=True)
        name: Mapped[str | None] = mapped_column(nullable=False)

    nullable = {column.name for column in Mast.__table__.c if column.nullable}
    assert nullable == {"flag", "depth"}


def test_mapped_column_without_annotation_is_nullable(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id = mapped_column(Integer, primary_key=True)
        height = mapped_column(Integer)

    assert Mast.__table__.c.height.nullable
    assert not Mast.__table__.c.id.nullable


def test_explicit_type_wins_over_the_annotation(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
        height: Mapped[Any] = mapped_column(Text)

    assert isinstance(Mast.__table__.c.id.type, BigInteger)
    assert isinstance(Mast.__table__.c.height.type, Text)


def test_type_annotation_map_of_the_base():
    class Base(DeclarativeBase):
        type_annotation_map = {str: String(30), int: BigInteger}

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

    assert isinstance(Mast.__table__.c.id.type, BigInteger)
    assert Mast.__table__.c.name.type.length == 30


def test_type_annotation_map_of_a_registry():
    reg = registry(type_annotation_map={str: String(12)})

    @reg.mapped
    class Mast:
        __tablename__ = "mast"
        name: Mapped[str] = mapped_column(primary_key=True)

    assert Mast.__table__.c.name.type.length == 12


def test_annotated_name_as_key_of_the_map():
    short = Annotated[str, 5]

    class Base(DeclarativeBase):
        type_annotation_map = {short: String(5)}

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[short]
        note: Mapped[str]

    assert Mast.__table__.c.code.type.length == 5
    assert Mast.__table__.c.note.type.length is None


def test_annotated_with_mapped_column_serves_many_classes(Base):
    key = Annotated[int, mapped_column(primary_key=True)]
    label = Annotated[str, mapped_column(String(20), index=True)]

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[key]
        name: Mapped[label]

    class Sail(Base):
        __tablename__ = "sail"
        id: Mapped[key]
        name: Mapped[label | None] = mapped_column(index=False)

    assert Mast.__table__.primary_key.columns.keys() == ["id"]
    assert Sail.__table__.primary_key.columns.keys() == ["id"]
    assert Mast.__table__.c.name.type.length == Sail.__table__.c.name.type.length == 20
    assert not Mast.__table__.c.name.nullable
    assert Sail.__table__.c.name.nullable
    assert len(Mast.__table__.indexes) == 1
    assert not Sail.__table__.indexes


def test_annotated_foreign_key_belongs_to_each_table(Base):
    class Ship(Base):
        __tablename__ = "ship"
        id: Mapped[int] = mapped_column(primary_key=True)

    ship = Annotated[int, mapped_column(ForeignKey("ship.id"))]

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        ship_id: Mapped[ship]

    class Sail(Base):
        __tablename__ = "sail"
        id: Mapped[int] = mapped_column(primary_key=True)
        ship_id: Mapped[ship]

    for class_ in (Mast, Sail):
        (key,) = class_.__table__.c.ship_id.foreign_keys
        assert key.column is Ship.__table__.c.id
        assert key.parent is class_.__table__.c.ship_id


def test_annotations_as_strings(sqlite_engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: "Mapped[int]" = mapped_column(primary_key=True)
        token: "Mapped[uuid.UUID | None]"

    with saved(sqlite_engine, Base, Mast(id=1, token=uuid.UUID(int=5))) as session:
        assert session.get(Mast, 1).token == uuid.UUID(int=5)


def test_class_variables_and_plain_attributes_are_left_alone(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        kinds: ClassVar[list[str]] = ["fore", "main"]
        limit = 3

        def describe(self):
            return f"mast {self.id}"

        @property
        def twice(self):
            return self.id * 2

    assert Mast.__table__.c.keys() == ["id"]
    assert Mast.kinds == ["fore", "main"]
    assert Mast.limit == 3
    assert Mast(id=2).describe() == "mast 2"
    assert Mast(id=2).twice == 4


def test_column_added_to_the_class_later(sqlite_engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    Mast.height = mapped_column(Integer)
    assert "height" in Mast.__table__.c
    with saved(sqlite_engine, Base, Mast(id=1, height=3)) as session:
        assert session.get(Mast, 1).height == 3


# Tables


def test_table_args_as_tuple_with_options(Base):
    class Mast(Base):
        __tablename__ = "mast"
        __table_args__ = (
            UniqueConstraint("height", name="one_height"),
            Index("by_height", "height"),
            {"comment": "where sails hang"},
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int]

    table = Mast.__table__
    assert table.comment == "where sails hang"
    assert "one_height" in {constraint.name for constraint in table.constraints}
    assert {index.name for index in table.indexes} == {"by_height"}


def test_table_args_as_dictionary(Base):
    class Mast(Base):
        __tablename__ = "mast"
        __table_args__ = {"schema": "yard"}
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast.__table__.fullname == "yard.mast"


def test_given_table_is_mapped(sqlite_engine, Base):
    class Mast(Base):
        __table__ = Table(
            "mast",
            Base.metadata,
            Column("id", Integer, primary_key=True),
            Column("height", Integer),
        )

    with saved(sqlite_engine, Base, Mast(id=1, height=3)) as session:
        assert session.get(Mast, 1).height == 3


def test_attribute_can_rename_a_column_of_a_given_table(Base):
    table = Table("mast", Base.metadata, Column("mast_id", Integer, primary_key=True), Column("h", Integer))

    class Mast(Base):
        __table__ = table
        id = table.c.mast_id
        height = table.c.h

    assert set(inspect(Mast).attrs.keys()) == {"id", "height"}


def test_reserved_column_name_can_have_another_attribute(sqlite_engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        metadata_: Mapped[str] = mapped_column("metadata")

    with saved(sqlite_engine, Base, Mast(id=1, metadata_="words")) as session:
        assert session.get(Mast, 1).metadata_ == "words"
    assert Mast.metadata is Base.metadata


# __mapper_args__


def test_primary_key_of_the_mapper_may_differ_from_the_table(sqlite_engine, Base):
    table = Table("mast", Base.metadata, Column("code", String(5)), Column("height", Integer))

    class Mast(Base):
        __table__ = table
        __mapper_args__ = {"primary_key": [table.c.code]}

    with saved(sqlite_engine, Base, Mast(code="fore", height=3)) as session:
        assert session.get(Mast, "fore").height == 3


def test_include_and_exclude_properties(Base):
    table = Table(
        "mast",
        Base.metadata,
        Column("id", Integer, primary_key=True),
        Column("height", Integer),
        Column("secret", String),
    )

    class Mast(Base):
        __table__ = table
        __mapper_args__ = {"exclude_properties": ["secret"]}

    class Short(Base):
        __table__ = table
        __mapper_args__ = {"include_properties": ["id"]}

    assert set(inspect(Mast).attrs.keys()) == {"id", "height"}
    assert set(inspect(Short).attrs.keys()) == {"id"}


def test_column_prefix(Base):
    class Mast(Base):
        __table__ = Table("mast", Base.metadata, Column("id", Integer, primary_key=True))
        __mapper_args__ = {"column_prefix": "_"}

    assert set(inspect(Mast).attrs.keys()) == {"_id"}


# Mixins, abstract bases, declared_attr


def test_mixin_gives_a_column_of_its_own_to_each_class(Base):
    class Named:
        name: Mapped[str] = mapped_column(String(30))

    class Mast(Named, Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Sail(Named, Base):
        __tablename__ = "sail"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast.__table__.c.name is not Sail.__table__.c.name
    assert Mast.__table__.c.name.type.length == 30


def test_class_may_override_a_column_of_its_mixin(Base):
    class Named:
        name: Mapped[str] = mapped_column(String(30))

    class Mast(Named, Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(60))

    assert Mast.__table__.c.name.type.length == 60


def test_abstract_base_has_no_table_and_gives_its_columns(sqlite_engine, Base):
    class Thing(Base):
        __abstract__ = True
        id: Mapped[int] = mapped_column(primary_key=True)
        made: Mapped[int | None]

    class Mast(Thing):
        __tablename__ = "mast"

    class Sail(Thing):
        __tablename__ = "sail"

    assert set(Base.metadata.tables) == {"mast", "sail"}
    with saved(sqlite_engine, Base, Mast(id=1, made=1900), Sail(id=1, made=1950)) as session:
        assert session.get(Mast, 1).made == 1900
        assert session.get(Sail, 1).made == 1950


def test_columns_of_the_base_go_to_every_class():
    class Base(DeclarativeBase):
        id: Mapped[int] = mapped_column(primary_key=True)

    class Mast(Base):
        __tablename__ = "mast"

    class Sail(Base):
        __tablename__ = "sail"

    assert Mast.__table__.c.id is not Sail.__table__.c.id


def test_declared_attr_for_the_table_name():
    class Base(DeclarativeBase):
        @declared_attr.directive
        def __tablename__(cls):
            return cls.__name__.lower() + "s"

    class Mast(Base):
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast.__table__.name == "masts"


def test_declared_attr_for_table_args_and_mapper_args(Base):
    class Commented:
        @declared_attr.directive
        def __table_args__(cls):
            return {"comment": f"table of {cls.__name__}"}

        @declared_attr.directive
        def __mapper_args__(cls):
            return {"eager_defaults": True}

    class Mast(Commented, Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast.__table__.comment == "table of Mast"
    assert inspect(Mast).eager_defaults is True


def test_declared_attr_makes_a_column_that_depends_on_the_class(Base):
    class Keyed:
        @declared_attr
        def key(cls) -> Mapped[int]:
            return mapped_column(f"{cls.__name__.lower()}_key", primary_key=True)

    class Mast(Keyed, Base):
        __tablename__ = "mast"

    assert Mast.__table__.c.keys() == ["mast_key"]


def test_mixin_with_foreign_key_through_declared_attr(Base):
    class Ship(Base):
        __tablename__ = "ship"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Aboard:
        @declared_attr
        def ship_id(cls) -> Mapped[int]:
            return mapped_column(ForeignKey("ship.id"))

    class Mast(Aboard, Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Sail(Aboard, Base):
        __tablename__ = "sail"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast.__table__.c.ship_id.references(Ship.__table__.c.id)
    assert Sail.__table__.c.ship_id.references(Ship.__table__.c.id)


def test_mixin_methods_work_on_mapped_classes(Base):
    class Named:
        name: Mapped[str | None]

        def shout(self):
            return self.name.upper()

    class Mast(Named, Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Mast(name="fore").shout() == "FORE"


# Keys


def test_natural_key(sqlite_engine, Base):
    class Flag(Base):
        __tablename__ = "flag"
        code: Mapped[str] = mapped_column(String(2), primary_key=True)
        colours: Mapped[str]

    with saved(sqlite_engine, Base, Flag(code="nl", colours="red white blue")) as session:
        assert session.get(Flag, "nl").colours == "red white blue"


def test_composite_key(sqlite_engine, Base):
    class Berth(Base):
        __tablename__ = "berth"
        deck: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True)

    with saved(sqlite_engine, Base, Berth(deck=1, number=2), Berth(deck=2, number=1)) as session:
        assert session.get(Berth, (1, 2)).number == 2
        assert session.get(Berth, {"deck": 2, "number": 1}).deck == 2
        assert session.get(Berth, (9, 9)) is None


def test_uuid_key_with_a_client_default(engine, Base):
    class Token(Base):
        __tablename__ = "token"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)

    token = Token()
    with saved(engine, Base, token) as session:
        assert isinstance(token.id, uuid.UUID)
        assert session.get(Token, token.id) is token


def test_identity_column(engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(Identity(start=10), primary_key=True)
        height: Mapped[int]

    mast = Mast(height=3)
    with saved(engine, Base, mast):
        assert mast.id >= 1


def test_computed_column_is_read_back(engine, Base):
    class Sail(Base):
        __tablename__ = "sail"
        id: Mapped[int] = mapped_column(primary_key=True)
        width: Mapped[int]
        area: Mapped[int] = mapped_column(Computed("width * width", persisted=True))

    sail = Sail(width=3)
    with saved(engine, Base, sail) as session:
        assert sail.area == 9
        sail.width = 4
        session.commit()
        assert sail.area == 16


# Objects of mapped classes


def test_constructor_takes_attribute_names(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int] = mapped_column("h")

    mast = Mast(height=3)
    assert mast.height == 3
    assert mast.id is None


def test_own_constructor_is_called_for_new_objects_and_not_for_loaded_ones(sqlite_engine, Base):
    calls = []

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int]

        def __init__(self, height):
            calls.append(height)
            self.height = height

    with saved(sqlite_engine, Base, Mast(3)) as session:
        session.expunge_all()
        assert session.scalars(select(Mast)).one().height == 3
    assert calls == [3]


def test_unset_attribute_of_a_new_object_is_none_and_stays_out_of_dict(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int]

    mast = Mast()
    assert mast.height is None
    assert "height" not in mast.__dict__


def test_loaded_values_stand_in_the_dict_of_the_object(sqlite_engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int]

    with saved(sqlite_engine, Base, Mast(id=1, height=3)) as session:
        mast = session.get(Mast, 1, populate_existing=True)
        assert mast.__dict__["height"] == 3


def test_attributes_that_are_not_mapped_are_ordinary(sqlite_engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    mast = Mast(id=1)
    mast.remark = "creaks"
    with saved(sqlite_engine, Base, mast) as session:
        assert mast.remark == "creaks"
        mast.remark = "creaks more"
        assert not session.dirty


def test_equality_and_hash_of_the_class_are_respected(sqlite_engine, Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

        def __eq__(self, other):
            return isinstance(other, Mast)

        __hash__ = None

    first, second = Mast(id=1), Mast(id=2)
    with saved(sqlite_engine, Base, first, second) as session:
        assert session.get(Mast, 1) is first
        assert session.get(Mast, 2) is second


def test_class_attribute_is_an_sql_expression(Base):
    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        height: Mapped[int]

    assert str(Mast.height > 3) == "mast.height > :height_1"
    assert str(func.max(Mast.height)) == "max(mast.height)"


# Dataclasses


def test_mapped_as_dataclass(sqlite_engine):
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]
        height: Mapped[int] = mapped_column(default=30)
        secret: Mapped[str | None] = mapped_column(default=None, repr=False)

    mast = Mast("fore")
    assert mast.height == 30
    assert repr(mast).endswith("Mast(id=None, name='fore', height=30)")
    assert [field.name for field in fields(Mast)] == ["id", "name", "height", "secret"]
    assert Mast("fore") == Mast("fore")
    with saved(sqlite_engine, Base, mast) as session:
        session.expunge_all()
        assert session.scalars(select(Mast)).one().height == 30


def test_mapped_as_dataclass_on_one_class(Base):
    class Mast(MappedAsDataclass, Base, kw_only=True, order=True):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(default="unnamed")

    with pytest.raises(TypeError):
        Mast(1)
    assert Mast(id=1) < Mast(id=2)
    assert Mast(id=1).name == "unnamed"


def test_registry_mapped_as_dataclass_with_a_default_factory():
    reg = registry()

    @reg.mapped_as_dataclass
    class Mast:
        __tablename__ = "mast"
        token: Mapped[uuid.UUID] = mapped_column(primary_key=True, default_factory=uuid.uuid4)
        height: Mapped[int] = mapped_column(default=4)

    assert Mast().token != Mast().token
    assert Mast().height == 4


def test_insert_default_of_a_dataclass_applies_when_nothing_was_given(sqlite_engine):
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        height: Mapped[int] = mapped_column(insert_default=4, init=False)

    with saved(sqlite_engine, Base, Mast()) as session:
        assert session.scalars(select(Mast)).one().height == 4


# Properties in the class body


def test_column_property_and_synonym_in_the_class_body(sqlite_engine, Base):
    class Sail(Base):
        __tablename__ = "sail"
        id: Mapped[int] = mapped_column(primary_key=True)
        width: Mapped[int] = mapped_column()
        height: Mapped[int] = mapped_column()
        area: Mapped[int] = column_property(width * height)
        breadth = synonym("width")

    with saved(sqlite_engine, Base, Sail(width=3, height=4)) as session:
        sail = session.scalars(select(Sail).where(Sail.breadth == 3)).one()
        assert sail.area == 12
        assert sail.breadth == 3


def test_numeric_annotation_with_precision(Base):
    money = Annotated[Decimal, mapped_column(Numeric(10, 2))]

    class Sail(Base):
        __tablename__ = "sail"
        id: Mapped[int] = mapped_column(primary_key=True)
        price: Mapped[money]

    assert (Sail.__table__.c.price.type.precision, Sail.__table__.c.price.type.scale) == (10, 2)
