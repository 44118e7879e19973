"""Plans: worked out once for a shape of statement, and compiled once for a dialect."""

import pytest
from databases import count_statements
from sqlalchemy import Select, String, bindparam, event, func, insert, literal, select, text, union, union_all
from sqlalchemy.exc import ArgumentError

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.exc import InvalidRequestError
from ropewalk.instrumentation.aliases import aliased
from ropewalk.kernel.statements import Prepared
from ropewalk.loading.options import defer, load_only, undefer, undefer_group
from ropewalk.loading.plan import has_entities, plan_for
from ropewalk.mapping.properties import column_property, deferred, synonym
from ropewalk.session.session import Session
from ropewalk.state.instance import state_of


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column("book_title", String(20))
    pages: Mapped[int | None] = mapped_column()
    cover: Mapped[str | None] = deferred(mapped_column(String(20)))
    front: Mapped[str | None] = deferred(mapped_column(String(20)), group="images")
    back: Mapped[str | None] = deferred(mapped_column(String(20)), group="images")
    leaves: Mapped[int | None] = column_property(pages / 2)
    name = synonym("title")


@pytest.fixture
def database(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.begin() as connection:
        connection.execute(
            insert(Book.__table__),
            [
                {"id": n, "book_title": f"t{n}", "pages": n * 100, "cover": f"c{n}", "front": f"f{n}", "back": f"b{n}"}
                for n in range(1, 6)
            ],
        )
    return sqlite_memory_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


@pytest.fixture
def compilations(monkeypatch):
    """The statements that were compiled."""
    seen = []
    original = Prepared.__init__

    def init(self, statement, *args, **kw):
        seen.append(statement)
        original(self, statement, *args, **kw)

    monkeypatch.setattr(Prepared, "__init__", init)
    return seen


# The cache


@pytest.mark.parametrize(
    "make",
    [
        lambda n: select(Book).where(Book.id == n),
        lambda n: select(Book).where(Book.id == n, Book.title == f"t{n}").order_by(Book.title).limit(n),
        lambda n: select(Book).where((Book.id == n) | (Book.pages == -n)),
        lambda n: select(Book, literal(n)).where(Book.id == n),
        lambda n: select(Book).filter_by(id=n).options(undefer(Book.cover)),
        lambda n: select(Book).where(Book.id.in_([n])),
    ],
    ids=["one criterion", "several", "or", "with a literal", "with an option", "in"],
)
def test_statements_that_differ_in_values_only_are_compiled_once(session, compilations, make):
    for n in (1, 2, 3):
        found = session.execute(make(n)).all()
        assert [row[0].id for row in found] == [n]
    assert len(compilations) <= 1
    assert plan_for(make(1)).plan is plan_for(make(2)).plan


def test_get_is_compiled_once(session, compilations):
    for n in (1, 2, 3):
        assert session.get(Book, n).id == n
    assert len(compilations) <= 1


def test_a_refresh_is_compiled_once(session, compilations):
    books = session.scalars(select(Book)).all()
    compilations.clear()
    for book in books:
        session.refresh(book)
    assert len(compilations) <= 1


@pytest.mark.parametrize(
    "other",
    [
        select(Book).where(Book.id != 1),
        select(Book).where(Book.pages == 1),
        select(Book).where(Book.id == 1).order_by(Book.id),
        select(Book).where(Book.id == 1).options(undefer(Book.cover)),
        select(Book).where(Book.id == 1).options(defer(Book.title)),
        select(Book.id).where(Book.id == 1),
        select(Book, Book.id).where(Book.id == 1),
        select(aliased(Book)),
    ],
)
def test_statements_of_another_shape_have_another_plan(other):
    assert plan_for(other).plan is not plan_for(select(Book).where(Book.id == 1)).plan


def test_a_statement_keeps_its_own_values_however_often_it_runs(session):
    one, two = select(Book).where(Book.id == 1), select(Book).where(Book.id == 2)
    for _ in range(3):
        assert session.scalars(one).one().id == 1
        assert session.scalars(two).one().id == 2


def test_two_engines_of_one_dialect_prepare_each_for_themselves(database, sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    statement = select(Book).where(Book.id == 1)
    with Session(database) as one, Session(sqlite_engine) as two:
        assert one.scalars(statement).one().id == 1
        assert two.scalars(statement).all() == []


def test_parameters_are_given_by_name(session):
    statement = select(Book).where(Book.id == bindparam("wanted"))
    assert [session.scalars(statement, {"wanted": n}).one().id for n in (3, 1)] == [3, 1]


def test_a_listener_sees_this_calls_values(session, database):
    seen = []

    def note(connection, cursor, statement, parameters, context, executemany):
        seen.append(parameters)

    session.scalars(select(Book).where(Book.id == 1)).all()
    event.listen(database, "before_cursor_execute", note)
    session.scalars(select(Book).where(Book.id == 3)).all()
    assert seen == [(2, 3)]  # the 2 is of the expression that is mapped


def test_in_lists_of_any_length_run_through_one_plan(session):
    for ids in ([1], [1, 2, 3], [], [4, 5]):
        assert [b.id for b in session.scalars(select(Book).where(Book.id.in_(ids)).order_by(Book.id))] == ids


def test_only_a_select_with_a_class_needs_a_plan():
    assert has_entities(select(Book))
    assert has_entities(select(Book.id, aliased(Book)))
    assert has_entities(select(Book).from_statement(text("x")))
    assert not has_entities(select(Book.id))
    assert not has_entities(select(Book.__table__))
    assert not has_entities(text("SELECT 1"))


# Entities inside other statements


def text_of(statement):
    return " ".join(str(statement).split())


def test_a_select_shows_the_mapped_columns_without_deferred_ones():
    shown = text_of(select(Book))
    assert shown.startswith("SELECT book.id, book.book_title, book.pages, ")
    assert "cover" not in shown
    assert shown.endswith("FROM book")


def test_a_subquery_has_the_attributes_names():
    assert select(Book).subquery().c.keys()[:3] == ["id", "title", "pages"]
    assert "cover" not in select(Book).subquery().c
    assert "leaves" in select(Book).subquery().c


def test_a_subquery_with_an_option_has_what_the_option_adds():
    assert "cover" in select(Book).options(undefer(Book.cover)).subquery().c


def test_rows_of_a_subquery_become_objects(session):
    small = select(Book).where(Book.pages <= 200).subquery()
    entity = aliased(Book, small)
    found = session.scalars(select(entity).order_by(entity.id)).all()
    assert [(book.id, book.title, book.leaves) for book in found] == [(1, "t1", 50), (2, "t2", 100)]
    assert found[0] is session.get(Book, 1)


def test_a_cte_works_like_a_subquery(session):
    small = select(Book).where(Book.pages <= 200).cte("small")
    assert session.scalars(select(func.count()).select_from(small)).one() == 2


@pytest.mark.parametrize(("combine", "count"), [(union, 2), (union_all, 4)])
def test_a_union_of_entities_becomes_objects_by_from_statement(session, combine, count):
    low = select(Book).where(Book.id <= 2)
    found = session.scalars(select(Book).from_statement(combine(low, low))).all()
    assert len(found) == count
    assert {book.title for book in found} == {"t1", "t2"}
    assert all(book is session.get(Book, book.id) for book in found)


def test_a_union_of_entities_is_a_statement_of_core_by_itself(session):
    rows = session.execute(union(select(Book).where(Book.id == 1), select(Book).where(Book.id == 2))).all()
    assert sorted(row[0] for row in rows) == [1, 2]


def test_entities_in_an_exists_and_a_scalar_subquery(session):
    other = aliased(Book)
    bigger = select(other.id).where(other.pages > Book.pages).exists()
    assert session.scalars(select(Book).where(~bigger)).one().id == 5
    count = select(func.count(other.id)).where(other.pages < Book.pages).scalar_subquery()
    assert session.execute(select(Book.id, count).order_by(Book.id)).all()[2] == (3, 2)


def test_an_entity_in_an_in_subquery(session):
    ids = select(Book.id).where(Book.pages > 300)
    assert [b.id for b in session.scalars(select(Book).where(Book.id.in_(ids)).order_by(Book.id))] == [4, 5]


def test_column_descriptions_say_what_was_asked():
    other = aliased(Book, name="other")
    found = select(Book, other, Book.title, func.count().label("n")).column_descriptions
    assert [d["name"] for d in found] == ["Book", "other", "title", "n"]
    assert [d["entity"] for d in found] == [Book, other, Book, None]
    assert [d["aliased"] for d in found] == [False, True, False, False]
    assert [d["type"] for d in found[:2]] == [Book, Book]


def test_compiling_leaves_the_statement_as_it_was():
    statement = select(Book).where(Book.id == 1)
    assert text_of(statement) == text_of(statement)
    assert isinstance(statement, Select)
    assert [d["entity"] for d in statement.column_descriptions] == [Book]


# Statements written by hand


def test_text_is_matched_by_column_name(session):
    book = session.scalars(select(Book).from_statement(text("SELECT book_title, id FROM book WHERE id = 2"))).one()
    assert vars(book) == {"id": 2, "title": "t2"}


def test_text_may_name_the_attribute_too(session):
    statement = text("SELECT id, book_title AS title FROM book WHERE id = 2")
    assert vars(session.scalars(select(Book).from_statement(statement)).one())["title"] == "t2"


def test_text_with_columns_is_matched_by_them(session):
    table = Book.__table__.c
    statement = text("SELECT book_title, id FROM book WHERE id = :n").columns(table.book_title, table.id)
    book = session.scalars(select(Book).from_statement(statement), {"n": 3}).one()
    assert (book.id, vars(book)["title"]) == (3, "t3")


def test_text_without_the_key_is_refused_with_what_is_missing(session):
    with pytest.raises(InvalidRequestError, match="cannot become Book objects: the key column id is not among"):
        session.scalars(select(Book).from_statement(text("SELECT book_title FROM book"))).all()


def test_text_without_a_column_asked_for_is_refused(session):
    with pytest.raises(InvalidRequestError, match="no column 'pages'"):
        session.execute(select(Book, Book.pages).from_statement(text("SELECT id FROM book"))).all()


def test_text_gives_entity_and_columns_side_by_side(session):
    statement = select(Book, Book.pages).from_statement(text("SELECT pages, id FROM book ORDER BY id"))
    rows = session.execute(statement).all()
    assert [(book.id, pages) for book, pages in rows] == [(n, n * 100) for n in range(1, 6)]


def test_options_go_with_a_statement_written_by_hand(session):
    raw = text("SELECT * FROM book WHERE id = 1")
    assert "cover" not in vars(session.scalars(select(Book).from_statement(raw)).one())
    session.expunge_all()
    book = session.scalars(select(Book).options(undefer(Book.cover)).from_statement(raw)).one()
    assert vars(book)["cover"] == "c1"
    session.expunge_all()
    book = session.scalars(select(Book).from_statement(raw).options(undefer_group("images"))).one()
    assert vars(book)["front"] == "f1"


def test_execution_options_of_a_statement_written_by_hand_count(session):
    book = session.get(Book, 1)
    book.title = "mine"
    statement = select(Book).from_statement(text("SELECT id, book_title FROM book WHERE id = 1"))
    session.scalars(statement.execution_options(populate_existing=True, autoflush=False)).all()
    assert book.title == "t1"


# Options


def loaded(session, *options):
    session.expunge_all()
    book = session.scalars(select(Book).where(Book.id == 1).options(*options)).one()
    return {key for key in vars(book) if key in Book.__mapper__.column_props}


DEFAULT = {"id", "title", "pages", "leaves"}


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ((), DEFAULT),
        ((defer(Book.title),), DEFAULT - {"title"}),
        ((defer(Book.title), defer(Book.pages)), DEFAULT - {"title", "pages"}),
        ((defer("*"),), {"id"}),
        ((undefer(Book.cover),), DEFAULT | {"cover"}),
        ((undefer("*"),), DEFAULT | {"cover", "front", "back"}),
        ((undefer_group("images"),), DEFAULT | {"front", "back"}),
        ((undefer_group("nothing"),), DEFAULT),
        ((load_only(Book.title),), {"id", "title"}),
        ((load_only(Book.title, Book.cover),), {"id", "title", "cover"}),
        ((load_only(Book.title), undefer(Book.back)), {"id", "title", "back"}),
        ((defer("*"), undefer(Book.pages)), {"id", "pages"}),
        ((defer(Book.id),), DEFAULT),
        ((undefer(Book.front),), DEFAULT | {"front"}),
    ],
    ids=lambda value: None,
)
def test_options_choose_what_is_fetched(session, options, keys):
    assert loaded(session, *options) == keys


