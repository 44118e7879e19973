"""Every public call of a session and of its transaction, in every state that a session can be in.

What is refused says what is going on; what is not listed as refused goes through.
"""

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError

from ropewalk import DeclarativeBase, Mapped, PreparedTransactions, Session, inspect, mapped_column
from ropewalk.exc import (
    IllegalStateChangeError,
    InvalidRequestError,
    PendingRollbackError,
    ResourceClosedError,
)


class Base(DeclarativeBase):
    pass


class Lamp(Base):
    __tablename__ = "lamp"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int | None] = mapped_column(unique=True)


CALLS = {
    "begin": lambda session, *_: session.begin(),
    "begin_nested": lambda session, *_: session.begin_nested(),
    "commit": lambda session, *_: session.commit(),
    "rollback": lambda session, *_: session.rollback(),
    "prepare": lambda session, *_: session.prepare(),
    "close": lambda session, *_: session.close(),
    "reset": lambda session, *_: session.reset(),
    "invalidate": lambda session, *_: session.invalidate(),
    "flush": lambda session, *_: session.flush(),
    "execute": lambda session, *_: session.execute(text("SELECT 1")),
    "scalars": lambda session, *_: session.scalars(select(Lamp)).all(),
    "query": lambda session, *_: session.query(Lamp).count(),
    "get": lambda session, *_: session.get(Lamp, 2),
    "refresh": lambda session, lamp, _: session.refresh(lamp),
    "merge": lambda session, *_: session.merge(Lamp(id=2)),
    "connection": lambda session, *_: session.connection(),
    "on_commit": lambda session, *_: session.on_commit(int),
    "run": lambda session, *_: session.run(lambda session: None),
    "add": lambda session, *_: session.add(Lamp(id=9)),
    "delete": lambda session, lamp, _: session.delete(lamp),
    "expire": lambda session, lamp, _: session.expire(lamp),
    "expunge_all": lambda session, *_: session.expunge_all(),
    "in_transaction": lambda session, *_: session.in_transaction(),
    "is_active": lambda session, *_: session.is_active,
    "transaction.commit": lambda session, lamp, transaction: transaction.commit(),
    "transaction.rollback": lambda session, lamp, transaction: transaction.rollback(),
    "transaction.prepare": lambda session, lamp, transaction: transaction.prepare(),
    "transaction.close": lambda session, lamp, transaction: transaction.close(),
    "with transaction": lambda session, lamp, transaction: transaction.__enter__(),
}

SQL = ["execute", "scalars", "query", "get", "refresh", "merge", "connection"]
ENDS = ["commit", "rollback", "close", "reset", "invalidate"]
ENDS_BY_TRANSACTION = ["transaction.commit", "transaction.rollback", "transaction.close"]


def refusals(*groups):
    return {call: (error, says) for calls, error, says in groups for call in calls}


NOT_TWOPHASE = (["prepare", "transaction.prepare"], InvalidRequestError, "twophase=True")
IN_ANOTHER = (["begin"], InvalidRequestError, "in a transaction already")
RUN = (["run"], InvalidRequestError, "begins a transaction of its own")
IN_FLUSH = (["begin_nested"], InvalidRequestError, r"inside a flush.* session\.connection\(\)\.begin_nested")
OVER = (["transaction.commit", "transaction.rollback"], ResourceClosedError, "committed or rolled back before")
WITH_OVER = (["with transaction"], InvalidRequestError, "transaction is closed")


def under_way(what):
    return [*ENDS, *ENDS_BY_TRANSACTION], IllegalStateChangeError, rf"while {what}\(\) of the same session is under way"


REFUSED = {
    "before_commit": refusals(under_way("commit"), NOT_TWOPHASE, IN_ANOTHER, RUN),
    "after_commit": refusals(
        (["begin", "begin_nested", "on_commit", "with transaction", *SQL], InvalidRequestError, "is committed"),
        under_way("commit"),
        NOT_TWOPHASE,
        RUN,
    ),
    "before_flush": refusals(
        IN_FLUSH,
        (["flush", "commit", "transaction.commit"], InvalidRequestError, "already flushing"),
        NOT_TWOPHASE,
        IN_ANOTHER,
        RUN,
    ),
    "after_flush": refusals(
        IN_FLUSH,
        (["flush"], InvalidRequestError, "already flushing"),
        under_way("flush"),
        NOT_TWOPHASE,
        IN_ANOTHER,
        RUN,
    ),
    "after_flush_postexec": refusals(
        (["flush"], InvalidRequestError, "already flushing"), IN_FLUSH, NOT_TWOPHASE, IN_ANOTHER, RUN
    ),
    "after_rollback": refusals(
        (
            ["begin", "begin_nested", "flush", "on_commit", "with transaction", *SQL],
            InvalidRequestError,
            "being rolled back",
        ),
        under_way("rollback"),
        NOT_TWOPHASE,
        RUN,
    ),
    "after_soft_rollback": refusals(OVER, WITH_OVER, NOT_TWOPHASE),
    "a failed flush": refusals(
        (
            ["begin", "begin_nested", "commit", "on_commit", "transaction.commit", "with transaction", *SQL],
            PendingRollbackError,
            r"when a flush failed.* session\.rollback\(\)",
        ),
        NOT_TWOPHASE,
        RUN,
    ),
    "a failed commit": refusals(OVER, WITH_OVER, NOT_TWOPHASE),
    "committed": refusals(OVER, WITH_OVER, NOT_TWOPHASE),
    "rolled back in its with block": refusals(
        (
            ["begin", "begin_nested", "commit", "prepare", "on_commit", "run", "add", "delete", *SQL],
            PendingRollbackError,
            "with block has ended",
        ),
        OVER,
        WITH_OVER,
        (["transaction.prepare"], InvalidRequestError, "twophase=True"),
    ),
    "closed for good": refusals(
        (
            ["begin", "begin_nested", "commit", "prepare", "on_commit", "run", "add", "delete", *SQL],
            InvalidRequestError,
            "closed for good.* make another one",
        ),
        (["refresh", "expire"], InvalidRequestError, "is detached"),
        OVER,
        WITH_OVER,
        (["transaction.prepare"], InvalidRequestError, "twophase=True"),
    ),
}


