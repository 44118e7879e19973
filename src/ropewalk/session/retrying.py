"""Running a unit of work again when the database asks for it.

A transaction can fail through no fault of its own: two wait for each other, a serializable one cannot be put
into an order with others, a connection is lost. Then all of it must be done again, from its first read on.
Which errors say so is one table here, ``TRANSIENT``; what a program wants to add to it goes into a
:class:`Retries`.

Two errors are never met with another try, since money would move twice: that of a COMMIT whose answer was lost,
which may have taken effect (:class:`ropewalk.exc.CommitOutcomeUnknown`); and one that came after a COMMIT that
succeeded, from a callback or a listener.

The pause before each new attempt is exponential, with full jitter: any time between nothing and a bound that
doubles (Marc Brooker, *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from ..exc import ArgumentError, CommitOutcomeUnknown, PendingRollbackError
from .arguments import as_function, as_several, check_number
from .awaiting import pause

S = TypeVar("S")
T = TypeVar("T")
P = ParamSpec("P")

SERIALIZATION, DEADLOCK, LOCKED, LOST, CLUSTER = (
    "serialization failure",
    "deadlock",
    "lock not available",
    "connection lost",
    "cluster conflict",
)

TRANSIENT: Mapping[str, Mapping[Any, str]] = {
    # SQLSTATE; also CockroachDB, whose "restart transaction" is 40001.
    "postgresql": {
        "40001": SERIALIZATION,
        "40P01": DEADLOCK,
        "08000": LOST,
        "08001": LOST,
        "08003": LOST,
        "08004": LOST,
        "08006": LOST,
        "57P01": LOST,  # the administrator ends the connection
        "57P02": LOST,  # another server process crashed
        "57P03": LOST,  # the server is starting or stopping
    },
    # Error numbers of MySQL and MariaDB, with Galera.
    "mysql": {
        1213: DEADLOCK,  # also a Galera transaction that lost against another node's
        1205: LOCKED,  # waited too long for a row
        1020: SERIALIZATION,  # the row has changed since the snapshot (innodb_snapshot_isolation)
        1412: SERIALIZATION,  # the table's definition has changed since the snapshot
        1047: CLUSTER,  # the Galera node is not ready: nothing was done
        3101: CLUSTER,  # group replication rolled the transaction back
        1053: LOST,  # server shutdown
        1927: LOST,  # the connection was killed
        2002: LOST,
        2003: LOST,
        2006: LOST,
        2013: LOST,
        4031: LOST,  # idle too long
    },
    # Primary result codes of SQLite; the extended ones have them in their lowest byte.
    "sqlite": {
        5: LOCKED,  # SQLITE_BUSY: database is locked
        6: LOCKED,  # SQLITE_LOCKED: a table is, in a shared cache
    },
}
"""By kind of database, the codes of errors after which the same transaction may succeed."""

OUTCOME_UNKNOWN: Mapping[str, frozenset[Any]] = {
    "postgresql": frozenset({"08007", "40003"}),  # 40003 is CockroachDB's "result is ambiguous"
    "mysql": frozenset(),
    "sqlite": frozenset(),
}
"""Codes with which a database says itself that it does not know whether a transaction was committed."""

ROLLED_BACK: Mapping[str, frozenset[Any]] = {
    "postgresql": frozenset(),
    "mysql": frozenset({1206, 1213, 3101}),  # 1206: no room for more locks
    "sqlite": frozenset(),
}
"""Codes of a statement's error with which the server has undone the whole transaction, savepoints included."""

ROLLED_BACK_AT_TIMES: Mapping[str, frozenset[Any]] = {
    "mysql": frozenset({1205}),  # with innodb_rollback_on_timeout
    "sqlite": frozenset({7, 9, 10, 13, 19}),  # no memory, interrupted, disk trouble, disk full, ON CONFLICT ROLLBACK
}
"""Codes after which the database has to be asked whether it has done so."""

ABORTED = "25P02"
"""What PostgreSQL says to each further statement of a transaction in which one has failed."""


