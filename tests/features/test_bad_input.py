"""Mistakes: each gets an exception of the right class, and a message that names what is wrong."""

import threading
import warnings
from contextlib import contextmanager
from datetime import date

import pytest
from databases import count_statements
from sqlalchemy import CheckConstraint, ForeignKey, String, create_engine, event, func
from sqlalchemy import select as core_select
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InvalidRequestError,
    MultipleResultsFound,
    NoResultFound,
    OperationalError,
    SAWarning,
    StatementError,
    UnboundExecutionError,
)

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, registry, select
from ropewalk.exc import (
    DetachedInstanceError,
    MappedAnnotationError,
    UnmappedInstanceError,
)


class Base(DeclarativeBase):
    pass


class Club(Base):
    __tablename__ = "club"

    id: Mapped[int] = mapped_column(primary_key=True)


class Member(Base):
    __tablename__ = "member"
    __table_args__ = (CheckConstraint("age < 200"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    age: Mapped[int | None]
    born: Mapped[date | None]
    secret: Mapped[str | None] = mapped_column(String(50), deferred=True)
    club_id: Mapped[int | None] = mapped_column(ForeignKey("club.id"))


class Plain:
    pass


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(
            Member.__table__.insert(), [{"id": 1, "name": "ann", "age": 30}, {"id": 2, "name": "bob", "age": 4}]
        )
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


@contextmanager
def refused(kind, *names):
    """The block raises this kind of error, and its text or its notes hold these names."""
    with pytest.raises(kind) as caught:
        yield caught
    said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert [name for name in names if name not in said] == [], said


# Objects


def test_unknown_keyword_to_a_constructor():
    with refused(TypeError, "Member", "nmae"):
        Member(nmae="ann")


def test_unknown_keyword_sets_nothing_on_the_class():
    with pytest.raises(TypeError):
        Member(nmae="ann")
    assert not hasattr(Member, "nmae")


def test_positional_argument_to_a_constructor():
    with refused(TypeError):
        Member("ann")


def test_method_name_is_no_unknown_keyword_but_a_private_word_is():
    with refused(TypeError, "Member", "_sa_nothing_of_that_name"):
        Member(_sa_nothing_of_that_name=1)


# Mappings


def test_class_with_no_primary_key():
    with refused(ArgumentError, "Keyless", "primary key"):

        class Own(DeclarativeBase):
            pass

        class Keyless(Own):
            __tablename__ = "keyless"
            name: Mapped[str]


def test_class_with_neither_table_nor_name():
    with refused(InvalidRequestError, "Nameless", "__tablename__"):

        class Own(DeclarativeBase):
            pass

        class Nameless(Own):
            id: Mapped[int] = mapped_column(primary_key=True)


def test_annotation_with_no_known_type():
    with refused(MappedAnnotationError, "thing", "Plain"):

        class Own(DeclarativeBase):
            pass

        class Odd(Own):
            __tablename__ = "odd"
            id: Mapped[int] = mapped_column(primary_key=True)
            thing: Mapped[Plain]


def test_annotation_without_mapped():
    with refused(ArgumentError, "Odd", "name", "Mapped"):

        class Own(DeclarativeBase):
            pass

        class Odd(Own):
            __tablename__ = "odd"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: str = mapped_column(String(5))


def test_attribute_that_names_a_type_nobody_knows():
    with refused(Exception, "NoSuchType"):

        class Own(DeclarativeBase):
            pass

        class Odd(Own):
            __tablename__ = "odd"
            id: Mapped[int] = mapped_column(primary_key=True)
            thing: "Mapped[NoSuchType]"  # noqa: F821


def test_two_classes_on_one_table_name():
    class Own(DeclarativeBase):
        pass

    class First(Own):
        __tablename__ = "shared"
        id: Mapped[int] = mapped_column(primary_key=True)

    with refused(InvalidRequestError, "shared"):

        class Second(Own):
            __tablename__ = "shared"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_two_classes_of_one_name_in_one_base():
    class Own(DeclarativeBase):
        pass

    def make(table):
        class Twin(Own):
            __tablename__ = table
            id: Mapped[int] = mapped_column(primary_key=True)

        return Twin

    first = make("one")
    with pytest.warns(SAWarning, match="Twin"):
        second = make("two")
    assert inspect(first).local_table is not inspect(second).local_table


@pytest.mark.parametrize("name", ["metadata", "registry"])
def test_attribute_with_a_reserved_name_is_refused_or_warned_of(name):
    class Own(DeclarativeBase):
        pass

    body = {
        "__module__": __name__,
        "__tablename__": "odd",
        "__annotations__": {"id": Mapped[int], name: Mapped[str]},
        "id": mapped_column(primary_key=True),
        name: mapped_column(String(5)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", SAWarning)
        with refused((InvalidRequestError, SAWarning), name, "reserved"):
            type("Odd", (Own,), body)


def test_failed_mapping_leaves_the_name_free():
    class Own(DeclarativeBase):
        pass

    with pytest.raises(ArgumentError):

        class Bad(Own):
            __tablename__ = "bad_and_good"
            name: Mapped[Plain]

    class Good(Own):
        __tablename__ = "good"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Good(id=1).id == 1


def test_mapping_a_class_twice():
    with refused(ArgumentError, "Club"):
        registry().map_imperatively(Club, Club.__table__)


# What is given to the session


@pytest.mark.parametrize(
    "move",
    ["add", "save", "update", "save_or_update", "delete", "expunge", "refresh", "expire", "merge", "is_modified"],
)
def test_plain_object_given_to_the_session(session, move):
    with refused(UnmappedInstanceError, "Plain"):
        getattr(session, move)(Plain())


@pytest.mark.parametrize("wrong", [None, 5, "ann"])
def test_value_given_to_add(session, wrong):
    with refused(UnmappedInstanceError, type(wrong).__name__):
        session.add(wrong)


def test_list_given_to_add(session):
    with refused(UnmappedInstanceError, "list"):
        session.add([Member(name="cas")])
    assert not session.new


def test_class_given_to_add(session):
    with refused(UnmappedInstanceError, "Member", "class"):
        session.add(Member)


def test_plain_object_asked_for_in_the_session(session):
    with refused(UnmappedInstanceError, "Plain"):
        Plain() in session  # noqa: B015


def test_plain_object_given_to_flush(session):
    session.add(Member(name="cas"))
    with refused(UnmappedInstanceError, "Plain"):
        session.flush([Plain()])


def test_plain_class_given_to_query(session):
    with refused(ArgumentError, "Plain"):
        session.query(Plain)


def test_plain_class_given_to_select():
    with refused(ArgumentError, "Plain"):
        select(Plain)


def test_plain_class_given_to_get(session):
    with refused(InvalidRequestError, "Plain"):  # UnmappedClassError is one
        session.get(Plain, 1)


def test_object_given_to_get_for_a_class(session):
    with refused((ArgumentError, InvalidRequestError), "Member"):
        session.get(Member(name="cas"), 1)


def test_something_that_is_no_statement_given_to_execute(session):
    with refused(ArgumentError, "Plain"):
        session.execute(Plain())


# Keys and names


@pytest.mark.parametrize("key", [(1, 2), (), [1, 2]])
def test_wrong_number_of_key_values(session, key):
    with refused(InvalidRequestError, "member.id"):
        session.get(Member, key)


def test_wrong_name_in_a_key(session):
    with refused(InvalidRequestError, "id"):
        session.get(Member, {"number": 1})


def test_wrong_number_of_key_values_to_query_get(session):
    with refused(InvalidRequestError, "member.id"):
        session.query(Member).get((1, 2))


def test_unknown_attribute_in_filter_by_of_a_query(session):
    with refused(InvalidRequestError, "nmae", "ember"):
        session.query(Member).filter_by(nmae="ann")


def test_unknown_attribute_in_filter_by_of_a_select():
    with refused(InvalidRequestError, "nmae", "ember"):
        select(Member).filter_by(nmae="ann")


def test_unknown_attribute_of_the_class():
    with refused(AttributeError, "Member", "nmae"):
        Member.nmae  # noqa: B018


def test_unknown_attribute_of_an_object(session):
    with refused(AttributeError, "Member", "nmae"):
        session.get(Member, 1).nmae  # noqa: B018


# one()


def test_one_with_none(session):
    with refused(NoResultFound):
        session.scalars(select(Member).where(Member.id == 99)).one()
    with refused(NoResultFound):
        session.query(Member).filter_by(id=99).one()


def test_one_with_many(session):
    with refused(MultipleResultsFound):
        session.scalars(select(Member)).one()
    with refused(MultipleResultsFound):
        session.query(Member).one()


def test_get_one_with_none(session):
    with refused(NoResultFound, "Member", "99"):
        session.get_one(Member, 99)


def test_session_is_usable_after_one_has_failed(session):
    with pytest.raises(MultipleResultsFound):
        session.scalars(select(Member)).one()
    assert session.get(Member, 1).name == "ann"


# No bind, closed things


def test_no_bind_for_get():
    with refused(UnboundExecutionError, "Member", "bind"):
        Session().get(Member, 1)


def test_no_bind_for_a_select():
    with refused(UnboundExecutionError, "bind"):
        Session().scalars(select(Member)).all()


def test_no_bind_for_a_flush():
    session = Session()
    session.add(Member(name="cas"))
    with refused(UnboundExecutionError, "Member", "bind"):
        session.flush()


def test_no_bind_for_one_class_among_others(database):
    session = Session(binds={Club: database})
    session.add(Member(name="cas"))
    with refused(UnboundExecutionError, "Member"):
        session.flush()
    session.close()


def test_bind_that_is_no_engine():
    with refused(ArgumentError, "Plain"):
        Session(binds={Plain(): None})


def test_closed_connection_as_bind(database):
    connection = database.connect()
    connection.close()
    with refused(InvalidRequestError, "closed"):
        Session(bind=connection).get(Member, 1)


@pytest.mark.lasting
def test_disposed_engine_opens_again(database):
    session = Session(database)
    session.get(Member, 1)
    session.close()
    database.dispose()
    assert session.get(Member, 1).name == "ann"
    session.close()


def test_database_that_is_not_there(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    session = Session(engine)
    with refused(OperationalError, "unable to open"):
        session.get(Member, 1)
    session.close()
    assert engine.pool.checkedout() == 0


def test_table_that_is_not_there(sqlite_engine):
    with Session(sqlite_engine) as session, refused(OperationalError, "member"):
        session.get(Member, 1)


# Detached objects


def test_deferred_attribute_of_a_detached_object(session):
    member = session.get(Member, 1)
    session.expunge(member)
    with refused(DetachedInstanceError, "Member", "secret"):
        member.secret  # noqa: B018


def test_expired_attribute_of_a_detached_object(session):
    member = session.get(Member, 1)
    session.commit()
    session.close()
    with refused(DetachedInstanceError, "Member", "name"):
        member.name  # noqa: B018


def test_hasattr_does_not_hide_it(session):
    member = session.get(Member, 1)
    session.expunge(member)
    with pytest.raises(DetachedInstanceError):
        hasattr(member, "secret")


# Values that are refused


def test_value_that_the_driver_refuses(session):
    session.add(Member(id=7, name=Plain()))
    with refused(StatementError, "Member", "name"):
        session.flush()


def test_value_that_the_type_refuses(session):
    session.add(Member(id=7, name="cas", born="yesterday"))
    with refused(StatementError, "Member", "born"):
        session.flush()


def test_value_refused_in_an_update(session):
    session.get(Member, 1).name = Plain()
    with refused(StatementError, "Member", "name"):
        session.flush()


def test_session_is_usable_after_a_refused_value(session):
    session.add(Member(id=7, name=Plain()))
    with pytest.raises(StatementError):
        session.flush()
    session.rollback()
    session.add(Member(id=7, name="cas"))
    session.commit()
    assert session.get(Member, 7).name == "cas"


def test_value_that_the_server_refuses(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Member(id=n, name=f"m{n}", age=n if n != 7 else 1000) for n in range(1, 20)])
        with refused(StatementError, "Member"):
            session.flush()
        session.rollback()
        assert session.scalar(select(func.count(Member.id))) == 0


# One bad object among a thousand


def a_thousand(**bad):
    """Members 1 to 1,000; the 637th has these values."""
    members = [Member(id=number, name=f"member-{number}") for number in range(1, 1001)]
    for name, value in bad.items():
        setattr(members[636], name, value)
    return members


CULPRITS = {
    "not null": {"name": None},
    "unique": {"name": "member-12"},
    "foreign key": {"club_id": 4711},
}


@pytest.mark.parametrize("kind", CULPRITS)
def test_violation_in_a_flush_of_a_thousand_names_the_object(engine, kind):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(a_thousand(**CULPRITS[kind]))
        with refused(IntegrityError, "Member", "637") as caught:
            session.flush()
        assert caught.value.orig is not None
        session.rollback()
        assert session.scalar(select(func.count(Member.id))) == 0


@pytest.mark.parametrize("kind", [*CULPRITS, "check"])
def test_violation_in_a_flush_that_is_listened_to_names_the_object_too(engine, kind):
    Base.metadata.create_all(engine)
    with count_statements(engine) as sent, Session(engine) as session:
        session.add_all(a_thousand(**{**CULPRITS, "check": {"age": 700, "born": date(2000, 1, 1)}}[kind]))
        with pytest.raises((IntegrityError, OperationalError)) as caught:
            session.flush()
        assert any("637" in note and "<Member id=1>" not in note for note in caught.value.__notes__)
        session.rollback()
        assert session.scalar(select(func.count(Member.id))) == 0
    assert not [text for text in sent.statements if "SAVEPOINT" in text]


@pytest.mark.parametrize("kind", CULPRITS)
def test_violation_among_objects_without_keys_names_the_object_by_its_values(database, kind):
    members = [Member(name=f"new-{number}", age=number % 90) for number in range(1000)]
    values = CULPRITS[kind] | ({"age": 137} if kind != "unique" else {"name": "new-12", "age": 137})
    for name, value in values.items():
        setattr(members[636], name, value)
    with Session(database) as session:
        session.add_all(members)
        with refused(IntegrityError, "Member", "137"):
            session.flush()


def test_violation_in_a_thousand_updates_names_the_object(database):
    with Session(database) as session:
        session.execute(Member.__table__.delete())
        session.add_all(a_thousand())
        session.commit()
        members = session.scalars(select(Member).order_by(Member.id)).all()
        for member in members:
            member.name = f"changed-{member.id}" if member.id != 637 else None
        with refused(IntegrityError, "Member", "637"):
            session.flush()


def test_refused_delete_names_the_object(database):
    with Session(database) as session:
        session.add_all([Club(id=number) for number in range(1, 101)])
        session.flush()
        session.get(Member, 1).club_id = 37
        session.commit()
        for club in session.scalars(select(Club)).all():
            session.delete(club)
        with refused(IntegrityError, "Club"):
            session.flush()


def test_naming_the_object_costs_nothing_when_nothing_is_wrong(database):
    with Session(database) as session:
        session.execute(Member.__table__.delete())
        session.add_all(a_thousand())
        with count_statements(database) as sent:
            session.flush()
        assert sent.count <= 10


# A second thread


def in_thread(name, work):
    """Run it in a thread of that name; the error it ended with."""
    errors = []

    def run():
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    return errors[0] if errors else None


USES = {
    "get": lambda session: session.get(Member, 99),
    "execute": lambda session: session.execute(select(Member)).all(),
    "query": lambda session: session.query(Member).all(),
    "add": lambda session: session.add(Member(name="intruder")),
    "flush": lambda session: session.flush(),
    "commit": lambda session: session.commit(),
    "rollback": lambda session: session.rollback(),
    "close": lambda session: session.close(),
}


@pytest.mark.parametrize("use", USES)
def test_second_thread_inside_a_busy_session(database, use):
    errors = []
    with Session(database) as session:
        session.add(Member(id=7, name="cas"))

        def intrude(connection, cursor, statement, parameters, context, many):
            if not errors and statement.startswith("INSERT"):
                errors.append(in_thread("intruder-thread", lambda: USES[use](session)))

        event.listen(database, "before_cursor_execute", intrude)
        threading.current_thread().name, before = "owner-thread", threading.current_thread().name
        try:
            session.flush()
        finally:
            threading.current_thread().name = before
            event.remove(database, "before_cursor_execute", intrude)
        (error,) = errors
        assert isinstance(error, InvalidRequestError), error
        assert "intruder-thread" in str(error)
        assert "owner-thread" in str(error)
        session.commit()
        assert not session.new
    with database.connect() as connection:
        names = connection.scalars(core_select(Member.__table__.c.name).order_by(Member.__table__.c.id)).all()
    assert names == ["ann", "bob", "cas"]


def test_own_thread_may_come_back_into_a_busy_session(database):
    seen = []
    with Session(database) as session:
        member = Member(id=7, name="cas")
        session.add(member)

        def look(connection, cursor, statement, parameters, context, many):
            if statement.startswith("INSERT"):
                seen.append((member in session, member.name))

        event.listen(database, "before_cursor_execute", look)
        session.flush()
        event.remove(database, "before_cursor_execute", look)
    assert seen == [(True, "cas")]


def test_own_thread_may_use_a_session_that_is_streaming(database):
    with Session(database) as session:
        for member in session.scalars(select(Member).order_by(Member.id).execution_options(yield_per=1)):
            assert session.get(Member, member.id) is member
            session.add(Member(name=f"child of {member.name}"))
        session.commit()
        assert session.scalar(select(func.count(Member.id))) == 4


@pytest.mark.lasting
def test_idle_session_may_be_handed_to_another_thread(database):
    session = Session(database)
    session.add(Member(id=7, name="cas"))
    session.commit()
    assert in_thread("next", lambda: session.get(Member, 7).name) is None
    assert in_thread("next", session.close) is None


@pytest.mark.parametrize("road", ["text", "core"])
def test_a_number_that_the_driver_cannot_take(tmp_path, road):
    """SQLite's driver refuses it with a Python error; that is raised as it is, whichever way the statement goes."""
    from sqlalchemy import create_engine, event

    class Base(DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)

    engine = create_engine(f"sqlite:///{tmp_path}/numbers.db")
    Base.metadata.create_all(engine)
    if road == "core":
        event.listen(engine, "before_cursor_execute", lambda *args: None)
    with Session(engine) as session:
        for ask in (
            lambda: session.scalars(select(Thing).where(Thing.id == 2**70)).all(),
            lambda: session.get(Thing, 2**70),
            lambda: session.query(Thing).filter_by(id=2**70).all(),
        ):
            with pytest.raises(OverflowError):
                ask()
        assert session.scalars(select(Thing)).all() == []
    engine.dispose()
