"""The session's transaction: joining another's, savepoints, and failing without leaving a connection behind."""

import gc
from contextlib import suppress

import pytest
from sqlalchemy import ForeignKey, String, create_engine, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.exc import InvalidRequestError, PendingRollbackError, ResourceClosedError
from ropewalk.session.session import Session
from ropewalk.session.transaction import SessionTransactionOrigin, TransactionState
from ropewalk.state.instance import state_of


class Base(DeclarativeBase):
    pass


class Port(Base):
    __tablename__ = "port"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20), unique=True)


class Quay(Base):
    __tablename__ = "quay"

    id: Mapped[int] = mapped_column(primary_key=True)
    port_id: Mapped[int] = mapped_column(ForeignKey("port.id", deferrable=True, initially="DEFERRED"))


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(insert(Port.__table__), {"id": 1, "name": "Kiel"})
    return sqlite_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


def ports(engine):
    with engine.connect() as connection:
        return connection.scalars(select(Port.__table__.c.id).order_by(Port.__table__.c.id)).all()


class Broken(Exception):
    pass


def broken(*args, **kw):
    raise Broken("on purpose")


# Joining a connection's transaction


def work_in(connection, mode, end, before=lambda connection: None):
    """Insert 2 on the connection and 3 by a session that joins it; end the session in some way."""
    connection.execute(insert(Port.__table__), {"id": 2})
    before(connection)
    session = Session(connection, join_transaction_mode=mode)
    session.add(Port(id=3))
    session.flush()
    getattr(session, end)()
    return session


@pytest.mark.parametrize(
    ("mode", "end", "open_after", "found"),
    [
        # the owner of the connection commits afterwards, where its transaction is still there
        ("rollback_only", "commit", True, [1, 2, 3]),
        ("rollback_only", "rollback", False, [1]),
        ("rollback_only", "close", True, [1, 2, 3]),
        ("control_fully", "commit", False, [1, 2, 3]),
        ("control_fully", "rollback", False, [1]),
        ("control_fully", "close", False, [1]),
        ("create_savepoint", "commit", True, [1, 2, 3]),
        ("create_savepoint", "rollback", True, [1, 2]),
        ("create_savepoint", "close", True, [1, 2]),
        ("conditional_savepoint", "commit", True, [1, 2, 3]),
        ("conditional_savepoint", "rollback", False, [1]),
        ("conditional_savepoint", "close", True, [1, 2, 3]),
    ],
)
def test_a_session_that_joins_a_transaction_ends_as_much_of_it_as_its_mode_says(database, mode, end, open_after, found):
    with database.connect() as connection:
        outer = connection.begin()
        work_in(connection, mode, end)
        assert outer.is_active == open_after
        if open_after:
            outer.commit()
        assert not connection.closed
    assert ports(database) == found


@pytest.mark.parametrize(("end", "found"), [("commit", [1, 2, 3]), ("rollback", [1, 2]), ("close", [1, 2])])
def test_conditional_savepoint_makes_one_inside_a_savepoint(database, end, found):
    with database.connect() as connection:
        outer = connection.begin()
        work_in(connection, "conditional_savepoint", end, before=lambda connection: connection.begin_nested())
        assert outer.is_active
        assert connection.in_nested_transaction()
        outer.commit()
    assert ports(database) == found


@pytest.mark.parametrize("mode", ["rollback_only", "control_fully", "create_savepoint", "conditional_savepoint"])
def test_a_connection_without_transaction_gets_one_of_the_sessions(database, mode):
    with database.connect() as connection:
        with Session(connection, join_transaction_mode=mode) as session:
            session.add(Port(id=2))
            session.commit()
            assert not connection.in_transaction()
            session.add(Port(id=3))
            session.flush()
            session.rollback()
            assert not connection.in_transaction()
        assert not connection.closed
    assert ports(database) == [1, 2]


def test_a_session_in_a_savepoint_of_its_own_can_go_on_after_its_commit(database):
    with database.connect() as connection:
        outer = connection.begin()
        session = work_in(connection, "create_savepoint", "commit")
        session.add(Port(id=4))
        session.commit()
        session.add(Port(id=5))
        session.rollback()
        outer.rollback()
    assert ports(database) == [1]