def code_of(error: BaseException) -> tuple[str, Any]:
    """Return the kind of database that an error comes from, and its code: ``("postgresql", "40001")``.

    :return: ``("", None)`` for what is no database's error.
    """
    orig: Any = error.orig if isinstance(error, DBAPIError) else error
    if (number := getattr(orig, "sqlite_errorcode", None)) is not None:
        return "sqlite", number & 0xFF
    args = getattr(orig, "args", ())
    module = type(orig).__module__.partition(".")[0]
    if module in _MYSQL_DRIVERS and args and isinstance(args[0], int):
        return "mysql", args[0]  # some of these drivers have an SQLSTATE too, which says less
    state = getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None)
    if isinstance(state, str):
        return "postgresql", state
    return ("postgresql", None) if module in _POSTGRESQL_DRIVERS else ("", None)


_MYSQL_DRIVERS = frozenset({"pymysql", "MySQLdb", "mysql", "mariadb", "aiomysql", "asyncmy"})
_POSTGRESQL_DRIVERS = frozenset({"psycopg", "psycopg2", "asyncpg"})


def transient_reason(error: BaseException) -> str | None:
    """Say why the transaction that ended with ``error`` may succeed when it is run again; None if it will not.

    ::

        try:
            transfer(session)
        except DBAPIError as error:
            if transient_reason(error) == "deadlock": ...
    """
    if not may_be_undone(error):
        return None
    if isinstance(error, PendingRollbackError):  # somebody caught the first error and went on
        return None if error.__cause__ is None else transient_reason(error.__cause__)
    if not isinstance(error, DBAPIError):
        return LOST if hasattr(error, _UNREACHABLE) else None
    kind, code = code_of(error)
    if kind and code in OUTCOME_UNKNOWN[kind]:
        return None
    if kind and (reason := TRANSIENT[kind].get(code)) is not None:
        return reason
    # Without a code: psycopg could not connect, or the socket broke.
    if error.connection_invalidated or (code is None and kind and type(error.orig).__name__ == "OperationalError"):
        return LOST
    return None


def may_be_undone(error: BaseException) -> bool:
    """Whether nothing of the work that ended with ``error`` is, or may be, committed."""
    return not isinstance(error, CommitOutcomeUnknown) and not hasattr(error, _COMMITTED)


def mark_committed(error: BaseException) -> None:
    """Note on an error that the transaction before it is committed."""
    setattr(error, _COMMITTED, True)


def mark_unreachable(error: OSError) -> None:
    """Note on an error that it is of a connection to a database, and not of anything else in the program."""
    setattr(error, _UNREACHABLE, True)


_COMMITTED, _UNREACHABLE = "_came_after_commit", "_came_from_connecting"


def outcome_is_unknown(error: BaseException) -> bool:
    """Whether a COMMIT that failed with ``error`` may have taken effect all the same."""
    if isinstance(error, DBAPIError):
        kind, code = code_of(error)
        if kind and code in OUTCOME_UNKNOWN[kind]:
            return True
        return error.connection_invalidated
    return False


