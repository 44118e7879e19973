"""One thread at a time inside a session; threads meet at barriers, and nobody sleeps."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, insert, select, text

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.exc import IllegalStateChangeError
from ropewalk.session.guard import Guard
from ropewalk.session.session import Session

LONG = 20  # seconds; only a failing test waits for so long


class Base(DeclarativeBase):
    pass


class Gate(Base):
    __tablename__ = "gate"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(insert(Gate.__table__), [{"id": n, "name": f"n{n}"} for n in range(1, 4)])
    return sqlite_engine


class Pause:
    """Stops the first statement that an engine sends, until it is told to go on."""

    def __init__(self, engine):
        self.inside = threading.Event()
        self.go_on = threading.Event()
        event.listen(engine, "before_cursor_execute", self._stop, once=True)

    def _stop(self, *args):
        self.inside.set()
        assert self.go_on.wait(LONG)


def in_thread(name, fn):
    """Start ``fn`` in a thread of that name; its result or error is in the future."""
    return ThreadPoolExecutor(1, thread_name_prefix=name).submit(fn)


# The guard alone


def test_the_thread_inside_may_come_in_again():
    guard = Guard()
    with guard("outer()"), guard("inner()"):
        guard.check("check()")
    assert guard.holder == 0


def test_an_error_inside_opens_the_guard():
    guard = Guard()
    with pytest.raises(ZeroDivisionError), guard("outer()"), guard("inner()"):
        raise ZeroDivisionError
    assert (guard.holder, guard.depth) == (0, 0)


def test_a_second_thread_is_refused_at_once_and_both_are_named():
    guard = Guard()
    with guard("flush()"):
        for use in (guard, guard.check):
            error = in_thread("second", lambda use=use: use("commit()")).exception(LONG)
            assert isinstance(error, IllegalStateChangeError)
            assert "Thread 'second_0' called commit()" in str(error)
            assert f"while thread {threading.current_thread().name!r} is inside its flush()" in str(error)
            assert "sessionmaker()" in str(error)


def test_a_refused_thread_leaves_the_guard_as_it_was():
    guard = Guard()
    with guard("flush()"):
        in_thread("second", lambda: guard("commit()")).exception(LONG)
        assert guard.depth == 1
    assert guard.depth == 0
    assert in_thread("third", lambda: guard("get()").__exit__(None, None, None)).exception(LONG) is None


def test_a_thread_that_ended_inside_is_named_as_such():
    guard = Guard()
    thread = threading.Thread(target=guard, args=("flush()",))
    thread.start()
    thread.join(LONG)
    with pytest.raises(IllegalStateChangeError, match="a thread that has ended|inside its flush"):
        guard("commit()")


def test_of_many_threads_at_one_barrier_one_alone_gets_in():
    guard = Guard()
    count = 8
    start, done = threading.Barrier(count), threading.Barrier(count)

    def enter():
        start.wait(LONG)
        try:
            entered = guard("flush()")
        except IllegalStateChangeError:
            done.wait(LONG)
            return False
        done.wait(LONG)
        entered.__exit__(None, None, None)
        return True

    with ThreadPoolExecutor(count) as pool:
        found = [future.result(LONG) for future in [pool.submit(enter) for _ in range(count)]]
    assert found.count(True) == 1
    assert guard.holder == 0


# Inside a session


USES = {
    "execute": lambda session, gate: session.execute(select(Gate)),
    "scalars": lambda session, gate: session.scalars(select(Gate)),
    "get": lambda session, gate: session.get(Gate, 3),
    "get of what is there": lambda session, gate: session.get(Gate, 1),
    "add": lambda session, gate: session.add(Gate(id=9)),
    "delete": lambda session, gate: session.delete(gate),
    "flush": lambda session, gate: session.flush(),
    "commit": lambda session, gate: session.commit(),
    "rollback": lambda session, gate: session.rollback(),
    "close": lambda session, gate: session.close(),
    "expire": lambda session, gate: session.expire(gate),
    "expire_all": lambda session, gate: session.expire_all(),
    "expunge": lambda session, gate: session.expunge(gate),
    "expunge_all": lambda session, gate: session.expunge_all(),
    "refresh": lambda session, gate: session.refresh(gate),
    "merge": lambda session, gate: session.merge(Gate(id=3)),
    "begin": lambda session, gate: session.begin(),
    "begin_nested": lambda session, gate: session.begin_nested(),
    "connection": lambda session, gate: session.connection(),
    "reset": lambda session, gate: session.reset(),
    "invalidate": lambda session, gate: session.invalidate(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_whatever_a_second_thread_asks_of_a_busy_session_is_refused(database, use):
    with Session(database) as session:
        gate = session.get(Gate, 1)
        pause = Pause(database)
        busy = in_thread("busy", lambda: session.scalars(select(Gate).where(Gate.id == 2)).all())
        try:
            assert pause.inside.wait(LONG)
            with pytest.raises(IllegalStateChangeError, match="thread 'busy_0' is inside its execute"):
                use(session, gate)
        finally:
            pause.go_on.set()
        assert [found.id for found in busy.result(LONG)] == [2]
        assert gate in session
        assert session.get(Gate, 1) is gate


def test_a_second_thread_that_reads_an_expired_attribute_is_refused(database):
    with Session(database) as session:
        gate = session.get(Gate, 1)
        session.expire(gate)
        pause = Pause(database)
        busy = in_thread("busy", lambda: session.get(Gate, 2))
        try:
            assert pause.inside.wait(LONG)
            with pytest.raises(IllegalStateChangeError, match="loading of an attribute"):
                gate.name  # noqa: B018
        finally:
            pause.go_on.set()
        assert busy.result(LONG).id == 2
        assert gate.name == "n1"


def test_a_session_is_open_again_after_an_error_inside(database):
    with Session(database) as session:
        with pytest.raises(Exception, match="no such table"):
            session.scalars(select(Gate).from_statement(text("SELECT id FROM nowhere")))
        assert in_thread("next", lambda: session.get(Gate, 1)).result(LONG).id == 1


def test_a_session_goes_from_thread_to_thread_between_calls(database):
    with Session(database) as session:
        gate = in_thread("first", lambda: session.get(Gate, 1)).result(LONG)
        gate.name = "new"
        in_thread("second", session.flush).result(LONG)
        in_thread("third", session.commit).result(LONG)
        assert gate.name == "new"


def test_each_thread_with_a_session_of_its_own_is_left_alone(database):
    count = 4
    start = threading.Barrier(count)

    def work(n):
        with Session(database) as session:
            start.wait(LONG)
            return [gate.id for gate in session.scalars(select(Gate).order_by(Gate.id))]

    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(work, range(count), timeout=LONG)) == [[1, 2, 3]] * count


def test_the_error_shows_where_both_threads_are(database):
    def the_busy_one(session):
        return session.get(Gate, 2)

    def the_intruder(session):
        session.get(Gate, 3)

    with Session(database) as session:
        pause = Pause(database)
        busy = in_thread("busy", lambda: the_busy_one(session))
        try:
            assert pause.inside.wait(LONG)
            with pytest.raises(IllegalStateChangeError) as caught:
                the_intruder(session)
        finally:
            pause.go_on.set()
        assert busy.result(LONG).id == 2
    other, own = caught.value.__notes__
    assert "Thread 'busy" in other
    assert "the_busy_one" in other
    assert "the_intruder" in own
    assert "the_intruder" not in other
