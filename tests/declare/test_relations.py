"""Relationships in class bodies: what the annotation tells, mixins, dataclasses."""

from __future__ import annotations

import inspect
from collections.abc import Sequence  # noqa: F401
from typing import List, Optional  # noqa: F401, UP035

import pytest
from sqlalchemy import Column, ForeignKey, Table

from ropewalk import DeclarativeBase, Mapped, MappedAsDataclass, declared_attr, mapped_column
from ropewalk.declare import DynamicMapped, WriteOnlyMapped  # noqa: F401
from ropewalk.exc import ArgumentError, InvalidRequestError, MappedAnnotationError
from ropewalk.mapping.relationships import relationship

# What is imported and seems unused stands in annotations that the tests make out of strings.


class Bag(list):
    """A collection of the program's own."""


def shape(annotation, **arguments):
    """Return the relationship that a class has under this annotation to one with a foreign key to it."""

    class Base(DeclarativeBase):
        pass

    body = {
        "__tablename__": "ship",
        "__module__": __name__,
        "__annotations__": {"id": "Mapped[int]", "sailors": annotation},
        "id": mapped_column(primary_key=True),
        "sailors": relationship(**arguments),
    }
    ship = type("Ship", (Base,), body)

    class Sailor(Base):
        __tablename__ = "sailor"
        id: Mapped[int] = mapped_column(primary_key=True)
        ship_id: Mapped[int | None] = mapped_column(ForeignKey("ship.id"))

    Base.registry.configure()
    prop = ship.__mapper__.relationships["sailors"]
    assert prop.mapper is Sailor.__mapper__
    return prop.uselist, prop.collection_class, prop.lazy


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("Mapped[list[Sailor]]", (True, list, "select")),
        ('Mapped[list["Sailor"]]', (True, list, "select")),
        ('Mapped["list[Sailor]"]', (True, list, "select")),
        ("Mapped[List[Sailor]]", (True, list, "select")),
        ("Mapped[set[Sailor]]", (True, set, "select")),
        ("Mapped[dict[str, Sailor]]", (True, dict, "select")),
        ("Mapped[Sailor]", (False, None, "select")),
        ("Mapped[Sailor | None]", (False, None, "select")),
        ("Mapped[Optional[Sailor]]", (False, None, "select")),
        ('Mapped["Sailor | None"]', (False, None, "select")),
        ("DynamicMapped[Sailor]", (True, None, "dynamic")),
        ("WriteOnlyMapped[Sailor]", (True, None, "write_only")),
        ("WriteOnlyMapped[list[Sailor]]", (True, None, "write_only")),
    ],
)
def test_what_the_annotation_tells(annotation, expected):
    assert shape(annotation) == expected


def test_what_relationship_was_told_goes_before_the_annotation():
    assert shape("Mapped[list[Sailor]]", collection_class=Bag) == (True, Bag, "select")
    assert shape("Mapped[Sequence[Sailor]]", collection_class=list) == (True, list, "select")
    assert shape("Mapped[list]", argument="Sailor") == (True, list, "select")
    assert shape("Mapped[list[Sailor]]", lazy="selectin", uselist=False) == (False, list, "selectin")


def test_an_abstract_collection():
    with pytest.raises(ArgumentError, match=r"(?=.*Ship\.sailors)(?=.*Sequence)(?=.*collection_class)"):
        shape("Mapped[Sequence[Sailor]]")


def test_an_annotation_of_two_classes():
    with pytest.raises(MappedAnnotationError, match=r"(?=.*Ship\.sailors)(?=.*one mapped class)"):
        shape("Mapped[Sailor | Ship | None]")


def test_nothing_says_what_it_refers_to():
    class Base(DeclarativeBase):
        pass

    with pytest.raises(ArgumentError, match=r"(?=.*Knot\.rope)(?=.*Mapped\[)"):

        class Knot(Base):
            __tablename__ = "knot"
            id: Mapped[int] = mapped_column(primary_key=True)
            rope = relationship()


def test_a_tree_in_a_class_body():
    class Base(DeclarativeBase):
        pass

    class Rope(Base):
        __tablename__ = "rope"
        id: Mapped[int] = mapped_column(primary_key=True)
        whole_id: Mapped[int | None] = mapped_column(ForeignKey("rope.id"))
        strands: Mapped[list[Rope]] = relationship(back_populates="whole")
        whole: Mapped[Rope | None] = relationship(back_populates="strands", remote_side=[id])

    Base.registry.configure()
    relationships = Rope.__mapper__.relationships
    assert relationships["strands"].direction.name == "ONETOMANY"
    assert relationships["whole"].get_keys == ["whole_id"]
    assert relationships["whole"].reverse == {relationships["strands"]}


