"""An exception inside a listener: all or nothing in the database, nothing left open, the first cause raised."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, String, delete, event, func, update

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Mapper,
    Query,
    QueryableAttribute,
    Session,
    attributes,
    events,
    mapped_column,
    relationship,
    select,
    sessionmaker,
)
from ropewalk.exc import PendingRollbackError


class Base(DeclarativeBase):
    pass


class Knot(Base):
    __tablename__ = "knot"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    size: Mapped[int | None] = mapped_column(default=5)
    ends: Mapped[set[End]] = relationship(cascade="all, delete-orphan")


class End(Base):
    __tablename__ = "knot_end"

    id: Mapped[int] = mapped_column(primary_key=True)
    knot_id: Mapped[int] = mapped_column(ForeignKey("knot.id"))


class Fault(Exception):
    pass


def work(session: Session) -> None:
    """Make every kind of event happen."""
    kept, gone = session.scalars(select(Knot).order_by(Knot.id)).all()
    session.expire(kept)
    session.refresh(kept)
    session.expunge(kept)
    session.add(kept)
    kept.name = "changed"
    attributes.flag_modified(kept, "name")
    session.delete(gone)
    new, lost = Knot(name="new"), Knot(name="lost")
    assert new.size is None
    session.add_all([new, Knot(name="newer"), lost])
    session.expunge(lost)
    new.ends.add(end := End())
    new.ends.add(end)
    new.ends.remove(end)
    new.ends = {end, End()}
    session.flush()
    assert pickle.loads(pickle.dumps(kept)).name == "changed"
    nobody = Knot.name == "nobody"
    session.execute(update(Knot).where(nobody).values(size=1))
    session.execute(delete(Knot).where(nobody))
    query = session.query(Knot).filter(nobody)
    assert (query.all(), query.update({"size": 1}), query.delete()) == ([], 0, 0)
    with session.begin_nested() as savepoint:
        session.add(newest := Knot(name="newest"))
        session.delete(new)
        session.flush()
        savepoint.rollback()
        assert newest.name == "newest"
    session.commit()


# event → whether the work is done in the database all the same
OF_SESSIONS = {
    "before_attach": False,
    "after_attach": False,
    "transient_to_pending": False,
    "before_flush": False,
    "after_flush": False,
    "after_flush_postexec": False,
    "pending_to_persistent": False,
    "persistent_to_deleted": False,
    "persistent_to_transient": False,
    "loaded_as_persistent": False,
    "do_orm_execute": False,
    "after_begin": False,
    "after_transaction_create": False,
    "after_transaction_end": False,
    "pending_to_transient": False,
    "persistent_to_detached": False,
    "detached_to_persistent": False,
    "deleted_to_persistent": False,
    "after_bulk_update": False,
    "after_bulk_delete": False,
    "before_commit": False,
    "after_rollback": False,
    "after_soft_rollback": False,
    "after_commit": True,
    "deleted_to_detached": True,
}
OF_MAPPERS = ["before_insert", "after_insert", "before_update", "after_update", "before_delete", "after_delete"]
OF_OBJECTS = ["init", "load", "refresh", "refresh_flush", "expire", "pickle", "unpickle"]
OF_ATTRIBUTES = {
    "set": Knot.name,
    "init_scalar": Knot.size,
    "modified": Knot.name,
    "init_collection": Knot.ends,
    "append": Knot.ends,
    "append_wo_mutation": Knot.ends,
    "remove": Knot.ends,
    "bulk_replace": Knot.ends,
    "dispose_collection": Knot.ends,
}
OF_QUERIES = ["before_compile", "before_compile_update", "before_compile_delete"]
ELSEWHERE = {
    events.InstanceEvents: {"first_init", "init_failure"},  # once in a process; after an error
    events.MapperEvents: {  # when classes are mapped
        *("instrument_class", "after_mapper_constructed", "before_mapper_configured", "mapper_configured"),
        *("before_configured", "after_configured"),
    },
}


@pytest.fixture
def made(engine: Engine) -> Iterator[Engine]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Knot(name="kept"), Knot(name="gone")])
        session.commit()
    yield engine
    Base.metadata.drop_all(engine)


def names(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(select(Knot.name).order_by(Knot.name)))


def check(engine: Engine, target: Any, name: str, is_done: bool = False) -> None:
    session = sessionmaker(engine)()
    cause = Fault(name)

    def fail(*arguments: Any, **kw: Any) -> None:
        raise cause

    event.listen(session if target is Session else target, name, fail)
    try:
        with pytest.raises(Fault) as caught:
            work(session)
        assert caught.value is cause
    finally:
        event.remove(session if target is Session else target, name, fail)
    session.rollback()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert names(engine) == (["changed", "new", "newer"] if is_done else ["gone", "kept"])
    session.add(Knot(name="afterwards"))  # the session goes on
    session.commit()
    assert session.scalar(select(func.count()).where(Knot.name == "afterwards")) == 1
    session.close()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", OF_SESSIONS)
def test_sessions(made: Engine, name: str) -> None:
    check(made, Session, name, OF_SESSIONS[name])


@pytest.mark.parametrize("name", OF_MAPPERS)
@pytest.mark.parametrize("target", [Knot, Mapper], ids=["class", "all"])
def test_mappers(made: Engine, target: Any, name: str) -> None:
    check(made, target, name)


@pytest.mark.parametrize("name", OF_OBJECTS)
def test_objects(made: Engine, name: str) -> None:
    check(made, Knot, name)


@pytest.mark.parametrize("name", OF_ATTRIBUTES)
def test_attributes(made: Engine, name: str) -> None:
    check(made, OF_ATTRIBUTES[name], name)


def test_all_attributes(made: Engine) -> None:
    check(made, QueryableAttribute, "set")


@pytest.mark.parametrize("name", OF_QUERIES)
def test_queries(made: Engine, name: str) -> None:
    check(made, Query, name)


@pytest.mark.parametrize(
    ("kind", "tested"),
    [
        (events.SessionEvents, OF_SESSIONS),
        (events.MapperEvents, OF_MAPPERS),
        (events.InstanceEvents, OF_OBJECTS),
        (events.AttributeEvents, OF_ATTRIBUTES),
        (events.QueryEvents, OF_QUERIES),
    ],
)
def test_no_event_is_left_out(kind: Any, tested: Any) -> None:
    names = {name for name, value in vars(kind).items() if not name.startswith("_") and callable(value)}
    assert names - ELSEWHERE.get(kind, set()) == set(tested)


def test_an_error_after_the_first_is_a_note_on_it(made: Engine) -> None:
    def fail(what: str) -> Any:
        def listener(*arguments: Any) -> None:
            raise Fault(what)

        return listener

    with Session(made) as session:
        listeners = {
            name: fail(name)
            for name in ("after_flush", "after_rollback", "after_soft_rollback", "after_transaction_end")
        }
        for name, listener in listeners.items():
            event.listen(session, name, listener)
        session.add(Knot(name="x"))
        with pytest.raises(Fault, match="after_flush") as caught:
            session.flush()
        assert [note.split()[3] for note in caught.value.__notes__] == [
            "after_rollback",
            "after_transaction_end",
            "after_soft_rollback",
        ]
        with pytest.raises(PendingRollbackError):
            session.execute(select(1))
        with pytest.raises(Fault):
            session.rollback()
        for name, listener in listeners.items():
            event.remove(session, name, listener)
        assert not session.in_transaction()
        assert made.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["before_flush", "after_flush", "after_flush_postexec", "after_commit"])
def test_without_a_transaction_around_it(made: Engine, name: str) -> None:
    """``transactional=False``: each flush is a transaction, and fails or succeeds as a whole."""

    def fail(*arguments: Any) -> None:
        raise Fault(name)

    with Session(made, transactional=False) as session:
        event.listen(session, name, fail)
        session.add(Knot(name="x"))
        with pytest.raises(Fault):
            session.flush()
        event.remove(session, name, fail)
        assert made.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert ("x" in names(made)) is (name == "after_commit")


def test_an_interrupt_inside_a_listener(made: Engine) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with Session(made) as session:
        event.listen(session, "after_flush", interrupt)
        session.add(Knot(name="x"))
        with pytest.raises(KeyboardInterrupt):
            session.commit()
        event.remove(session, "after_flush", interrupt)
        session.rollback()
        assert made.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert names(made) == ["gone", "kept"]
        session.add(Knot(name="y"))
        session.commit()
    assert "y" in names(made)
