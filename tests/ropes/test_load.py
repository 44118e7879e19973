"""Ropes under load and faults: in the end nothing is open, and exactly what was committed is there.

In a short form; ``make soak-ropes`` runs the long one (``ROPEWALK_SOAK=1``).
"""

import asyncio
import gc
import os
import random
import threading

import pytest
from shop import Base, Customer
from sqlalchemy import create_engine, select, text
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from ropewalk import Session, SessionJenny, sessionmaker
from ropewalk.ext.asyncio import async_sessionmaker, create_async_engine

SOAK = bool(os.environ.get("ROPEWALK_SOAK"))
CUSTOMER = Customer.__table__
# SQLite gives its one lock to no one in particular, and a cancelled statement may keep it until the collector comes by.
PATIENCE = 300 if SOAK else 60


@pytest.fixture(params=[None, 1], ids=["", "collector always on"])
def collector(request):
    """The garbage collector as it is, and at every opportunity."""
    before = gc.get_threshold()
    if request.param:
        gc.set_threshold(request.param)
    yield request.param
    gc.set_threshold(*before)


@pytest.fixture
def database(tmp_path):
    engine = create_engine(
        f"sqlite:///{tmp_path / 'test.db'}",
        poolclass=QueuePool,
        pool_size=200,
        pool_timeout=PATIENCE,
        connect_args={"timeout": PATIENCE},
    )
    Base.metadata.create_all(engine)
    yield engine
    assert engine.pool.checkedout() == 0
    engine.dispose()


def stored(engine):
    with engine.connect() as connection:
        return set(connection.scalars(select(CUSTOMER.c.id)))


class Watched(Session):
    """A session that says so if two owners use it at once."""

    owner = None

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.owner = threading.get_ident()

    def flush(self, objects=None):
        assert threading.get_ident() == self.owner, "a session in two threads"
        super().flush(objects)


