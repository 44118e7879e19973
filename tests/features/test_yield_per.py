"""Large results a part at a time, in memory that does not grow with them."""

import gc
import tracemalloc

import pytest
from databases import count_statements
from sqlalchemy import String
from sqlalchemy.exc import InvalidRequestError, ProgrammingError

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, select

ROWS = 2000


class Base(DeclarativeBase):
    pass


class Drop(Base):
    __tablename__ = "drop"

    id: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str] = mapped_column(String(50))


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(Drop.__table__.insert(), [{"id": n, "words": f"drop {n}"} for n in range(1, ROWS + 1)])
    with Session(engine) as session:
        yield session


@pytest.fixture
def wet(session):
    """A stream that is read half-way."""
    statement = select(Drop).where(Drop.id <= ROWS).order_by(Drop.id)
    drops = iter(session.scalars(statement, execution_options={"yield_per": 300}))
    first = [next(drops).id for _ in range(300)]
    return first, drops


@pytest.fixture
def lite(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(
            Drop.__table__.insert(), [{"id": n, "words": f"drop {n}" * 4} for n in range(1, 10 * ROWS + 1)]
        )
    with Session(sqlite_engine) as session:
        yield session


def test_select_with_yield_per_gives_every_object(session):
    statement = select(Drop).order_by(Drop.id).execution_options(yield_per=100)
    assert [drop.id for drop in session.scalars(statement)] == list(range(1, ROWS + 1))


def test_query_with_yield_per_gives_every_object(session):
    assert [drop.id for drop in session.query(Drop).order_by(Drop.id).yield_per(100)] == list(range(1, ROWS + 1))


def test_yield_per_takes_one_statement(session):
    with count_statements(session.get_bind()) as sent:
        for _ in session.scalars(select(Drop).execution_options(yield_per=100)):
            pass
    assert sent.count == 1


def test_partitions_have_the_size_of_yield_per(session):
    result = session.scalars(select(Drop).execution_options(yield_per=300))
    assert [len(part) for part in result.partitions()] == [300] * 6 + [200]


def test_yield_per_as_an_option_of_the_execution(session):
    result = session.scalars(select(Drop), execution_options={"yield_per": 300})
    assert sum(len(part) for part in result.partitions()) == ROWS


def test_yield_per_of_columns(session):
    statement = select(Drop.id, Drop.words).order_by(Drop.id).execution_options(yield_per=100)
    rows = [tuple(row) for row in session.execute(statement)]
    assert rows[0] == (1, "drop 1")
    assert len(rows) == ROWS


def test_yield_per_larger_than_the_result(session):
    assert len(session.scalars(select(Drop).execution_options(yield_per=100_000)).all()) == ROWS


def test_stream_can_be_left_early(session):
    for drop in session.scalars(select(Drop).order_by(Drop.id).execution_options(yield_per=10)):
        if drop.id == 15:
            break
    session.rollback()
    assert session.get(Drop, 20).words == "drop 20"


def test_streamed_objects_are_those_of_the_session(session):
    seventh = session.get(Drop, 7)
    statement = select(Drop).where(Drop.id < 10).execution_options(yield_per=2)
    assert any(drop is seventh for drop in session.scalars(statement))


def test_streamed_objects_can_be_changed(lite):
    statement = select(Drop).where(Drop.id <= 50).order_by(Drop.id).execution_options(yield_per=10)
    with lite.no_autoflush:
        for drop in lite.scalars(statement):
            drop.words = "changed"
    lite.commit()
    assert len(lite.scalars(select(Drop.id).where(Drop.words == "changed")).all()) == 50


def test_streaming_holds_no_more_than_a_part(lite):
    most = 0
    for drop in lite.scalars(select(Drop).execution_options(yield_per=100)):
        if drop.id % 50 == 0:
            most = max(most, len(lite.identity_map))
    assert 0 < most <= 300


def test_streaming_is_flat_in_memory(lite):
    statement = select(Drop).execution_options(yield_per=100)
    sum(1 for _ in lite.scalars(statement))  # fills caches
    gc.collect()
    tracemalloc.start()
    try:
        stream = iter(lite.scalars(statement))
        for _ in range(ROWS):
            next(stream)
        tracemalloc.reset_peak()
        early = tracemalloc.get_traced_memory()[0]
        for _ in stream:
            pass
        assert tracemalloc.get_traced_memory()[1] - early < 500_000
    finally:
        tracemalloc.stop()


# -- other work before the end --------------------------------------------------------------


def test_other_statements_lose_no_row(session, wet):
    first, drops = wet
    for _ in range(2):
        assert session.scalar(select(Drop.words).where(Drop.id == 7)) == "drop 7"
    with session.begin_nested():
        session.add(Drop(id=ROWS + 1, words="late"))
    assert first + [drop.id for drop in drops] == list(range(1, ROWS + 1))


@pytest.mark.databases("sqlite", "mariadb")  # PostgreSQL's cursor ends with the transaction, and says so
def test_a_commit_loses_no_row(session, wet):
    first, drops = wet
    session.commit()
    assert session.scalar(select(Drop.words).where(Drop.id == 7)) == "drop 7"
    assert first + [drop.id for drop in drops] == list(range(1, ROWS + 1))


@pytest.mark.databases("postgresql", "mariadb")
def test_a_rollback_does_not_pass_for_the_end(session, wet):
    first, drops = wet
    session.rollback()
    with pytest.raises((InvalidRequestError, ProgrammingError)):
        next(drops)


def test_a_session_closed_in_the_middle_can_be_used_again(session, wet):
    session.close()
    assert session.get_bind().pool.checkedout() == 0
    assert session.get(Drop, 1).words == "drop 1"
