"""merge() of graphs of objects."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String

from ropewalk import DeclarativeBase, Mapped, Session, exc, inspect, mapped_column, raiseload, select
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(String(30))
    pages: Mapped[list["Page"]] = relationship(back_populates="book", order_by="Page.id")
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    shelf: Mapped["Shelf | None"] = relationship(cascade="save-update")


class Page(Base):
    __tablename__ = "page"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(String(30))
    book_id: Mapped[int | None] = mapped_column(ForeignKey("book.id"))
    book: Mapped["Book | None"] = relationship(back_populates="pages")


class Shelf(Base):
    __tablename__ = "shelf"

    id: Mapped[int] = mapped_column(primary_key=True)


class Link(Base):
    __tablename__ = "link"

    id: Mapped[int] = mapped_column(primary_key=True)
    next_id: Mapped[int | None] = mapped_column(ForeignKey("link.id"))
    next: Mapped["Link | None"] = relationship(remote_side="Link.id")


@pytest.fixture
def session(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Book(id=1, title="Moby", pages=[Page(id=1, text="a"), Page(id=2, text="b")]))
        session.commit()
        session.expunge_all()
        yield session


def test_new_graph_is_copied(session):
    given = Book(title="Typee", pages=[Page(text="x"), Page(text="y")])
    merged = session.merge(given)
    assert merged is not given
    assert [page.text for page in merged.pages] == ["x", "y"]
    assert all(page.book is merged and page not in given.pages for page in merged.pages)
    session.commit()
    assert [page.book_id for page in merged.pages] == [2, 2]
    assert inspect(given).transient


def test_saved_graph_is_met_with_one_statement_for_the_members(session, sqlite_engine):
    given = Book(id=1, title="Moby-Dick", pages=[Page(id=1, text="A"), Page(id=2, text="B")])
    with count_statements(sqlite_engine) as sent:
        merged = session.merge(given)
    assert sent.count == 2
    assert [(page.id, page.text) for page in merged.pages] == [(1, "A"), (2, "B")]
    with count_statements(sqlite_engine) as sent:
        session.flush()
    assert sent.count == 2  # UPDATE book, UPDATE page
    session.commit()


def test_members_that_are_not_in_the_copy_leave(session):
    there = session.get(Book, 1)
    first, second = there.pages
    session.merge(Book(id=1, pages=[Page(id=2)]))
    assert there.pages == [second]
    session.commit()
    assert first.book is None


def test_what_was_not_loaded_is_left_alone(session):
    session.merge(Book(id=1, title="x"))
    session.commit()
    assert len(session.get(Book, 1).pages) == 2


def test_no_cascade_no_copy(session):
    merged = session.merge(Book(id=1, shelf=Shelf(id=3)))
    assert merged.shelf is None


def test_the_same_row_given_twice_becomes_one_object(session):
    merged = session.merge(Book(id=5, pages=[Page(id=9, text="x"), Page(id=9, text="y")]))
    assert merged.pages[0] is merged.pages[-1]


def test_long_chain_is_no_recursion(session):
    link = None
    for _ in range(3000):
        link = Link(next=link)
    merged = session.merge(link)
    count = 0
    while merged is not None:
        merged, count = merged.next, count + 1
    assert count == 3000


def test_circle(session):
    one = Link(id=1)
    two = Link(id=2, next=one)
    one.next = two
    merged = session.merge(one)
    assert merged.next.next is merged
    assert merged is not one


def test_without_loading(session, sqlite_engine):
    with Session(sqlite_engine) as other:
        book = other.get(Book, 1)
        assert len(book.pages) == 2
    with count_statements(sqlite_engine) as sent:
        merged = session.merge(book, load=False)
        assert [page.text for page in merged.pages] == ["a", "b"]
    assert sent.count == 0
    assert not session.dirty


def test_an_empty_collection_that_came_of_being_read_empties_nothing(session):
    given = Book(id=1)
    assert given.pages == []
    assert len(session.merge(given).pages) == 2
    given = Book(id=1)
    given.pages.append(page := Page(id=1))
    given.pages.remove(page)  # now it was said to be empty
    assert session.merge(given).pages == []


def test_an_empty_collection_that_was_assigned_empties(session):
    assert session.merge(Book(id=1, pages=[])).pages == []


def test_a_reference_that_the_session_has_not_is_replaced_unloaded(session, sqlite_engine):
    with Session(sqlite_engine) as other:
        other.add(Book(id=2, title="Omoo"))
        other.commit()
    given = Page(id=1, book=Book(id=2))
    merged = session.merge(given)
    assert inspect(merged).attrs.book.history == ([merged.book], (), ())
    session.commit()
    assert merged.book_id == 2


def test_merge_all_copies_what_several_share_once(session, sqlite_engine):
    shared = Book(id=1, title="Shared")
    with count_statements(sqlite_engine) as sent:
        one, two = session.merge_all([Page(id=1, book=shared), Page(id=2, book=shared)])
    assert one.book is two.book and one.book.title == "Shared"
    assert sent.count == 3  # two pages, and their book once


def test_without_loading_changes_of_the_target_are_forgotten(session, sqlite_engine):
    with Session(sqlite_engine) as other:
        book = other.get(Book, 1)
        assert len(book.pages) == 2
    target = session.get(Book, 1)
    target.title = "changed"
    target.pages.append(Page(text="new"))
    with session.no_autoflush:
        assert session.merge(book, load=False) is target
    assert target.title == "Moby" and len(target.pages) == 2
    assert target not in session.dirty


def test_the_options_of_the_source_hold_for_its_copy(session, sqlite_engine):
    with Session(sqlite_engine) as other:
        book = other.scalars(select(Book).options(raiseload(Book.shelf))).one()
    merged = session.merge(book)
    with pytest.raises(exc.InvalidRequestError, match="Book.shelf"):
        _ = merged.shelf


def test_a_deleted_attribute_that_the_source_has_not_either_is_read_again(session):
    book = session.get(Book, 1)
    del book.title
    with session.no_autoflush:
        assert session.merge(Book(id=1)) is book
        assert book.title == "Moby"
