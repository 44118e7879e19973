"""Every move from every state: where it leads, or that it is refused and changes nothing."""

import pytest
from sqlalchemy import JSON, insert

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column
from ropewalk.exc import InvalidRequestError, UnmappedInstanceError
from ropewalk.session import moves
from ropewalk.session.moves import make_transient, make_transient_to_detached, object_session, was_deleted
from ropewalk.session.session import Session
from ropewalk.state.instance import STATUS_NAMES, state_of


class Base(DeclarativeBase):
    pass


class Fish(Base):
    __tablename__ = "fish"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    tags: Mapped[list | None] = mapped_column(JSON)


@pytest.fixture
def session(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.begin() as connection:
        connection.execute(insert(Fish.__table__), [{"id": n, "name": f"n{n}", "tags": [n]} for n in (1, 2)])
    with Session(sqlite_memory_engine, expire_on_commit=False) as session:
        yield session


def transient(session):
    return Fish(id=9)


def pending(session):
    fish = Fish(id=9)
    session.add(fish)
    return fish


def persistent(session):
    return session.get(Fish, 1)


def deleted(session):
    fish = session.get(Fish, 1)
    session.delete(fish)
    session.flush()
    return fish


def detached(session):
    fish = session.get(Fish, 1)
    session.expunge(fish)
    return fish


def gone(session):
    """Deleted, and the transaction committed."""
    fish = deleted(session)
    session.commit()
    return fish


MAKERS = {fn.__name__: fn for fn in (transient, pending, persistent, deleted, detached, gone)}

MOVES = {
    "add": lambda session, fish: session.add(fish),
    "save": lambda session, fish: session.save(fish),
    "update": lambda session, fish: session.update(fish),
    "save_or_update": lambda session, fish: session.save_or_update(fish),
    "delete": lambda session, fish: session.delete(fish),
    "delete and flush": lambda session, fish: (session.delete(fish), session.flush()),
    "flush": lambda session, fish: session.flush(),
    "expunge": lambda session, fish: session.expunge(fish),
    "expire": lambda session, fish: session.expire(fish),
    "refresh": lambda session, fish: session.refresh(fish),
    "commit": lambda session, fish: session.commit(),
    "rollback": lambda session, fish: session.rollback(),
    "close": lambda session, fish: session.close(),
    "make_transient": lambda session, fish: make_transient(fish),
    "make_transient_to_detached": lambda session, fish: make_transient_to_detached(fish),
}

REFUSED = None

# from: transient, pending, persistent, deleted, detached, gone ("gone" shows as detached)
TABLE = {
    "add": ("pending", "pending", "persistent", REFUSED, "persistent", REFUSED),
    "save": ("pending", "pending", REFUSED, REFUSED, REFUSED, REFUSED),
    "update": (REFUSED, REFUSED, "persistent", REFUSED, "persistent", REFUSED),
    "save_or_update": ("pending", "pending", "persistent", REFUSED, "persistent", REFUSED),
    "delete": (REFUSED, REFUSED, "persistent", "deleted", "persistent", REFUSED),
    "delete and flush": (REFUSED, REFUSED, "deleted", "deleted", "deleted", REFUSED),
    "flush": ("transient", "persistent", "persistent", "deleted", "detached", "detached"),
    "expunge": (REFUSED, "transient", "detached", "detached", REFUSED, REFUSED),
    "expire": (REFUSED, REFUSED, "persistent", REFUSED, REFUSED, REFUSED),
    "refresh": (REFUSED, REFUSED, "persistent", REFUSED, REFUSED, REFUSED),
    "commit": ("transient", "persistent", "persistent", "detached", "detached", "detached"),
    "rollback": ("transient", "transient", "persistent", "persistent", "detached", "detached"),
    "close": ("transient", "transient", "detached", "detached", "detached", "detached"),
    "make_transient": ("transient",) * 6,
    "make_transient_to_detached": ("detached", REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
}


@pytest.mark.parametrize(
    ("start", "move", "end"),
    [(start, move, end) for move, ends in TABLE.items() for start, end in zip(MAKERS, ends, strict=True)],
)
def test_moves(session, start, move, end):
    fish = MAKERS[start](session)
    before = state_of(fish).status_name
    if end is REFUSED:
        with pytest.raises(InvalidRequestError, match="Fish"):
            MOVES[move](session, fish)
        assert state_of(fish).status_name == before
        return
    MOVES[move](session, fish)
    assert state_of(fish).status_name == end
    holds = end in ("pending", "persistent", "deleted")
    assert object_session(fish) is (session if holds else None)
    assert (fish in session) == (end in ("pending", "persistent"))
    assert (fish in session.new) == (end == "pending")


def test_the_table_has_every_move():
    assert TABLE.keys() == MOVES.keys()
    assert set(STATUS_NAMES) < MAKERS.keys()


# What the table does not show


def test_deleting_is_taken_back_by_adding_before_the_flush(session):
    fish = persistent(session)
    session.delete(fish)
    assert fish in session.deleted
    session.add(fish)
    assert fish not in session.deleted
    session.commit()
    assert session.get(Fish, 1) is fish


def test_was_deleted_tells_of_the_flush_and_of_its_undoing(session):
    fish = persistent(session)
    session.delete(fish)
    assert not was_deleted(fish)
    session.flush()
    assert was_deleted(fish)
    session.rollback()
    assert not was_deleted(fish)


def test_what_was_deleted_can_be_inserted_again_as_transient(session):
    fish = gone(session)
    make_transient(fish)
    assert not was_deleted(fish)
    session.add(fish)
    session.commit()
    assert session.get(Fish, 1) is fish


def test_a_transient_object_made_of_a_persistent_one_keeps_its_values_and_no_history(session):
    fish = persistent(session)
    fish.name = "changed"
    fish.tags.append(5)
    make_transient(fish)
    state = state_of(fish)
    assert vars(fish) == {"id": 1, "name": "changed", "tags": [1, 5]}
    assert (state.pk, state.committed, state.mutables, state.owner) == (None, None, None, None)
    assert not session.dirty


def test_an_object_for_a_known_row_loads_what_it_lacks_once_attached(session):
    fish = Fish(id=2)
    make_transient_to_detached(fish)
    session.add(fish)
    assert fish.name == "n2"
    assert not session.dirty


def test_an_object_without_key_cannot_stand_for_a_row(session):
    with pytest.raises(InvalidRequestError, match="set its primary key id first"):
        make_transient_to_detached(Fish(name="x"))


def test_a_detached_object_brings_its_changes_along(session):
    fish = detached(session)
    fish.name = "changed"
    session.add(fish)
    assert fish in session.dirty
    session.commit()
    session.expunge_all()
    assert session.get(Fish, 1).name == "changed"


def test_a_detached_object_brings_a_change_in_place_along(session):
    fish = detached(session)
    fish.tags.append(7)
    session.add(fish)
    assert fish in session.dirty
    session.commit()
    session.expunge_all()
    assert session.get(Fish, 1).tags == [1, 7]


def test_expiring_drops_changes_in_place_too(session):
    fish = persistent(session)
    fish.tags.append(7)
    session.expire(fish)
    assert not session.dirty
    assert fish.tags == [1]


def test_expiring_one_attribute_leaves_the_changes_of_others(session):
    fish = persistent(session)
    fish.name = "changed"
    fish.tags.append(7)
    session.expire(fish, ["tags"])
    assert fish in session.dirty
    with session.no_autoflush:
        assert fish.tags == [1]
    assert fish.name == "changed"


def test_expiring_the_only_changed_attribute_leaves_nothing_to_write(session):
    fish = persistent(session)
    fish.name = "changed"
    session.expire(fish, ["name"])
    assert not session.dirty
    assert fish.name == "n1"


def test_an_unknown_attribute_cannot_be_expired_or_refreshed(session):
    fish = persistent(session)
    for move in (session.expire, session.refresh):
        with pytest.raises(InvalidRequestError, match="no attribute 'fin' .*; it has id, name, tags"):
            move(fish, ["fin"])


def test_expunge_all_lets_every_object_go(session):
    fishes = [persistent(session), Fish(id=9), Fish(id=10)]
    session.add_all(fishes)
    session.expunge_all()
    assert [state_of(fish).status_name for fish in fishes] == ["detached", "transient", "transient"]
    assert list(session) == []
    session.commit()
    assert session.get(Fish, 9) is None


def test_delete_all_and_add_all_move_each(session):
    fishes = [session.get(Fish, n) for n in (1, 2)]
    session.delete_all(fishes)
    assert len(session.deleted) == 2
    session.add_all(fishes)
    assert not session.deleted


@pytest.mark.parametrize("thing", [object(), "text", None, Fish, Base, 7])
def test_only_mapped_objects_have_a_state_here(thing):
    with pytest.raises(UnmappedInstanceError):
        moves.state_in(thing)
    with pytest.raises(UnmappedInstanceError):
        object_session(thing)
