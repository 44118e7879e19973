"""What a column may be besides a plain value: deferred, computed, checked, filled in by somebody else."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, Integer, Sequence, String, Text, func, text
from sqlalchemy import select as core_select

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    defer,
    deferred,
    inspect,
    load_only,
    mapped_column,
    select,
    synonym,
    undefer,
    undefer_group,
    validates,
)
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    text: Mapped[str | None] = mapped_column(Text, deferred=True)
    cover: Mapped[str | None] = mapped_column(String(50), deferred=True, deferred_group="pictures")
    portrait: Mapped[str | None] = mapped_column(String(50), deferred=True, deferred_group="pictures")
    pages: Mapped[int | None]


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(
            Book.__table__.insert(),
            [{"id": n, "title": f"t{n}", "text": "long", "cover": "c", "portrait": "p", "pages": n} for n in (1, 2)],
        )
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


@pytest.fixture
def OwnBase():
    class OwnBase(DeclarativeBase):
        pass

    return OwnBase


# Deferred


def test_deferred_column_is_not_in_the_select(session, database):
    with count_statements(database) as sent:
        session.scalars(select(Book)).all()
    assert "book.title" in sent.statements[0]
    assert "book.text" not in sent.statements[0]


def test_deferred_column_is_loaded_when_read(session, database):
    book = session.get(Book, 1)
    with count_statements(database) as sent:
        assert book.text == "long"
        assert book.text == "long"
    assert sent.count == 1


def test_deferred_column_is_unloaded_until_read(session):
    book = session.get(Book, 1)
    assert {"text", "cover", "portrait"} <= inspect(book).unloaded
    book.text  # noqa: B018
    assert "text" not in inspect(book).unloaded


def test_group_is_loaded_as_one(session, database):
    book = session.get(Book, 1)
    with count_statements(database) as sent:
        assert (book.cover, book.portrait) == ("c", "p")
    assert sent.count == 1
    assert "text" in inspect(book).unloaded


def test_setting_a_deferred_column_does_not_load_it(session, database):
    book = session.get(Book, 1)
    with count_statements(database) as sent:
        book.text = "short"
    assert sent.count == 0
    session.commit()
    assert book.text == "short"


def test_loading_a_deferred_column_keeps_other_changes(session):
    book = session.get(Book, 1)
    book.title = "changed"
    with session.no_autoflush:
        assert book.text == "long"
    assert book.title == "changed"
    assert book in session.dirty


def test_undefer_option(session, database):
    with count_statements(database) as sent:
        books = session.scalars(select(Book).options(undefer(Book.text))).all()
        assert [book.text for book in books] == ["long", "long"]
    assert sent.count == 1


def test_undefer_group_option(session, database):
    with count_statements(database) as sent:
        book = session.scalars(select(Book).options(undefer_group("pictures"))).first()
        assert (book.cover, book.portrait) == ("c", "p")
    assert sent.count == 1


def test_defer_option(session, database):
    with count_statements(database) as sent:
        book = session.scalars(select(Book).options(defer(Book.title))).first()
        assert "book.title" not in sent.statements[0]
        assert book.title == "t1"
    assert sent.count == 2


def test_load_only_option_loads_the_named_columns_and_the_key(session, database):
    with count_statements(database) as sent:
        book = session.scalars(select(Book).options(load_only(Book.title))).first()
        assert (book.id, book.title) == (1, "t1")
        assert sent.count == 1
        assert book.pages == 1
    assert sent.count == 2


def test_options_work_with_query_too(session, database):
    with count_statements(database) as sent:
        book = session.query(Book).options(undefer(Book.text), defer(Book.pages)).first()
        assert book.text == "long"
    assert sent.count == 1
    assert "book.pages" not in sent.statements[0]


def test_defer_with_raiseload_forbids_the_load(session):
    book = session.scalars(select(Book).options(defer(Book.title, raiseload=True))).first()
    with pytest.raises(InvalidRequestError, match="title"):
        book.title  # noqa: B018


def test_deferred_raiseload_of_the_mapping(sqlite_engine, OwnBase):
    class Vault(OwnBase):
        __tablename__ = "vault"
        id: Mapped[int] = mapped_column(primary_key=True)
        secret: Mapped[str | None] = mapped_column(String(9), deferred=True, deferred_raiseload=True)

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Vault(id=1, secret="s"))
        session.commit()
        session.expunge_all()
        vault = session.get(Vault, 1)
        with pytest.raises(InvalidRequestError, match="secret"):
            vault.secret  # noqa: B018
        opened = select(Vault).options(undefer(Vault.secret)).execution_options(populate_existing=True)
        assert session.scalars(opened).one().secret == "s"


def test_deferred_function_in_the_class_body(sqlite_engine, OwnBase):
    class Scroll(OwnBase):
        __tablename__ = "scroll"
        id: Mapped[int] = mapped_column(primary_key=True)
        words = deferred(mapped_column(Text))

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Scroll(id=1, words="w"))
        session.commit()
        session.expunge_all()
        scroll = session.get(Scroll, 1)
        assert "words" not in scroll.__dict__
        assert scroll.words == "w"


# column_property


@pytest.fixture
def Person(OwnBase):
    class Person(OwnBase):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        first: Mapped[str] = mapped_column(String(20))
        last: Mapped[str] = mapped_column(String(20))
        full: Mapped[str] = column_property(first + " " + last)
        boss_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))

    return Person


def test_column_property_is_loaded_with_its_object(engine, Person):
    Person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Person(first="Ada", last="Byron"))
        session.commit()
        session.expunge_all()
        with count_statements(engine) as sent:
            assert session.scalars(select(Person)).one().full == "Ada Byron"
        assert sent.count == 1


def test_column_property_can_be_filtered_and_ordered_by(engine, Person):
    Person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Person(first="Ada", last="Byron"), Person(first="Zoe", last="Adams")])
        session.commit()
        found = session.scalars(select(Person).where(Person.full == "Zoe Adams")).one()
        assert found.first == "Zoe"
        ordered = session.scalars(select(Person.full).order_by(Person.full.desc())).all()
        assert ordered == ["Zoe Adams", "Ada Byron"]


def test_column_property_of_a_flushed_object_is_loaded_on_first_read(sqlite_engine, Person):
    Person.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        person = Person(first="Ada", last="Byron")
        session.add(person)
        session.flush()
        assert person.full == "Ada Byron"


def test_column_property_is_read_again_after_refresh(sqlite_engine, Person):
    Person.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        person = Person(first="Ada", last="Byron")
        session.add(person)
        session.commit()
        assert person.full == "Ada Byron"
        person.last = "Lovelace"
        session.flush()
        session.refresh(person)
        assert person.full == "Ada Lovelace"


def test_column_property_over_a_subquery_added_later(sqlite_engine, Person):
    minion = Person.__table__.alias()
    Person.minions = column_property(
        core_select(func.count(minion.c.id))
        .where(minion.c.boss_id == Person.__table__.c.id)
        .correlate_except(minion)
        .scalar_subquery()
    )
    Person.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Person(id=1, first="Ada", last="Byron"))
        session.flush()
        session.add(Person(id=2, first="Zoe", last="Adams", boss_id=1))
        session.commit()
        counts = session.execute(select(Person.first, Person.minions).order_by(Person.id)).all()
        assert [tuple(row) for row in counts] == [("Ada", 1), ("Zoe", 0)]
        assert session.get(Person, 1).minions == 1


def test_deferred_column_property(sqlite_engine, OwnBase):
    class Person(OwnBase):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        age: Mapped[int] = mapped_column()
        twice: Mapped[int] = column_property(age * 2, deferred=True)

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(Person(id=1, age=4))
        session.commit()
        session.expunge_all()
        with count_statements(sqlite_engine) as sent:
            person = session.get(Person, 1)
            assert person.twice == 8
        assert sent.count == 2


# synonym


@pytest.fixture
def Job(OwnBase):
    class Job(OwnBase):
        __tablename__ = "job"
        id: Mapped[int] = mapped_column(primary_key=True)
        job_status: Mapped[str] = mapped_column(String(20))
        status: Mapped[str] = synonym("job_status")

    return Job


def test_synonym_reads_and_writes_the_column(Job):
    job = Job(status="new")
    assert job.job_status == "new"
    job.job_status = "done"
    assert job.status == "done"


def test_synonym_works_in_queries(sqlite_engine, Job):
    Job.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add_all([Job(status="new"), Job(status="done")])
        session.commit()
        assert session.scalars(select(Job).where(Job.status == "done")).one().job_status == "done"
        assert session.scalars(select(Job).filter_by(status="new")).one().job_status == "new"
        assert session.scalars(select(Job.status).order_by(Job.status)).all() == ["done", "new"]


def test_change_through_a_synonym_is_flushed(sqlite_engine, Job):
    Job.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        job = Job(status="new")
        session.add(job)
        session.commit()
        job.status = "done"
        assert job in session.dirty
        session.commit()
        assert session.scalar(select(Job.job_status)) == "done"


# validates


@pytest.fixture
def Mail(OwnBase):
    class Mail(OwnBase):
        __tablename__ = "mail"
        id: Mapped[int] = mapped_column(primary_key=True)
        sender: Mapped[str] = mapped_column(String(50))
        receiver: Mapped[str | None] = mapped_column(String(50))

        @validates("sender", "receiver")
        def check(self, key, value):
            if value is not None and "@" not in value:
                raise ValueError(f"{key}: {value!r} is no address")
            return value and value.lower()

    return Mail


def test_validator_refuses_a_value(Mail):
    mail = Mail(sender="a@b")
    with pytest.raises(ValueError, match="sender: 'nobody'"):
        mail.sender = "nobody"
    assert mail.sender == "a@b"


def test_validator_runs_in_the_constructor(Mail):
    with pytest.raises(ValueError, match="receiver"):
        Mail(receiver="nobody")


def test_validator_may_change_the_value(Mail):
    assert Mail(sender="A@B").sender == "a@b"


def test_validator_does_not_run_when_loading(sqlite_engine, Mail):
    Mail.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.execute(Mail.__table__.insert(), {"id": 1, "sender": "NOBODY"})
        assert session.get(Mail, 1).sender == "NOBODY"


def test_validated_value_is_what_is_flushed(sqlite_engine, Mail):
    Mail.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        mail = Mail(sender="A@B")
        session.add(mail)
        session.commit()
        mail.sender = "C@D"
        session.commit()
        assert session.scalar(select(Mail.__table__.c.sender)) == "c@d"


# Defaults


def test_scalar_and_callable_defaults_are_filled_in_at_flush(engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str] = mapped_column(String(20), default="red")
        size: Mapped[int] = mapped_column(default=lambda: 3)

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        tag = Tag()
        assert tag.colour is None
        session.add(tag)
        session.flush()
        assert (tag.colour, tag.size) == ("red", 3)
        session.commit()
        assert tuple(session.execute(select(Tag.colour, Tag.size)).one()) == ("red", 3)


def test_given_value_wins_over_the_default(sqlite_engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str | None] = mapped_column(String(20), default="red")

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add_all([Tag(id=1, colour="blue"), Tag(id=2), Tag(id=3, colour=None)])
        session.commit()
        assert session.scalars(select(Tag.colour).order_by(Tag.id)).all() == ["blue", "red", "red"]


def test_callable_default_runs_once_for_each_object(sqlite_engine, OwnBase):
    numbers = iter(range(100))

    class Tag(OwnBase):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(default=lambda: next(numbers))

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add_all([Tag() for _ in range(10)])
        session.commit()
        assert session.scalars(select(Tag.number).order_by(Tag.number)).all() == list(range(10))


def test_default_that_reads_the_other_parameters(sqlite_engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str] = mapped_column(String(20))
        shade: Mapped[str] = mapped_column(
            String(30), default=lambda context: "dark " + context.get_current_parameters()["colour"]
        )

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        tags = [Tag(colour="red"), Tag(colour="blue")]
        session.add_all(tags)
        session.commit()
        assert [tag.shade for tag in tags] == ["dark red", "dark blue"]


def test_sql_expression_as_default(engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[int] = mapped_column(default=func.length("four"))

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        tag = Tag()
        session.add(tag)
        session.flush()
        assert tag.size == 4


def test_server_default_is_read_back(engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str] = mapped_column(String(20), server_default="red")
        size: Mapped[int] = mapped_column(server_default=text("7"))

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        tags = [Tag(), Tag(colour="blue"), Tag(size=1)]
        session.add_all(tags)
        session.flush()
        assert [(tag.colour, tag.size) for tag in tags] == [("red", 7), ("blue", 7), ("red", 1)]


def test_server_default_is_unloaded_until_read_unless_fetched_eagerly(sqlite_engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        __mapper_args__ = {"eager_defaults": False}
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str] = mapped_column(String(20), server_default="red")

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        tag = Tag()
        session.add(tag)
        session.flush()
        assert "colour" in inspect(tag).unloaded
        with count_statements(sqlite_engine) as sent:
            assert tag.colour == "red"
        assert sent.count == 1


def test_eager_defaults_are_there_after_the_flush(engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        __mapper_args__ = {"eager_defaults": True}
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str] = mapped_column(String(20), server_default="red")

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        tags = [Tag(), Tag()]
        session.add_all(tags)
        session.flush()
        with count_statements(engine) as sent:
            assert [tag.colour for tag in tags] == ["red", "red"]
        assert sent.count == 0


def test_explicit_none_for_a_column_without_default_is_null(engine, OwnBase):
    class Tag(OwnBase):
        __tablename__ = "tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[int | None]

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Tag(size=None), Tag()])
        session.commit()
        assert session.scalars(select(Tag.size)).all() == [None, None]


# onupdate


def test_onupdate_is_applied_when_something_else_changes(engine, OwnBase):
    class Page(OwnBase):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        words: Mapped[int]
        edits: Mapped[int] = mapped_column(default=0, onupdate=99)

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        page = Page(words=1)
        session.add(page)
        session.commit()
        assert page.edits == 0
        page.words = 2
        session.flush()
        assert page.edits == 99


def test_onupdate_is_not_applied_without_a_change(sqlite_engine, OwnBase):
    class Page(OwnBase):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        words: Mapped[int]
        edits: Mapped[int] = mapped_column(default=0, onupdate=99)

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        page = Page(words=1)
        session.add(page)
        session.flush()
        page.words = 1
        session.commit()
        assert page.edits == 0


def test_onupdate_as_sql_expression_is_read_back(engine, OwnBase):
    class Page(OwnBase):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        words: Mapped[int]
        edits: Mapped[int] = mapped_column(default=0, onupdate=text("edits + 1"))

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        page = Page(words=1)
        session.add(page)
        session.commit()
        for words in (2, 3):
            page.words = words
            session.flush()
        assert page.edits == 2


def test_value_given_wins_over_onupdate(sqlite_engine, OwnBase):
    class Page(OwnBase):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        words: Mapped[int]
        edits: Mapped[int] = mapped_column(default=0, onupdate=99)

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        page = Page(words=1)
        session.add(page)
        session.commit()
        page.words, page.edits = 2, 5
        session.commit()
        assert page.edits == 5


# Sequences


@pytest.mark.databases("postgresql", "mariadb")
def test_sequence_gives_the_primary_key(engine, OwnBase):
    class Ticket(OwnBase):
        __tablename__ = "ticket"
        id: Mapped[int] = mapped_column(Integer, Sequence("ticket_numbers", start=100), primary_key=True)
        name: Mapped[str] = mapped_column(String(20))

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        tickets = [Ticket(name=name) for name in "abc"]
        session.add_all(tickets)
        session.flush()
        assert sorted(ticket.id for ticket in tickets) == [100, 101, 102]
        session.commit()
        found = session.execute(select(Ticket.id, Ticket.name)).all()
        assert {tuple(row) for row in found} == {(ticket.id, ticket.name) for ticket in tickets}


@pytest.mark.databases("postgresql", "mariadb")
def test_sequence_on_another_column(engine, OwnBase):
    class Ticket(OwnBase):
        __tablename__ = "ticket"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(Integer, Sequence("numbers", start=5))

    OwnBase.metadata.create_all(engine)
    with Session(engine) as session:
        first, second = Ticket(), Ticket()
        session.add_all([first, second])
        session.flush()
        assert sorted([first.number, second.number]) == [5, 6]


def test_sequence_is_ignored_where_there_is_none(sqlite_engine, OwnBase):
    class Ticket(OwnBase):
        __tablename__ = "ticket"
        id: Mapped[int] = mapped_column(Integer, Sequence("ticket_numbers"), primary_key=True)

    OwnBase.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        ticket = Ticket()
        session.add(ticket)
        session.flush()
        assert ticket.id == 1