@pytest.fixture
def database(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(Lamp.__table__.insert(), [{"id": n, "number": n} for n in (1, 2)])
    return sqlite_engine


def inside(session, name, attempt):
    """Make the attempt in the first call of a listener, and go on with what it listens to."""
    waiting = [attempt]
    event.listen(session, name, lambda *_: waiting and waiting.pop()())
    if "rollback" in name:
        session.rollback()
    elif "flush" in name:
        session.flush()
    else:
        session.commit()
    assert not waiting


def bring_about(state, session, lamp, attempt):
    """Bring a session that has changed an object into a state, and make the attempt there."""
    if "_" in state:
        return inside(session, state, attempt)
    if state == "a failed flush":
        lamp.number = 2
        with pytest.raises(DBAPIError):
            session.flush()
    elif state == "a failed commit":
        waiting = [1]
        event.listen(session.get_bind(), "commit", lambda _: 1 // (0 if waiting and waiting.pop() else 1))
        with pytest.raises(ZeroDivisionError):
            session.commit()
    elif state == "committed":
        session.commit()
    elif state == "closed for good":
        session.close_resets_only = False
        session.close()
    else:
        with session.get_transaction() as transaction:
            transaction.rollback()
            return attempt()
    return attempt()


CASES = [(state, call) for state in REFUSED for call in CALLS]


@pytest.mark.parametrize(("state", "call"), CASES)
def test_each_call_in_each_state(database, state, call):
    with Session(database) as session:
        lamp = session.get(Lamp, 1)
        session.get(Lamp, 2)
        transaction = session.get_transaction()
        lamp.number = 3
        done = []

        def attempt():
            refused = REFUSED[state].get(call)
            if refused is None:
                CALLS[call](session, lamp, transaction)
            else:
                error, says = refused
                with pytest.raises(error, match=says) as caught:
                    CALLS[call](session, lamp, transaction)
                assert "session" in str(caught.value) or "transaction" in str(caught.value)
            done.append(call)

        bring_about(state, session, lamp, attempt)
        assert done == [call]
    session.close()
    assert database.pool.checkedout() == 0
    with database.connect() as connection:
        assert connection.scalar(text("SELECT number FROM lamp WHERE id = 1")) in (1, 3, None)


@pytest.mark.parametrize("call", [*ENDS, "transaction.rollback", "transaction.close"])
def test_objects_are_not_taken_for_saved_when_a_flush_was_to_be_undone_in_its_middle(database, call):
    with Session(database) as session:
        new = Lamp(id=5)
        session.add(new)
        transaction = session.get_transaction()
        with pytest.raises(IllegalStateChangeError):
            inside(session, "after_flush", lambda: CALLS[call](session, None, transaction))
        assert inspect(new).transient
        session.rollback()
        assert session.get(Lamp, 5) is None


def test_a_savepoint_inside_a_flush(database):
    """One of Core's, as the error about one of the session's advises."""

    def attempt():
        with session.connection().begin_nested():
            session.execute(text("UPDATE lamp SET number = 7 WHERE id = 2"))
        nested = session.connection().begin_nested()
        session.execute(text("UPDATE lamp SET number = 8 WHERE id = 2"))
        nested.rollback()

    for name in ("before_flush", "after_flush"):
        with Session(database) as session:
            new = Lamp()
            session.add(new)
            inside(session, name, attempt)
            session.commit()
            assert inspect(new).persistent
            assert session.get(Lamp, 2).number == 7


@pytest.mark.databases("mariadb")
@pytest.mark.parametrize("call", CALLS)
def test_each_call_when_prepared(engine, call):
    Base.metadata.create_all(engine)
    refused = refusals(
        (["begin", "begin_nested", "on_commit", "prepare", "transaction.prepare", "with transaction", *SQL],
         InvalidRequestError, r"is prepared.* commit\(\) or rollback\(\)"),
        RUN,
    )  # fmt: skip
    with Session(engine, twophase=True) as session:
        lamp = Lamp(id=1)
        session.add_all([lamp, Lamp(id=2)])
        transaction = session.get_transaction()
        session.prepare()
        (connection,) = transaction.connections
        xid = connection.get_transaction().xid
        if call in refused:
            error, says = refused[call]
            with pytest.raises(error, match=says):
                CALLS[call](session, lamp, transaction)
        else:
            CALLS[call](session, lamp, transaction)
    assert engine.pool.checkedout() == 0
    assert xid not in PreparedTransactions(engine)
    with engine.connect() as connection:
        found = connection.scalars(text("SELECT id FROM lamp ORDER BY id")).all()
    assert found == ([1, 2] if "commit" in call and call != "on_commit" else [])
