"""A transaction or savepoint of an AsyncSession."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..session.transaction import SessionTransaction
from .bridge import AsyncBind, AsyncConnection, Startable, async_connection, exc, sync_side
from .strands import spawn

if TYPE_CHECKING:
    from .session import AsyncSession


class AsyncSessionTransaction(Startable["AsyncSessionTransaction"]):
    """What ``session.begin()`` and ``session.begin_nested()`` return.

    ::

        async with session.begin():  # commits, or rolls back when an exception passes
            ...

        transaction = await session.begin()
        await transaction.commit()

    :ivar session: the AsyncSession.
    :ivar sync_transaction: the transaction of the sync session, once it has begun.
    :ivar nested: whether it is a savepoint.
    """

    __slots__ = ("__weakref__", "nested", "session", "sync_transaction")

    session: AsyncSession
    sync_transaction: SessionTransaction | None
    nested: bool

    def __init__(self, session: AsyncSession, nested: bool = False) -> None:
        self.session = session
        self.nested = nested
        self.sync_transaction = None

    @classmethod
    def of(cls, session: AsyncSession, transaction: SessionTransaction | None) -> AsyncSessionTransaction | None:
        """Return what stands for a transaction of the sync session: the one that the program has, if it has one."""
        if transaction is None:
            return None
        known = transaction.__dict__.get("_async")
        found: AsyncSessionTransaction | None = None if known is None else known()
        if found is None:
            found = cls(session, transaction.nested)
            found._stand_for(transaction)
        return found

    def _stand_for(self, transaction: SessionTransaction) -> None:
        self.sync_transaction = transaction
        transaction.__dict__["_async"] = weakref.ref(self)

    def _begun(self) -> SessionTransaction:
        if self.sync_transaction is None:
            raise exc.AsyncContextNotStarted(
                f"This transaction has not begun: write await session.{self._name} or async with session.{self._name}."
            )
        return self.sync_transaction

    @property
    def _name(self) -> str:
        return "begin_nested()" if self.nested else "begin()"

    @property
    def is_active(self) -> bool:
        """Whether it has begun and can still be used."""
        return self.sync_transaction is not None and self.sync_transaction.is_active

    @property
    def connections(self) -> frozenset[AsyncConnection]:
        """The connections that take part so far; a savepoint has those that it used itself."""
        return frozenset(map(async_connection, self._begun().connections))

    def bound_connection(self, bindkey: Any = None, *, bind: AsyncBind | None = None, **kw: Any) -> AsyncConnection:
        """Return the connection that this transaction has for a mapped class, or for an engine.

        :raises InvalidRequestError: it has none yet; ``await session.connection()`` takes one in.
        """
        if bind is not None:
            kw["bind"] = sync_side(bind)
        return async_connection(self._begun().bound_connection(bindkey, **kw))

    async def start(self, is_ctxmanager: bool = False) -> AsyncSessionTransaction:
        """Begin; ``await`` and ``async with`` call it."""
        if self.sync_transaction is not None:
            raise exc.AsyncContextAlreadyStarted(
                f"This transaction has begun already; session.{self._name} makes another."
            )
        sync = self.session.sync_session
        # begin_nested() flushes and sends SAVEPOINT; a listener may use the database in either.
        transaction = await spawn(sync.begin_nested if self.nested else sync.begin)
        self._stand_for(transaction)
        if is_ctxmanager:
            transaction.__enter__()
        return self

    async def commit(self) -> None:
        """Flush and commit; of a savepoint, release it."""
        await spawn(self._guarded, "commit()", self._begun().commit)

    async def rollback(self) -> None:
        """Roll back, and put the objects where the database has them."""
        await spawn(self._guarded, "rollback()", self._begun().rollback)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await spawn(self._guarded, "the end of a transaction's block", self._begun().__exit__, kind, error, trace)

    def _guarded(self, what: str, call: Any, *args: Any) -> None:
        with self.session.sync_session._guard(what):
            call(*args)
