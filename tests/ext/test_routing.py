"""Reads from replicas: what goes where, that a session sees its own writes, and what a replica behind does to it."""

import threading

import pytest
import replicas
from databases import Unavailable, count_statements
from sqlalchemy import Sequence, String, create_engine, delete, func, insert, select, text, update

from ropewalk import DeclarativeBase, Mapped, mapped_column, sessionmaker
from ropewalk.exc import ArgumentError
from ropewalk.ext import routing
from ropewalk.ext.routing import RoutingSession


class Base(DeclarativeBase):
    pass


class Beacon(Base):
    __tablename__ = "beacon"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


@pytest.fixture(autouse=True)
def nobody_is_down():
    routing._down.clear()


# -- two databases, to see which one is asked --------------------------------------------------


@pytest.fixture
def two(tmp_path):
    """A primary and a "replica" that is in fact another database, so that each answer tells where it is from."""
    engines = [create_engine(f"sqlite:///{tmp_path / name}.db") for name in ("primary", "replica")]
    for engine, name in zip(engines, ("primary", "replica"), strict=True):
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(insert(Beacon.__table__), {"id": 1, "name": name})
    yield engines
    for engine in engines:
        engine.dispose()


@pytest.fixture
def session(two):
    with RoutingSession(two[0], [two[1]], expire_on_commit=False) as session:
        yield session


def asked(session):
    return session.scalar(select(Beacon.name).where(Beacon.id == 1))


def test_reads_go_to_a_replica_and_stay_there_for_the_transaction(session):
    assert session.get(Beacon, 1).name == "replica"
    assert session.query(Beacon).one().name == "replica"
    assert asked(session) == "replica"
    assert session.scalar(text("SELECT name FROM beacon"), bind_arguments={"role": "replica"}) == "replica"


@pytest.mark.parametrize(
    "write",
    [
        lambda s: (s.add(Beacon(id=2, name="new")), s.flush()),
        lambda s: s.execute(insert(Beacon), [{"id": 2, "name": "new"}]),
        lambda s: s.execute(update(Beacon).values(name="primary")),
        lambda s: s.execute(delete(Beacon).where(Beacon.id == 9)),
        lambda s: s.execute(Beacon.__table__.delete().where(Beacon.__table__.c.id == 9)),
        lambda s: s.query(Beacon).filter_by(id=9).delete(),
        lambda s: s.execute(text("UPDATE beacon SET name = 'primary'")),
        lambda s: s.get(Beacon, 1, with_for_update=True),
        lambda s: s.scalars(select(Beacon).with_for_update()).all(),
        lambda s: s.bulk_insert_mappings(Beacon, [{"id": 2, "name": "new"}]),
        lambda s: s.connection(),
        lambda s: s.connection(Beacon),
        lambda s: s.connection(bind_arguments={"mapper": Beacon}),
        lambda s: s.upsert(Beacon(id=1, name="primary")) and s.flush(),
    ],
    ids="flush insert update delete core query text get lock bulk connection of-mapper of-argument upsert".split(),
)
def test_after_a_write_all_goes_to_the_primary_until_the_transaction_ends(session, write):
    assert asked(session) == "replica"
    write(session)
    assert asked(session) == "primary"
    session.rollback()
    assert asked(session) == "replica"


def test_a_connection_may_be_asked_for_that_only_reads(session):
    reads = {"role": "replica"}
    assert session.connection(bind_arguments=reads).scalar(text("SELECT name FROM beacon")) == "replica"
    assert session.connection(Beacon, bind_arguments=reads).scalar(text("SELECT name FROM beacon")) == "replica"
    assert asked(session) == "replica"


def test_the_next_value_of_a_sequence_is_a_write(two):
    counter = Sequence("counter")
    with RoutingSession(two[0], [two[1]]) as session:
        assert session.get_bind(clause=select(Beacon)) is two[1]
        assert session.get_bind(clause=select(counter.next_value())) is two[0]


@pytest.mark.parametrize("primary", ["sqlite://", None, []])
def test_what_is_no_engine_is_named_as_the_primary(two, primary):
    with pytest.raises(ArgumentError, match="primary must be an Engine"):
        RoutingSession(primary, [two[1]])


def test_an_autoflush_before_a_query_is_a_write(session):
    session.add(Beacon(id=2, name="new"))
    assert {b.name for b in session.scalars(select(Beacon))} == {"primary", "new"}


def test_without_positions_a_session_reads_what_it_has_committed_from_the_primary(session):
    session.add(Beacon(id=2, name="new"))
    session.commit()
    assert session.token is None and asked(session) == "primary"


def test_the_program_may_say_where(session):
    with session.on_primary():
        assert asked(session) == "primary"
    session.rollback()
    assert asked(session) == "replica"
    assert session.scalar(select(Beacon.name), bind_arguments={"role": "primary"}) == "primary"
    with pytest.raises(ArgumentError, match="'primary' or 'replica'"):
        session.execute(select(Beacon), bind_arguments={"role": "secondary"})


def test_lazy_loads_and_refreshes_follow_the_same_rules(session):
    beacon = session.get(Beacon, 1)
    session.refresh(beacon)
    assert beacon.name == "replica"
    session.refresh(beacon, with_for_update=True)
    assert beacon.name == "primary"


