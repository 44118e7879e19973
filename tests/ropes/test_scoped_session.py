"""scoped_session: one session a scope, and everything a session offers passed on to it."""

import inspect as python_inspect
import threading

import pytest
from shop import Base, Customer
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SAWarning
from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry

import ropewalk
from ropewalk import DeclarativeBase, Query, Session, relation, scoped_session, select, sessionmaker


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def scoped(database):
    made = scoped_session(sessionmaker(database))
    yield made
    made.remove()


def in_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_has_one_session_and_another_thread_has_another(scoped):
    mine = scoped()
    assert scoped() is mine
    assert scoped.registry() is mine
    assert isinstance(mine, Session)
    assert in_thread(scoped) is not mine


def test_what_a_session_offers_is_passed_on(scoped):
    ed = Customer(id=1, name="ed")
    scoped.add(ed)
    assert ed in scoped
    assert list(scoped) == [ed]
    assert list(scoped.new) == [ed]
    assert scoped.is_active and scoped.in_transaction()
    scoped.commit()
    assert scoped.get(Customer, 1) is ed
    assert scoped.scalars(select(Customer)).one() is ed
    assert scoped.query(Customer).filter_by(name="ed").one() is ed
    assert scoped.object_session(ed) is scoped()
    assert scoped.identity_key(instance=ed) == scoped().identity_key(instance=ed)
    with scoped.no_autoflush:
        assert scoped.autoflush is False
    scoped.autoflush = False
    assert scoped().autoflush is False
    with scoped.begin_nested() as savepoint:
        assert scoped.get_nested_transaction() is savepoint


def test_every_public_name_of_a_session_is_there(scoped, database):
    names = [name for name in dir(Session(database)) if not name.startswith("_")]
    assert [name for name in names if not hasattr(scoped, name)] == []


def test_methods_keep_their_signature_and_documentation():
    assert scoped_session.get.__doc__ == Session.get.__doc__
    assert list(python_inspect.signature(scoped_session.add).parameters) == ["self", "instance"]


def test_arguments_make_the_first_session_of_a_scope_and_no_other(scoped):
    session = scoped(autoflush=False)
    assert session.autoflush is False
    with pytest.raises(InvalidRequestError, match="autoflush"):
        scoped(autoflush=True)
    scoped.remove()
    assert scoped(autoflush=True).autoflush is True


def test_remove_closes_the_session_and_the_next_use_makes_another(scoped, database):
    scoped.add(Customer(id=1, name="ed"))
    scoped.flush()
    first = scoped()
    assert first.in_transaction()
    scoped.remove()
    assert not first.in_transaction()
    assert not scoped.registry.has()
    assert scoped() is not first
    assert scoped.get(Customer, 1) is None  # what was not committed is rolled back
    scoped.remove()
    scoped.remove()  # with nothing there, nothing happens


def test_close_keeps_the_session(scoped):
    first = scoped()
    scoped.add(Customer(id=1, name="ed"))
    scoped.close()
    assert scoped() is first
    assert list(scoped.new) == []


def test_configure_reaches_the_next_session_and_warns_of_the_present_one(database):
    scoped = scoped_session(sessionmaker())
    scoped.configure(bind=database)  # no session yet: no warning, which would be an error here
    assert scoped.get_bind() is database
    with pytest.warns(SAWarning, match="autoflush"):
        scoped.configure(autoflush=False)
    assert scoped.autoflush is True
    scoped.remove()
    assert scoped.autoflush is False
    scoped.remove()


def test_configure_needs_a_factory_that_can_be_configured(database):
    scoped = scoped_session(lambda: Session(database))
    with pytest.raises(ArgumentError, match="sessionmaker"):
        scoped.configure(autoflush=False)


def test_scopefunc_tells_scopes_apart(database):
    present = ["first"]
    scoped = scoped_session(sessionmaker(database), scopefunc=lambda: present[0])
    first = scoped()
    present[0] = "second"
    second = scoped()
    assert second is not first
    present[0] = "first"
    assert scoped() is first
    assert in_thread(scoped) is first  # the function alone decides
    scoped.remove()
    assert scoped() is not first
    present[0] = "second"
    assert scoped() is second


