"""What is told of objects when they are loaded, refreshed, brought up to date, merged and expired.

What is expected was seen with SQLAlchemy 2.1, save where it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from databases import count_statements
from sqlalchemy import Engine, ForeignKey, String, event, update

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    make_transient_to_detached,
    mapped_column,
    relationship,
    select,
    selectinload,
)


class Base(DeclarativeBase):
    pass


class Ship(Base):
    __tablename__ = "ship"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20))
    flag: Mapped[str | None] = mapped_column(String(20), server_default="none")
    sails: Mapped[list[Sail]] = relationship(back_populates="ship", order_by="Sail.id", cascade="all, delete-orphan")


class Sail(Base):
    __tablename__ = "sail"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20))
    ship_id: Mapped[int | None] = mapped_column(ForeignKey("ship.id"))
    ship: Mapped[Ship | None] = relationship(back_populates="sails")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for n in (1, 2):
            session.add(Ship(id=n, name=f"ship {n}", sails=[Sail(id=10 * n + i, name=f"sail {i}") for i in (1, 2)]))
        session.commit()
        session.expunge_all()
        yield session


@pytest.fixture
def listen() -> Iterator[Any]:
    heard: list[Any] = []

    def listen(target: Any, name: str, fn: Any, **kw: Any) -> None:
        event.listen(target, name, fn, **kw)
        heard.append((target, name, fn))

    yield listen
    for registration in heard:
        event.remove(*registration)


Refreshed = list[tuple[Any, Any]]


@pytest.fixture
def refreshed(listen: Any) -> Refreshed:
    seen: Refreshed = []
    for class_ in (Ship, Sail):
        listen(class_, "refresh", lambda target, context, attrs: seen.append((target, attrs)))
    return seen


def take(told: list[Any]) -> list[Any]:
    taken, told[:] = list(told), []
    return taken


# -- load ----------------------------------------------------------------------------------------


def test_a_joined_reference_is_there_when_load_is_told(session: Session, listen: Any, engine: Engine) -> None:
    seen: list[str | None] = []
    listen(Sail, "load", lambda sail, context: seen.append(sail.ship.name))
    with count_statements(engine) as sent:
        session.scalars(select(Sail).options(joinedload(Sail.ship)).order_by(Sail.id)).all()
    assert seen == ["ship 1", "ship 1", "ship 2", "ship 2"]
    assert sent.count == 1


def test_a_joined_collection_is_there_as_a_whole(session: Session, listen: Any, engine: Engine) -> None:
    """SQLAlchemy tells when the first row was read, with what that had."""
    seen: list[Any] = []
    loaded: list[Any] = []
    listen(Ship, "load", lambda ship, context: seen.append([sail.name for sail in ship.sails]))
    event.listen(session, "loaded_as_persistent", lambda session, target: loaded.append(target))
    with count_statements(engine) as sent:
        ships = session.scalars(select(Ship).options(joinedload(Ship.sails)).order_by(Ship.id)).unique().all()
    assert seen == [["sail 1", "sail 2"]] * 2
    assert sent.count == 1
    assert set(loaded) == {*ships, *ships[0].sails, *ships[1].sails}


def test_what_a_listener_looks_at_is_loaded_in_the_middle(session: Session, listen: Any) -> None:
    seen: list[Any] = []
    listen(Ship, "load", lambda ship, context: seen.append(len(ship.sails)))
    listen(Sail, "load", lambda sail, context: seen.append(context.session.get(Ship, sail.ship_id).name))
    ships = session.scalars(select(Ship).order_by(Ship.id)).all()
    assert seen == ["ship 1", "ship 1", 2, "ship 2", "ship 2", 2]
    assert [sail.ship for ship in ships for sail in ship.sails] == [ships[0], ships[0], ships[1], ships[1]]


def test_what_a_listener_to_load_sets_is_a_change(session: Session, listen: Any) -> None:
    """SQLAlchemy shows it and never writes it."""
    listen(Ship, "load", lambda ship, context: setattr(ship, "flag", "red"))
    ship = session.get_one(Ship, 1)
    assert ship in session.dirty
    session.commit()
    assert ship.flag == "red"


def test_a_failing_listener_leaves_the_session_usable(session: Session) -> None:
    def fail(target: Ship, context: Any) -> None:
        raise KeyError(target.name)

    event.listen(Ship, "load", fail)
    try:
        for options in ([], [joinedload(Ship.sails)]):
            with pytest.raises(KeyError, match="ship 1"):
                session.scalars(select(Ship).options(*options).order_by(Ship.id)).unique().all()
    finally:
        event.remove(Ship, "load", fail)
    assert [ship.name for ship in session.scalars(select(Ship).order_by(Ship.id))] == ["ship 1", "ship 2"]


# -- refresh -------------------------------------------------------------------------------------


def test_what_is_read_again_is_named(session: Session, refreshed: Refreshed) -> None:
    ship = session.get_one(Ship, 1)
    session.refresh(ship)
    assert take(refreshed) == [(ship, None)]
    session.refresh(ship, ["name"])
    assert take(refreshed) == [(ship, {"name"})]
    session.expire(ship, ["flag"])
    assert ship.flag == "none"
    assert take(refreshed) == [(ship, {"flag"})]
    session.expire(ship)
    assert ship.name == "ship 1"
    assert take(refreshed) == [(ship, {"id", "name", "flag"})]


def test_all_that_are_refreshed_together_are_told_of(session: Session, refreshed: Refreshed) -> None:
    ships = session.scalars(select(Ship).order_by(Ship.id)).all()
    for ship in ships:
        session.expire(ship, ["flag"])
    assert ships[0].flag == ships[1].flag == "none"
    assert refreshed == [(ships[0], {"flag"}), (ships[1], {"flag"})]


def test_a_refresh_with_a_joined_collection_is_told_when_that_is_there(session: Session, listen: Any) -> None:
    seen: list[Any] = []
    listen(Ship, "refresh", lambda ship, context, attrs: seen.append([sail.name for sail in ship.__dict__["sails"]]))
    ship = session.scalars(select(Ship).options(joinedload(Ship.sails)).where(Ship.id == 1)).unique().one()
    session.refresh(ship)
    session.expire(ship)
    assert ship.name == "ship 1"
    assert seen == [["sail 1", "sail 2"]] * 2


@pytest.mark.parametrize("how", ["evaluate", "fetch"])
def test_an_update_tells_of_the_objects_it_brings_up_to_date(
    session: Session, refreshed: Refreshed, listen: Any, how: str
) -> None:
    expired: list[Any] = []
    ships = session.scalars(select(Ship).order_by(Ship.id)).all()
    listen(Ship, "expire", lambda target, attrs: expired.append((target, set(attrs))))
    statement = update(Ship).where(Ship.name == "ship 1").execution_options(synchronize_session=how)
    session.execute(statement.values(flag="red"))
    assert (take(refreshed), expired) == ([(ships[0], {"flag"})], [])
    session.execute(statement.values(flag=select(Sail.name).where(Sail.id == 12).scalar_subquery()))
    assert (take(refreshed), take(expired)) == ([], [(ships[0], {"flag"})])
    assert ships[0].flag == "sail 2"
    take(refreshed)
    session.execute(update(Ship), [{"id": 1, "flag": "blue"}, {"id": 2, "flag": "green"}])
    assert refreshed == [(ships[0], {"flag"}), (ships[1], {"flag"})]


def test_refresh_flush_gets_the_flush(session: Session, listen: Any) -> None:
    contexts: list[Any] = []
    listen(Ship, "refresh_flush", lambda target, context, attrs: contexts.append((target, context, set(attrs))))
    ship = Ship(id=7, name="new")
    session.add(ship)
    session.flush()
    if session.connection().dialect.insert_returning:
        ((target, context, attrs),) = contexts
        assert (target, attrs) == (ship, {"flag"})
        assert context.session is session
        assert [state.obj() for state in context.new] == [ship]
    else:
        assert contexts == []  # read when it is asked for
    flushes: list[Any] = []
    event.listen(session, "after_flush", lambda session, context: flushes.append(context))
    session.add(Ship(id=8))
    session.flush()
    assert {id(context) for _, context, _ in contexts[1:]} <= {id(context) for context in flushes}


# -- states --------------------------------------------------------------------------------------


def test_merge_without_loading_brings_an_object_in(session: Session) -> None:
    ship = session.get_one(Ship, 1)
    session.expunge(ship)
    told: list[Any] = []
    for name in ("before_attach", "after_attach", "detached_to_persistent"):
        event.listen(session, name, lambda session, target, name=name: told.append((name, target)))  # type: ignore[misc]
    copy = session.merge(ship, load=False)
    assert told == [("before_attach", copy), ("after_attach", copy), ("detached_to_persistent", copy)]
    assert copy in session and copy is not ship and copy.name == "ship 1"


def test_an_object_that_is_said_to_have_a_row_has_expired(listen: Any) -> None:
    told: list[Any] = []
    listen(Ship, "expire", lambda target, attrs: told.append((target, attrs)))
    ship = Ship(id=1, name="kept")
    make_transient_to_detached(ship)
    assert told == [(ship, {"flag", "sails"})]


def test_after_a_commit_objects_expire_before_deleted_ones_leave(session: Session, listen: Any) -> None:
    told: list[str] = []
    kept, gone = session.get_one(Ship, 1), session.get_one(Ship, 2)
    listen(Ship, "expire", lambda target, attrs: told.append(f"expire {'kept' if target is kept else 'gone'}"))
    event.listen(session, "deleted_to_detached", lambda session, target: told.append("detached"))
    event.listen(session, "after_commit", lambda session: told.append("committed"))
    session.delete(gone)
    session.flush()
    session.commit()
    assert told == ["committed", "expire kept", "detached", "detached", "detached"]  # the ship and its sails


def test_selectin_objects_are_told_of_after_their_parents(session: Session, listen: Any) -> None:
    told: list[str | None] = []
    for class_ in (Ship, Sail):
        listen(class_, "load", lambda target, context: told.append(target.name))
    session.scalars(select(Ship).options(selectinload(Ship.sails)).order_by(Ship.id)).all()
    assert told[:2] == ["ship 1", "ship 2"] and len(told) == 6
