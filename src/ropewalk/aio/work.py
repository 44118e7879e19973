"""Units of work of an AsyncSession: run again where that helps, and what is called once they are committed."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ..exc import ArgumentError, InvalidRequestError
from ..session.retrying import Retries
from ..session.session import Session
from .strands import spawn

if TYPE_CHECKING:
    from .transaction import AsyncSessionTransaction

T = TypeVar("T")


class AsyncWork:
    """The part of an AsyncSession that a Session of SQLAlchemy does not have."""

    sync_session: Session

    if TYPE_CHECKING:

        def begin(self) -> AsyncSessionTransaction: ...

        async def reset(self) -> None: ...

    async def run(self, work: Callable[..., Awaitable[T]], *args: Any, retries: int | Retries = 3, **kwargs: Any) -> T:
        """Await ``work(session, ...)`` in a transaction and commit; do it again where the database asks for that.

        ::

            async def transfer(session, source, target, amount):
                (await session.get_one(Account, source)).balance -= amount
                (await session.get_one(Account, target)).balance += amount

            await session.run(transfer, 1, 2, 100, retries=5)

        It is :meth:`Session.run`, and waits between two attempts without holding up other tasks. A cancellation ends
        it: in an attempt, which is rolled back, or between two.

        :param work: a coroutine function, or something else that returns an awaitable. For sync code:
            ``session.run(lambda session: session.run_sync(work))``.
        :param retries: how often to try again, or :class:`ropewalk.Retries`.
        :return: what ``work`` returned.
        :raises InvalidRequestError: the session is in a transaction, which could not be done again as a whole.
        :raises CommitOutcomeUnknown: the connection was lost while the COMMIT was under way; it is not tried again.
        """
        policy = Retries.of(retries)
        self.sync_session._check_run(work)

        async def attempt() -> T:
            if self.sync_session.in_transaction():
                raise InvalidRequestError(
                    "Another task has begun a transaction in this session while run() waited for its next attempt: "
                    "give each task a session of its own."
                )
            await self.reset()
            async with self.begin():
                result = work(self, *args, **kwargs)
                if not inspect.isawaitable(result):
                    raise ArgumentError(
                        f"run() of an AsyncSession takes a coroutine function, and {work!r} returned {result!r}. To "
                        f"run sync code: await session.run(lambda session: session.run_sync(work))."
                    )
                return await result

        return await policy.run_async(attempt)

    def on_commit(self, callback: Callable[[], Any]) -> None:
        """Have ``callback()`` called once what is done now is committed; a coroutine function is awaited.

        ::

            session.on_commit(lambda: send_mail(user.email))  # async def send_mail(address): ...

        It happens inside the outermost ``commit()``, when the connection is back in the pool; see
        :meth:`Session.on_commit`.
        """
        self.sync_session.on_commit(callback)

    async def prepare(self) -> None:
        """Flush what is left, and have every database promise that it can commit. See :meth:`Session.prepare`."""
        await spawn(self.sync_session.prepare)

    def upsert(self, instance: T, on: Any = None, *, update: Iterable[Any] | None = None) -> T:
        """Have the next flush insert an object's row, or update the row that is there. See :meth:`Session.upsert`."""
        return self.sync_session.upsert(instance, on, update=update)

    def upsert_all(self, instances: Iterable[T], on: Any = None, *, update: Iterable[Any] | None = None) -> list[T]:
        """Have the next flush insert or update the rows of several objects. See :meth:`Session.upsert`."""
        return self.sync_session.upsert_all(instances, on, update=update)
