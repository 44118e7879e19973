"""Criteria that follow an entity: with_loader_criteria()."""

import contextvars
import pickle

import pytest
import sqlalchemy
from databases import count_statements
from sqlalchemy import Column, ForeignKey, Table, func
from sqlalchemy.exc import ArgumentError

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    contains_eager,
    delete,
    immediateload,
    join,
    joinedload,
    mapped_column,
    relationship,
    select,
    selectinload,
    subqueryload,
    update,
    with_loader_criteria,
)


class Base(DeclarativeBase):
    pass


class Deletable:
    deleted: Mapped[bool] = mapped_column(default=False)


tagged = Table(
    "tagged",
    Base.metadata,
    Column("page_id", ForeignKey("page.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Book(Deletable, Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    pages: Mapped[list["Page"]] = relationship(back_populates="book", order_by="Page.id")


class Page(Deletable, Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"))
    book: Mapped["Book"] = relationship(back_populates="pages")
    tags: Mapped[list["Tag"]] = relationship(secondary=tagged, order_by="Tag.id")


class Tag(Deletable, Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def database(engine):
    """Books 1, 2 and 3 with pages 11, 12, 13 and so on, each with tags 1 and 2; 2, 12 and tag 2 are deleted."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        tags = [Tag(id=1), Tag(id=2, deleted=True)]
        for i in (1, 2, 3):
            pages = [Page(id=10 * i + j, deleted=(i, j) == (1, 2), tags=tags) for j in (1, 2, 3)]
            session.add(Book(id=i, deleted=i == 2, pages=pages))
        session.commit()
    return engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


ALIVE = with_loader_criteria(Deletable, lambda cls: cls.deleted.is_(False), include_aliases=True)


def ids(found):
    return [one.id for one in found]


@pytest.mark.parametrize("ask", ["select", "core", "query"])
def test_what_is_selected(session, ask):
    if ask == "query":
        found = session.query(Book).options(ALIVE).order_by(Book.id).all()
    else:
        make = select if ask == "select" else sqlalchemy.select
        found = session.scalars(make(Book).options(ALIVE).order_by(Book.id)).all()
    assert ids(found) == [1, 3]


def test_they_stay_when_the_columns_are_replaced(session):
    """As where a page of results is counted: select(Book) with all that belongs to it, then only a number."""
    alive = select(Book).options(ALIVE)
    assert session.scalar(alive.with_only_columns(func.count(Book.id))) == 2
    assert session.scalars(alive.with_only_columns(Book.id).order_by(Book.id)).all() == [1, 3]
    assert ids(session.scalars(alive.with_only_columns(Book).order_by(Book.id))) == [1, 3]
    later = with_loader_criteria(Book, Book.id > 1)
    assert session.scalars(alive.with_only_columns(Book.id).options(later)).all() == [3]


def test_loader_options_of_what_was_replaced(session, database):
    books = select(Book).order_by(Book.id).options(selectinload(Book.pages))
    with count_statements(database) as sent:
        assert [len(book.pages) for book in session.scalars(books.with_only_columns(Book))] == [3, 3, 3]
    assert sent.count == 2
    pages = books.join(Book.pages).with_only_columns(Page).order_by(None).order_by(Page.id)
    assert ids(session.scalars(pages))[:3] == [11, 12, 13]  # the option is of no use here, and no error either
    assert session.scalar(books.order_by(None).with_only_columns(func.count(Book.id))) == 3


def test_an_expression_in_place_of_a_callable(session):
    option = with_loader_criteria(Book, Book.id > 1)
    assert ids(session.scalars(select(Book).options(option).order_by(Book.id))) == [2, 3]


@pytest.mark.parametrize("way", [selectinload, subqueryload, joinedload, immediateload, None])
def test_relationships_of_what_is_selected(session, database, way):
    query = select(Book).options(ALIVE).order_by(Book.id)
    if way is not None:
        query = query.options(way(Book.pages).options(way(Page.tags)))
    books = session.scalars(query).all()
    assert [(b.id, [(p.id, ids(p.tags)) for p in b.pages]) for b in books] == [
        (1, [(11, [1]), (13, [1])]),
        (3, [(31, [1]), (32, [1]), (33, [1])]),
    ]


def test_on_demand_for_all_peers_at_once(session, database):
    books = session.scalars(select(Book).options(ALIVE)).all()
    with count_statements(database) as sent:
        assert sorted(p.id for b in books for p in b.pages) == [11, 13, 31, 32, 33]
    assert sent.count == 1


def test_a_reference_that_does_not_meet_them_is_none(session):
    page = session.scalars(select(Page).where(Page.id == 21).options(ALIVE)).one()
    assert page.book is None


def test_a_reference_that_the_session_holds_is_given_without_asking(session):
    book = session.get(Book, 2)
    page = session.scalars(select(Page).where(Page.id == 21).options(ALIVE)).one()
    assert page.book is book


def test_only_the_first_statement(session):
    option = with_loader_criteria(
        Deletable, lambda cls: cls.deleted.is_(False), include_aliases=True, propagate_to_loaders=False
    )
    books = session.scalars(select(Book).options(option, joinedload(Book.pages)).order_by(Book.id)).all()
    assert [ids(b.pages) for b in books] == [[11, 12, 13], [31, 32, 33]]
    assert ids(books[0].pages[0].tags) == [1, 2]


def test_joins_have_them_in_their_condition(session):
    query = select(Book.id, Page.id).outerjoin(Book.pages.and_(Page.id == 12)).options(ALIVE).order_by(Book.id)
    assert [tuple(row) for row in session.execute(query)] == [(1, None), (3, None)]
    query = select(Book.id, Page.id).join(Book.pages).where(Book.id == 1).options(ALIVE).order_by(Page.id)
    assert [tuple(row) for row in session.execute(query)] == [(1, 11), (1, 13)]


def test_a_join_without_a_condition(session):
    query = select(Book.id, Page.id).join(Page).where(Book.id == 1).options(ALIVE).order_by(Page.id)
    assert [tuple(row) for row in session.execute(query)] == [(1, 11), (1, 13)]


def test_join_as_a_from_clause(session):
    query = select(Book.id, Page.id).select_from(join(Book, Page, Book.pages)).options(ALIVE).order_by(Page.id)
    assert [tuple(row) for row in session.execute(query)] == [(1, 11), (1, 13), (3, 31), (3, 32), (3, 33)]


def test_an_outer_join_over_an_association_table(session):
    query = select(Page.id, Tag.id).outerjoin(Page.tags).where(Page.id == 11).options(ALIVE)
    assert [tuple(row) for row in session.execute(query)] == [(11, 1)]


def test_contains_eager_takes_what_the_join_gives(session):
    query = select(Book).join(Book.pages).where(Book.id == 1).options(ALIVE, contains_eager(Book.pages))
    assert ids(session.scalars(query).unique().one().pages) == [11, 13]


def test_columns_and_functions(session):
    assert session.scalars(select(Book.id).options(ALIVE).order_by(Book.id)).all() == [1, 3]
    assert session.scalar(select(func.count(Page.id)).options(ALIVE)) == 8


def test_subqueries(session):
    inner = select(Page.book_id).where(Page.id == 12)
    assert ids(session.scalars(select(Book).where(Book.id.in_(inner)).options(ALIVE))) == []
    counted = select(Page.book_id, func.count().label("n")).group_by(Page.book_id).subquery()
    query = select(Book.id, counted.c.n).join(counted, counted.c.book_id == Book.id).options(ALIVE).order_by(Book.id)
    assert [tuple(row) for row in session.execute(query)] == [(1, 2), (3, 3)]


def test_any_and_has(session):
    assert ids(session.scalars(select(Book).where(Book.pages.any(Page.id == 12)).options(ALIVE))) == []
    assert ids(session.scalars(select(Page).where(Page.book.has(id=2)).options(ALIVE))) == []


def test_an_entity_that_stands_in_where_alone(session):
    query = select(func.count()).where(Book.id == 2).options(ALIVE)
    assert session.scalar(query) == 0


def test_a_limit_around_a_joined_collection(session):
    query = select(Book).options(ALIVE, joinedload(Book.pages)).order_by(Book.id).limit(1)
    assert [ids(b.pages) for b in session.scalars(query)] == [[11, 13]]


def test_update_and_delete(session):
    session.execute(update(Book).values(deleted=True).options(with_loader_criteria(Book, Book.id == 3)))
    assert session.scalars(select(Book.id).where(Book.deleted).order_by(Book.id)).all() == [2, 3]
    session.execute(delete(tagged))
    session.execute(delete(Page).options(with_loader_criteria(Page, Page.id > 12)))
    assert session.scalars(select(Page.id).order_by(Page.id)).all() == [11, 12]
    assert session.query(Page).options(with_loader_criteria(Page, Page.id == 12)).delete() == 1


def test_get(session):
    assert session.get(Book, 2, options=[ALIVE]) is None
    assert session.get(Book, 1, options=[ALIVE]).id == 1


def test_a_refresh_is_not_filtered_and_its_relationships_are(session):
    book = session.scalars(select(Book).options(with_loader_criteria(Book, Book.deleted.is_(False)))).first()
    book.deleted = True
    session.flush()
    session.expire(book)
    assert book.deleted is True
    session.refresh(book)
    session.expire_all()
    page = session.scalars(select(Page).options(ALIVE, joinedload(Page.tags)).where(Page.id == 11)).one()
    session.refresh(page)
    assert ids(page.tags) == [1]


def test_aliases_are_left_alone_unless_included(session):
    book = aliased(Book)
    option = with_loader_criteria(Book, Book.deleted.is_(False))
    assert len(session.scalars(select(book).options(option)).all()) == 3
    option = with_loader_criteria(Book, Book.deleted.is_(False), include_aliases=True)
    assert ids(session.scalars(select(book).options(option).order_by(book.id))) == [1, 3]


def test_one_alias_alone(session):
    book = aliased(Book)
    query = select(book.id, Book.id).where(book.id == Book.id).options(with_loader_criteria(book, book.id == 2))
    assert [tuple(row) for row in session.execute(query)] == [(2, 2)]
    assert len(session.scalars(select(Book).options(with_loader_criteria(book, book.id == 2))).all()) == 3


def test_a_mixin_means_its_classes_and_with_include_aliases_their_aliases_too(session):
    option = with_loader_criteria(Deletable, lambda cls: cls.deleted.is_(False))
    assert ids(session.scalars(select(Book).options(option).order_by(Book.id))) == [1, 3]
    assert len(session.scalars(select(aliased(Book)).options(option)).all()) == 3


# What a callable refers to


def test_values_that_a_callable_closes_over(session):
    def upto(most):
        return select(Book).options(with_loader_criteria(Book, lambda cls: cls.id <= most)).order_by(Book.id)

    for most in (1, 3, 2, 1, 3):
        session.expunge_all()
        assert ids(session.scalars(upto(most))) == list(range(1, most + 1))


def test_values_that_a_callable_closes_over_reach_what_is_loaded_later(session):
    for most in (11, 13, 12, 11):
        session.expunge_all()
        option = with_loader_criteria(Page, lambda cls, most=most: cls.id <= most)
        book = session.scalars(select(Book).options(option).where(Book.id == 1)).one()
        assert ids(book.pages) == list(range(11, most + 1))


least = 1


def test_a_global_that_changes(session):
    global least

    def from_least_on():
        return select(Book).options(with_loader_criteria(Book, lambda cls: cls.id >= least)).order_by(Book.id)

    for least in (1, 2, 3, 1):
        session.expunge_all()
        query = from_least_on()
        assert ids(session.scalars(query)) == list(range(least, 4))


def test_values_count_as_they_were_when_the_option_was_made(session):
    most = 1
    option = with_loader_criteria(Book, lambda cls: cls.id <= most)
    most = 2
    query = select(Book).options(option, joinedload(Book.pages)).order_by(Book.id)
    assert ids(session.scalars(query).unique()) == [1]
    most = 3
    assert ids(session.scalars(query).unique()) == [1]
    query = select(Book).options(with_loader_criteria(Book, lambda cls: cls.id <= most)).order_by(Book.id)
    assert ids(session.scalars(query)) == [1, 2, 3]


def test_a_promise_that_a_callable_always_makes_the_same(session):
    def criterion(cls):
        return cls.id == tenant.get()

    tenant.set(2)
    option = with_loader_criteria(Book, criterion, track_closure_variables=False)
    assert ids(session.scalars(select(Book).options(option))) == [2]


tenant = contextvars.ContextVar("tenant")


def test_what_a_callable_asks_for_itself(session):
    query = select(Book).options(with_loader_criteria(Deletable, lambda cls: cls.id == tenant.get()))
    for one in (1, 2, 3, 2, 1):
        session.expunge_all()
        tenant.set(one)
        assert ids(session.scalars(query)) == [one]


def test_what_a_callable_asks_an_object_for(session):
    class Wanted:
        id = 1

    wanted = Wanted()
    query = select(Book).options(with_loader_criteria(Book, lambda cls: cls.id == wanted.id))
    for wanted.id in (1, 2, 3, 2):
        session.expunge_all()
        assert ids(session.scalars(query)) == [wanted.id]


def test_a_statement_with_criteria_is_prepared_once(session):
    from ropewalk.loading import plan

    def ask():
        return session.scalars(select(Book).options(ALIVE, selectinload(Book.pages)).where(Book.id == 1)).all()

    ask()
    before = len(plan._plans)
    for _ in range(5):
        ask()
    assert len(plan._plans) == before


def test_criteria_that_refer_to_one_another(session):
    of_books = with_loader_criteria(
        Book, Book.id.in_(sqlalchemy.select(Page.book_id).where(Page.id.in_([11, 12, 21]))), include_aliases=True
    )
    of_pages = with_loader_criteria(Page, Page.book_id.in_(sqlalchemy.select(Book.id).where(Book.id == 1)))
    query = select(Book).join(Book.pages).options(of_books, of_pages).order_by(Book.id)
    assert ids(session.scalars(query).unique()) == [1]


def test_an_option_can_be_pickled(session):
    option = pickle.loads(pickle.dumps(with_loader_criteria(Book, make_criterion, include_aliases=True)))
    assert ids(session.scalars(select(Book).options(option))) == [3]


def make_criterion(cls):
    return cls.id == 3


# Bad input


@pytest.mark.parametrize("thing", ["Book", 7, None])
def test_what_is_no_class(thing):
    with pytest.raises(ArgumentError, match=r"\(\) takes a mapped class, an alias of one, or a class"):
        with_loader_criteria(thing, Book.id == 1)


def test_what_is_no_criterion(session):
    with pytest.raises(ArgumentError):
        with_loader_criteria(Book, object())
    with pytest.raises(ArgumentError, match="returned 'id' for Book; it has to return a SQL expression"):
        session.scalars(select(Book).options(with_loader_criteria(Book, lambda cls: "id")))


def test_inside_another_option():
    with pytest.raises(ArgumentError, match="LoaderCriteria cannot be part of another option.*Give it to"):
        selectinload(Book.pages).options(with_loader_criteria(Page, Page.id == 1))
