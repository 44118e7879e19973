"""AsyncSession.run, and @retried and @jenny.roped on coroutine functions: done again when the database asks for it."""

import asyncio

import pytest
from asynchronous import AUTHORS, Author, asynchronous, cancelled_at, out, skip_old_aiosqlite
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from ropewalk import Retries, Session, SessionJenny, inspect, retried, sessionmaker, transient_reason
from ropewalk.exc import ArgumentError, CommitOutcomeUnknown, InvalidRequestError
from ropewalk.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

AT_ONCE = Retries(3, first=0)
author = Author.__table__


class Deadlock(Exception):
    sqlstate = "40P01"


def deadlock():
    return DBAPIError("UPDATE ...", None, Deadlock())


async def names(engine, *ids):
    async with engine.connect() as connection:
        found = await connection.scalars(select(author.c.name).where(author.c.id.in_(ids)).order_by(author.c.id))
        return list(found)


async def rename(session, number, name):
    found = await session.get_one(Author, number)
    found.name = name
    return found


class Failing:
    """A coroutine function that fails some times, after it has written, and then succeeds."""

    def __init__(self, times):
        self.left = times
        self.sessions = []

    async def __call__(self, session, number, name):
        self.sessions.append(session)
        found = await rename(session, number, name)
        await session.flush()
        if self.left:
            self.left -= 1
            raise deadlock()
        return found


# -- AsyncSession.run -------------------------------------------------------------------------


