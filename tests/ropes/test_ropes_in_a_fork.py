"""Ropes in a forked process: the parent's are not there and say so, its own begin anew, and the parent's go on."""

import gc
import os
import traceback

import pytest
from shop import Base, Customer
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError

from ropewalk import SessionJenny, sessionmaker
from ropewalk.exc import IllegalStateChangeError
from ropewalk.ropes import report

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine)
    yield engine
    assert engine.pool.checkedout() == 0


@pytest.fixture
def jenny(database):
    made = SessionJenny(sessionmaker(database))
    yield made
    assert not made._open


def names(engine):
    with engine.connect() as connection:
        return connection.scalars(select(Customer.__table__.c.name).order_by(Customer.__table__.c.id)).all()


def in_child(work):
    """Do something in a forked process, which ends without finalizers; return whether it went well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return status == 0


def assert_parents(session, rope):
    """Both say that they are of no use here."""
    with pytest.raises(IllegalStateChangeError, match="forked"):
        session.commit()
    with pytest.raises(InvalidRequestError, match=r"test_ropes_in_a_fork\.py:\d+.*by a fork"):
        rope.session  # noqa: B018


def work_anew(jenny, database):
    """What a child does with sessions of its own."""
    with jenny.tied(commit=True) as own:
        own.add(Customer(id=2, name="child"))
    assert "child" in names(database)


def test_in_an_explicit_scope(jenny, database):
    with jenny.tied(commit=True) as session:
        session.add(Customer(id=1, name="parent"))
        session.flush()
        rope = jenny.rope

        def child():
            assert jenny.ropes() == []
            assert report() == "No rope is open."
            assert_parents(session, rope)
            assert jenny.session is not session
            jenny.session.connection()
            jenny.remove()
            if database.dialect.name != "sqlite":  # where the parent holds the lock
                work_anew(jenny, database)
            gc.collect()

        assert in_child(child)
        assert jenny.session is session
        assert session.get(Customer, 1).name == "parent"
    assert names(database)[0] == "parent"


def test_in_an_implicit_scope(jenny, database):
    def work():
        session, rope = jenny.session, jenny.rope
        session.connection()

        def child():
            assert jenny.ropes() == []
            assert_parents(session, rope)
            assert jenny.session is not session
            work_anew(jenny, database)

        assert in_child(child)
        assert jenny.session is session
        session.add(Customer(id=1, name="parent"))
        session.commit()

    work()
    assert names(database) == ["parent", "child"]


def test_a_child_that_leaves_the_parents_scopes_does_nothing_to_them(jenny, database):
    """As a child does that returns from where it was forked, and ends as programs end."""

    class Unwind(BaseException):
        pass

    def implicit(fork):
        jenny.session.connection()
        fork()

    @jenny.roped(commit=True, propagation="requires_new")
    def roped(fork):
        jenny.session.get(Customer, 7)
        implicit(fork)
        jenny.session.add(Customer(id=1, name="parent"))

    def run():
        pid = os.fork()
        if pid == 0:
            raise Unwind
        pids.append(pid)

    pids = []
    try:
        with jenny.tied(commit=True) as session:
            session.get(Customer, 8)
            roped(run)
    except Unwind:
        gc.collect()
        os._exit(0 if jenny.ropes() == [] else 1)
    _, status = os.waitpid(pids[0], 0)
    assert status == 0
    assert names(database) == ["parent"]


def test_what_was_handed_over_stays_the_parents(jenny, database):
    def start():
        jenny.session.connection()
        return jenny.session, jenny.rope.transfer()

    session, handed = start()

    def child():
        with pytest.raises(InvalidRequestError, match="by a fork"), handed:
            pass

    assert in_child(child)
    with handed as taken:
        assert taken is session
        assert taken.get(Customer, 1) is None
