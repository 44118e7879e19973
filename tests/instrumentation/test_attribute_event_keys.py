"""Listeners with ``include_key=True``, and what the initiator says of a change that the other side brought about.

Keys, operations and their order are those of SQLAlchemy 2.1, but for what stands beside a comment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, String, event

from ropewalk import DeclarativeBase, Mapped, Session, attribute_keyed_dict, mapped_column, relationship
from ropewalk.attributes import NO_KEY, OP_APPEND, OP_BULK_REPLACE, OP_REMOVE, OP_REPLACE


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(back_populates="shelf")
    maps: Mapped[set[Map]] = relationship()
    boxes: Mapped[dict[str, Box]] = relationship(collection_class=attribute_keyed_dict("label"))


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    shelf: Mapped[Shelf | None] = relationship(back_populates="books")


class Map(Base):
    __tablename__ = "map"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))


class Box(Base):
    __tablename__ = "box"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(20))
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))


Told = list[tuple[Any, ...]]


@pytest.fixture
def listen() -> Iterator[Any]:
    heard: list[Any] = []

    def listen(target: Any, name: str, fn: Any, **kw: Any) -> None:
        event.listen(target, name, fn, **kw)
        heard.append((target, name, fn))

    yield listen
    for registration in heard:
        event.remove(*registration)


@pytest.fixture
def told(listen: Any) -> Told:
    """What comes and goes, with its number and its key."""
    told: Told = []

    def replaced(target: Any, values: Any, initiator: Any, keys: Any) -> None:
        told.append(("replace", [value.id for value in values], keys))

    def note(name: str) -> Any:
        return lambda target, value, initiator, key: told.append((name, value.id, key))

    for attribute in (Shelf.books, Shelf.maps, Shelf.boxes):
        for name in ("append", "remove", "append_wo_mutation"):
            listen(attribute, name, note(name), include_key=True)
        listen(attribute, "bulk_replace", replaced, include_key=True)
    return told


def take(told: Told) -> Told:
    taken, told[:] = list(told), []
    return taken


def test_indexes_of_a_list(told: Told) -> None:
    books = [Book(id=n) for n in range(8)]
    shelf = Shelf()
    shelf.books.append(books[0])
    shelf.books.extend([books[1], books[2]])
    shelf.books.insert(1, books[3])
    assert take(told) == [
        ("append", 0, NO_KEY),
        ("append", 1, NO_KEY),
        ("append", 2, NO_KEY),
        ("append", 3, 1),
    ]
    shelf.books[0] = books[4]
    shelf.books[1:3] = [books[5], books[6]]
    assert take(told) == [
        ("remove", 0, 0),
        ("append", 4, 0),
        ("remove", 3, 1),
        ("remove", 1, 2),  # SQLAlchemy says 1 again: it takes one out after the other
        ("append", 5, 1),
        ("append", 6, 2),
    ]
    del shelf.books[0]
    shelf.books.pop()
    shelf.books.pop(0)
    assert take(told) == [("remove", 4, 0), ("remove", 2, -1), ("remove", 5, 0)]
    shelf.books.remove(books[6])
    assert take(told) == [("remove", 6, NO_KEY)]
    shelf.books = books[:4]
    del shelf.books[1::2]
    assert take(told)[5:] == [("remove", 1, 1), ("remove", 3, 3)]  # SQLAlchemy gives the slice


def test_keys_of_a_dictionary(told: Told) -> None:
    shelf, a, b, c = Shelf(), Box(id=1, label="a"), Box(id=2, label="b"), Box(id=3, label="c")
    shelf.boxes["a"] = a
    shelf.boxes["a"] = Box(id=4, label="a")
    shelf.boxes.setdefault("b", b)
    shelf.boxes.update(c=c)
    assert take(told) == [
        ("append", 1, "a"),
        ("remove", 1, "a"),
        ("append", 4, "a"),
        ("append", 2, "b"),
        ("append", 3, "c"),
    ]
    shelf.boxes.pop("c")
    del shelf.boxes["b"]
    shelf.boxes.popitem()
    assert take(told) == [("remove", 3, "c"), ("remove", 2, "b"), ("remove", 4, "a")]  # popitem: SQLAlchemy says 1
    shelf.boxes = {"a": a, "b": b}
    shelf.boxes = {"b": b, "c": c}
    assert take(told) == [
        ("replace", [1, 2], ["a", "b"]),
        ("append", 1, "a"),
        ("append", 2, "b"),
        ("replace", [2, 3], ["b", "c"]),
        ("append", 3, "c"),
        ("remove", 1, NO_KEY),
        ("append_wo_mutation", 2, NO_KEY),  # SQLAlchemy tells of it before it tells of what goes
    ]


def test_sets_have_no_keys(told: Told) -> None:
    shelf, a, b = Shelf(), Map(id=1), Map(id=2)
    shelf.maps.add(a)
    shelf.maps.add(a)
    shelf.maps.discard(a)
    shelf.maps = {b}
    assert take(told) == [
        ("append", 1, NO_KEY),
        ("append_wo_mutation", 1, NO_KEY),
        ("remove", 1, NO_KEY),
        ("replace", [2], None),
        ("append", 2, NO_KEY),
    ]


def test_a_listener_that_changes_the_list_does_not_lend_its_key(told: Told, listen: Any) -> None:
    shelf, extra = Shelf(), Book(id=9)
    listen(Shelf.books, "append", lambda target, value, initiator: target.boxes.update(x=Box(id=7, label="x")))
    shelf.books.insert(0, Book(id=1))
    shelf.books.append(extra)
    keys = {(name, number, key) for name, number, key in told}
    assert ("append", 1, 0) in keys and ("append", 9, NO_KEY) in keys


def test_the_key_by_name_and_with_states(listen: Any) -> None:
    named: list[Any] = []
    raw: list[Any] = []
    listen(Shelf.boxes, "append", lambda **kw: named.append(kw), named=True, include_key=True)
    listen(Shelf.boxes, "append", lambda *given, key: raw.append((given[0], key)), raw=True, include_key=True)
    shelf, box = Shelf(), Box(label="a")
    shelf.boxes["a"] = box
    (kw,) = named
    assert (kw["target"], kw["value"], kw["key"], set(kw)) == (shelf, box, "a", {"target", "value", "initiator", "key"})
    ((state, key),) = raw
    assert (state.obj(), key) == (shelf, "a")


def test_without_include_key_none_is_given(listen: Any) -> None:
    seen: list[int] = []
    listen(Shelf.boxes, "append", lambda *arguments: seen.append(len(arguments)))
    shelf = Shelf()
    shelf.boxes["a"] = Box(label="a")
    assert seen == [3]


@pytest.fixture
def began(listen: Any) -> Told:
    """Where changes of either side began."""
    began: Told = []
    for attribute, names in ((Shelf.books, ("append", "remove")), (Book.shelf, ("set", "remove"))):
        for name in names:
            label = f"{attribute.key} {name}"
            listen(attribute, name, lambda *given, label=label: began.append((label, given[-1].key, given[-1].op)))
    return began


def test_the_initiator_names_what_the_program_did(began: Told) -> None:
    shelf, book = Shelf(), Book()
    shelf.books.append(book)
    assert sorted(take(began), key=str) == [("books append", "books", OP_APPEND), ("shelf set", "books", OP_APPEND)]
    shelf.books.remove(book)
    book.shelf = shelf
    book.shelf = None
    assert sorted(take(began), key=str) == sorted(
        [
            ("shelf set", "books", OP_REMOVE),
            ("books remove", "books", OP_REMOVE),
            ("shelf set", "shelf", OP_REPLACE),
            ("books append", "shelf", OP_REPLACE),
            ("shelf set", "shelf", OP_REPLACE),
            ("books remove", "shelf", OP_REPLACE),
        ],
        key=str,
    )
    shelf.books = [book]
    shelf.books = []
    told = [one for one in take(began) if one[0].startswith("books")]
    assert told == [("books append", "books", OP_BULK_REPLACE), ("books remove", "books", OP_BULK_REPLACE)]


def test_a_reference_that_is_not_loaded_tells_of_the_other_side_letting_go(engine: Any, listen: Any) -> None:
    Base.metadata.create_all(engine)
    seen: Told = []
    with Session(engine) as session:
        session.add(Shelf(id=1, books=[Book(id=1), Book(id=2)]))
        session.commit()
        session.expunge_all()
        listen(Book.shelf, "set", lambda target, value, old, initiator: seen.append((target.id, value, old)))
        shelf = session.get_one(Shelf, 1)
        shelf.books.remove(shelf.books[0])
        shelf.books = []
        assert seen == [(1, None, shelf), (2, None, shelf)]
        session.commit()
        assert {book.shelf_id for book in session.query(Book)} == {None}


def test_a_reference_that_was_never_set_tells_of_being_read(listen: Any) -> None:
    seen: Told = []

    def default(target: Any, value: Any, dict_: Any) -> Any:
        seen.append((target, value))
        dict_["shelf"] = standard
        return standard

    standard = Shelf(id=7)
    listen(Book.shelf, "init_scalar", default, retval=True)
    book = Book()
    assert book.shelf is standard and book.shelf is standard
    assert seen == [(book, None)]
    assert Book(shelf=None).shelf is None and len(seen) == 1