def test_the_registries_are_those_of_core(database):
    factory = sessionmaker(database)
    assert isinstance(scoped_session(factory).registry, ThreadLocalRegistry)
    assert type(scoped_session(factory, lambda: 1).registry) is ScopedRegistry
    assert scoped_session(factory).session_factory is factory


@pytest.mark.parametrize("arguments", [(None,), (sessionmaker(), 7)], ids=["factory", "scopefunc"])
def test_what_cannot_be_called_is_refused_at_once(arguments):
    with pytest.raises(ArgumentError, match="scoped_session"):
        scoped_session(*arguments)


def test_query_property(scoped):
    class Picky(Query):
        pass

    class OtherBase(DeclarativeBase):
        pass

    class Someone(OtherBase):
        __table__ = Customer.__table__
        query = scoped.query_property()
        picky = scoped.query_property(Picky)

    scoped.add(Someone(id=3, name="wendy"))
    scoped.commit()
    assert Someone.query.filter_by(name="wendy").one().id == 3
    assert type(Someone.query) is Query
    assert type(Someone.picky) is Picky
    assert Someone.picky.session is scoped()
    assert Someone(id=4).query.count() == 1


def test_a_session_class_of_the_programs_own(database):
    class Counting(Session):
        def get_bind(self, mapper=None, **kw):
            self.info["asked"] = self.info.get("asked", 0) + 1
            return super().get_bind(mapper, **kw)

    scoped = scoped_session(sessionmaker(database, class_=Counting))
    assert scoped.get_bind() is database
    assert scoped.info["asked"] == 1
    scoped.remove()


@pytest.mark.filterwarnings("ignore:Two mapped classes")  # mapper() has one registry for all
class TestContextualMapping:
    """``Session.mapper`` of SQLAlchemy 0.4."""

    @pytest.fixture
    def tables(self, engine):
        metadata = MetaData()
        users = Table("users", metadata, Column("id", Integer, primary_key=True), Column("name", String(30)))
        addresses = Table(
            "addresses",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("user_id", ForeignKey("users.id")),
            Column("email", String(30)),
        )
        metadata.create_all(engine)
        self.scoped = scoped_session(sessionmaker(engine))
        yield users, addresses
        self.scoped.remove()

    def test_new_objects_save_themselves_and_classes_have_query(self, tables):
        class User:
            pass

        class Address:
            def __init__(self, email):
                self.email = email

        mapper = self.scoped.mapper
        mapper(User, tables[0], properties={"addresses": relation(Address)})
        mapper(Address, tables[1])
        ed = User(name="ed")
        home = Address("ed@home")
        assert ed in self.scoped and home in self.scoped
        ed.addresses.append(home)
        self.scoped.commit()
        self.scoped.remove()
        assert User.query.filter_by(name="ed").one().addresses[0].email == "ed@home"
        assert Address.query.count() == 1

    def test_validate_refuses_keywords_that_are_not_mapped(self, tables):
        class User:
            pass

        class Address:
            pass

        self.scoped.mapper(User, tables[0], validate=True)
        self.scoped.mapper(Address, tables[1])
        with pytest.raises(ArgumentError, match="nmae.*'name'"):
            User(nmae="ed")
        assert list(self.scoped.new) == []
        assert Address(note="not mapped").note == "not mapped"

    def test_what_a_class_has_is_kept(self, tables):
        class User:
            query = "mine"

        self.scoped.mapper(User, tables[0], save_on_init=False)
        assert User.query == "mine"
        assert User(name="ed") not in self.scoped

    def test_another_session_on_request(self, tables, engine):
        class User:
            pass

        self.scoped.mapper(User, tables[0])
        with Session(engine) as other:
            ed = User(name="ed", _sa_session=other)
            assert ed in other and ed not in self.scoped

    def test_a_constructor_that_fails_saves_nothing(self, tables):
        class User:
            def __init__(self, name):
                self.name = name
                raise ValueError(name)

        self.scoped.mapper(User, tables[0])
        with pytest.raises(ValueError):
            User("ed")
        assert list(self.scoped.new) == []


def test_the_name_is_that_of_the_root_package():
    assert ropewalk.scoped_session is scoped_session
    assert "scoped_session" in ropewalk.__all__
    assert ropewalk.QueryPropertyDescriptor