def test_threads(database, collector):
    threads, ropes = (200, 100) if SOAK else (20, 15)
    jenny = SessionJenny(sessionmaker(database, class_=Watched))
    committed, errors, counter = set(), [], iter(range(10**9))
    lock = threading.Lock()

    def implicit(key):
        jenny.session.execute(text("SELECT 1"))
        assert jenny.session.owner == threading.get_ident()
        if key % 3 == 0:
            raise LookupError

    @jenny.roped(commit=True)
    def explicit(key):
        if key % 20 == 0:  # few, since SQLite lets one write at a time
            jenny.session.add(Customer(id=key, name="ed"))
        else:
            jenny.session.execute(text("SELECT 1"))
        if key % 40 == 0:
            jenny.session.flush()
            raise LookupError

    def work():
        kept = []
        try:
            for _ in range(ropes):
                key = next(counter)
                try:
                    (explicit if key % 2 == 0 else implicit)(key)
                    if key % 20 == 0:
                        with lock:
                            committed.add(key)
                except LookupError as error:
                    kept.append(error)
        except BaseException as error:
            errors.append(error)

    started = [threading.Thread(target=work) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert errors == []
    assert jenny.ropes() == []
    assert stored(database) == committed and committed


def test_tasks_cancelled_at_random(database, collector):
    count = 10_000 if SOAK else (150 if collector is None else 40)
    chance = random.Random(7)
    committed, unsure = set(), set()

    async def main():
        url = database.url.set(drivername="sqlite+aiosqlite")
        engine = create_async_engine(
            url,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=10,
            max_overflow=0,
            pool_timeout=600,
            connect_args={"timeout": PATIENCE},
        )
        jenny = SessionJenny(async_sessionmaker(engine))

        @jenny.roped(commit=True)
        async def work(key):
            session = jenny.session
            await session.execute(text("SELECT 1"))
            assert jenny.session is session
            if key % 20 == 0:
                session.add(Customer(id=key, name="ed"))
                await session.flush()
            if key % 7 == 0:
                raise LookupError
            await asyncio.sleep(0)

        async def one(key):
            try:
                await work(key)
                committed.add(key)
            except asyncio.CancelledError:
                unsure.add(key)  # the commit may have been sent already
                raise

        try:
            tasks = [asyncio.create_task(one(key)) for key in range(count)]
            for task in tasks:
                if chance.random() < 0.3:
                    task.cancel()
                if chance.random() < 0.2:
                    await asyncio.sleep(chance.random() / 1000)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            expected = LookupError | asyncio.CancelledError | None
            assert [one for one in results if not isinstance(one, expected)] == []
            assert jenny.ropes() == []
            assert engine.pool.checkedout() == 0
        finally:
            await engine.dispose()

    asyncio.run(main())
    rows = {key for key in committed if key % 20 == 0 and key % 7}
    assert rows <= stored(database) <= rows | unsure


def test_abandoned_generators(database, collector):
    count = 1_000 if SOAK else 60
    jenny = SessionJenny(sessionmaker(database))

    def implicit():
        jenny.session.execute(text("SELECT 1"))
        yield jenny.session
        yield 2

    def explicit():
        with jenny.tied() as session:
            session.execute(text("SELECT 1"))
            session.add(Customer(id=1, name="never"))
            yield session
            yield 2

    @jenny.roped(commit=True)
    def roped():
        jenny.session.execute(text("SELECT 1"))
        yield jenny.session
        yield 2

    for number in range(count):
        generator = (implicit, explicit, roped)[number % 3]()
        next(generator)
        if number % 2:
            circle = [generator]
            circle.append(circle)  # so that the collector has to find it
            del circle
        del generator
    gc.collect()
    assert jenny.ropes() == []
    assert database.pool.checkedout() == 0
    assert stored(database) == set()


class Fault(Exception):
    pass


class Faulty(Session):
    """Fails at the call whose number ``fail_at`` says, counted over all sessions."""

    calls = 0
    fail_at = None

    def _count(self):
        Faulty.calls += 1
        if Faulty.calls == Faulty.fail_at:
            raise Fault(Faulty.calls)

    def __init__(self, *args, **kw):
        self._count()
        super().__init__(*args, **kw)

    def commit(self):
        self._count()
        super().commit()
        self._count()

    def rollback(self):
        self._count()
        super().rollback()

    def flush(self, objects=None):
        self._count()
        super().flush(objects)

    def begin_nested(self):
        self._count()
        return super().begin_nested()

    def close(self):
        super().close()  # one that fails before this keeps its connection, whoever calls it
        self._count()


def test_an_exception_in_every_position(database, collector):
    jenny = SessionJenny(sessionmaker(database, class_=Faulty))

    def body(key):
        with jenny.tied(commit=True) as session:
            session.add(Customer(id=key, name="ed"))
            Faulty._count(session)
            try:
                with jenny.tied(propagation="nested") as inner:
                    inner.add(Customer(id=key + 1, name="ed"))
                    Faulty._count(inner)
            except Fault:
                pass
            with jenny.tied(propagation="requires_new", read_only=True) as other:
                Faulty._count(other)
            try:
                list(generator())
            except Fault:
                pass
            Faulty._count(session)
        return key

    @jenny.roped(propagation="requires_new")
    def generator():
        jenny.session.execute(text("SELECT 1"))
        Faulty._count(jenny.session)
        yield 1
        Faulty._count(jenny.session)

    Faulty.calls, Faulty.fail_at = 0, None
    body(-10)
    positions = Faulty.calls
    assert positions > 15
    sure, raised = {-10, -9}, 0
    for position in range(1, positions + 1):
        Faulty.calls, Faulty.fail_at = 0, position
        key = position * 10
        try:
            body(key)
        except Fault as error:
            raised += 1
            del error
        else:
            sure.add(key)
        finally:
            Faulty.fail_at = None
        assert jenny.ropes() == [], position
        assert database.pool.checkedout() == 0, position
    there = stored(database)
    assert sure <= there
    assert raised > positions / 2