def test_two_sessions_on_one_connection_see_each_others_work(database):
    with database.connect() as connection, connection.begin():
        one, two = (Session(connection, join_transaction_mode="create_savepoint") for _ in range(2))
        one.add(Port(id=2))
        one.commit()
        assert two.get(Port, 2) is not None
        two.close()


def test_a_transaction_that_a_listener_began_is_joined(database):
    @event.listens_for(database, "engine_connect")
    def begin(connection):
        connection.begin()

    with Session(database) as session:
        session.add(Port(id=2))
        session.commit()
    assert database.pool.checkedout() == 0


# Savepoints


def test_a_savepoint_rolled_back_restores_its_objects_and_no_others(session):
    kept = Port(id=2, name="Riga")
    session.add(kept)
    session.flush()
    kiel = session.get(Port, 1)
    savepoint = session.begin_nested()
    lost = Port(id=3, name="Oslo")
    session.add(lost)
    kiel.name = "changed"
    session.delete(kept)
    session.flush()
    savepoint.rollback()
    assert state_of(lost).transient
    assert state_of(kept).persistent
    assert kept in session
    assert (kiel.name, kept.name) == ("Kiel", "Riga")
    session.commit()
    assert session.scalars(select(Port.id).order_by(Port.id)).all() == [1, 2]


def test_a_savepoint_rolled_back_leaves_untouched_objects_loaded(session, database):
    kiel = session.get(Port, 1)
    session.begin_nested().rollback()
    assert vars(kiel) == {"id": 1, "name": "Kiel"}


def test_a_change_made_before_the_savepoint_survives_its_rollback(session):
    kiel = session.get(Port, 1)
    kiel.name = "before"
    savepoint = session.begin_nested()
    kiel.name = "inside"
    session.flush()
    savepoint.rollback()
    assert kiel.name == "before"


def test_a_savepoint_restores_a_changed_key(session):
    kiel = session.get(Port, 1)
    savepoint = session.begin_nested()
    kiel.id = 10
    session.flush()
    assert session.identity_map[Port, (10,)] is kiel
    savepoint.rollback()
    assert session.identity_map[Port, (1,)] is kiel
    assert (Port, (10,)) not in session.identity_map
    assert kiel.id == 1


def test_savepoints_inside_savepoints_end_with_the_outer_one(session):
    outer = session.begin_nested()
    session.add(Port(id=2))
    inner = session.begin_nested()
    session.add(Port(id=3))
    assert session.get_nested_transaction() is inner
    outer.rollback()
    assert not inner.is_active
    assert not session.in_nested_transaction()
    assert session.in_transaction()
    assert session.scalars(select(Port.id)).all() == [1]


def test_an_inner_savepoint_committed_goes_with_the_outer_one_rolled_back(session):
    outer = session.begin_nested()
    with session.begin_nested():
        port = Port(id=2)
        session.add(port)
    assert port in session
    outer.rollback()
    assert state_of(port).transient


def test_a_failed_flush_in_a_savepoint_leaves_the_transaction_whole(session):
    session.add(Port(id=2, name="Riga"))
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(Port(id=3, name="Riga"))
        session.flush()
    session.add(Port(id=4, name="Oslo"))
    session.commit()
    assert session.scalars(select(Port.id).order_by(Port.id)).all() == [1, 2, 4]


def test_after_a_failed_flush_in_a_savepoint_only_its_rollback_is_wanted(session):
    savepoint = session.begin_nested()
    session.add(Port(id=1))
    with pytest.raises(IntegrityError):
        session.flush()
    with pytest.raises(PendingRollbackError):
        session.scalars(select(Port)).all()
    savepoint.rollback()
    assert session.scalars(select(Port.name)).one() == "Kiel"


def test_commit_ends_the_savepoints_too(session, database):
    session.begin_nested()
    session.add(Port(id=2))
    session.begin_nested()
    session.commit()
    assert not session.in_transaction()
    assert ports(database) == [1, 2]


def test_closing_the_session_inside_a_savepoint_gives_the_connection_back(session, database):
    session.add(Port(id=2))
    session.begin_nested()
    session.begin_nested()
    session.close()
    assert database.pool.checkedout() == 0
    assert ports(database) == [1]


# What a transaction tells


