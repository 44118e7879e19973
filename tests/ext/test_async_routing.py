"""A RoutingSession inside an AsyncSession: the same rules, and nobody is held up by who waits for a replica."""

import asyncio

import pytest
import replicas
from databases import ASYNC_DRIVERS, Unavailable, count_statements
from sqlalchemy import String, create_engine, delete, insert, select, text
from sqlalchemy.exc import ArgumentError

from ropewalk import DeclarativeBase, Mapped, mapped_column
from ropewalk.ext import routing
from ropewalk.ext.asyncio import AsyncAttrs, async_sessionmaker, create_async_engine
from ropewalk.ext.routing import RoutingSession


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Beacon(Base):
    __tablename__ = "beacon"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


@pytest.fixture(autouse=True)
def nobody_is_down():
    routing._down.clear()


def factory(primary, *others, **kw):
    return async_sessionmaker(
        sync_session_class=RoutingSession, primary=primary, replicas=others, expire_on_commit=False, **kw
    )


# -- two databases, to see which one is asked --------------------------------------------------


async def asked(session, **kw):
    return await session.scalar(select(Beacon.name).where(Beacon.id == 1), **kw)


def on_two(test):
    """Make a test of a coroutine function that takes a primary, and a "replica" with rows of its own."""

    def run(tmp_path):
        asyncio.run(_with_two(tmp_path, test))

    run.__name__, run.__module__ = test.__name__, test.__module__
    return run


async def _with_two(folder, test):
    engines = [create_async_engine(f"sqlite+aiosqlite:///{folder / name}.db") for name in ("primary", "replica")]
    try:
        for engine, name in zip(engines, ("primary", "replica"), strict=True):
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
                await connection.execute(insert(Beacon.__table__), {"id": 1, "name": name})
        await test(*engines)
        assert [engine.sync_engine.pool.checkedout() for engine in engines] == [0, 0]
    finally:
        for engine in engines:
            await engine.dispose()


@on_two
async def test_reads_go_to_a_replica_and_all_to_the_primary_after_a_write(primary, replica):
    async with factory(primary, replica)() as session:
        assert session.bind is primary
        beacon = await session.get(Beacon, 1)
        assert beacon.name == await asked(session) == "replica"
        session.add(Beacon(id=2, name="new"))
        await session.flush()
        assert await asked(session) == "primary"
        await session.rollback()
        assert await asked(session) == "replica"
        session.expire(beacon)
        assert await beacon.awaitable_attrs.name == "replica"
        await session.refresh(beacon, with_for_update=True)
        assert beacon.name == "primary"


@on_two
async def test_the_program_may_say_where(primary, replica):
    async with factory(primary, replica)() as session:
        with session.sync_session.on_primary():
            assert await asked(session) == "primary"
        await session.rollback()
        assert await asked(session, bind_arguments={"role": "primary"}) == "primary"
        await session.rollback()
        names = text("SELECT name FROM beacon")
        assert await session.scalar(names, bind_arguments={"role": "replica"}) == "replica"


@on_two
async def test_a_replica_that_does_not_answer_is_left_alone(primary, replica):
    gone = create_async_engine("sqlite+aiosqlite:////no/such/folder/x.db")
    async with factory(primary, gone)() as session:
        assert await asked(session) == "primary"
        assert gone.sync_engine in routing._down
    async with factory(primary, gone, replica)() as session:
        assert await asked(session) == "replica"
    await gone.dispose()


def test_a_sync_session_refuses_async_engines():
    engine = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(ArgumentError, match="is an async engine; an AsyncSession takes it"):
        RoutingSession(engine)
    with pytest.raises(ArgumentError, match="replicas=.*is an async engine; an AsyncSession takes it"):
        RoutingSession(create_engine("sqlite://"), [engine])


# -- real replication ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def pair(request):
    chosen = request.config.getoption("--db")
    if chosen and request.param not in {name for names in chosen for name in names.split(",")}:
        pytest.skip("another database is tested")
    try:
        with getattr(replicas, request.param)() as pair:
            primary, _ = replicas.engines(pair)
            Base.metadata.create_all(primary)
            primary.dispose()
            yield pair
    except Unavailable as reason:
        pytest.skip(str(reason))


def on_pair(test):
    """Make a test of a coroutine function that takes a pair of servers, a primary and its replica."""

    def run(pair):
        backend = pair.primary.get_backend_name()
        for driver, name in ASYNC_DRIVERS.items():
            if name in (backend, {"mysql": "mariadb"}.get(backend)):
                pytest.importorskip(driver)
                asyncio.run(_with_pair(pair, f"{backend}+{driver}", test))

    run.__name__, run.__module__ = test.__name__, test.__module__
    return run


async def _with_pair(pair, drivername, test):
    engines = [create_async_engine(url.set(drivername=drivername)) for url in (pair.primary, pair.replica)]
    try:
        async with engines[0].begin() as connection:
            await connection.execute(delete(Beacon.__table__))
        await test(pair, *engines)
        assert [engine.sync_engine.pool.checkedout() for engine in engines] == [0, 0]
    finally:
        for engine in engines:
            await engine.dispose()


async def write(make, number):
    async with make() as session:
        session.add(Beacon(id=number, name=f"b{number}"))
        await session.commit()
        assert session.sync_session.token
        return session.sync_session.token


@on_pair
async def test_a_token_carries_what_was_seen_to_other_sessions(pair, primary, replica):
    token = await write(factory(primary, replica), 1)
    async with factory(primary, replica, token=token, wait=20)() as session:
        with count_statements(primary.sync_engine) as there, count_statements(replica.sync_engine) as here:
            assert (await session.get(Beacon, 1)).name == "b1"
        assert (there.count, here.count > 0) == (0, True)


@on_pair
async def test_other_tasks_go_on_while_a_session_waits_for_a_replica(pair, primary, replica):
    def hold_up_all(seconds):
        pytest.fail("the thread sleeps, and with it every task")

    pair.hold_back()
    patch = pytest.MonkeyPatch()
    try:
        token = await write(factory(primary, replica), 2)

        async def read():
            async with factory(primary, replica, token=token, wait=30)() as session:
                with count_statements(primary.sync_engine) as there:
                    assert (await session.get(Beacon, 2)).name == "b2"
                return there.count

        with count_statements(replica.sync_engine) as asking:
            patch.setattr("time.sleep", hold_up_all)
            reading = asyncio.create_task(read())
            while not asking.count:
                await asyncio.sleep(0)
            await asyncio.to_thread(pair.let_go)
        assert await reading == 0
    finally:
        patch.undo()
        pair.let_go()
