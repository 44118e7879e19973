"""Association proxies as fields of mapped dataclasses, and from mixins."""

import pytest
from sqlalchemy import ForeignKey

from ropewalk import (
    AssociationProxy,
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    association_proxy,
    declared_attr,
    mapped_column,
    relationship,
)
from ropewalk.exc import ArgumentError


class Base(MappedAsDataclass, DeclarativeBase):
    pass


class Word(Base):
    __tablename__ = "apd_word"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    list_id: Mapped[int] = mapped_column(ForeignKey("apd_list.id"), init=False)
    word: Mapped[str]


class WordList(Base):
    __tablename__ = "apd_list"

    id: Mapped[int] = mapped_column(primary_key=True, init=False, repr=False)
    entries: Mapped[list["Word"]] = relationship(init=False, repr=False)
    words: AssociationProxy[list[str]] = association_proxy(
        "entries", "word", creator=lambda word: Word(word=word), default_factory=lambda: ["first"]
    )
    hidden: AssociationProxy[list[str]] = association_proxy("entries", "word", init=False, repr=False)


def test_a_field_has_the_options_given():
    assert WordList().words == ["first"]
    words = WordList(words=["a", "b"])
    assert words.words == words.hidden == ["a", "b"] and [entry.word for entry in words.entries] == ["a", "b"]
    assert repr(words).endswith("WordList(words=['a', 'b'])")
    with pytest.raises(TypeError, match="hidden"):
        WordList(hidden=[])


def test_without_a_dataclass_the_options_are_refused():
    class Plain(DeclarativeBase):
        pass

    with pytest.raises(ArgumentError, match="Thing.words has init"):

        class Thing(Plain):
            __tablename__ = "apd_thing"

            id: Mapped[int] = mapped_column(primary_key=True)
            words: AssociationProxy[list[str]] = association_proxy("entries", "word", init=False)


def test_a_mixin_may_compute_it():
    class Plain(DeclarativeBase):
        pass

    class HasWords:
        @declared_attr
        def words(cls) -> AssociationProxy[list[str]]:
            return association_proxy("entries", "word")

    class Item(Plain):
        __tablename__ = "apd_item"

        id: Mapped[int] = mapped_column(primary_key=True)
        note_id: Mapped[int] = mapped_column(ForeignKey("apd_note.id"))
        word: Mapped[str]

        def __init__(self, word):
            self.word = word

    class Note(HasWords, Plain):
        __tablename__ = "apd_note"

        id: Mapped[int] = mapped_column(primary_key=True)
        entries: Mapped[list["Item"]] = relationship()

    assert Note(words=["a"]).words == ["a"] and Note.words.owning_class is Note