@dataclass(frozen=True)
class Retries:
    """When to run a unit of work again, and after what pause.

    :param count: how many times at most, after the first attempt.
    :param first: the longest pause before the second attempt, in seconds; it doubles each time.
    :param longest: the bound of all pauses.
    :param on: further exception classes that ask for another attempt, such as ``StaleDataError``.
    :param codes: further codes of the database's errors: SQLSTATEs, error numbers.
    """

    count: int = 3
    first: float = 0.05
    longest: float = 5.0
    on: tuple[type[BaseException], ...] = ()
    codes: frozenset[Any] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not isinstance(self.count, int):
            raise ArgumentError(f"Retries: count is a whole number; got {self.count!r}.")
        for name in ("count", "first", "longest"):
            check_number(getattr(self, name), f"Retries: {name}")
        classes = tuple(self.on) if isinstance(self.on, (tuple, list)) else (self.on,)
        for class_ in classes:
            if not (isinstance(class_, type) and issubclass(class_, BaseException)):
                raise ArgumentError(f"Retries: on= takes exception classes, such as StaleDataError; got {class_!r}.")
        object.__setattr__(self, "on", classes)
        codes = [self.codes] if isinstance(self.codes, (str, int)) else as_several(self.codes, "codes=", "or {'55P03'}")
        object.__setattr__(self, "codes", frozenset(codes))

    @classmethod
    def of(cls, given: int | Retries | None) -> Retries:
        """Return ``given``, or what a plain number of retries means; None means none."""
        if isinstance(given, cls):
            return given
        if given is None:
            return cls(0)
        if isinstance(given, int) and not isinstance(given, bool):
            return cls(given)
        raise ArgumentError(f"retries= takes a number or Retries(...); got {given!r}.")

    def reason(self, error: BaseException) -> str | None:
        """Say why to try again after ``error``; None where that is no use, or could do it twice."""
        if not may_be_undone(error):
            return None
        if (reason := transient_reason(error)) is not None:
            return reason
        if isinstance(error, self.on):
            return type(error).__name__
        if isinstance(error, DBAPIError) and (code := code_of(error)[1]) is not None and code in self.codes:
            return f"code {code}"
        return None

    def delay_after(self, error: BaseException, failures: int) -> float | None:
        """Return how many seconds to wait before the next attempt, or None where there is to be none.

        It is all that a loop of one's own needs::

            failures = 0
            while True:
                try:
                    return work()
                except Exception as error:
                    failures += 1
                    if (delay := retries.delay_after(error, failures)) is None:
                        raise
                time.sleep(delay)

        :param error: what the last attempt ended with. If it is the last, a note with their number is added.
        :param failures: how many attempts have failed, this one included.
        """
        reason = self.reason(error)
        if reason is None:
            return None
        if failures > self.count:
            if self.count:
                error.add_note(f"This was attempt {failures} of {self.count + 1}; each may fail again: {reason}.")
            return None
        return random.uniform(0, min(self.longest, self.first * 2 ** (failures - 1)))

    def run(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it returns, or fails with something that another try will not mend.

        It must begin with fresh state each time, and end its transaction.
        """
        failures = 0
        while True:
            try:
                return attempt()
            except Exception as error:
                failures += 1
                delay = self.delay_after(error, failures)
                if delay is None:
                    raise
            pause(delay)

    async def run_async(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Await ``attempt()`` until it returns, or fails with something that another try will not mend.

        A task that is cancelled while it works or waits makes no further attempt.
        """
        import asyncio  # whoever runs this has it already

        failures = 0
        while True:
            try:
                return await attempt()
            except Exception as error:
                failures += 1
                delay = self.delay_after(error, failures)
                if delay is None:
                    raise
            await asyncio.sleep(delay)


def retried(
    factory: Callable[[], S], retries: int | Retries = 3
) -> Callable[[Callable[Concatenate[S, P], T]], Callable[P, T]]:
    """Make a function a unit of work of its own: with a session, in a transaction, run again where that helps.

    ::

        @retried(SessionLocal, retries=5)
        def transfer(session, source, target, amount):
            session.get_one(Account, source, with_for_update=True).balance -= amount
            session.get_one(Account, target, with_for_update=True).balance += amount

        transfer(1, 2, 100)

    The function is called with a session as its first argument, a new one for each attempt. When it returns, the
    transaction is committed and the session closed, so that what it returns should not need the session any more.
    A coroutine function is given an AsyncSession, and is awaited.

    :param factory: makes sessions, such as a ``sessionmaker()``; for a coroutine function an ``async_sessionmaker()``.
    :param retries: how often to try again, or :class:`Retries`.
    :raises CommitOutcomeUnknown: the connection was lost while the COMMIT was under way.
    """
    policy = Retries.of(retries)
    make: Callable[[], Any] = as_function(factory, "retried()", "a sessionmaker(engine)")

    def decorate(function: Callable[Concatenate[S, P], T]) -> Callable[P, T]:
        if inspect.iscoroutinefunction(function):
            return _awaited(make, policy, function)  # type: ignore[no-any-return]
        as_function(function, "What retried() gives", "def transfer(session, ...)")

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            def attempt() -> T:
                session = make()
                if not hasattr(session, "__enter__"):
                    raise ArgumentError(_wrong_session(function, session, "a plain function", "sessionmaker()"))
                with session, session.begin():
                    return function(session, *args, **kwargs)

            return policy.run(attempt)

        return run

    return decorate


def _awaited(make: Callable[[], Any], policy: Retries, function: Callable[..., Any]) -> Any:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        async def attempt() -> Any:
            session = make()
            if not hasattr(session, "__aenter__"):
                raise ArgumentError(_wrong_session(function, session, "a coroutine function", "async_sessionmaker()"))
            async with session, session.begin():
                return await function(session, *args, **kwargs)

        return await policy.run_async(attempt)

    return run


def _wrong_session(function: Callable[..., Any], session: Any, kind: str, maker: str) -> str:
    return (
        f"{getattr(function, '__qualname__', function)}() is {kind}, and the factory given to @retried made "
        f"{type(session).__name__} for it: give it a {maker}."
    )
