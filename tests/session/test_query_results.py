"""What a Query gives: objects once, rows, the one, the count, and how it is executed."""

import datetime
import decimal

import pytest
from databases import count_statements
from sqlalchemy import (
    JSON,
    Date,
    Enum,
    ForeignKey,
    Numeric,
    String,
    bindparam,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from ropewalk import DeclarativeBase, Mapped, Query, Session, mapped_column, synonym
from ropewalk.exc import InvalidRequestError, MultipleResultsFound, NoResultFound


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[str] = mapped_column(String(50))


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    pages: Mapped[int]
    price: Mapped[decimal.Decimal | None] = mapped_column(Numeric(8, 2))
    bought: Mapped[datetime.date | None] = mapped_column(Date)
    cover: Mapped[str | None] = mapped_column(Enum("hard", "soft", native_enum=False))
    signed: Mapped[bool] = mapped_column(default=False)
    tags: Mapped[list[str] | None] = mapped_column(JSON().with_variant(JSONB, "postgresql"))
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    name = synonym("title")


BOOKS = [
    {"id": 1, "title": "ape", "pages": 10, "price": decimal.Decimal("9.50"), "bought": datetime.date(2020, 1, 2),
     "cover": "hard", "signed": True, "tags": ["a"], "shelf_id": 1},
    {"id": 2, "title": "bee", "pages": 20, "price": decimal.Decimal("5.00"), "bought": datetime.date(2021, 1, 2),
     "cover": "soft", "signed": False, "tags": None, "shelf_id": 1},
    {"id": 3, "title": "cat", "pages": 20, "price": None, "bought": None,
     "cover": None, "signed": False, "tags": ["a"], "shelf_id": None},
]  # fmt: skip


def fill(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(Shelf.__table__.insert(), [{"id": 1, "room": "attic"}, {"id": 2, "room": "hall"}])
        connection.execute(Book.__table__.insert(), BOOKS)


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def lite(sqlite_engine):
    fill(sqlite_engine)
    with Session(sqlite_engine) as session:
        yield session


def ids(query):
    return [book.id for book in query]


# What filter_by finds, whether its statement has been prepared or not

FOUND = {
    "int": ({"pages": 20}, [2, 3]),
    "str": ({"title": "bee"}, [2]),
    "Decimal": ({"price": decimal.Decimal("9.50")}, [1]),
    "int for a Decimal": ({"price": 5}, [2]),
    "float for an int": ({"pages": 10.0}, [1]),
    "date": ({"bought": datetime.date(2021, 1, 2)}, [2]),
    "Enum": ({"cover": "hard"}, [1]),
    "bool": ({"signed": True}, [1]),
    "False": ({"signed": False}, [2, 3]),
    "None": ({"price": None}, [3]),
    "None and more": ({"shelf_id": None, "pages": 20}, [3]),
    "several": ({"pages": 20, "shelf_id": 1}, [2]),
    "synonym": ({"name": "ape"}, [1]),
    "nothing": ({"pages": 99}, []),
    "no condition": ({}, [1, 2, 3]),
}


@pytest.mark.parametrize(("values", "expected"), FOUND.values(), ids=FOUND)
def test_filter_by_finds_what_has_the_values(session, values, expected):
    for _ in range(2):  # the second time by the plan of the first
        assert ids(session.query(Book).filter_by(**values).order_by(Book.id)) == expected


@pytest.mark.parametrize(("values", "expected"), FOUND.values(), ids=FOUND)
def test_a_statement_that_somebody_listens_to_finds_the_same(session, values, expected):
    ids(session.query(Book).filter_by(**values).order_by(Book.id))
    with count_statements(session.get_bind()) as sent:
        assert ids(session.query(Book).filter_by(**values).order_by(Book.id)) == expected
    assert sent.count == 1


def test_one_shape_with_other_values_finds_other_rows(session):
    for book in BOOKS:
        assert ids(session.query(Book).filter_by(title=book["title"], pages=book["pages"])) == [book["id"]]


def test_filter_by_takes_sql_expressions(session):
    assert ids(session.query(Book).filter_by(pages=select(func.min(Book.pages)).scalar_subquery())) == [1]
    assert ids(session.query(Book).filter_by(title=func.lower("BEE"))) == [2]


def test_shapes_that_differ_in_limit_and_offset_alone(session):
    ordered = session.query(Book).order_by(Book.id)
    assert ids(ordered) == [1, 2, 3]
    assert ids(ordered.limit(2)) == [1, 2]
    assert ids(ordered.limit(1)) == [1]
    assert ids(ordered.offset(2).limit(5)) == [3]
    assert ids(ordered.limit(1).offset(1)) == [2]
    assert ids(ordered.offset(2).limit(None)) == [3]
    assert ids(ordered.limit(literal_column("1"))) == [1]


def test_order_by_several_attributes_in_the_order_given(session):
    assert ids(session.query(Book).order_by(Book.pages, Book.title)) == [1, 2, 3]
    assert ids(session.query(Book).order_by(Book.pages.desc(), Book.title.desc())) == [3, 2, 1]


def test_values_are_read_by_their_types(session):
    book = session.query(Book).filter_by(id=1).one()
    assert (book.price, book.bought, book.signed, book.tags) == (
        decimal.Decimal("9.50"),
        datetime.date(2020, 1, 2),
        True,
        ["a"],
    )


# Objects and rows


def test_an_object_is_given_once_however_often_a_join_repeats_it(session):
    assert sorted(ids(session.query(Book).join(Shelf, true()))) == [1, 2, 3]
    assert session.query(Book).join(Shelf, true()).count() == 6


def test_rows_with_an_object_are_given_once_too(session):
    rows = session.query(Book, Book.title).join(Shelf, true()).all()
    assert sorted(row.title for row in rows) == ["ape", "bee", "cat"]


def test_rows_of_columns_are_given_as_often_as_they_come(session):
    assert len(session.query(Book.title).join(Shelf, true()).all()) == 6


def test_rows_with_an_object_and_a_list(session):
    rows = session.query(Book, Book.tags).order_by(Book.id).all()
    assert [row.tags for row in rows] == [["a"], None, ["a"]]


def test_an_outer_join_that_meets_nothing_gives_none(session):
    assert None in session.query(Shelf).select_from(Book).outerjoin(Shelf).all()


def test_rows_have_names(session):
    row = session.query(Book, Shelf.room, func.max(Book.pages).label("most")).join(Shelf).group_by(Book, Shelf.room)
    row = session.query(Book.id, Shelf.room.label("where")).join(Shelf).order_by(Book.id).first()
    assert row._asdict() == {"id": 1, "where": "attic"}


def test_tuples_of_a_single_class(session):
    ((book,),) = session.query(Book).filter_by(id=1).only_return_tuples(True).all()
    assert book.title == "ape"


def test_column_descriptions(lite):
    described = lite.query(Book, Shelf.room).column_descriptions
    assert [(d["name"], d["entity"]) for d in described] == [("Book", Book), ("room", Shelf)]
    (union,) = lite.query(Book).union(lite.query(Book)).column_descriptions
    assert (union["name"], union["type"], union["aliased"]) == ("Book", Book, False)


def test_unions_give_objects(session):
    first, second = session.query(Book).filter_by(id=1), session.query(Book).filter_by(pages=20)
    assert ids(first.union(second).order_by(Book.id)) == [1, 2, 3]
    assert ids(first.union(second).filter(Book.title > "b").order_by(Book.id.desc())) == [3, 2]
    assert ids(first.union(second).filter_by(title="cat")) == [3]
    assert first.union(second).count() == 3
    assert first.union(second).union(first).count() == 3


def test_a_union_is_a_subquery_by_the_names_of_its_columns(session):
    both = session.query(Book).filter_by(id=1).union(session.query(Book).filter_by(id=2)).subquery()
    assert sorted(session.scalars(select(both.c.book_title))) == ["ape", "bee"]


# The one and the many


def test_one_says_of_what_there_was_none_or_many(lite):
    with pytest.raises(NoResultFound, match="Book"):
        lite.query(Book).filter_by(id=99).one()
    with pytest.raises(MultipleResultsFound, match="Book"):
        lite.query(Book).one()
    with pytest.raises(MultipleResultsFound, match="Book"):
        lite.query(Book).one_or_none()


def test_one_counts_objects_and_not_rows(session):
    assert session.query(Book).filter_by(id=1).join(Shelf, true()).one().id == 1


def test_scalar(session):
    assert session.query(Book).filter_by(id=1).scalar().title == "ape"
    assert session.query(Book.title, Book.id).filter_by(id=2).scalar() == "bee"
    assert session.query(Book.title).filter_by(id=9).scalar() is None
    assert session.query(Book.price).filter_by(id=3).scalar() is None


def test_value_and_values(session):
    query = session.query(Book).order_by(Book.id)
    assert query.value(Book.title) == "ape"
    assert [tuple(row) for row in query.values(Book.id, Book.pages)] == [(1, 10), (2, 20), (3, 20)]
    assert session.query(Book).filter_by(id=9).value(Book.title) is None


def test_slices(lite):
    query = lite.query(Book).order_by(Book.id)
    assert ids(query[0:3:2]) == [1, 3]
    assert ids(query[1:]) == [2, 3]
    assert query[0].id == 1
    assert ids(query.limit(2)[1:]) == [2, 3]  # as in SQLAlchemy, a limit is not narrowed by an open slice


def test_get_leaves_the_criteria_to_the_session(lite):
    book = lite.query(Book).get(1)
    assert lite.query(Book).order_by(Book.id).get(1) is book
    assert lite.query(Book).get({"id": 2}).title == "bee"


def test_exists(session):
    assert session.query(session.query(Book).filter_by(id=1).exists()).scalar()
    assert not session.query(session.query(Book).filter_by(id=9).exists()).scalar()


# How it is executed


def test_params_fill_named_parameters(session):
    query = session.query(Book).filter(Book.pages > bindparam("least")).order_by(Book.id)
    assert ids(query.params(least=10)) == [2, 3]
    assert query.params({"least": 5}).count() == 3
    assert ids(session.query(Book).filter(Book.id.in_(query.params(least=19).with_entities(Book.id)))) == [2, 3]


def test_from_statement(session):
    assert ids(session.query(Book).from_statement(text("SELECT * FROM book WHERE id = :id")).params(id=2)) == [2]
    assert ids(session.query(Book).from_statement("SELECT * FROM book ORDER BY id DESC")) == [3, 2, 1]
    assert session.query(Book).from_statement(select(Book).where(Book.id == 3)).one().id == 3
    assert session.query(Book.title).from_statement(text("SELECT title FROM book WHERE id = 1")).first().title == "ape"


def test_a_query_flushes_first_unless_told_not_to(lite):
    lite.add(Book(id=4, title="dog", pages=1))
    assert lite.query(Book).autoflush(False).filter_by(title="dog").first() is None
    assert lite.query(Book).filter_by(title="dog").autoflush(False).count() == 0
    assert lite.query(Book).filter_by(title="dog").one().id == 4


def test_populate_existing_overwrites_what_objects_hold(lite):
    book = lite.query(Book).get(1)
    book.title = "changed"
    assert lite.query(Book).autoflush(False).filter_by(id=1).one().title == "changed"
    assert lite.query(Book).autoflush(False).populate_existing().filter_by(id=1).one().title == "ape"


def test_yield_per_gives_everything(session):
    assert ids(session.query(Book).order_by(Book.id).yield_per(2)) == [1, 2, 3]
    assert [row.id for row in session.query(Book.id).order_by(Book.id).yield_per(1)] == [1, 2, 3]


def test_the_session_may_come_later(lite):
    query = Query(Book).filter_by(id=1)
    assert query.with_session(lite).one().title == "ape"
    assert "FROM book" in str(query)
    with pytest.raises(InvalidRequestError, match="with_session"):
        query.all()


def test_a_strong_identity_map_keeps_what_a_query_gave(sqlite_engine):
    fill(sqlite_engine)
    with Session(sqlite_engine, weak_identity_map=False) as session:
        session.query(Book).filter_by(pages=20).all()
        assert len(session.identity_map) == 2


def test_without_a_transaction_each_query_is_one(sqlite_engine):
    fill(sqlite_engine)
    with Session(sqlite_engine, transactional=False) as session:
        assert ids(session.query(Book).filter_by(pages=20).order_by(Book.id)) == [2, 3]
        assert sqlite_engine.pool.checkedout() == 0


def test_a_query_class_of_ones_own(lite):
    class Shouting(Query):
        def loud(self):
            return self.filter(Book.signed)

    with Session(lite.get_bind(), query_cls=Shouting) as session:
        assert ids(session.query(Book).filter_by(pages=10).loud().order_by(Book.id).limit(5)) == [1]


# What is wrong is named


def test_an_unknown_attribute_is_named_with_what_comes_close(lite):
    with pytest.raises(InvalidRequestError, match=r"'titel'.*Book.*'title'"):
        lite.query(Book).filter_by(titel="ape")
    with pytest.raises(InvalidRequestError, match=r"'rom'.*shelf.*'room'"):
        lite.query(Shelf.__table__).filter_by(rom="attic")
    with pytest.raises(InvalidRequestError, match=r"'title'.*Shelf"):
        lite.query(Book).join(Shelf).filter_by(title="ape")


def test_a_class_that_is_not_mapped_is_named(lite):
    with pytest.raises(Exception, match="int is not mapped"):
        lite.query(int)
    with pytest.raises(Exception, match="neither mapped nor a FROM clause"):
        lite.query(Book).join(int)


def test_assertions_can_be_switched_off(lite):
    assert lite.query(Book).enable_assertions(False).limit(1).filter_by(id=2).count() == 1
