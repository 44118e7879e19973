"""Tests that are coroutines: an async engine for each driver, and a library to lend from.

::

    @asynchronous
    async def test_something(engine): ...

runs once with each driver of the databases at hand, in an event loop of its own. The engine's tables are
there and filled; when the test is over no connection may be out.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy
from databases import NAMES
from sqlalchemy import URL, ForeignKey, String, insert
from sqlalchemy.pool import QueuePool

from ropewalk import DeclarativeBase, Mapped, mapped_column, relationship
from ropewalk.ext.asyncio import AsyncAttrs, AsyncEngine, create_async_engine

AUTHORS, BOOKS_EACH = 10, 3


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    biography: Mapped[str | None] = mapped_column(String(30), deferred=True)
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(30))
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


# Core learnt with 2.1 to throw away a connection of aiosqlite without waiting for it.
skip_old_aiosqlite = pytest.mark.databases(*(("postgresql", "mariadb") if sqlalchemy.__version__ < "2.1" else NAMES))


def asynchronous(test: Callable[[AsyncEngine], Awaitable[None]]) -> Callable[[URL], None]:
    """Make a test of a coroutine function that takes an engine."""

    def run(async_url: URL) -> None:
        asyncio.run(_with_engine(async_url, test))

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


async def _with_engine(url: URL, test: Callable[[AsyncEngine], Awaitable[None]]) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(fill)
        await test(engine)
        assert out(engine) == 0, "connections left checked out"
    finally:
        await engine.dispose()


def fill(connection: Any) -> None:
    """Make the tables, and put in authors 1 to 10 with three books each."""
    Base.metadata.create_all(connection)
    authors = [{"name": f"a{i}", "biography": f"b{i}"} for i in range(1, AUTHORS + 1)]
    books = [{"title": f"t{i}", "author_id": (i - 1) // BOOKS_EACH + 1} for i in range(1, AUTHORS * BOOKS_EACH + 1)]
    connection.execute(insert(Author.__table__), authors)
    connection.execute(insert(Book.__table__), books)


def out(engine: AsyncEngine) -> int:
    """Return how many connections of an engine are in use."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def cancelled_at(place: int, coroutine: Any, again: bool = False) -> int | None:
    """Await a coroutine, and have this task cancelled while it waits for the ``place``-th time.

    Returns how often it waited, or None if it was cancelled. With ``again`` a second cancellation follows at
    its next wait.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    waits = 0

    @types.coroutine
    def drive():
        nonlocal waits
        step, given = coroutine.send, None
        while True:
            try:
                waiting_for = step(given)
            except StopIteration as end:
                return end.value
            finally:
                given = None  # an error that was held here would hold what it passed through, cursors too
            waits += 1
            if waits == place or (again and waits == place + 1):
                loop.call_soon(task.cancel)
            try:
                given = yield waiting_for
                step = coroutine.send
            except BaseException as err:
                given, step = err, coroutine.throw

    try:
        await drive()
    except asyncio.CancelledError:
        while task.cancelling():
            task.uncancel()
        return None
    return waits
