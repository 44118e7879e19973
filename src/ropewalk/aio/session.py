"""The AsyncSession: the Session for programs that await their database."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from sqlalchemy import Result, ScalarResult
from sqlalchemy.util import deprecated

from ..exc import ArgumentError
from ..session.asking import held
from ..session.session import Session
from ..session.session import close_all_sessions as sync_close_all_sessions
from . import implicit
from .binds import AsyncBinds
from .bridge import (
    AsyncBind,
    AsyncConnection,
    AsyncResult,
    AsyncScalarResult,
    async_connection,
    buffered,
    sync_side,
)
from .guard import TaskGuard
from .loops import explain
from .mirror import Mirror
from .strands import finish, run_to_completion, spawn
from .transaction import AsyncSessionTransaction
from .work import AsyncWork

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.sql.selectable import TypedReturnsRows
    from sqlalchemy.util.typing import TupleAny, TypeVarTuple, Unpack

    from ..mapping.mapper import Mapper

    Ts = TypeVarTuple("Ts")

T = TypeVar("T")
P = ParamSpec("P")
Self = TypeVar("Self", bound="AsyncSession")

_STREAM = {"stream_results": True}


class AsyncSession(Mirror, AsyncBinds, AsyncWork):
    """A workspace for objects of mapped classes, whose conversation with the database is awaited.

    ::

        async with AsyncSession(engine, expire_on_commit=False) as session:
            user = await session.get(User, 1)
            session.add(Order(user=user))
            await session.commit()

    It has a :class:`Session` inside, which does all the work; each call runs it in a greenlet (Core's bridge),
    which is left where the driver awaits. One task at a time may use it.

    :param bind: an AsyncEngine or AsyncConnection.
    :param binds: an async engine for each of several classes or tables.
    :param sync_session_class: makes the session inside.
    :param kw: any other argument of :class:`Session`.
    :raises ArgumentError: ``bind`` is not async, or ``sync_session_class`` makes no Session.
    """

    _is_asyncio = True

    _closes_to_its_end = True  # nobody has to see to it that a cancellation does not stop close() half-way

    sync_session_class: Callable[..., Session] = Session
    """What makes the session inside; a subclass of AsyncSession may have another."""

    sync_session: Session
    """The session inside, for listeners, and for ``run_sync()``."""

    def __init__(
        self,
        bind: AsyncBind | None = None,
        *,
        binds: Mapping[Any, AsyncBind] | None = None,
        sync_session_class: Callable[..., Session] | None = None,
        **kw: Any,
    ) -> None:
        if sync_session_class is not None:
            self.sync_session_class = sync_session_class
        if bind is not None:
            kw["bind"] = sync_side(bind)
        if binds:
            kw["binds"] = {key: sync_side(each) for key, each in binds.items()}
        self._async_bind = bind
        self._async_binds = dict(binds) if binds else {}
        if self.sync_session_class is not Session:
            kw = self._sync_arguments(kw)
        self.sync_session = sync = self.sync_session_class(**kw)
        if not isinstance(sync, Session):
            raise ArgumentError(
                f"sync_session_class must make a ropewalk.Session; {self.sync_session_class!r} made {sync!r}."
            )
        sync._async = weakref.ref(self)
        sync._guard = TaskGuard()
        sync.load_attribute = implicit.load_attribute  # type: ignore[method-assign]

    # -- context -------------------------------------------------------------------------

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            explain(error)
        try:
            await self._close("close")
        except Exception as err:
            if error is None:
                raise
            error.add_note(f"Closing the session failed after it: {err!r}")  # the first cause is the one to tell

    async def _close(self, how: str) -> None:
        """Let go of everything, even if the task is cancelled meanwhile."""
        end, guard = getattr(self.sync_session, how), self.sync_session._guard
        if not isinstance(guard, TaskGuard):
            end()  # a session that a fork has carried into this process, which says so
        elif guard.is_taken():
            await run_to_completion(self._close_when_free(end, guard))
        else:
            await finish(end, guard.hand_over)

    async def _close_when_free(self, end: Callable[[], None], guard: TaskGuard) -> None:
        # Where one of several tasks fails others may still be inside, though the session was not theirs to use.
        await guard.wait()
        await spawn(end)

    async def close(self) -> None:
        """Let go of every object and of the connection; what was not committed is rolled back.

        A cancellation that comes meanwhile takes effect when that is done.
        """
        await self._close("close")

    async def aclose(self) -> None:
        """Close, by the name that ``contextlib.aclosing()`` wants."""
        await self._close("close")

    async def reset(self) -> None:
        """Let go of every object and of the connection; the session can be used again in any case."""
        await self._close("reset")

    async def invalidate(self) -> None:
        """Close, and have the connections thrown away instead of used again."""
        await self._close("invalidate")

    @classmethod
    @deprecated(
        "2.0",
        "The :meth:`.AsyncSession.close_all` method is deprecated and will be removed in a future release. "
        "Use close_all_sessions() of ropewalk.ext.asyncio.",
    )
    async def close_all(cls) -> None:
        """Close every session there is (an older name of :func:`close_all_sessions`)."""
        await close_all_sessions()

    @asynccontextmanager
    async def _in_transaction(self: Self) -> AsyncIterator[Self]:
        """What ``begin()`` of a factory gives: this session in a transaction, closed when that has ended."""
        transaction = self.begin()
        await transaction.__aenter__()
        try:
            yield self
        except BaseException as err:
            explain(err)
            await run_to_completion(self._end(transaction, type(err), err, err.__traceback__))
            raise
        await run_to_completion(self._end(transaction, None, None, None))

    async def _end(self, transaction: AsyncSessionTransaction, *raised: Any) -> None:
        try:
            await transaction.__aexit__(*raised)
        finally:
            await self._close("close")

    # -- sync code -------------------------------------------------------------------------

    async def run_sync(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Call sync code with the session inside; there, whatever a Session can do may be done.

        ::

            total = await session.run_sync(lambda session: sum(len(user.orders) for user in session.scalars(q)))
        """
        return await spawn(fn, self.sync_session, *args, **kw)

    # -- asking ------------------------------------------------------------------------------

    @overload
    async def execute(
        self,
        statement: TypedReturnsRows[Unpack[Ts]],
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> Result[Unpack[Ts]]: ...

    @overload
    async def execute(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> Result[Unpack[TupleAny]]: ...

    async def execute(self, statement: Any, params: Any = None, **kw: Any) -> Result[Any]:
        """Execute a statement and return its result, with all rows loaded.

        :raises AsyncMethodRequired: the statement is to be streamed: see :meth:`stream`.
        """
        result: Result[Any] = await spawn(self.sync_session.execute, statement, params, **kw)
        return await buffered(result, self.execute)

    @overload
    async def scalars(
        self, statement: TypedReturnsRows[T, Unpack[TupleAny]], params: Any = None, **kw: Any
    ) -> ScalarResult[T]: ...

    @overload
    async def scalars(self, statement: Any, params: Any = None, **kw: Any) -> ScalarResult[Any]: ...

    async def scalars(self, statement: Any, params: Any = None, **kw: Any) -> ScalarResult[Any]:
        """Execute a statement and return the first member of each row, with all rows loaded.

        :raises AsyncMethodRequired: the statement is to be streamed: see :meth:`stream_scalars`.
        """
        result: Result[Any] = await spawn(self.sync_session.execute, statement, params, **kw)
        return (await buffered(result, self.scalars)).scalars()

    @overload
    async def scalar(
        self, statement: TypedReturnsRows[T, Unpack[TupleAny]], params: Any = None, **kw: Any
    ) -> T | None: ...

    @overload
    async def scalar(self, statement: Any, params: Any = None, **kw: Any) -> Any: ...

    async def scalar(self, statement: Any, params: Any = None, **kw: Any) -> Any:
        """Execute a statement and return the first member of the first row, or None."""
        return await spawn(self.sync_session.scalar, statement, params, **kw)

    @overload
    async def stream(
        self,
        statement: TypedReturnsRows[Unpack[Ts]],
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> AsyncResult[Unpack[Ts]]: ...

    @overload
    async def stream(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> AsyncResult[Unpack[TupleAny]]: ...

    async def stream(
        self, statement: Any, params: Any = None, *, execution_options: Mapping[str, Any] | None = None, **kw: Any
    ) -> AsyncResult[Any]:
        """Execute a statement and return a result that fetches its rows as they are asked for.

        ::

            async for user in (await session.stream_scalars(select(User))).partitions(500): ...

        Rows stay on the server until then, where the driver can do that; the execution option ``yield_per`` says
        how many are fetched at once.
        """
        options = {**execution_options, **_STREAM} if execution_options else _STREAM
        return AsyncResult(await spawn(self.sync_session.execute, statement, params, execution_options=options, **kw))

    @overload
    async def stream_scalars(
        self, statement: TypedReturnsRows[T, Unpack[TupleAny]], params: Any = None, **kw: Any
    ) -> AsyncScalarResult[T]: ...

    @overload
    async def stream_scalars(self, statement: Any, params: Any = None, **kw: Any) -> AsyncScalarResult[Any]: ...

    async def stream_scalars(self, statement: Any, params: Any = None, **kw: Any) -> AsyncScalarResult[Any]:
        """Execute a statement and return the first member of each row, fetched as they are asked for."""
        return (await self.stream(statement, params, **kw)).scalars()

    async def get(
        self,
        entity: type[T] | Mapper[T],
        ident: Any,
        *,
        options: Sequence[Any] | None = None,
        populate_existing: bool | None = None,
        with_for_update: Any = None,
        identity_token: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> T | None:
        """Return the object with that primary key, or None. See :meth:`Session.get`."""
        if not (populate_existing or with_for_update or options or identity_token or execution_options):
            there: T | None = held(self.sync_session, entity, ident)
            if there is not None:
                return there
        return await spawn(
            self.sync_session.get,
            entity,
            ident,
            options=options,
            populate_existing=populate_existing,
            with_for_update=with_for_update,
            identity_token=identity_token,
            execution_options=execution_options,
            bind_arguments=bind_arguments,
        )

    async def get_one(self, entity: type[T] | Mapper[T], ident: Any, **kw: Any) -> T:
        """Return the object with that primary key; NoResultFound where there is none."""
        return await spawn(self.sync_session.get_one, entity, ident, **kw)

    async def refresh(
        self, instance: object, attribute_names: Iterable[str] | None = None, with_for_update: Any = None
    ) -> None:
        """Read an object's attributes anew, dropping unflushed changes of them; relationships, if they are named."""
        await spawn(self.sync_session.refresh, instance, attribute_names, with_for_update)

    # -- writing -------------------------------------------------------------------------------

    async def flush(self, objects: Iterable[Any] | None = None) -> None:
        """Write what is new, changed and deleted to the database."""
        await spawn(self.sync_session.flush, objects)

    async def delete(self, instance: object) -> None:
        """Have the next flush delete an object's row; it is awaited, since what goes with it may have to be loaded."""
        await spawn(self.sync_session.delete, instance)

    async def delete_all(self, instances: Iterable[object]) -> None:
        """Have the next flush delete several objects' rows."""
        await spawn(self.sync_session.delete_all, instances)

    async def merge(self, instance: T, *, load: bool = True, options: Sequence[Any] | None = None) -> T:
        """Copy an object's values onto the one with the same key in this session, and return that one."""
        return await spawn(self.sync_session.merge, instance, load=load, options=options)

    async def merge_all(
        self, instances: Iterable[T], *, load: bool = True, options: Sequence[Any] | None = None
    ) -> Sequence[T]:
        """Merge several objects."""
        return await spawn(self.sync_session.merge_all, instances, load=load, options=options)

    # -- transactions ----------------------------------------------------------------------------

    def begin(self) -> AsyncSessionTransaction:
        """Begin a transaction: ``async with session.begin():`` or ``transaction = await session.begin()``."""
        return AsyncSessionTransaction(self)

    def begin_nested(self) -> AsyncSessionTransaction:
        """Begin a savepoint: its ``rollback()`` undoes what came after it, and nothing else."""
        return AsyncSessionTransaction(self, nested=True)

    async def commit(self) -> None:
        """Flush what is left and commit the transaction, savepoints included."""
        await spawn(self.sync_session.commit)

    async def rollback(self) -> None:
        """Roll back, and put every object where the database has it."""
        await spawn(self.sync_session.rollback)

    def get_transaction(self) -> AsyncSessionTransaction | None:
        """Return the outermost transaction, or None."""
        return AsyncSessionTransaction.of(self, self.sync_session.get_transaction())

    def get_nested_transaction(self) -> AsyncSessionTransaction | None:
        """Return the innermost savepoint, or None."""
        return AsyncSessionTransaction.of(self, self.sync_session.get_nested_transaction())

    async def connection(
        self,
        bind_arguments: Mapping[str, Any] | None = None,
        execution_options: Mapping[str, Any] | None = None,
        **kw: Any,
    ) -> AsyncConnection:
        """Return the connection of the current transaction."""
        found = await spawn(
            self.sync_session.connection, bind_arguments=bind_arguments, execution_options=execution_options, **kw
        )
        return async_connection(found)


def async_session(session: Session) -> AsyncSession | None:
    """Return the AsyncSession that has this session inside, or None."""
    found = session._async
    return None if found is None else found()


def async_object_session(instance: object) -> AsyncSession | None:
    """Return the AsyncSession that holds an object, or None.

    :raises UnmappedInstanceError: its class is not mapped.
    """
    session = Session.object_session(instance)
    return None if session is None else async_session(session)


async def close_all_sessions() -> None:
    """Close every session there is, sync ones too."""
    await spawn(sync_close_all_sessions)
