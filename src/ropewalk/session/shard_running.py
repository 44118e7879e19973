"""Statements on several databases at once: one thread for each, as far as connections allow it.

Only the driver's work is done in other threads: the statement, and the fetching of its rows. Objects are
made in the session's own thread. Connections that are one and the same to the driver take turns, and so
do those that must not leave their thread, as SQLite's in memory. Asynchronous drivers are awaited side by
side, in a task for each.
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.pool import SingletonThreadPool

from .awaiting import call_all

T = TypeVar("T")
Job = tuple[Connection, Callable[[], Any]]

MOST_THREADS = 32
_threads: ThreadPoolExecutor | None = None
_MOVES = "ropewalk_may_change_threads"  # a key of what a pool keeps about a connection


def run_all(jobs: Sequence[Job]) -> list[Any]:
    """Do all jobs, each on its connection, and return what they return, in their order.

    :raises Exception: what the first of those that failed raised; the others stand in its notes. All have ended then.
    """
    if len(jobs) == 1:
        return [jobs[0][1]()]
    results: list[Any] = [None] * len(jobs)
    errors: dict[int, BaseException] = {}
    groups: dict[int, list[int]] = {}
    for place, (connection, _) in enumerate(jobs):
        groups.setdefault(id(connection.connection.dbapi_connection), []).append(place)

    def run(places: list[int]) -> None:
        for place in places:
            try:
                results[place] = jobs[place][1]()
            except BaseException as error:
                errors[place] = error
                return

    awaited = [places for places in groups.values() if jobs[places[0]][0].dialect.is_async]
    if len(awaited) > 1:
        call_all([partial(run, places) for places in awaited])
        groups = {key: places for key, places in groups.items() if places not in awaited}
    moving = [places for places in groups.values() if may_change_threads(jobs[places[0]][0])]
    staying = [places for places in groups.values() if places not in moving]
    if not staying and moving:
        staying.append(moving.pop())  # this thread would only wait otherwise
    waiting = [_submit(run, places) for places in moving]
    try:
        for places in staying:
            run(places)
    finally:
        _wait_for(waiting)
    if errors:
        first = errors.pop(min(errors))
        for other in errors.values():
            first.add_note(f"Another shard failed too: {other!r}")
        raise first
    return results


def may_change_threads(connection: Connection) -> bool:
    """Whether another thread may use a connection for a while."""
    if connection.dialect.is_async or isinstance(connection.engine.pool, SingletonThreadPool):
        return False
    if connection.dialect.name != "sqlite":
        return True
    known = connection.info.get(_MOVES)
    if known is None:  # only the driver knows with what options the connection was made
        known = connection.info[_MOVES] = bool(_submit(_can_be_used, connection.connection.dbapi_connection).result())
    return bool(known)


def _can_be_used(connection: Any) -> bool:
    try:
        connection.cursor().close()
    except Exception:
        return False
    return True


def _submit(work: Callable[..., T], *args: Any) -> Future[T]:
    global _threads
    if _threads is None:
        _threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="ropewalk-shard")
    return _threads.submit(contextvars.copy_context().run, work, *args)


def _wait_for(futures: Sequence[Future[Any]]) -> None:
    """Wait until no other thread uses a connection any more, whatever interrupts the wait."""
    interrupted: BaseException | None = None
    while not all(future.done() for future in futures):
        try:
            wait(futures)
        except BaseException as error:
            interrupted = error
            for future in futures:
                future.cancel()
    if interrupted is not None:
        raise interrupted


def _forget_threads() -> None:
    global _threads
    _threads = None  # a forked child has none of its parent's threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