def test_a_transaction_says_what_began_it(session):
    session.get(Port, 1)
    assert session.get_transaction().origin is SessionTransactionOrigin.AUTOBEGIN
    assert session.begin_nested().origin is SessionTransactionOrigin.BEGIN_NESTED
    session.rollback()
    begun = session.begin()
    assert begun.origin is SessionTransactionOrigin.BEGIN
    assert begun.parent is None
    assert session.begin_nested().parent is begun


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_transaction_that_has_ended_is_closed(session, end):
    transaction = session.begin()
    getattr(transaction, end)()
    assert transaction.closed
    assert transaction.state is TransactionState.CLOSED
    assert not transaction.is_active
    for again in ("commit", "rollback"):
        with pytest.raises(ResourceClosedError):
            getattr(transaction, again)()
    assert session.is_active


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (lambda s: s.commit(), "committed inside the block, whose end does that by itself"),
        (lambda s: s.rollback(), "rolled back or closed inside the block"),
    ],
)
def test_what_came_too_late_in_a_with_block_is_told_why(session, end, why):
    with pytest.raises(InvalidRequestError, match=why), session.begin():
        end(session)
        session.get(Port, 1)


def test_an_error_that_was_caught_in_a_with_block_is_told_where_to_try(session):
    with (
        pytest.raises(InvalidRequestError, match=r"try what may fail in a session.begin_nested\(\) block"),
        session.begin(),
    ):
        session.add_all([Port(id=1), Port(id=1)])
        with suppress(Exception):
            session.flush()
        session.get(Port, 1)


def test_a_with_block_whose_transaction_ended_does_not_begin_another(session):
    with session.begin():
        session.add(Port(id=2))
        session.commit()
        with pytest.raises(InvalidRequestError, match="transaction of this with block has ended"):
            session.get(Port, 1)
    assert session.get(Port, 2)


# Failing


def failed_flush(session, database):
    session.add(Port(id=1))
    session.flush()


def failed_statement(session, database):
    session.execute(text("SELECT nothing FROM nowhere"))


def failed_entity_statement(session, database):
    session.scalars(select(Port).from_statement(text("SELECT id FROM nowhere")))


def failed_commit_by_the_database(session, database):
    session.add(Quay(id=1, port_id=99))
    session.commit()


def failed_commit_by_a_listener(session, database):
    event.listen(database, "commit", broken)
    session.add(Port(id=2))
    session.commit()


def failed_rollback_by_a_listener(session, database):
    event.listen(database, "rollback", broken)
    session.add(Port(id=2))
    session.flush()
    session.rollback()


def failed_begin_by_a_listener(session, database):
    event.listen(database, "begin", broken)
    session.get(Port, 1)


def failed_checkout(session, database):
    event.listen(database, "checkout", broken)
    session.get(Port, 1)


def failed_execution_options(session, database):
    session.connection(execution_options={"isolation_level": "NO SUCH LEVEL"})


def failed_savepoint(session, database):
    event.listen(database, "savepoint", broken)
    session.begin_nested()
    session.get(Port, 1)


def failed_release(session, database):
    event.listen(database, "release_savepoint", broken)
    session.get(Port, 1)
    with session.begin_nested():
        session.add(Port(id=2))


def failed_rollback_to_savepoint(session, database):
    event.listen(database, "rollback_savepoint", broken)
    session.get(Port, 1)
    savepoint = session.begin_nested()
    session.add(Port(id=2))
    session.flush()
    savepoint.rollback()


def error_of_the_program(session, database):
    with session.begin():
        session.add(Port(id=2))
        session.flush()
        raise Broken


def interrupted(session, database):
    event.listen(database, "before_cursor_execute", interrupt)
    session.add(Port(id=2))
    session.commit()


def interrupt(*args):
    raise KeyboardInterrupt


def failed_refresh(session, database):
    port = session.get(Port, 1)
    event.listen(database, "before_cursor_execute", broken)
    session.refresh(port)


def abandoned_stream(session, database):
    rows = session.scalars(select(Port).execution_options(yield_per=1))
    next(rows)
    raise Broken


FAILURES = [
    failed_flush,
    failed_statement,
    failed_entity_statement,
    failed_commit_by_the_database,
    failed_commit_by_a_listener,
    failed_rollback_by_a_listener,
    failed_begin_by_a_listener,
    failed_checkout,
    failed_execution_options,
    failed_savepoint,
    failed_release,
    failed_rollback_to_savepoint,
    error_of_the_program,
    interrupted,
    failed_refresh,
    abandoned_stream,
]
each_failure = pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)


