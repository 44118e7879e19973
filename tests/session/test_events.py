"""What a session tells of its transactions, flushes and objects. The orders are those of SQLAlchemy 2.1."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, create_engine, event, func, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    inspect,
    make_transient,
    mapped_column,
    relationship,
    select,
    sessionmaker,
)
from ropewalk.events import SessionEvents
from ropewalk.exc import ArgumentError, FlushError, InvalidRequestError


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kids: Mapped[list[Kid]] = relationship(back_populates="user", cascade="all, delete-orphan")


class Kid(Base):
    __tablename__ = "kid"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User] = relationship(back_populates="kids")


@pytest.fixture
def memory() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


Listen = Callable[..., Any]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """``event.listen()`` that takes its listeners off again, for targets that outlive the test."""
    heard: list[tuple[Any, str, Any]] = []

    def listen(target: Any, name: str, fn: Any, **kw: Any) -> None:
        event.listen(target, name, fn, **kw)
        heard.append((target, name, fn))

    yield listen
    for target, name, fn in heard:
        if event.contains(target, name, fn):
            event.remove(target, name, fn)


LOADING = "loaded_as_persistent"
EVENTS = [name for name in vars(SessionEvents) if not name.startswith("_") and name not in ("dispatch", LOADING)]


def follow(target: Any, told: list[str], *, only: Any = None) -> None:
    """Write down all events of a session: their names, and which transaction or object they are of."""

    def listener(name: str) -> Callable[..., None]:
        def note(*arguments: Any) -> None:
            about = arguments[-1] if len(arguments) == 2 else None
            if isinstance(about, (User, Kid)):
                told.append(f"{name} {type(about).__name__}")
            elif "transaction" in name or name == "after_soft_rollback":
                told.append(f"{name} {about.origin.name}")
            else:
                told.append(name)

        return note

    for name in EVENTS:
        if name != "do_orm_execute" and (only is None or name in only):
            event.listen(target, name, listener(name))


def take(told: list[str]) -> list[str]:
    taken, told[:] = list(told), []
    return taken


FLUSH = ["before_flush", "after_transaction_create SUBTRANSACTION"]


def test_from_add_to_commit(memory: Engine) -> None:
    told: list[str] = []
    with Session(memory) as session:
        follow(session, told)
        session.add(User(name="ed"))
        assert take(told) == [
            "after_transaction_create AUTOBEGIN",
            "before_attach User",
            "after_attach User",
            "transient_to_pending User",
        ]
        session.flush()
        assert take(told) == [
            *FLUSH,
            "after_begin",
            "after_flush",
            "pending_to_persistent User",
            "after_flush_postexec",
            "after_transaction_end SUBTRANSACTION",
        ]
        session.flush()
        assert take(told) == []  # nothing to do, nothing to tell
        session.commit()
        assert take(told) == ["before_commit", "after_commit", "after_transaction_end AUTOBEGIN"]


def test_a_failed_flush(memory: Engine) -> None:
    told: list[str] = []
    with Session(memory) as session:
        session.add(User(id=1, name="ed"))
        session.commit()
        session.expunge_all()
        follow(session, told)
        session.add(User(id=1, name="eve"))
        take(told)
        with pytest.raises(IntegrityError):
            session.flush()
        assert take(told) == [
            *FLUSH,
            "after_begin",
            "after_rollback",
            "pending_to_transient User",
            "after_transaction_end SUBTRANSACTION",
            "after_soft_rollback SUBTRANSACTION",
        ]
        session.rollback()
        assert take(told) == ["after_transaction_end AUTOBEGIN", "after_soft_rollback AUTOBEGIN"]


def test_a_savepoint_rolled_back(memory: Engine) -> None:
    told: list[str] = []
    with Session(memory) as session:
        kid = Kid()
        session.add(User(name="ed", kids=[kid]))
        session.flush()
        follow(session, told)
        savepoint = session.begin_nested()
        session.add(new := User(name="new"))
        session.delete(kid)
        session.flush()
        take(told)
        savepoint.rollback()
        assert take(told) == [
            "after_rollback",
            "persistent_to_transient User",
            "deleted_to_persistent Kid",
            "after_transaction_end BEGIN_NESTED",
            "after_soft_rollback BEGIN_NESTED",
        ]
        assert inspect(new).transient


def test_deleted_objects(memory: Engine) -> None:
    told: list[str] = []
    with Session(memory) as session:
        user = User(name="ed", kids=[Kid(), Kid()])
        session.add(user)
        session.commit()
        held = user.kids[0]
        follow(session, told, only=EVENTS[-9:])
        user.kids.clear()  # orphans, which only the flush finds
        session.flush()
        assert take(told) == ["persistent_to_deleted Kid", "persistent_to_deleted Kid"]
        session.commit()
        assert take(told) == ["deleted_to_detached Kid"]  # the other one is gone for good
        assert inspect(held).detached
        session.delete(user)
        session.rollback()
        assert take(told) == ["deleted_to_persistent User"]
        session.delete(user)
        session.flush()
        assert take(told) == ["persistent_to_deleted User"]
        session.rollback()
        assert take(told) == ["deleted_to_persistent User"]


def test_objects_that_leave_and_come_back(memory: Engine) -> None:
    told: list[str] = []
    session = Session(memory)
    user = User(name="ed")
    session.add(user)
    session.commit()
    follow(session, told, only=EVENTS[-11:])
    session.expunge(user)
    assert take(told) == ["persistent_to_detached User"]
    session.add(user)
    assert take(told) == ["before_attach User", "after_attach User", "detached_to_persistent User"]
    session.close()
    assert take(told) == ["persistent_to_detached User"]
    session.delete(user)
    assert take(told) == ["before_attach User", "after_attach User", "detached_to_persistent User"]
    session.rollback()
    take(told)
    make_transient(user)
    assert take(told) == ["persistent_to_detached User"]
    new = User(name="new", kids=[Kid()])
    session.add(new)
    assert [line for line in take(told) if "pending" in line] == [
        "transient_to_pending User",
        "transient_to_pending Kid",
    ]
    session.expunge(new)
    assert take(told) == ["pending_to_transient User", "pending_to_transient Kid"]
    session.close()


def test_what_is_seen_in_a_flush(memory: Engine) -> None:
    seen: list[Any] = []
    with Session(memory) as session:
        old = User(name="old")
        session.add(old)
        session.commit()
        assert old.name == "old"
        old.name = "older"
        new = User(name="new")
        session.add(new)

        def look(session: Session, context: Any, *_: Any) -> None:
            changed = inspect(old).attrs.name.history.has_changes()
            seen.append((set(session.new), set(session.dirty), inspect(new).pending, changed))

        for name in ("before_flush", "after_flush", "after_flush_postexec"):
            event.listen(session, name, look)
        session.flush()
    before, after, postexec = seen
    assert before == after == ({new}, {old}, True, True)
    assert postexec == (set(), set(), False, False)


def test_what_before_flush_changes_goes_with_the_flush(memory: Engine) -> None:
    with Session(memory) as session:
        first, second = User(name="first"), User(name="second")
        session.add_all([first, second])
        session.commit()

        @event.listens_for(session, "before_flush")
        def also(session: Session, context: Any, instances: Any) -> None:
            first.name = "changed"
            session.delete(second)
            session.add(User(name="added"))

        session.add(User(name="third"))
        session.flush()
        event.remove(session, "before_flush", also)
        session.commit()
        assert session.scalars(select(User.name).order_by(User.name)).all() == ["added", "changed", "third"]


def test_flush_objects_are_handed_on(memory: Engine) -> None:
    given: list[Any] = []
    with Session(memory) as session:
        event.listen(session, "before_flush", lambda session, context, instances: given.append(instances))
        one, two = User(name="one"), User(name="two")
        session.add_all([one, two])
        session.flush([one])
        assert given == [[one]]
        assert two in session.new


def test_a_flush_inside_a_flush_is_refused(memory: Engine) -> None:
    with Session(memory) as session:
        event.listen(session, "after_flush", lambda session, context: session.flush())
        session.add(User(name="ed"))
        with pytest.raises(InvalidRequestError, match="already flushing"):
            session.commit()
        session.rollback()
        assert session.scalar(select(func.count()).select_from(User)) == 0


def test_before_commit_may_flush_and_change(memory: Engine) -> None:
    with Session(memory) as session:
        user = User(name="ed")
        session.add(user)

        @event.listens_for(session, "before_commit")
        def last(session: Session) -> None:
            session.flush()
            user.name = "changed after that"

        session.commit()
        assert session.connection().scalar(text("select name from user")) == "changed after that"


def test_after_flush_may_leave_work_for_the_next_flush(memory: Engine) -> None:
    with Session(memory) as session:

        @event.listens_for(session, "after_flush_postexec")
        def more(session: Session, context: Any) -> None:
            if not session.scalar(select(User).where(User.name == "extra")):
                session.add(User(name="extra"))

        session.add(User(name="ed"))
        session.commit()
        assert session.scalars(select(User.name).order_by(User.id)).all() == ["ed", "extra"]


def test_an_object_added_while_the_flush_is_writing_is_not_lost(memory: Engine) -> None:
    with Session(memory) as session:

        @event.listens_for(session, "after_flush")
        def add(session: Session, context: Any) -> None:
            session.add(User(name="late"))

        session.add(User(name="ed"))
        session.flush()
        assert [user.name for user in session.new] == ["late"]
        event.remove(session, "after_flush", add)
        session.commit()
        assert session.scalar(select(func.count()).select_from(User)) == 2


def test_all_flushes_that_never_end_are_stopped(memory: Engine) -> None:
    with Session(memory) as session:
        event.listen(session, "after_flush_postexec", lambda session, context: session.add(User(name="again")))
        session.add(User(name="ed"))
        with pytest.raises(FlushError, match="100 flushes"):
            session.commit()
        session.rollback()


def test_targets(memory: Engine, listen: Listen) -> None:
    """All sessions, those of a class, those of a factory, one; also of classes and sessions made before."""
    told: list[str] = []
    factory = sessionmaker(memory)

    class Special(Session):
        pass

    before = Special(memory)
    event.listen(before, "after_rollback", lambda session: told.append("one"))
    listen(Session, "after_commit", lambda session: told.append("every"))
    listen(Special, "after_commit", lambda session: told.append("special"))
    listen(factory, "after_commit", lambda session: told.append("factory"))
    listen(before, "after_commit", lambda session: told.append("one"))
    for session in (Session(memory), before, factory(), sessionmaker(memory)()):
        session.commit()
        told.append("|")
        session.close()
    assert told == ["every", "|", "every", "special", "one", "|", "every", "factory", "|", "every", "|"]


def test_remove_contains_once_insert_and_named(memory: Engine) -> None:
    told: list[Any] = []

    def first(session: Session) -> None:
        told.append("first")

    with Session(memory) as session:
        event.listen(session, "after_commit", lambda session: told.append("second"))
        event.listen(session, "after_commit", first, insert=True)
        event.listen(session, "after_commit", lambda session: told.append("once"), once=True)
        event.listen(session, "after_commit", lambda **kw: told.append(set(kw)), named=True)
        assert event.contains(session, "after_commit", first)
        session.commit()
        assert told == ["first", "second", "once", {"session"}]
        told.clear()
        event.remove(session, "after_commit", first)
        assert not event.contains(session, "after_commit", first)
        session.commit()
        assert told == ["second", {"session"}]


def test_what_nobody_listens_to_any_more_is_forgotten(memory: Engine) -> None:
    def listener(session: Session) -> None:
        pass

    class Special(Session):
        pass

    with Special(memory) as session:
        event.listen(Special, "after_commit", listener)
        event.listen(session, "before_commit", listener)
        assert session._heard == {"after_commit", "before_commit"}
        event.remove(Special, "after_commit", listener)
        event.remove(session, "before_commit", listener)
        session.commit()
        assert session._heard is None
        other = Special(memory)
        other.commit()
        assert other._heard is None
        assert Special._heard is None
        event.listen(Session, "after_commit", listener)  # a class that has forgotten hears of those above it
        try:
            assert Special._heard == {"after_commit"}
        finally:
            event.remove(Session, "after_commit", listener)


def test_raw_listeners_get_states(memory: Engine) -> None:
    given: list[Any] = []
    with Session(memory) as session:
        event.listen(session, "transient_to_pending", lambda session, state: given.append(state), raw=True)
        user = User(name="ed")
        session.add(user)
        assert given == [inspect(user)]


def test_unknown_events(memory: Engine) -> None:
    with pytest.raises(InvalidRequestError, match="No such event 'before_lunch'"):
        event.listen(Session(memory), "before_lunch", print)


def test_listeners_keep_no_session_alive(memory: Engine) -> None:
    told: list[str] = []
    session = Session(memory)
    follow(session, told)
    reference = session.identity_map._session
    del session
    gc.collect()
    assert reference() is None


# -- on_commit ------------------------------------------------------------------------------


def test_on_commit_runs_once_when_the_connection_is_back(engine: Engine) -> None:
    called: list[Any] = []
    with Session(engine) as session:
        session.execute(select(1))
        session.on_commit(lambda: called.append((engine.pool.checkedout(), session.in_transaction())))  # type: ignore
        assert called == []
        session.commit()
        assert called == [(0, False)]
        session.commit()
        assert len(called) == 1


def test_on_commit_may_use_the_session(memory: Engine) -> None:
    with Session(memory) as session:

        def more() -> None:
            session.add(User(name="mail sent"))
            session.commit()

        session.add(User(name="ed"))
        session.on_commit(more)
        session.commit()
        assert session.scalar(select(func.count()).select_from(User)) == 2


def test_on_commit_of_savepoints(memory: Engine) -> None:
    called: list[str] = []
    with Session(memory) as session:
        session.on_commit(lambda: called.append("outer"))
        with session.begin_nested():
            session.on_commit(lambda: called.append("kept"))
            with session.begin_nested() as innermost:
                session.on_commit(lambda: called.append("dropped"))
                innermost.rollback()
        assert called == []
        session.commit()
        assert called == ["outer", "kept"]


def test_on_commit_is_dropped_by_rollback_and_close(memory: Engine) -> None:
    called: list[str] = []
    session = Session(memory)
    session.on_commit(lambda: called.append("rolled back"))
    session.rollback()
    session.commit()
    session.on_commit(lambda: called.append("closed"))
    session.close()
    session.commit()
    session.add(User(id=1, name="ed"))
    session.commit()
    session.expunge_all()
    session.on_commit(lambda: called.append("failed"))
    session.add(User(id=1, name="ed"))
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    session.commit()
    assert called == []


def test_on_commit_without_a_transaction(memory: Engine) -> None:
    called: list[str] = []
    with Session(memory, transactional=False) as session:
        session.on_commit(lambda: called.append("at once"))
        assert called == ["at once"]
        with session.begin():
            session.on_commit(lambda: called.append("later"))
            assert called == ["at once"]
        assert called == ["at once", "later"]


def test_a_failing_callback_stops_no_other(memory: Engine) -> None:
    called: list[str] = []

    def fail() -> None:
        raise ValueError("no mail today")

    with Session(memory) as session:
        session.add(User(name="ed"))
        session.on_commit(fail)
        session.on_commit(lambda: called.append("other"))
        session.on_commit(fail)
        with pytest.raises(ValueError, match="no mail") as caught:
            session.commit()
        assert called == ["other"]
        assert "that has succeeded" in caught.value.__notes__[0]
        assert "failed too" in caught.value.__notes__[1]
        assert session.scalar(select(User.name)) == "ed"


def test_a_failing_listener_to_after_commit_takes_no_callback_away(memory: Engine) -> None:
    called: list[str] = []

    def fail(session: Session) -> None:
        raise ValueError("listener")

    with Session(memory) as session:
        event.listen(session, "after_commit", fail)
        session.add(User(name="ed"))
        session.on_commit(lambda: called.append("called"))
        with pytest.raises(ValueError, match="listener"):
            session.commit()
        assert called == ["called"]
        assert not session.in_transaction()
        assert session.scalar(select(User.name)) == "ed"


def test_on_commit_takes_functions() -> None:
    with pytest.raises(ArgumentError, match="function without arguments"):
        Session().on_commit("mail")  # type: ignore[arg-type]