def test_an_option_for_one_query_does_not_stay(session):
    assert loaded(session, undefer(Book.cover)) == DEFAULT | {"cover"}
    assert loaded(session) == DEFAULT


def test_what_an_option_left_out_is_loaded_when_it_is_read(session, database):
    book = session.scalars(select(Book).where(Book.id == 1).options(defer(Book.title))).one()
    with count_statements(database) as sent:
        assert book.title == "t1"
    assert sent.count == 1


def test_a_group_is_loaded_together(session, database):
    book = session.get(Book, 1)
    with count_statements(database) as sent:
        assert (book.front, book.back) == ("f1", "b1")
        assert sent.count == 1
        assert book.cover == "c1"
    assert sent.count == 2


@pytest.mark.parametrize("option", [defer(Book.title, raiseload=True), load_only(Book.pages, raiseload=True)])
def test_raiseload_refuses_to_load_later(session, option):
    book = session.scalars(select(Book).where(Book.id == 1).options(option)).one()
    with pytest.raises(InvalidRequestError, match=r"Book\.title' is not .*raiseload.*undefer\(Book\.title\)"):
        book.title  # noqa: B018
    assert book.pages == 100


def test_raiseload_is_over_when_the_object_is_read_anew(session):
    book = session.scalars(select(Book).where(Book.id == 1).options(defer(Book.title, raiseload=True))).one()
    session.expire(book)
    assert book.title == "t1"


