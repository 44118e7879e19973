"""A ShardedSession inside an AsyncSession: several databases in one unit of work, awaited side by side."""

import asyncio

import pytest
from asynchronous import cancelled_at, out, skip_old_aiosqlite
from sqlalchemy import ForeignKey, String, delete, event, func, select, update
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.util.concurrency import await_only

from ropewalk import DeclarativeBase, Mapped, inspect, mapped_column, relationship
from ropewalk.exc import ImplicitLoadError
from ropewalk.ext.asyncio import AsyncAttrs, AsyncSession, async_sessionmaker, create_async_engine
from ropewalk.ext.horizontal_shard import ShardedSession, set_shard_id


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Ship(Base):
    __tablename__ = "ship"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sea: Mapped[str] = mapped_column(String(20))
    tons: Mapped[int]
    crew: Mapped[list["Sailor"]] = relationship(back_populates="ship", cascade="all, delete-orphan")


class Sailor(Base):
    __tablename__ = "sailor"
    id: Mapped[int] = mapped_column(primary_key=True)
    ship_id: Mapped[int] = mapped_column(ForeignKey("ship.id"))
    ship: Mapped[Ship] = relationship(back_populates="crew")


SEAS = ["north", "south", "east"]


def choose(mapper, instance, clause=None):
    return instance.ship.sea if isinstance(instance, Sailor) else instance.sea


def on_shards(test):
    """Make a test of a coroutine function that takes an async engine for each sea, by name."""

    def run(async_url, tmp_path):
        asyncio.run(_with_shards(async_url, tmp_path, test))

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


async def _with_shards(url, folder, test):
    engines = {}
    first = create_async_engine(url)
    for sea in SEAS:
        if url.get_backend_name() == "sqlite":
            engines[sea] = create_async_engine(url.set(database=str(folder / f"{sea}.db")))
            continue
        async with first.begin() as connection:
            await connection.exec_driver_sql(f"CREATE SCHEMA {_schema(url, sea)}")
        if url.get_backend_name() == "postgresql":
            engines[sea] = create_async_engine(url)
            _search_in(engines[sea], _schema(url, sea))
        else:
            engines[sea] = create_async_engine(url.set(database=_schema(url, sea)))
    try:
        for engine in engines.values():
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
        await test(engines)
        assert [out(engine) for engine in engines.values()] == [0, 0, 0], "connections left checked out"
    finally:
        for engine in engines.values():
            await engine.dispose()
        if url.get_backend_name() == "mysql":  # whose schemas are databases
            async with first.begin() as connection:
                for sea in SEAS:
                    await connection.exec_driver_sql(f"DROP DATABASE {_schema(url, sea)}")
        await first.dispose()


def _schema(url, sea):
    return sea if url.get_backend_name() == "postgresql" else f"{url.database}_{sea}"


def _search_in(engine, schema):
    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection, record):
        cursor = connection.cursor()
        cursor.execute(f"SET search_path TO {schema}")
        cursor.close()
        connection.commit()


def factory(engines):
    return async_sessionmaker(
        sync_session_class=ShardedSession,
        shards=engines,
        shard_chooser=choose,
        identity_chooser=lambda mapper, primary_key, **kw: SEAS,
        execute_chooser=lambda context: SEAS,
        lazy_loads_stay=True,
        peers=True,
    )


async def fleet(make):
    """Put ship 1 to 12 on the seas in turn, with two sailors each."""
    async with make.begin() as session:
        for i in range(12):
            session.add(Ship(id=i + 1, sea=SEAS[i % 3], tons=i, crew=[Sailor(), Sailor()]))


async def ids(engine):
    async with engine.connect() as connection:
        return (await connection.scalars(select(Ship.__table__.c.id).order_by(Ship.__table__.c.id))).all()


@on_shards
async def test_objects_go_to_their_shard_and_come_from_it(engines):
    make = factory(engines)
    await fleet(make)
    assert [await ids(engines[sea]) for sea in SEAS] == [[1, 4, 7, 10], [2, 5, 8, 11], [3, 6, 9, 12]]
    async with make() as session:
        session.add(Ship(id=1, sea="south", tons=100))
        await session.commit()
        north = await session.get(Ship, 1, identity_token="north")
        south = await session.get(Ship, 1, identity_token="south")
        assert (north.tons, south.tons) == (0, 100) and inspect(south).identity_token == "south"
        assert await session.get(Ship, 9) is await session.get(Ship, 9)
        assert await session.get(Ship, 99) is None
        south.tons = 101
        await session.delete(north)
        await session.commit()
        assert [await ids(engines[sea]) for sea in ("north", "south")] == [[4, 7, 10], [1, 2, 5, 8, 11]]
        await session.refresh(south)
        assert south.tons == 101


