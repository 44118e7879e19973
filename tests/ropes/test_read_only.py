"""Scopes that only read: what the session refuses, what the database refuses, and who may write again afterwards."""

import gc

import pytest
import sqlalchemy.orm
from shop import Base, Customer
from sqlalchemy import create_engine, delete, insert, text, update
from sqlalchemy import select as core_select
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.pool import QueuePool, StaticPool

from ropewalk import Session, SessionJenny, select, sessionmaker

CUSTOMER = Customer.__table__
INSERT = text("INSERT INTO customer (id, name) VALUES (7, 'mary')")
REFUSED = r"only reads.*test_read_only\.py:\d+"
BY_THE_DATABASE = "(?i)read.?only"


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(CUSTOMER.insert(), {"id": 1, "name": "ed"})
    yield engine
    assert engine.pool.checkedout() == 0
    assert names(engine) == ["ed"]


@pytest.fixture
def jenny(database):
    made = SessionJenny(sessionmaker(database))
    yield made
    assert not made._open


def names(engine):
    with engine.connect() as connection:
        return connection.scalars(core_select(CUSTOMER.c.name).order_by(CUSTOMER.c.id)).all()


def assert_writable(engine):
    """Whoever takes the pool's connections next can write."""
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            connection.execute(CUSTOMER.insert(), {"id": 9, "name": "wendy"})
            connection.rollback()


def test_it_reads_and_refuses_to_flush(jenny, database):
    with jenny.tied(read_only=True) as session:
        assert session.scalars(select(Customer)).one().name == "ed"
        session.get(Customer, 1).name = "jack"
        with pytest.raises(InvalidRequestError, match=REFUSED):
            session.flush()
        session.rollback()
        session.add(Customer(id=2, name="jack"))
        with pytest.raises(InvalidRequestError, match=REFUSED):
            session.commit()
        session.rollback()
        session.delete(session.get(Customer, 1))
        with pytest.raises(InvalidRequestError, match=REFUSED):
            session.scalars(select(Customer)).all()  # which flushes first
    assert_writable(database)


DML = {
    "insert": lambda session: session.execute(insert(Customer).values(id=2, name="jack")),
    "insert many": lambda session: session.execute(insert(Customer), [{"id": 2, "name": "a"}, {"id": 3, "name": "b"}]),
    "update": lambda session: session.execute(update(Customer).values(name="jack")),
    "update by key": lambda session: session.execute(update(Customer), [{"id": 1, "name": "jack"}]),
    "delete": lambda session: session.execute(delete(Customer)),
    "of a table": lambda session: session.execute(CUSTOMER.insert().values(id=2, name="jack")),
    "query.update": lambda session: session.query(Customer).update({"name": "jack"}),
    "query.delete": lambda session: session.query(Customer).delete(),
    "bulk_save_objects": lambda session: session.bulk_save_objects([Customer(id=2, name="jack")]),
    "bulk_insert_mappings": lambda session: session.bulk_insert_mappings(Customer, [{"id": 2, "name": "jack"}]),
    "bulk_update_mappings": lambda session: session.bulk_update_mappings(Customer, [{"id": 1, "name": "jack"}]),
    "upsert": lambda session: (session.upsert(Customer(id=1, name="jack")), session.flush()),
    "merge": lambda session: (session.merge(Customer(id=1, name="jack")), session.flush()),
}


@pytest.mark.parametrize("act", DML.values(), ids=DML.keys())
def test_dml_is_refused_in_our_words(jenny, act):
    with jenny.tied(read_only=True) as session, pytest.raises(InvalidRequestError, match=REFUSED):
        act(session)


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.execute(INSERT),
        lambda session: session.connection().execute(CUSTOMER.insert(), {"id": 2, "name": "jack"}),
        lambda session: session.connection().exec_driver_sql("DELETE FROM customer"),
    ],
    ids=["text", "the connection", "the driver"],
)
def test_what_goes_past_the_session_is_refused_by_the_database(jenny, database, act):
    with jenny.tied(read_only=True) as session, pytest.raises(sqlalchemy.exc.DBAPIError, match=BY_THE_DATABASE):
        act(session)
    assert_writable(database)


def test_in_every_transaction_of_the_scope(jenny, database):
    with jenny.tied(read_only=True) as session:
        for end in (session.commit, session.rollback, session.close):
            assert session.scalars(select(Customer.name)).all() == ["ed"]
            end()
            assert_writable(database)
            with pytest.raises(sqlalchemy.exc.DBAPIError, match=BY_THE_DATABASE):
                session.execute(INSERT)
            session.rollback()


def test_a_connection_taken_and_not_used_can_write_afterwards(jenny, database):
    with jenny.tied(read_only=True) as session:
        session.connection()
    assert_writable(database)


def test_a_savepoint_inside_changes_nothing(jenny):
    with jenny.tied(read_only=True) as session:
        with session.begin_nested():
            session.scalars(select(Customer)).all()
        with pytest.raises(sqlalchemy.exc.DBAPIError, match=BY_THE_DATABASE):
            session.execute(INSERT)


def test_a_scope_around_that_writes_is_not_disturbed(jenny, database):
    with jenny.tied() as session:
        with jenny.tied(read_only=True, propagation="requires_new") as other:
            assert other.scalars(select(Customer.name)).all() == ["ed"]
        session.execute(INSERT)
        assert session.scalars(select(Customer.name).order_by(Customer.id)).all() == ["ed", "mary"]