LISTENED = [
    "commit",
    "rollback",
    "begin",
    "checkout",
    "savepoint",
    "release_savepoint",
    "rollback_savepoint",
    "before_cursor_execute",
]


def mend(database):
    """Take the listeners off that a failure put on."""
    for name in LISTENED:
        for listener in (broken, interrupt):
            if event.contains(database, name, listener):
                event.remove(database, name, listener)


@each_failure
def test_no_connection_is_left_behind_when_a_with_block_ends(database, fail):
    with pytest.raises((Exception, KeyboardInterrupt)), Session(database) as session:
        fail(session, database)
    assert database.pool.checkedout() == 0


@each_failure
@pytest.mark.parametrize("end", ["rollback", "close", "reset", "invalidate"])
def test_after_a_failure_a_session_is_usable_once_it_was_ended(database, fail, end):
    session = Session(database)
    with pytest.raises((Exception, KeyboardInterrupt)):
        fail(session, database)
    mend(database)
    getattr(session, end)()
    assert database.pool.checkedout() == 0
    session.add(Port(id=5, name="Turku"))
    session.commit()
    assert session.get(Port, 5).name == "Turku"
    session.close()
    assert database.pool.checkedout() == 0
    assert ports(database)[-1] == 5


@pytest.mark.parametrize(
    "fail",
    [
        failed_flush,
        failed_statement,
        failed_entity_statement,
        failed_commit_by_the_database,
        failed_commit_by_a_listener,
        failed_begin_by_a_listener,
        failed_checkout,
        interrupted,
    ],
    ids=lambda fail: fail.__name__,
)
def test_without_transactions_a_failure_gives_the_connection_back_by_itself(database, fail):
    session = Session(database, transactional=False)
    with pytest.raises((Exception, KeyboardInterrupt)):
        fail(session, database)
    assert database.pool.checkedout() == 0
    mend(database)
    session.clear()
    session.add(Port(id=5))
    session.flush()
    assert database.pool.checkedout() == 0
    assert ports(database)[-1] == 5


def test_a_commit_that_the_database_refuses_undoes_everything(session, database):
    kiel = session.get(Port, 1)
    kiel.name = "changed"
    quay = Quay(id=1, port_id=99)
    session.add(quay)
    session.flush()  # the constraint is looked at by the commit
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        session.commit()
    assert state_of(quay).transient
    assert kiel.name == "Kiel"
    assert database.pool.checkedout() == 1  # for the read of the name


def test_a_failing_rollback_after_a_failure_does_not_hide_it(session, database):
    event.listen(database, "rollback", broken)
    session.add(Port(id=1))
    with pytest.raises(IntegrityError) as caught:
        session.flush()
    assert any("on purpose" in note for note in caught.value.__notes__)


def test_the_first_of_two_failing_commits_undoes_the_other_engine(database, tmp_path):
    second = create_engine(f"sqlite:///{tmp_path / 'second.db'}")
    Quay.__table__.metadata.create_all(second)
    event.listen(database, "commit", broken)
    session = Session(binds={Port: database, Quay: second})
    session.add(Port(id=2))
    session.flush()
    session.add(Quay(id=1, port_id=1))
    with pytest.raises(Broken):
        session.commit()
    assert (database.pool.checkedout(), second.pool.checkedout()) == (0, 0)
    mend(database)
    assert session.scalar(select(func.count(Quay.id))) == 0
    session.close()
    assert ports(database) == [1]
    second.dispose()


def test_two_phases_on_a_database_without_them_leave_no_connection(database):
    with Session(database, twophase=True) as session, pytest.raises(NotImplementedError):
        session.get(Port, 1)
    assert database.pool.checkedout() == 0


def test_a_database_that_cannot_be_opened_leaves_no_connection(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    with Session(engine) as session:
        with pytest.raises(OperationalError):
            session.get(Port, 1)
        assert engine.pool.checkedout() == 0
    engine.dispose()


def test_a_session_that_was_dropped_gives_its_connection_back(database):
    session = Session(database)
    session.get(Port, 1)
    assert database.pool.checkedout() == 1
    del session
    gc.collect()
    assert database.pool.checkedout() == 0
