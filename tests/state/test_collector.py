"""The cyclic collector may run at any allocation; nothing of ours may break when it does."""

import gc
import itertools

import pytest
from sqlalchemy import JSON, PickleType, insert

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, select
from ropewalk.state.instance import InstanceState, state_of


class Base(DeclarativeBase):
    pass


class Drop(Base):
    __tablename__ = "drop_of_water"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    tags: Mapped[list] = mapped_column(JSON)


comparisons = itertools.count()
collect_at = 0


def equal_after_a_collection(a, b):
    if next(comparisons) == collect_at:
        gc.collect()
    return a == b


class Puddle(Base):
    """Looking for changes in these collects, at one of them, whatever can be collected."""

    __tablename__ = "puddle"

    id: Mapped[int] = mapped_column(primary_key=True)
    drops: Mapped[list] = mapped_column(PickleType(comparator=equal_after_a_collection))


SIZE = 40


@pytest.fixture
def engine_with_rows(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.begin() as connection:
        connection.execute(insert(Drop.__table__), [{"id": n, "name": f"n{n}", "tags": [n]} for n in range(SIZE)])
        connection.execute(insert(Puddle.__table__), [{"id": n, "drops": [n]} for n in range(10)])
    return sqlite_memory_engine


@pytest.fixture
def eager_collector():
    """A collection at each allocation of a container."""
    before = gc.get_threshold()
    gc.set_threshold(1)
    yield
    gc.set_threshold(*before)


def cyclic(drops):
    """Make objects that only the collector can drop."""
    for drop in drops:
        drop.itself = drop
    return drops


def test_loading_while_the_objects_of_the_last_load_are_collected(engine_with_rows, eager_collector):
    with Session(engine_with_rows) as session:
        for _ in range(5):
            drops = cyclic(session.scalars(select(Drop).order_by(Drop.id)).all())
            assert [drop.name for drop in drops] == [f"n{n}" for n in range(SIZE)]
            assert [session.get(Drop, drop.id) for drop in drops] == drops
            del drops
        gc.collect()
        assert len(session.identity_map) == 0


def test_looking_at_what_changed_while_objects_are_collected(engine_with_rows, eager_collector):
    with Session(engine_with_rows) as session:
        for _ in range(5):
            drops = cyclic(session.scalars(select(Drop)).all())
            kept = drops[::4]
            for drop in drops[::2]:
                drop.tags.append("more")
            del drops, drop
            assert session.dirty.issuperset(kept)
            assert len(session.dirty) == SIZE // 2
            assert {drop.id for drop in session} >= {drop.id for drop in kept}
            session.rollback()
            del kept


@pytest.mark.parametrize("moment", range(7))
@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize(
    "look",
    [
        lambda session: session.dirty,
        lambda session: session.flush(),
        lambda session: session.commit(),
        lambda session: session.execute(select(Drop.id)),
        lambda session: session.identity_map.settle_orphans(),
        lambda session: [session.is_modified(thing) for thing in session],
        lambda session: session.rollback(),
    ],
    ids=["dirty", "flush", "commit", "autoflush", "settle", "is_modified", "rollback"],
)
def test_objects_may_go_at_the_very_moment_when_changes_are_looked_for(
    engine_with_rows, monkeypatch, request, look, changed, moment
):
    monkeypatch.setitem(globals(), "comparisons", itertools.count())
    monkeypatch.setitem(globals(), "collect_at", moment)
    undone = "rollback" in request.node.name
    gc.disable()
    try:
        with Session(engine_with_rows) as session:
            puddles = session.scalars(select(Puddle).order_by(Puddle.id)).all()
            kept = puddles[0]
            for puddle in cyclic(puddles[1:]):
                if changed:
                    puddle.drops.append(1)
            del puddles, puddle
            look(session)
            assert kept.drops == [0]
            session.commit()
            del kept
            found = session.scalars(select(Puddle.drops).order_by(Puddle.id)).all()
            assert found == [[n, 1] if changed and n and not undone else [n] for n in range(10)]
    finally:
        gc.enable()


def test_changes_in_place_of_collected_objects_are_written(engine_with_rows, eager_collector):
    with Session(engine_with_rows) as session:
        for drop in cyclic(session.scalars(select(Drop)).all()):
            drop.tags.append("more")
        del drop
        gc.collect()
        session.commit()
    with Session(engine_with_rows) as session:
        assert [drop.tags for drop in session.scalars(select(Drop).order_by(Drop.id))] == [
            [n, "more"] for n in range(SIZE)
        ]


def test_a_session_and_its_objects_are_collected_together(engine_with_rows, eager_collector):
    session = Session(engine_with_rows)
    drops = cyclic(session.scalars(select(Drop)).all())
    drops[0].session = session
    state = state_of(drops[1])
    session.close()
    del session, drops
    gc.collect()
    assert state() is None


def states():
    return sum(isinstance(thing, InstanceState) for thing in gc.get_objects())


def test_nothing_of_dropped_objects_waits_for_the_collector(engine_with_rows):
    with Session(engine_with_rows) as session:
        session.scalars(select(Drop)).all()
        gc.collect()
        before = states()
        gc.disable()
        try:
            drops = session.scalars(select(Drop)).all()
            assert states() == before + SIZE
            del drops
            assert states() == before
        finally:
            gc.enable()


def test_a_loaded_object_brings_few_containers_for_the_collector_to_walk(engine_with_rows):
    with Session(engine_with_rows) as session:
        session.scalars(select(Drop).where(Drop.id == 0)).all()  # whatever is made once
        gc.collect()
        before = len(gc.get_objects())
        names = session.scalars(select(Drop.name)).all()
        plain = len(gc.get_objects()) - before
        before = len(gc.get_objects())
        drops = session.scalars(select(Drop).with_only_columns(Drop)).all()
        tracked = len(gc.get_objects()) - before
        assert len(names) == len(drops) == SIZE
        # the object, its state and, with JSON, the list, its copy, their pair and the dictionary of pairs
        assert tracked - plain <= SIZE * 8
        assert not any(isinstance(thing, dict) for thing in gc.get_referrers(*drops))
        assert sum(isinstance(thing, InstanceState) for thing in gc.get_objects()) >= SIZE