def test_an_attribute_named_like_its_class():
    class Base(DeclarativeBase):
        pass

    class Sail(Base):
        __tablename__ = "sail"
        id: Mapped[int] = mapped_column(primary_key=True)
        mast_id: Mapped[int] = mapped_column(ForeignKey("mast.id"))
        Mast: Mapped[Mast] = relationship()

    class Mast(Base):
        __tablename__ = "mast"
        id: Mapped[int] = mapped_column(primary_key=True)

    Base.registry.configure()
    assert Sail.__mapper__.relationships["Mast"].mapper is Mast.__mapper__


def test_mixins_compute_their_relationships():
    class Base(DeclarativeBase):
        pass

    class Owned:
        owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))

        @declared_attr
        def owner(cls) -> Mapped[Owner]:
            return relationship(foreign_keys=[cls.owner_id])

    class Owner(Base):
        __tablename__ = "owner"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Dog(Owned, Base):
        __tablename__ = "dog"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Boat(Owned, Base):
        __tablename__ = "boat"
        id: Mapped[int] = mapped_column(primary_key=True)
        builder_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))

    Base.registry.configure()
    for class_ in (Dog, Boat):
        prop = class_.__mapper__.relationships["owner"]
        assert prop.parent is class_.__mapper__
        assert prop.get_keys == ["owner_id"]


def test_one_relationship_object_cannot_serve_several_classes():
    class Base(DeclarativeBase):
        pass

    class Owned:
        owner = relationship("Owner")

    with pytest.raises(InvalidRequestError, match=r"(?=.*Owned\.owner)(?=.*declared_attr)"):

        class Dog(Owned, Base):
            __tablename__ = "dog"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_many_to_many_by_names():
    class Base(DeclarativeBase):
        pass

    Table(
        "tagging",
        Base.metadata,
        Column("post", ForeignKey("post.id"), primary_key=True),
        Column("tag", ForeignKey("tag.id"), primary_key=True),
    )

    class Post(Base):
        __tablename__ = "post"
        id: Mapped[int] = mapped_column(primary_key=True)
        tags: Mapped[list[Tag]] = relationship(secondary="tagging", back_populates="posts", order_by="Tag.id")

    class Tag(Base):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        posts: Mapped[list[Post]] = relationship(secondary="tagging", back_populates="tags")

    Base.registry.configure()
    tags = Post.__mapper__.relationships["tags"]
    assert tags.direction.name == "MANYTOMANY"
    assert tags.reverse == {Tag.__mapper__.relationships["posts"]}


def test_an_attribute_set_on_a_mapped_class():
    class Base(DeclarativeBase):
        pass

    class Post(Base):
        __tablename__ = "post"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Comment(Base):
        __tablename__ = "comment"
        id: Mapped[int] = mapped_column(primary_key=True)
        post_id: Mapped[int] = mapped_column(ForeignKey("post.id"))

    Base.registry.configure()
    Post.comments = relationship(Comment, backref="post")
    Base.registry.configure()
    assert Comment.__mapper__.relationships["post"].get_keys == ["post_id"]
    with pytest.raises(ArgumentError, match=r"Post\.nothing"):
        Post.nothing = relationship()


# Dataclasses


def test_fields_of_a_dataclass():
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Post(Base):
        __tablename__ = "post"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        comments: Mapped[list[Comment]] = relationship(default_factory=list, back_populates="post", repr=False)

    class Comment(Base):
        __tablename__ = "comment"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        post_id: Mapped[int] = mapped_column(ForeignKey("post.id"), init=False)
        post: Mapped[Post | None] = relationship(default=None, back_populates="comments", kw_only=True)

    Base.registry.configure()
    assert list(inspect.signature(Post).parameters) == ["comments"]
    (post,) = inspect.signature(Comment).parameters.values()
    assert (post.name, post.default, post.kind.name) == ("post", None, "KEYWORD_ONLY")


def test_options_for_dataclasses_elsewhere():
    class Base(DeclarativeBase):
        pass

    with pytest.raises(ArgumentError, match=r"(?=.*Post\.comments)(?=.*repr)(?=.*MappedAsDataclass)"):

        class Post(Base):
            __tablename__ = "post"
            id: Mapped[int] = mapped_column(primary_key=True)
            comments: Mapped[list[Post]] = relationship(repr=False)


def test_defaults_that_a_relationship_cannot_have():
    with pytest.raises(ArgumentError, match="default_factory=list"):
        relationship("Comment", default=[])

    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    with pytest.raises(ArgumentError, match=r"(?=.*Post\.comments)(?=.*list)(?=.*set)"):

        class Post(Base):
            __tablename__ = "post"
            id: Mapped[int] = mapped_column(primary_key=True)
            comments: Mapped[list[Post]] = relationship(default_factory=set)
