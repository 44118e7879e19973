from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table

from ropewalk.declare import (
    DeclarativeBase,
    Mapped,
    declared_attr,
    has_inherited_table,
    mapped_column,
)
from ropewalk.exc import SAWarning
from ropewalk.mapping.properties import column_property


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    return Base


class Timed:
    made: Mapped[int] = mapped_column(index=True)
    note: Mapped[str | None]
    plain = Column(String(3))


def test_columns_are_copied_for_each_class(Base):
    class A(Timed, Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(Timed, Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert A.__table__.c.keys() == B.__table__.c.keys() == ["id", "made", "note", "plain"]
    assert A.__table__.c.made is not B.__table__.c.made
    assert A.__table__.c.plain is not B.__table__.c.plain
    assert [index.name for index in B.__table__.indexes] == ["ix_b_made"]


def test_the_class_overrides_its_mixin(Base):
    class A(Timed, Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        made: Mapped[str] = mapped_column()
        note = plain = None

    assert A.__table__.c.keys() == ["id", "made"]
    assert isinstance(A.__table__.c.made.type, String)
    assert A.note is None


def test_repeating_only_the_annotation_keeps_the_column_of_the_mixin(Base):
    class A(Timed, Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        made: Mapped[int]

    assert A.__table__.c.made.index


def test_abstract_base_gives_its_columns_and_has_no_mapper(Base):
    class Numbered(Base):
        __abstract__ = True
        id: Mapped[int] = mapped_column(primary_key=True)
        metadata = MetaData()

    class A(Numbered):
        __tablename__ = "a"

    assert "__mapper__" not in vars(Numbered)
    assert A.__table__.metadata is Numbered.metadata is not Base.metadata
    assert A.__table__.c.keys() == ["id"]


def test_declared_attributes_see_the_columns_of_their_class(Base):
    calls = []

    class Scored:
        points: Mapped[int]

        @declared_attr
        def owner_id(cls) -> Mapped[int]:
            calls.append(cls.__name__)
            return mapped_column(ForeignKey("owner.id"))

        @declared_attr
        def doubled(cls) -> Mapped[int]:
            "Twice the points."
            return column_property(cls.points * 2 + cls.owner_id)

        @declared_attr.directive
        @classmethod
        def __tablename__(cls) -> str:
            return cls.__name__.lower()

        @declared_attr.directive
        def __table_args__(cls):
            return (Index(f"by_{cls.__tablename__}", cls.points), {"comment": cls.__name__})

        @declared_attr.directive
        def __mapper_args__(cls):
            return {"primary_key": [cls.owner_id]}

    class A(Scored, Base):
        pass

    class B(Scored, Base):
        pass

    assert calls == ["A", "B"]
    assert A.__table__.name == "a"
    assert B.__table__.comment == "B"
    assert [index.name for index in B.__table__.indexes] == ["by_b"]
    assert str(B.doubled.expression) == "b.points * :param_1 + b.owner_id"
    assert A.__mapper__.primary_key == (A.__table__.c.owner_id,)
    assert A.__mapper__.get_property("doubled").doc == "Twice the points."


def test_mapper_arguments_of_a_mixin_mean_the_copies(Base):
    class Mixin:
        code = mapped_column(String)
        version = Column(Integer)
        __mapper_args__ = {"primary_key": [code], "version_id_col": version}

    class A(Mixin, Base):
        __tablename__ = "a"

    assert A.__mapper__.primary_key == (A.__table__.c.code,)
    assert A.__mapper__.version_id_col is A.__table__.c.version


def test_declared_attribute_of_a_mapped_class(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

        @declared_attr
        def name(cls) -> Mapped[str]:
            return mapped_column(String(9))

    assert A.__table__.c.name.type.length == 9


def test_directives_of_a_mapped_class_are_not_inherited(Base):
    class A(Base):
        __tablename__ = "a"
        __table_args__ = {"comment": "of A"}
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(A):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(ForeignKey("a.id"), primary_key=True)

    assert B.__table__.comment is None
    assert B.__mapper__.inherits is A.__mapper__


def test_subclass_without_a_table_shares_its_base_s(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(A):
        extra: Mapped[str | None] = mapped_column(use_existing_column=True)

    class C(A):
        extra: Mapped[str | None] = mapped_column(use_existing_column=True)

    assert B.__table__ is A.__table__
    assert A.__table__.c.keys() == ["id", "extra"]
    assert C.__mapper__.get_property("extra").columns == [A.__table__.c.extra]
    assert not A.__mapper__.has_property("extra")


def test_cascading_is_computed_for_subclasses_too(Base):
    class Keyed:
        @declared_attr.cascading
        def id(cls) -> Mapped[int]:
            if has_inherited_table(cls):
                return mapped_column(ForeignKey("a.id"), primary_key=True)
            return mapped_column(Integer, primary_key=True)

    class A(Keyed, Base):
        __tablename__ = "a"

    class B(A):
        __tablename__ = "b"

    assert not A.__table__.c.id.foreign_keys
    assert [key.target_fullname for key in B.__table__.c.id.foreign_keys] == ["a.id"]


def test_uncascaded_declared_attribute_of_a_mapped_base_warns(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

        @declared_attr
        def name(cls) -> Mapped[str]:
            return mapped_column(String)

    # the attribute has become an ordinary one of A, which B inherits
    class B(A):
        pass

    assert B.__mapper__.get_property("name").columns == [A.__table__.c.name]


def test_given_table_and_renamed_attribute(Base):
    class A(Base):
        __table__ = Table("a", Base.metadata, Column("id", Integer, primary_key=True), Column("n", String))
        name = __table__.c.n

    assert A.name.property.columns == [A.__table__.c.n]
    assert not A.__mapper__.has_property("n")


def test_declared_table(Base):
    class WithTable:
        @declared_attr.directive
        def __table__(cls):
            return Table(cls.__name__.lower(), cls.metadata, Column("id", Integer, primary_key=True))

    class A(WithTable, Base):
        pass

    assert A.__table__.name == "a"


def test_own_table_class(Base):
    made = []

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

        @classmethod
        def __table_cls__(cls, *args, **kw):
            made.append(args[0])
            return Table(*args, **kw)

    assert made == ["a"]


def test_unmapped_annotations_pass_when_allowed(Base):
    class A(Base):
        __tablename__ = "a"
        __allow_unmapped__ = True
        id: int = mapped_column(primary_key=True)
        remark: str

    assert A.__mapper__.column_attrs.keys() == ["id"]


def test_values_that_are_not_mapped_stay_as_they_are(Base):
    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        limit: int = 5

        @property
        def twice(self):
            return self.id * 2

    assert A.limit == 5
    assert A(id=4).twice == 8


@pytest.mark.filterwarnings("error")
def test_cascading_warns_where_the_class_has_its_own(Base):
    class Keyed:
        @declared_attr.cascading
        def id(cls) -> Mapped[int]:
            return mapped_column(Integer, primary_key=True)

    with pytest.raises(SAWarning, match=r"A\.id is not used: Keyed\.id is declared_attr\.cascading"):

        class A(Keyed, Base):
            __tablename__ = "a"
            id: Mapped[int] = mapped_column(primary_key=True)