def test_get_takes_options(session):
    book = session.get(Book, 1, options=[undefer(Book.cover), defer(Book.title)])
    assert "cover" in vars(book)
    assert "title" not in vars(book)


def test_an_option_on_an_alias_counts_for_it(session):
    other = aliased(Book)
    book = session.scalars(select(other).where(other.id == 1).options(undefer(other.cover))).one()
    assert "cover" in vars(book)


def test_an_option_of_another_class_is_refused(session):
    class Other(Base):
        __tablename__ = "other"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str | None]

    with pytest.raises(ArgumentError, match="starts at Other, which this statement does not load: it loads Book"):
        loaded(session, defer(Other.title))


@pytest.mark.parametrize("make", [defer, undefer, load_only])
@pytest.mark.parametrize("thing", ["title", Book, Book.__table__.c.pages, None], ids=str)
def test_an_option_takes_mapped_attributes_only(make, thing):
    with pytest.raises(ArgumentError, match=rf"{make.__name__}\(\) takes mapped column attributes"):
        make(thing)


# On demand


def test_an_expired_object_is_read_with_one_statement(session, database):
    book = session.get(Book, 1)
    session.expire(book)
    with count_statements(database) as sent:
        assert (book.title, book.pages, book.leaves) == ("t1", 100, 50)
    assert sent.count == 1


def test_an_attribute_expired_by_name_is_read_alone(session, database):
    book = session.get(Book, 1)
    session.expire(book, ["title"])
    with count_statements(database) as sent:
        assert book.pages == 100
        assert sent.count == 0
        assert book.title == "t1"
    assert sent.count == 1
    assert "pages" not in sent.statements[0].split("FROM")[0]


def test_a_deferred_attribute_expired_by_name_is_read_again(session):
    book = session.get(Book, 1)
    assert book.cover == "c1"
    session.connection().execute(Book.__table__.update().values(cover="new"))
    session.expire(book, ["cover"])
    assert book.cover == "new"


def test_a_statement_has_no_state_of_the_objects_that_it_loads(session):
    book = session.scalars(select(Book).where(Book.id == 1)).one()
    assert state_of(book).extra is None