@on_shards
async def test_a_query_of_all_shards_gives_one_result(engines):
    make = factory(engines)
    await fleet(make)
    async with make() as session:
        heavy = select(Ship).order_by(Ship.tons.desc()).limit(4).offset(1)
        assert [ship.id for ship in await session.scalars(heavy)] == [11, 10, 9, 8]
        assert await session.scalar(select(func.count()).select_from(Ship)) == 12
        assert [ship.id async for ship in await session.stream_scalars(heavy)] == [11, 10, 9, 8]
        one = select(Ship).options(set_shard_id("east"))
        assert {ship.sea for ship in await session.scalars(one)} == {"east"}
        assert (await session.execute(update(Ship).where(Ship.tons > 8).values(tons=0))).rowcount == 3
        await session.execute(delete(Sailor))
        await session.commit()
        assert await session.scalar(select(func.sum(Ship.tons))) == sum(range(9))


@on_shards
async def test_relationships_are_awaited_on_their_shard(engines):
    make = factory(engines)
    await fleet(make)
    async with make() as session:
        ships = (await session.scalars(select(Ship).order_by(Ship.id))).all()
        with pytest.raises(ImplicitLoadError, match=r"'crew' of <Ship.*selectinload.*awaitable_attrs\.crew"):
            _ = ships[0].crew
        for ship in ships:
            crew = await ship.awaitable_attrs.crew
            assert {inspect(sailor).identity_token for sailor in crew} == {ship.sea} and len(crew) == 2
        session.expire(ships[4])
        assert await ships[4].awaitable_attrs.tons == 4


@on_shards
async def test_all_shards_are_asked_at_the_same_time(engines):
    make = factory(engines)
    await fleet(make)
    meeting = asyncio.Barrier(3)

    def wait(*args):
        await_only(asyncio.wait_for(meeting.wait(), 20))

    for engine in engines.values():
        event.listen(engine.sync_engine, "before_cursor_execute", wait)
    async with make() as session:  # each waits until all are there
        assert len((await session.scalars(select(Ship))).all()) == 12
        assert await session.scalar(select(func.max(Ship.tons))) == 11
    for engine in engines.values():
        event.remove(engine.sync_engine, "before_cursor_execute", wait)


@on_shards
async def test_a_shard_that_fails_fails_the_query_and_the_session_goes_on(engines):
    make = factory(engines)
    await fleet(make)

    def fail(*args):
        raise DBAPIError("SELECT ...", None, Exception("a storm"))

    async with make() as session:
        event.listen(engines["south"].sync_engine, "before_cursor_execute", fail, once=True)
        event.listen(engines["east"].sync_engine, "before_cursor_execute", fail, once=True)
        with pytest.raises(DBAPIError, match="a storm") as caught:
            await session.scalars(select(Ship))
        assert "Another shard failed too" in caught.value.__notes__[0]
        await session.rollback()
        assert len((await session.scalars(select(Ship))).all()) == 12


@skip_old_aiosqlite
@on_shards
async def test_cancelled_at_each_step_nothing_is_left(engines):
    make = factory(engines)
    await fleet(make)

    async def work():
        async with make() as session:
            ships = (await session.scalars(select(Ship))).all()
            await ships[0].awaitable_attrs.crew
            ships[0].tons += 1
            session.add(Ship(id=100, sea="south", tons=1))
            await session.flush()
            assert await session.scalar(select(func.count()).select_from(Ship)) == 13

    place, waits = 0, None
    while waits is None:
        place += 1
        waits = await cancelled_at(place, work())
        assert [out(engine) for engine in engines.values()] == [0, 0, 0], f"cancelled at step {place}"
    assert place > 3
    assert await ids(engines["south"]) == [2, 5, 8, 11]


@on_shards
async def test_a_session_knows_the_async_engines_of_its_shards(engines):
    async with factory(engines)() as session:
        assert isinstance(session.sync_session, ShardedSession)
        assert session.get_async_bind(Ship, shard_id="south") is engines["south"]
        connection = await session.connection(bind_arguments={"shard_id": "east"})
        assert connection.engine is engines["east"]
        session.sync_session.bind_shard("west", engines["north"].sync_engine)
        assert session.get_async_bind(Ship, shard_id="west") is engines["north"]


def test_a_sync_session_refuses_async_engines():
    engine = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(ArgumentError, match=r"shards\['north'\].*is an async engine; an AsyncSession takes it"):
        ShardedSession(choose, shards={"north": engine})
    assert AsyncSession(sync_session_class=ShardedSession, shard_chooser=choose, shards={"north": engine})