@asynchronous
async def test_the_work_is_committed_and_its_result_returned(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        found = await session.run(rename, 1, name="new")
        assert found in session and not session.in_transaction()
        assert out(engine) == 0
    assert await names(engine, 1, 2) == ["new", "a2"]


@asynchronous
async def test_each_attempt_has_fresh_state(engine):
    seen = []

    async def work(session):
        found = await session.get(Author, 1)
        assert found.name == "a1"
        found.name = "new"
        session.add(Author(id=50 + len(seen), name="another"))
        await session.flush()
        seen.append(found)
        if len(seen) < 3:
            raise deadlock()

    async with AsyncSession(engine) as session:
        before = await session.get(Author, 1)
        await session.commit()
        await session.run(work, retries=AT_ONCE)
        assert len({id(one) for one in [before, *seen]}) == 4
        assert inspect(before).detached
    assert await names(engine, 1, 50, 51, 52) == ["new", "another"]


@asynchronous
async def test_the_last_error_is_raised_when_all_attempts_have_failed(engine):
    work = Failing(99)
    async with AsyncSession(engine) as session:
        with pytest.raises(DBAPIError) as caught:
            await session.run(work, 1, "new", retries=Retries(2, first=0))
        assert "attempt 3 of 3" in caught.value.__notes__[-1]
        assert len(work.sessions) == 3 and out(engine) == 0
    assert await names(engine, 1) == ["a1"]


@asynchronous
async def test_another_error_is_raised_at_once(engine):
    calls = []

    async def work(session):
        calls.append(1)
        session.add(Author(name="a1"))

    async with AsyncSession(engine) as session:
        with pytest.raises(IntegrityError):
            await session.run(work, retries=AT_ONCE)
    assert calls == [1]


@asynchronous
async def test_run_is_refused_where_more_than_the_work_would_have_to_be_done_again(engine):
    async with AsyncSession(engine) as session:
        await session.get(Author, 1)
        with pytest.raises(InvalidRequestError, match=r"run\(\) begins a transaction of its own"):
            await session.run(rename, 1, "new")
        await session.rollback()
        await session.run(rename, 1, "new")


@asynchronous
async def test_what_another_task_began_meanwhile_is_not_thrown_away(engine):
    session = AsyncSession(engine)
    attempts = []

    async def meddle():
        session.add(Author(name="meddler"))

    async def work(session):
        attempts.append(asyncio.create_task(meddle()))
        raise deadlock()

    with pytest.raises(InvalidRequestError, match=r"Another task.*while run\(\) waited"):
        await session.run(work, retries=AT_ONCE)
    assert len(attempts) == 1
    await session.commit()
    async with AsyncSession(engine) as other:
        assert await other.scalar(select(Author).where(Author.name == "meddler"))
    await session.close()


@asynchronous
async def test_other_tasks_go_on_between_two_attempts(engine):
    ran = []

    def sync_work(session):
        if not ran:
            asyncio.get_running_loop().call_soon(ran.append, 1)
            raise deadlock()
        return session.get(Author, 1).name

    async def work(session):
        return sync_work(session.sync_session) if not ran else await session.run_sync(sync_work)

    async with AsyncSession(engine) as session:
        assert await session.run(work, retries=AT_ONCE) == "a1"
    ran.clear()
    async with AsyncSession(engine) as session:  # no thread sleeps there either
        assert await session.run_sync(lambda sync: sync.run(sync_work, retries=Retries(1, first=0))) == "a1"


@asynchronous
async def test_sync_work_runs_in_run_sync(engine):
    async with AsyncSession(engine) as session:
        found = await session.run(lambda session: session.run_sync(lambda sync: len(sync.get(Author, 1).books)))
        assert found == 3
        with pytest.raises(ArgumentError, match=r"takes a coroutine function.*run_sync\(work\)"):
            await session.run(lambda session: 7)
        assert not session.in_transaction()


def test_coroutine_functions_are_refused_by_a_sync_session(sqlite_memory_engine):
    with Session(sqlite_memory_engine) as session, pytest.raises(ArgumentError, match=r"rename.*AsyncSession\.run\(\)"):
        session.run(rename, 1, "new")


@asynchronous
async def test_what_is_no_work_is_refused(engine):
    async with AsyncSession(engine) as session:
        begun = rename(session, 1, "new")
        with pytest.raises(ArgumentError, match=r"called as transfer\(session, \.\.\.\)"):
            await session.run(begun)
        begun.close()


@asynchronous
async def test_work_that_has_committed_by_itself_is_not_done_twice(engine):
    attempts = []

    async def work(session):
        attempts.append(1)
        await rename(session, 1, "new")
        await session.commit()
        raise deadlock()

    async with AsyncSession(engine) as session:
        with pytest.raises(DBAPIError):
            await session.run(work, retries=AT_ONCE)
    with pytest.raises(DBAPIError):
        await retried(async_sessionmaker(engine), AT_ONCE)(work)()
    assert attempts == [1, 1]


# -- the decorators -----------------------------------------------------------------------------


@asynchronous
async def test_a_retried_coroutine_gets_a_new_session_each_time(engine):
    sessions = []

    @retried(async_sessionmaker(engine), retries=AT_ONCE)
    async def work(session, number, *, name):
        """Rename."""
        sessions.append(session)
        await rename(session, number, name)
        await session.flush()
        if len(sessions) < 3:
            raise deadlock()
        return name

    assert (work.__name__, work.__doc__) == ("work", "Rename.")
    assert asyncio.iscoroutinefunction(work)
    assert await work(1, name="new") == "new"
    assert len({id(session) for session in sessions}) == 3
    assert await names(engine, 1) == ["new"]


@asynchronous
async def test_a_retried_function_needs_sessions_of_its_own_kind(engine):
    with pytest.raises(ArgumentError, match=r"rename\(\) is a coroutine function.*Session.*async_sessionmaker\(\)"):
        await retried(sessionmaker())(rename)(1, "new")
    with pytest.raises(ArgumentError, match=r"plain function.*AsyncSession.*a sessionmaker\(\)"):
        retried(async_sessionmaker(engine))(lambda session: 1)()


@asynchronous
async def test_a_roped_coroutine_is_run_again(engine):
    jenny = SessionJenny(async_sessionmaker(engine))
    sessions = []

    @jenny.roped(commit=True, retries=AT_ONCE)
    async def work():
        sessions.append(jenny.session)
        await rename(jenny.session, 1, "new")
        await jenny.session.flush()
        if len(sessions) < 3:
            raise deadlock()

    await work()
    assert len({id(session) for session in sessions}) == 3
    assert await names(engine, 1) == ["new"]


# -- after the commit ---------------------------------------------------------------------------


@asynchronous
async def test_callbacks_are_called_once_and_coroutines_awaited(engine):
    called = []

    async def work(session):
        attempt = len(called_in) + 1
        called_in.append(attempt)
        session.on_commit(lambda: called.append(("plain", attempt)))
        session.on_commit(lambda: tell(session, attempt))
        await rename(session, 1, "new")
        if attempt < 3:
            raise deadlock()

    async def tell(session, attempt):
        assert out(engine) == 0
        called.append((await session.scalar(select(Author.name).where(Author.id == 1)), attempt))
        await session.rollback()

    called_in = []
    async with AsyncSession(engine) as session:
        await session.run(work, retries=AT_ONCE)
    assert called == [("plain", 3), ("new", 3)]


@asynchronous
async def test_an_error_after_the_commit_does_not_have_the_work_done_twice(engine):
    attempts = []

    async def fail():
        raise deadlock()

    async def work(session):
        attempts.append(1)
        await rename(session, 1, "new")
        session.on_commit(fail)

    async with AsyncSession(engine) as session:
        with pytest.raises(DBAPIError) as caught:
            await session.run(work, retries=AT_ONCE)
        assert "that has succeeded" in caught.value.__notes__[0]
    assert attempts == [1]
    assert await names(engine, 1) == ["new"]


def test_a_coroutine_function_as_callback_of_a_sync_session_is_refused(sqlite_memory_engine):
    async def callback():
        pytest.fail("nobody can have awaited it")

    with Session(sqlite_memory_engine) as session:
        session.on_commit(callback)
        with pytest.raises(InvalidRequestError, match=r"callback.*is a coroutine function.*AsyncSession"):
            session.commit()


# -- cancellation ---------------------------------------------------------------------------------


@asynchronous
async def test_cancelled_while_it_waits_it_makes_no_further_attempt(engine):
    work = Failing(99)
    async with AsyncSession(engine) as session:
        running = asyncio.create_task(session.run(work, 1, "new", retries=Retries(5, first=3600, longest=3600)))
        while not work.sessions or session.in_transaction() or work.left == 99:
            await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(work.sessions) == 1 and out(engine) == 0
        assert (await session.get(Author, 1)).name == "a1"


@skip_old_aiosqlite
@asynchronous
async def test_cancelled_at_each_step_nothing_is_left(engine):
    make = async_sessionmaker(engine)
    place, waits = 0, None
    while waits is None:
        place += 1
        name, attempts = f"new{place}", []

        @retried(make, retries=AT_ONCE)
        async def work(session, name=name, attempts=attempts):
            attempts.append(1)
            await rename(session, 1, name)
            await session.flush()
            session.add(Author(name=f"{name}+"))
            if len(attempts) == 1:
                raise deadlock()

        waits = await cancelled_at(place, work())
        assert out(engine) == 0, f"cancelled at step {place}"
        async with make() as session:
            written = await session.scalars(select(Author.name).where(Author.name.in_([name, f"{name}+"])))
            assert len(written.all()) in (0, 2), f"half a transaction, cancelled at step {place}"
    assert place > 5


# -- real conflicts -----------------------------------------------------------------------------


@pytest.mark.databases("postgresql")
@asynchronous
async def test_a_serialization_failure_is_tried_again(engine):
    serializable = engine.execution_options(isolation_level="SERIALIZABLE")
    barrier, attempts = asyncio.Barrier(2), []

    @retried(async_sessionmaker(serializable), retries=Retries(5, first=0.01))
    async def work(session, number):
        attempts.append(number)
        taken = " ".join(await session.scalars(select(Author.name)))
        if attempts.count(number) == 1:
            await barrier.wait()
        if "chief" not in taken:  # both may not be
            (await session.get(Author, number)).name = f"chief {number}"

    async with asyncio.timeout(60):
        await asyncio.gather(work(1), work(2))
    assert len(attempts) >= 3  # more, where the second comes back before the first has committed
    found = await names(engine, 1, 2)
    assert sum("chief" in name for name in found) == 1


@pytest.mark.databases("postgresql", "mariadb")
@pytest.mark.parametrize("kind", ["run", "retried", "roped"])
def test_a_deadlock_is_tried_again(async_url, kind):
    @asynchronous
    async def test(engine):
        make = async_sessionmaker(engine)
        jenny = SessionJenny(make)
        barrier, attempts = asyncio.Barrier(2), []
        policy = Retries(5, first=0.01)

        async def cross(session, first):
            attempts.append(first)
            for number in (first, 3 - first):
                found = await session.get(Author, number, with_for_update=True)
                found.name += f" {first}"
                await session.flush()
                if number == first and attempts.count(first) == 1:
                    await barrier.wait()

        async def by_run(first):
            async with make() as session:
                await session.run(cross, first, retries=policy)

        @jenny.roped(commit=True, retries=policy)
        async def by_rope(first):
            await cross(jenny.session, first)

        work = {"run": by_run, "retried": retried(make, policy)(cross), "roped": by_rope}[kind]
        async with asyncio.timeout(60):
            await asyncio.gather(work(1), work(2))
        assert len(attempts) == 3
        assert await names(engine, 1, 2) in (["a1 1 2", "a2 1 2"], ["a1 2 1", "a2 2 1"])

    test(async_url)


@pytest.mark.databases("sqlite")
@asynchronous
async def test_a_locked_database_is_tried_again(engine):
    quick = create_async_engine(engine.url, connect_args={"timeout": 0})
    attempts = []
    async with engine.connect() as other:
        await other.exec_driver_sql("BEGIN IMMEDIATE")

        async def work(session):
            attempts.append(1)
            if len(attempts) == 2:
                await other.rollback()
            await rename(session, 1, "new")

        async with AsyncSession(quick) as session:
            await session.run(work, retries=AT_ONCE)
    assert len(attempts) == 2
    assert await names(engine, 1) == ["new"]
    await quick.dispose()


async def number_of(session):
    """Return the server's number for a session's connection."""
    is_postgresql = session.bind.dialect.name == "postgresql"
    connection = await session.connection()
    return (
        await connection.exec_driver_sql("SELECT pg_backend_pid()" if is_postgresql else "SELECT CONNECTION_ID()")
    ).scalar_one()


def kill(engine, number):
    """Have the server end a connection; it takes a greenlet."""
    with engine.connect() as other:
        if engine.dialect.name == "postgresql":
            other.exec_driver_sql(f"SELECT pg_terminate_backend({number}, 10000)")
        else:
            other.exec_driver_sql(f"KILL CONNECTION {number}")


@pytest.mark.databases("postgresql", "mariadb")
@asynchronous
async def test_a_connection_cut_before_the_commit_is_tried_again(engine):
    attempts = []

    async def work(session):
        attempts.append(1)
        found = await rename(session, 1, "new")
        await session.flush()
        if len(attempts) == 1:
            number = await number_of(session)
            await session.run_sync(lambda sync: kill(engine.sync_engine, number))
        await session.refresh(found)

    async with AsyncSession(engine) as session:
        await session.run(work, retries=AT_ONCE)
    assert len(attempts) == 2 and out(engine) == 0
    assert await names(engine, 1) == ["new"]


@pytest.mark.databases("postgresql", "mariadb")
@asynchronous
async def test_connections_cut_while_idle_in_the_pool_are_replaced(engine):
    async with AsyncSession(engine) as one, AsyncSession(engine) as two:
        numbers = [await number_of(session) for session in (one, two)]
    other = create_async_engine(engine.url)
    async with AsyncSession(other) as session:
        for number in numbers:
            await session.run_sync(lambda sync, number=number: kill(other.sync_engine, number))
    await other.dispose()
    sessions = []

    async def work(session):
        sessions.append(session)
        await rename(session, 1, "new")

    async with AsyncSession(engine) as session:
        await session.run(work, retries=AT_ONCE)
    assert len(sessions) == 2  # the first finds one of them dead, which throws away the other too
    assert await names(engine, 1) == ["new"]


@pytest.mark.databases("postgresql", "mariadb")
@asynchronous
async def test_a_connection_cut_in_the_commit_leaves_the_outcome_unknown_and_is_never_tried_again(engine):
    attempts = []

    async def work(session):
        attempts.append(1)
        await rename(session, 1, "new")
        await session.flush()
        number = await number_of(session)
        event.listen(engine.sync_engine, "commit", lambda _: kill(engine.sync_engine, number), once=True)

    async with AsyncSession(engine) as session:
        with pytest.raises(CommitOutcomeUnknown) as caught:
            await session.run(work, retries=AT_ONCE)
        assert caught.value.unknown == (engine.sync_engine,)
    assert attempts == [1] and out(engine) == 0
    assert await names(engine, 1) in (["a1"], ["new"])
    assert len(await names(engine, *range(1, AUTHORS + 1))) == AUTHORS


@pytest.mark.parametrize(
    "driver",
    ["postgresql+asyncpg", "postgresql+psycopg", "mysql+asyncmy", "mysql+aiomysql"],
    ids=lambda d: d.split("+")[1],
)
def test_a_server_that_cannot_be_reached_is_a_lost_connection(driver):
    pytest.importorskip(driver.split("+")[1])

    async def ask(session):
        attempts.append(1)
        await session.execute(select(1))

    async def test():
        engine = create_async_engine(f"{driver}://nobody@127.0.0.1:1/none")
        async with AsyncSession(engine) as session:
            with pytest.raises((DBAPIError, OSError)) as caught:
                await session.run(ask, retries=Retries(1, first=0))
        assert transient_reason(caught.value) == "connection lost"
        assert "attempt 2 of 2" in caught.value.__notes__[-1]
        await engine.dispose()

    attempts = []
    asyncio.run(test())
    assert len(attempts) == 2


def test_an_error_of_another_connection_is_none_of_the_database():
    assert transient_reason(ConnectionRefusedError("http")) is None
