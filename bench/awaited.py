"""Async sessions: what the awaited core costs, on the async driver of the same database."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .databases import sum_of_x
from .harness import Bar, Run, Work, expect

Body = Callable[[Run, Any, AsyncEngine], Awaitable[None]]


def _module(run: Run) -> Any:
    """The contender's async names."""
    assert run.orm is not None
    name = run.orm.module_name
    return importlib.import_module("sqlalchemy.ext.asyncio" if name == "sqlalchemy.orm" else f"{name}.ext.asyncio")


def _engine(run: Run, psycopg: bool) -> AsyncEngine:
    assert run.engine is not None
    url = run.engine.url
    if run.database.name == "sqlite":
        return create_async_engine(url.set(drivername="sqlite+aiosqlite"))
    schema: str = run.database.schema  # type: ignore[attr-defined]
    if psycopg:
        return create_async_engine(url, connect_args={"options": f"-csearch_path={schema}"})
    url = url.set(drivername="postgresql+asyncpg")
    return create_async_engine(url, connect_args={"server_settings": {"search_path": schema}})


def in_loop(body: Body, psycopg: bool = False) -> Callable[[Run], None]:
    """Make a work of a coroutine function, which gets the async names and an async engine.

    :param psycopg: on PostgreSQL by that driver, and not by asyncpg.
    """

    async def main(run: Run) -> None:
        engine = _engine(run, psycopg)
        try:
            await body(run, _module(run), engine)
            expect(engine.sync_engine.pool.checkedout(), 0, "connections still out")  # type: ignore[attr-defined]
        finally:
            await engine.dispose()

    return lambda run: asyncio.run(main(run))


async def get_distinct(run: Run, names: Any, engine: AsyncEngine) -> None:
    async with names.AsyncSession(engine) as session:
        found = []
        with run.timed():
            for key in range(1, run.count + 1):
                found.append(await session.get(run.item, key))
        expect(sum(one.x for one in found), sum_of_x(run.count), "sum of x")


async def get_known(run: Run, names: Any, engine: AsyncEngine) -> None:
    async with names.AsyncSession(engine) as session:
        known = (await session.scalars(run.select(run.item).order_by(run.item.id))).all()
        found = []
        with run.timed():
            for key in range(1, run.count + 1):
                found.append(await session.get(run.item, key))
        expect(all(one is other for one, other in zip(known, found, strict=True)), True, "same objects")


async def load(run: Run, names: Any, engine: AsyncEngine) -> None:
    async with names.AsyncSession(engine) as session:
        with run.timed():
            found = (await session.scalars(run.select(run.item))).all()
        expect(sum(one.x for one in found), sum_of_x(run.count), "sum of x")


async def sessions(run: Run, names: Any, engine: AsyncEngine) -> None:
    make = names.async_sessionmaker(engine)
    total = 0
    with run.timed():
        for key in range(1, run.count + 1):
            async with make() as session:
                total += (await session.get(run.item, key)).x
    expect(total, sum_of_x(run.count), "sum of x")


async def tasks(run: Run, names: Any, engine: AsyncEngine) -> None:
    """Each task has a session of its own: by a rope, or by the registry that SQLAlchemy has for it."""
    assert run.orm is not None
    item, select, make = run.item, run.select, names.async_sessionmaker(engine)
    if hasattr(run.orm.module, "SessionJenny"):
        jenny = run.orm.module.SessionJenny(make)

        async def one(key: int) -> int:
            async with jenny.tied() as session:
                return (await session.scalars(select(item).where(item.id == key))).one().x  # type: ignore[no-any-return]

    else:
        scoped = names.async_scoped_session(make, scopefunc=asyncio.current_task)

        async def one(key: int) -> int:
            try:
                return (await scoped.scalars(select(item).where(item.id == key))).one().x  # type: ignore[no-any-return]
            finally:
                await scoped.remove()

    with run.timed():
        total = sum(await asyncio.gather(*map(one, range(1, run.count + 1))))
    expect(total, sum_of_x(run.count), "sum of x")


def works() -> list[Work]:
    def work(name: str, title: str, body: Body, count: int, rounds: int | None = None, psycopg: bool = False) -> Work:
        # Elsewhere it is the driver's own awaiting that counts, which is the same for both.
        bars = {"sqlite": Bar(2)} | (
            {"postgresql": Bar(2)} if name.startswith(("async-get", "async-known", "async-load")) else {}
        )
        only_on = "postgresql" if psycopg else None
        does = in_loop(body, psycopg)
        return Work(name, title, does, None, count=count, rows=count, bars=bars, rounds=rounds, only_on=only_on)

    return [
        work("async-get", "AsyncSession: get of distinct keys", get_distinct, 2_000),
        work("async-known", "AsyncSession: get of an object already there", get_known, 20_000),
        work("async-load", "AsyncSession: load, per row", load, 20_000),
        work("async-session", "new AsyncSession, get, close", sessions, 1_000),
        work("async-tasks", "10,000 tasks, a session and a SELECT each", tasks, 10_000, 3),
        work("async-get-psycopg", "the same by psycopg: get of distinct keys", get_distinct, 2_000, psycopg=True),
        work("async-load-psycopg", "the same by psycopg: load, per row", load, 20_000, psycopg=True),
        work(
            "async-session-psycopg", "the same by psycopg: new AsyncSession, get, close", sessions, 1_000, psycopg=True
        ),
    ]