def test_roped_and_transferred(jenny, database):
    @jenny.roped(read_only=True)
    def hand_over():
        jenny.session.scalars(select(Customer)).all()
        return jenny.rope.transfer()

    with hand_over() as session:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match=BY_THE_DATABASE):
            session.execute(INSERT)
        session.rollback()
        with pytest.raises(InvalidRequestError, match=REFUSED):
            session.execute(delete(Customer))
    assert_writable(database)


def test_sqlalchemys_own_sessions(database):
    jenny = SessionJenny(sqlalchemy.orm.sessionmaker(database))
    with jenny.tied(read_only=True) as session:
        session.connection()
        with pytest.raises(InvalidRequestError, match=REFUSED):
            session.execute(CUSTOMER.delete())
        with pytest.raises(sqlalchemy.exc.DBAPIError, match=BY_THE_DATABASE):
            session.execute(INSERT)
    assert_writable(database)


def test_in_a_transaction_of_the_programs_it_leaves_the_connection_able_to_write(database):
    with database.connect() as connection:
        connection.execute(core_select(CUSTOMER.c.id)).all()
        for mode in ("rollback_only", "create_savepoint", "control_fully", "conditional_savepoint"):
            jenny = SessionJenny(sessionmaker(connection, join_transaction_mode=mode))
            with jenny.tied(read_only=True) as session:
                assert session.scalars(select(Customer.name)).all() == ["ed"]
                with pytest.raises(InvalidRequestError, match=REFUSED):
                    session.execute(delete(Customer))
            connection.execute(CUSTOMER.insert(), {"id": 9, "name": "wendy"})
            connection.rollback()
            connection.execute(core_select(CUSTOMER.c.id)).all()


def test_it_commits_nothing(jenny):
    with pytest.raises(ArgumentError, match="read_only"):
        jenny.tied(read_only=True, commit=True)


@pytest.mark.databases("sqlite")
class TestSQLite:
    """There it is the connection that is set, so it has to be set back, whatever becomes of session and connection."""

    def use(self, session):
        session.connection()
        with pytest.raises(sqlalchemy.exc.OperationalError, match=BY_THE_DATABASE):
            session.execute(INSERT)

    def one_connection(self, database, **kw):
        return create_engine(database.url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.1, **kw)

    def test_when_the_connection_is_dropped_and_collected(self, database):
        engine = self.one_connection(database)
        session = SessionJenny(sessionmaker(engine))

        def drop():
            scope = session.tied(read_only=True)
            self.use(scope.__enter__())

        with pytest.warns(ResourceWarning, match="never left"):
            drop()
            gc.collect()
        with engine.begin() as connection:
            connection.execute(CUSTOMER.update().values(name="ed"))

    def test_when_it_cannot_be_set_back_the_connection_is_thrown_away(self, database):
        engine = self.one_connection(database)
        jenny = SessionJenny(sessionmaker(engine))
        sqlalchemy.event.listen(engine, "reset", lambda raw, *_: raw.close())  # so that it cannot
        with jenny.tied(read_only=True) as session:
            self.use(session)
        with engine.begin() as connection:
            connection.execute(CUSTOMER.update().values(name="ed"))

    def test_invalidated(self, database):
        engine = self.one_connection(database)
        jenny = SessionJenny(sessionmaker(engine))
        with jenny.tied(read_only=True) as session:
            self.use(session)
            session.invalidate()
        with engine.begin() as connection:
            connection.execute(CUSTOMER.update().values(name="ed"))

    def test_detached_from_its_pool(self, database):
        jenny = SessionJenny(sessionmaker(database))
        with jenny.tied(read_only=True) as session:
            session.connection().detach()
            self.use(session)
        assert_writable(database)

    @pytest.mark.parametrize("pool", [StaticPool, None], ids=["static", "one for each thread"])
    def test_where_sessions_share_a_connection(self, pool):
        engine = create_engine("sqlite://", **({} if pool is None else {"poolclass": pool}))
        Base.metadata.create_all(engine)
        jenny = SessionJenny(sessionmaker(engine))
        with jenny.tied(commit=True) as session:
            session.add(Customer(id=1, name="ed"))
            session.flush()
            with jenny.tied(read_only=True, propagation="requires_new") as other:
                assert other.scalars(select(Customer.name)).all() == ["ed"]
                with pytest.raises(sqlalchemy.exc.OperationalError, match=BY_THE_DATABASE):
                    other.connection().execute(CUSTOMER.delete())
            session.execute(INSERT)
        engine.dispose()

    def test_a_connection_that_only_reads_anyway_stays_so(self, database):
        engine = self.one_connection(database)
        sqlalchemy.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON"))
        jenny = SessionJenny(sessionmaker(engine))
        with jenny.tied(read_only=True) as session:
            self.use(session)
        with Session(engine) as session:
            self.use(session)

    def test_reading_costs_no_more_than_elsewhere(self, database):
        """A session that only reads is not told of each statement, which would send them the slow way."""
        jenny = SessionJenny(sessionmaker(database))
        with jenny.tied(read_only=True) as session:
            assert not session.connection()._has_events


def test_asynchronous_sessions(async_url, request):
    import asyncio

    from ropewalk.ext.asyncio import async_sessionmaker, create_async_engine

    async def main():
        engine = create_async_engine(async_url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        jenny = SessionJenny(async_sessionmaker(engine))
        async with jenny.tied(read_only=True) as session:
            assert (await session.scalars(select(Customer))).all() == []
            with pytest.raises(InvalidRequestError, match=REFUSED):
                await session.execute(delete(Customer))
            with pytest.raises(sqlalchemy.exc.DBAPIError, match=BY_THE_DATABASE):
                await session.execute(INSERT)
        async with jenny.tied(commit=True) as session:
            await session.execute(INSERT)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
        await engine.dispose()

    asyncio.run(main())
