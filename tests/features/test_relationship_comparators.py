"""Operators of a relationship that its mapping redefines: comparator_factory."""

import pytest
from sqlalchemy import ForeignKey, String

from ropewalk import (
    DeclarativeBase,
    Mapped,
    RelationshipProperty,
    Session,
    aliased,
    mapped_column,
    relationship,
    select,
    selectinload,
)


class Base(DeclarativeBase):
    pass


class OfWord(RelationshipProperty.Comparator):
    """Takes a word in place of an object, and has a method of its own."""

    def contains(self, other):
        if isinstance(other, str):
            return self.any(word=other)
        return super().contains(other)

    def beginning(self, letter):
        return self.any(Tag.word.startswith(letter))


class ByName(RelationshipProperty.Comparator):
    def __eq__(self, other):
        return self.has(name=other) if isinstance(other, str) else super().__eq__(other)

    def __ne__(self, other):
        return ~self.has(name=other) if isinstance(other, str) else super().__ne__(other)

    __hash__ = RelationshipProperty.Comparator.__hash__


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Text(Base):
    __tablename__ = "text"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped["Author"] = relationship(comparator_factory=ByName)
    tags: Mapped[list["Tag"]] = relationship(comparator_factory=OfWord, order_by="Tag.id")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    text_id: Mapped[int] = mapped_column(ForeignKey("text.id"))
    word: Mapped[str] = mapped_column(String(20))


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        ann, bob = Author(id=1, name="ann"), Author(id=2, name="bob")
        session.add_all(
            [
                Text(id=1, author=ann, tags=[Tag(id=1, word="sea"), Tag(id=2, word="sky")]),
                Text(id=2, author=bob, tags=[Tag(id=3, word="sea")]),
                Text(id=3, author=ann),
            ]
        )
        session.commit()
        yield session


def found(session, *criteria, of=Text):
    return [text.id for text in session.scalars(select(of).where(*criteria).order_by(of.id))]


def test_an_operator_that_is_redefined(session):
    assert found(session, Text.author == "ann") == [1, 3]
    assert found(session, Text.author != "ann") == [2]
    assert found(session, Text.tags.contains("sea")) == [1, 2]


def test_what_the_redefined_operator_leaves_to_the_usual_one(session):
    assert found(session, Text.author == session.get(Author, 2)) == [2]
    assert found(session, Text.tags.contains(session.get(Tag, 2))) == [1]
    assert found(session, Text.tags.any(Tag.id == 3)) == [2]
    assert found(session, ~Text.tags.any()) == [3]


def test_a_method_of_its_own(session):
    assert found(session, Text.tags.beginning("sk")) == [1]


def test_an_alias_has_the_same_operators(session):
    text = aliased(Text)
    assert found(session, text.author == "bob", of=text) == [2]
    assert found(session, text.tags.beginning("s"), of=text) == [1, 2]


def test_joins_and_options_are_as_usual(session):
    query = select(Text).join(Text.tags.and_(Tag.word == "sky")).options(selectinload(Text.tags))
    assert [tag.word for tag in session.scalars(query).one().tags] == ["sea", "sky"]