def test_a_replica_that_does_not_answer_is_left_alone(two, tmp_path):
    gone = create_engine(f"sqlite:///{tmp_path / 'no such folder' / 'x.db'}")
    with RoutingSession(two[0], [gone]) as session:
        assert asked(session) == "primary"
        assert gone in routing._down
    with RoutingSession(two[0], [gone, two[1]]) as session:
        assert asked(session) == "replica"


def test_a_session_with_no_replica_uses_the_primary(two):
    with sessionmaker(class_=RoutingSession, primary=two[0])() as session:
        assert asked(session) == "primary"


@pytest.mark.parametrize("token", ["", None])
def test_no_token_is_no_token(two, token):
    assert RoutingSession(two[0], [two[1]], token=token).token is None


def test_a_token_is_checked_for_its_form(two):
    with pytest.raises(ArgumentError, match="positions"):
        RoutingSession(two[0], token="0/1")
    postgresql = create_engine("postgresql+psycopg://nowhere/")
    for wrong in ("x", "0/1; DROP TABLE beacon", "0/1\n", "1" * 5000, 7):
        with pytest.raises(ArgumentError, match="token="):
            RoutingSession(postgresql, token=wrong)
    assert RoutingSession(postgresql, token="1A/16B3748").token == "1A/16B3748"
    mariadb = create_engine("mariadb+pymysql://nowhere/")
    assert RoutingSession(mariadb, token="0-1-42,1-1-7").token == "0-1-42,1-1-7"
    with pytest.raises(ArgumentError, match="token="):
        RoutingSession(mariadb, token="0/1")


# -- real replication ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def pair(request):
    chosen = request.config.getoption("--db")
    if chosen and request.param not in {name for names in chosen for name in names.split(",")}:
        pytest.skip("another database is tested")
    try:
        with getattr(replicas, request.param)() as pair:
            primary, replica = replicas.engines(pair)
            Base.metadata.create_all(primary)
            primary.dispose()
            replica.dispose()
            yield pair
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def real(pair):
    primary, replica = replicas.engines(pair)
    with primary.begin() as connection:
        connection.execute(delete(Beacon.__table__))
    yield primary, replica
    primary.dispose()
    replica.dispose()


def write(engines, id_, **kw):
    """Commit a row; return the token."""
    with RoutingSession(engines[0], [engines[1]], **kw) as session:
        session.add(Beacon(id=id_, name=f"b{id_}"))
        session.commit()
        assert session.token
        return session.token


def test_a_session_sees_what_it_has_committed(real):
    with RoutingSession(real[0], [real[1]]) as session:
        for i in range(1, 20):
            session.add(Beacon(id=i, name="x"))
            session.commit()
            assert session.scalar(select(func.count()).select_from(Beacon)) == i


def test_a_token_carries_what_was_seen_to_other_sessions(real, pair):
    token = write(real, 1, wait=20)
    with RoutingSession(real[0], [real[1]], token=token, wait=20) as session:
        with count_statements(real[0]) as primary, count_statements(real[1]) as replica:
            assert session.get(Beacon, 1).name == "b1"
        assert (primary.count, replica.count > 0) == (0, True)


def test_a_replica_that_is_behind_is_not_read_from(real, pair):
    write(real, 1, wait=20)
    pair.hold_back()
    try:
        token = write(real, 2)
        with RoutingSession(real[0], [real[1]], token=token) as session:
            with count_statements(real[0]) as primary:
                assert session.get(Beacon, 2).name == "b2"
            assert primary.count == 1
        with RoutingSession(real[0], [real[1]]) as session:  # without a token the old state will do
            assert session.get(Beacon, 2) is None
    finally:
        pair.let_go()


def test_a_session_waits_for_a_replica_as_long_as_it_is_told(real, pair):
    pair.hold_back()
    waker = threading.Timer(0.3, pair.let_go)
    try:
        token = write(real, 3)
        waker.start()
        with RoutingSession(real[0], [real[1]], token=token, wait=30) as session:
            with count_statements(real[0]) as primary:
                assert session.get(Beacon, 3).name == "b3"
            assert primary.count == 0
    finally:
        waker.join()


def test_a_lagging_replica_is_passed_over(real, pair):
    token = write(real, 1)
    with RoutingSession(real[0], [real[1]], token=token, wait=20, max_lag=60) as session:
        with count_statements(real[0]) as primary:
            assert session.get(Beacon, 1).name == "b1"
        assert primary.count == 0
    with RoutingSession(real[0], [real[1]], max_lag=-1) as session:
        with count_statements(real[0]) as primary:
            assert session.get(Beacon, 1).name == "b1"
        assert primary.count == 1


def test_a_replica_that_goes_down_and_comes_back(real, pair):
    token = write(real, 1)
    with RoutingSession(real[0], [real[1]], token=token, wait=20) as session:
        assert session.get(Beacon, 1).name == "b1"  # leaves a connection in the pool
    pair.stop()
    try:
        with RoutingSession(real[0], [real[1]], retry_after=0.0) as session:
            assert session.get(Beacon, 1).name == "b1"
            session.add(Beacon(id=2, name="b2"))
            session.commit()
            assert session.get(Beacon, 2).name == "b2"
    finally:
        pair.start()
    with RoutingSession(real[0], [real[1]], token=token, wait=20) as session:
        with count_statements(real[0]) as primary:
            assert session.get(Beacon, 1).name == "b1"
        assert primary.count == 0
