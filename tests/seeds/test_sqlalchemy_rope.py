"""SQLAlchemy-Rope's page, "The Simple Thread-local Session Maker": each behaviour it describes, in its order."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from weakref import WeakValueDictionary

import pytest
from sqlalchemy.exc import ArgumentError, SAWarning
from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker
from sqlalchemy_rope import SessionJenny, SessionRope


class Base(DeclarativeBase):
    pass


class Data(Base):
    __tablename__ = "data"

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    yield sqlite_engine
    assert sqlite_engine.pool.checkedout() == 0


@pytest.fixture
def jenny(database):
    return SessionJenny(sessionmaker(bind=database))


def is_closed(session):
    return not session.in_transaction() and not list(session)


def in_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


# -- Making SessionRope ---------------------------------------------------------------------


def test_the_session_is_reached_through_the_jenny(jenny, database):
    data = Data()
    jenny.session.add(data)
    jenny.session.commit()
    with Session(database) as other:
        assert other.get(Data, data.id).count == 0
    jenny.remove()


def test_the_jenny_makes_a_rope_when_its_attribute_rope_is_used(jenny):
    assert isinstance(jenny.rope, SessionRope)
    assert jenny.rope is jenny.rope


def test_jenny_session_is_the_session_of_the_rope_and_makes_one_too(jenny):
    assert jenny.session is jenny.rope.session
    assert jenny.session is jenny.session
    assert len(jenny._ropes) == 1


def test_the_rope_is_a_local_variable_of_the_first_scope_outside_the_jenny(jenny):
    rope = jenny.rope
    assert sys._getframe().f_locals[jenny.create_rope_name()] is rope
    assert jenny.create_rope_name() in locals()


def test_so_it_is_in_a_generator(jenny):
    def generator():
        jenny.session  # noqa: B018
        yield locals()[jenny.create_rope_name()], jenny.rope

    variable, rope = next(generator())
    assert variable is rope


def test_so_it_is_in_a_coroutine(jenny):
    async def coroutine():
        jenny.session  # noqa: B018
        await asyncio.sleep(0)
        return locals()[jenny.create_rope_name()], jenny.rope

    variable, rope = asyncio.run(coroutine())
    assert variable is rope


def test_so_it_is_in_a_module(jenny):
    namespace = {"jenny": jenny, "__name__": "a_module"}
    exec("first = jenny.session", namespace)  # noqa: S102
    assert isinstance(namespace[jenny.create_rope_name()], SessionRope)
    exec("second = jenny.session", namespace)  # noqa: S102 - as at a prompt, where the namespace is the scope
    assert namespace["first"] is namespace["second"]
    session = namespace["first"]
    session.add(Data())
    namespace.clear()
    assert is_closed(session)


def test_the_name_is_what_create_rope_name_returns(jenny):
    assert isinstance(jenny.create_rope_name(), str)
    assert jenny.rope.name == jenny.create_rope_name()
    assert in_thread(jenny.create_rope_name) != jenny.create_rope_name()


def test_set_rope_ties_one_explicitly(jenny):
    jenny.set_rope()
    assert sys._getframe().f_locals[jenny.create_rope_name()] is jenny.rope


def test_set_rope_takes_a_frame(jenny):
    def helper():
        jenny.set_rope(sys._getframe(1))
        return jenny.session

    session = helper()
    assert jenny.session is session
    assert sys._getframe().f_locals[jenny.create_rope_name()] is jenny.rope


# -- Calling SessionRope --------------------------------------------------------------------


def test_ropes_holds_them_by_name_and_weakly(jenny):
    assert isinstance(jenny._ropes, WeakValueDictionary)
    assert len(jenny._ropes) == 0
    rope = jenny.rope
    assert dict(jenny._ropes) == {jenny.create_rope_name(): rope}


def test_a_rope_is_made_only_where_there_is_none(jenny):
    def inner():
        return jenny.rope

    rope = jenny.rope
    assert inner() is rope
    assert len(jenny._ropes) == 1


# -- Exiting scope ---------------------------------------------------------------------------


def test_leaving_a_function_closes_its_session(jenny, database):
    def function():
        jenny.session.add(Data())
        jenny.session.flush()
        assert database.pool.checkedout() == 1
        return jenny.session

    session = function()
    assert is_closed(session)
    assert len(jenny._ropes) == 0
    assert jenny.session is not session


def test_leaving_a_function_by_an_exception_closes_its_session(jenny, database):
    sessions = []

    def function():
        sessions.append(jenny.session)
        jenny.session.connection()
        raise LookupError

    try:
        function()
    except LookupError:
        pass
    assert is_closed(sessions[0])


def test_the_end_of_a_generator_closes_its_session(jenny):
    def generator():
        jenny.session.add(Data())
        yield jenny.session

    sessions = list(generator())
    assert is_closed(sessions[0])


def test_the_end_of_a_coroutine_closes_its_session(jenny):
    async def coroutine():
        jenny.session.add(Data())
        await asyncio.sleep(0)
        return jenny.session

    assert is_closed(asyncio.run(coroutine()))


def test_each_call_has_a_session_of_its_own(jenny):
    def function():
        return jenny.session

    first, second = function(), function()
    assert first is not second


# -- Documentation: SessionJenny ---------------------------------------------------------------


def test_a_jenny_is_a_scoped_session_and_takes_its_arguments(database):
    factory = sessionmaker(bind=database)
    present = ["first"]
    jenny = SessionJenny(factory, scopefunc=lambda: present[0])
    assert isinstance(jenny, scoped_session)
    assert isinstance(jenny.registry, ScopedRegistry)
    assert jenny.session_factory is factory
    first = jenny.session
    present[0] = "second"
    second = jenny.session
    present[0] = "first"
    assert jenny.session is first
    assert second is not first


def test_rope_name_callback_is_none_at_first_and_must_be_callable(jenny):
    assert jenny._rope_name_callback is None
    assert jenny.rope_name_callback is None
    with pytest.raises(TypeError, match="rope_name_callback"):
        jenny._rope_name_callback = "a name"
    with pytest.raises(TypeError, match="rope_name_callback"):
        jenny.rope_name_callback = "a name"


@pytest.mark.parametrize("attribute", ["_rope_name_callback", "rope_name_callback"])
def test_rope_name_callback_names_the_variable(jenny, attribute):
    setattr(jenny, attribute, lambda: "my_rope")
    assert jenny.create_rope_name() == "my_rope"
    rope = jenny.rope
    assert sys._getframe().f_locals["my_rope"] is rope
    assert jenny._ropes["my_rope"] is rope


def test_rope_name_callback_must_return_a_string(jenny):
    jenny.rope_name_callback = lambda: 7
    with pytest.raises(TypeError, match="7"):
        jenny.create_rope_name()
    with pytest.raises(TypeError, match="7"):
        jenny.session  # noqa: B018


def test_remove_closes_the_session_and_the_next_use_makes_another(jenny, database):
    session = jenny.session
    session.connection()
    jenny.remove()
    assert is_closed(session)
    assert database.pool.checkedout() == 0
    assert len(jenny._ropes) == 0
    assert jenny.session is not session


def test_remove_by_name(jenny):
    name, session = jenny.create_rope_name(), jenny.session
    session.add(Data())
    jenny.remove(name)
    assert is_closed(session)
    assert name not in jenny._ropes


def test_remove_with_nothing_to_remove_warns(jenny):
    with pytest.warns(SAWarning, match="rope"):
        jenny.remove()
    with pytest.warns(SAWarning, match="no_such_rope"):
        jenny.remove("no_such_rope")


def test_all_that_a_scoped_session_offers_is_there(jenny, database):
    session = jenny.session
    assert jenny() is session
    assert jenny.registry() is session
    assert jenny.registry.has()
    data = Data(id=5)
    jenny.add(data)
    assert data in jenny and data in session.new
    jenny.commit()
    assert jenny.query(Data).one() is data
    assert jenny.get(Data, 5) is data
    assert jenny.bind is database
    Data.query = jenny.query_property()
    try:
        assert Data.query.one() is data
    finally:
        del Data.query
    with pytest.warns(SAWarning):
        jenny.configure(autoflush=False)
    assert jenny.autoflush is True
    jenny.remove()
    assert jenny.autoflush is False
    jenny.remove()
    assert jenny(autoflush=True).autoflush is True


def test_what_a_scoped_session_offers_ties_a_rope_too(jenny, database):
    def function():
        jenny.add(Data())
        jenny.flush()
        return jenny.session

    session = function()
    assert is_closed(session)


def test_threads_have_sessions_of_their_own(jenny):
    assert in_thread(lambda: jenny.session) is not jenny.session


@pytest.mark.parametrize("kind", ["ropewalk", "sqlalchemy", "function"])
def test_any_session_factory_will_do(kind, database):
    import sqlalchemy.orm

    factory = {
        "ropewalk": sessionmaker(bind=database),
        "sqlalchemy": sqlalchemy.orm.sessionmaker(bind=database),
        "function": lambda: Session(database),
    }[kind]
    jenny = SessionJenny(factory)

    def function():
        assert jenny.session is jenny.session
        jenny.session.connection()
        assert database.pool.checkedout() == 1
        assert jenny.scalar(sqlalchemy.text("SELECT 1")) == 1
        return jenny.session

    session = function()
    assert not session.in_transaction()
    assert database.pool.checkedout() == 0


# -- Documentation: SessionRope ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["thread", "function", "jenny"])
def test_a_rope_made_explicitly_holds_the_session_of_a_registry(kind, database):
    factory = sessionmaker(bind=database)
    registry = {
        "thread": lambda: ThreadLocalRegistry(factory),
        "function": lambda: ScopedRegistry(factory, lambda: 1),
        "jenny": lambda: SessionJenny(factory).registry,
    }[kind]()

    def function():
        rope = SessionRope(registry)
        assert rope.session is registry()
        rope.session.add(Data())
        return rope.session

    assert is_closed(function())
    assert not registry.has()


def test_remove_of_a_rope_does_as_that_of_a_scoped_session(database):
    registry = ThreadLocalRegistry(sessionmaker(bind=database))
    rope = SessionRope(registry)
    session = rope.session
    session.add(Data())
    rope.remove()
    assert is_closed(session)
    assert not registry.has()
    assert rope.session is not session
    rope.remove()
    rope.remove()  # with nothing there, nothing happens


@pytest.mark.parametrize(
    "wrong",
    [None, sessionmaker(), scoped_session(sessionmaker()), {}],
    ids=["none", "factory", "scoped session", "dictionary"],
)
def test_a_rope_refuses_what_is_no_registry(wrong):
    with pytest.raises(ArgumentError, match="ScopedRegistry"):
        SessionRope(wrong)


# -- The programs ------------------------------------------------------------------------------

FIRST_PROGRAM = """
from sqlalchemy import Integer, Column
from {orm}.session import sessionmaker
import sqlalchemy
from {declarative} import declarative_base

from sqlalchemy_rope import SessionJenny

Base = declarative_base()

url = "sqlite:///database.db"


class Data(Base):
    __tablename__ = "database"
    id = Column(Integer, primary_key=True)


engine = sqlalchemy.create_engine(url)

Base.metadata.create_all(engine)

SessionMaker = sessionmaker(bind=engine)

jenny = SessionJenny(SessionMaker)

data = Data()
jenny.session.add(data)
jenny.session.commit()
"""


@pytest.mark.parametrize(
    "imports",
    [
        {"orm": "sqlalchemy.orm", "declarative": "sqlalchemy.orm"},
        {"orm": "ropewalk", "declarative": "ropewalk"},
    ],
    ids=["sqlalchemy", "ropewalk"],
)
def test_the_first_program(imports, tmp_path):
    source = FIRST_PROGRAM.format(**imports).replace("ropewalk.session", "ropewalk")
    (tmp_path / "program.py").write_text(source + "print(jenny.session.query(Data).count())\n")
    path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1\n"
