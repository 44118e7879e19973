"""The Session: one unit of work, one identity map, one transaction."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.util import IdentitySet

from ..exc import ArgumentError, UnmappedClassError
from ..loading.peers import ENABLED
from ..state.identity import IdentityMap
from ..state.instance import DELETED, InstanceState
from ..state.mutable import changed_in_place
from . import moves, reading
from .arguments import as_function, as_mapping, as_options, check_options
from .asking import Asking
from .autobegin import FirstChange
from .binds import Bind, Binds, check_bind, entity_mapper, metadata_bind, unbound
from .enlisting import enlist
from .extensions import extend_session
from .forks import watch_forks
from .guard import Guard
from .holders import tell_holders
from .transacting import Transacting
from .transaction import ACTIVE, SessionTransaction
from .undone import watch_failures
from .waiting import on_timeout
from .writing import Writing

if TYPE_CHECKING:
    from types import TracebackType

    from .query import Query

T = TypeVar("T")
Self = TypeVar("Self", bound="Session")

JoinMode = Literal["conditional_savepoint", "rollback_only", "control_fully", "create_savepoint"]

# Every session there is. Its own __del__ takes it out: a WeakValueDictionary would cost
# a short session three times as much.
_sessions: dict[int, weakref.ref[Session]] = {}
_serial = itertools.count(1)


class Session(Asking, Writing, Transacting):
    """A workspace for objects of mapped classes, and their conversation with the database.

    ::

        with Session(engine) as session:
            session.add(User(name="ed"))
            session.commit()

    :param bind: an Engine, or a Connection whose transaction the session then takes part in.
    :param autoflush: flush before each query.
    :param expire_on_commit: read every object anew after a commit.
    :param autobegin: begin a transaction when first used; else ``begin()`` must be called.
    :param transactional: with ``False`` there is no transaction around the session: each flush and
        each query is one of its own (the manner of SQLAlchemy 0.4).
    :param weak_identity_map: with ``False`` objects stay in the session until they are taken out.
    :param binds: an engine for each of several classes, mixins or tables.
    :param twophase: prepare all connections before any is committed.
    :param query_cls: the class that ``query()`` makes.
    :param extension: a :class:`SessionExtension`, or several (0.4's way to listen to events).
    :param info: a dictionary of the program's own.
    :param peers: with ``False`` what is touched on one object is loaded for that one alone, and not for
        all objects that came in the same result.
    :param join_transaction_mode: what to do with a Connection that is in a transaction already.
    """

    _is_asyncio = False
    _async: weakref.ref[Any] | None = None  # the AsyncSession that has this one inside
    _reads_because: str | None = None  # why it must not write (read_only.py)
    dispatch: Any  # of events.py, which knows this class
    _heard: frozenset[str] | None = None  # the names of the events that somebody listens to

    def __init__(
        self,
        bind: Bind | None = None,
        *,
        autoflush: bool = True,
        future: Literal[True] = True,
        expire_on_commit: bool = True,
        autobegin: bool = True,
        twophase: bool = False,
        binds: Mapping[Any, Bind] | None = None,
        enable_baked_queries: bool = True,
        info: dict[Any, Any] | None = None,
        query_cls: type[Query[Any]] | None = None,
        autocommit: Literal[False] = False,
        join_transaction_mode: JoinMode = "conditional_savepoint",
        close_resets_only: bool | None = None,
        execution_options: Mapping[str, Any] | None = None,
        transactional: bool = True,
        weak_identity_map: bool = True,
        extension: Any = None,
        peers: bool = ENABLED,
    ) -> None:
        if autocommit:
            raise ArgumentError(
                "autocommit=True is not what it was: use transactional=False for a session without a transaction of "
                "its own."
            )
        self.bind: Bind | None = None if bind is None else check_bind(bind)
        self.identity_map = IdentityMap(self, strong=not weak_identity_map)
        self.autoflush = autoflush
        self.expire_on_commit = expire_on_commit
        self.autobegin = autobegin
        self.transactional = transactional
        self.twophase = twophase
        self.join_transaction_mode: JoinMode = join_transaction_mode
        self.close_resets_only = close_resets_only
        self.execution_options: Mapping[str, Any] = {} if execution_options is None else as_options(execution_options)
        self.info: dict[Any, Any] = {} if info is None else dict(as_mapping(info, "info=", '{"user": 7}'))
        self.peers = peers
        self.hash_key = next(_serial)
        self._binds = _NO_BINDS if binds is None else _named_binds(binds)
        if query_cls is not None:
            as_function(query_cls, "query_cls=", "a subclass of Query")
        self._query_cls = query_cls
        self._new: dict[InstanceState, Any] = {}
        self._deleted: dict[InstanceState, Any] = {}
        self._transaction: SessionTransaction | None = None
        self._context: SessionTransaction | None = None  # the innermost with block of a transaction
        self._guard = Guard()
        self._flushing = False
        self._to_ask: list[Any] = []  # what async code left for the flush to find out
        self.forced = 0
        self.options_now: Mapping[str, Any] | None = None  # of the query that is loading, for what it loads besides
        self._closed_for_good = False
        _sessions[self.hash_key] = weakref.ref(self)
        if extension is not None:
            extend_session(self, extension)
        self._first_change: Any = None
        if transactional:
            self._first_change = self.identity_map.modified = FirstChange(self)

    def __del__(self, _pop: Any = _sessions.pop) -> None:
        _pop(getattr(self, "hash_key", 0), None)

    # -- context -------------------------------------------------------------------------

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _in_transaction(self: Self) -> Iterator[Self]:
        """What ``begin()`` of a factory gives: this session in a transaction, closed when that has ended."""
        with self, self.begin():
            yield self

    def __contains__(self, instance: object) -> bool:
        state = moves.state_in(instance)
        return state.owner is self.identity_map and state.status != DELETED

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the objects in the session: those of the identity map and the pending ones."""
        return iter([*self._new.values(), *self.identity_map.instances()])

    @property
    def new(self) -> IdentitySet:
        """The pending objects: added, not yet in the database."""
        return IdentitySet(self._new.values())

    @property
    def dirty(self) -> IdentitySet:
        """The persistent objects that were written to, or whose values changed in place."""
        self.identity_map.settle_orphans()
        found = []
        # Comparing runs foreign code, during which objects may go, and be brought back as modified.
        for state in list(self.identity_map.watched):
            if state.committed is None and state not in self._deleted and any(True for _ in changed_in_place(state)):
                found.append(state())
        found += [obj for state, obj in list(self.identity_map.modified.items()) if state not in self._deleted]
        return IdentitySet(obj for obj in found if obj is not None)

    @property
    def deleted(self) -> IdentitySet:
        """The objects that the next flush will delete."""
        return IdentitySet(self._deleted.values())

    @property
    def is_active(self) -> bool:
        """Whether the session can be used: False after a failed flush, until ``rollback()``."""
        return self._transaction is None or self._transaction.is_active

    @classmethod
    def object_session(cls, instance: object) -> Session | None:
        """Return the session that holds ``instance``, or None."""
        return moves.state_in(instance).session  # type: ignore[no-any-return]

    @classmethod
    def identity_key(
        cls,
        class_: Any = None,
        ident: Any = None,
        *,
        instance: Any = None,
        row: Any = None,
        identity_token: Any = None,
    ) -> Any:
        """Return the identity key of an object, or of a class and a primary key or row of its table.

        :param identity_token: the shard of the row, in a ``ShardedSession``; an object knows its own.
        """
        return reading.identity_key(class_, ident, instance, row, identity_token)

    @staticmethod
    def _all() -> list[Session]:
        """Return all sessions there are."""
        return [session for reference in list(_sessions.values()) if (session := reference()) is not None]

    # -- connections ---------------------------------------------------------------------

    def get_bind(
        self, mapper: Any = None, *, clause: Any = None, bind: Bind | None = None, **kw: Any
    ) -> Engine | Connection:
        """Return the engine or connection that serves a mapper or a SQL expression.

        :raises UnboundExecutionError: there is none.
        """
        if bind is not None:
            return check_bind(bind)
        if mapper is not None:
            found = getattr(mapper, "__mapper__", None) or getattr(mapper, "mapper", None)
            if found is None:
                raise UnmappedClassError(mapper)
            mapper = found
        if mapper is None and clause is not None:
            mapper = entity_mapper(clause)
        if self._binds is not _NO_BINDS:
            if mapper is not None and (named := self._binds.for_mapper(mapper)) is not None:
                return named
            if (named := self._binds.for_clause(clause)) is not None:
                return named
        if self.bind is not None:
            return self.bind
        of_metadata = metadata_bind(mapper, clause)
        if of_metadata is not None:
            return of_metadata
        raise unbound(mapper, clause)

    @property
    def binds(self) -> Mapping[Any, Bind]:
        """The engines that were named for classes and tables; a mapped class also stands for its tables."""
        return self._binds.named

    def bind_mapper(self, mapper: Any, bind: Bind) -> None:
        """Name the engine of a mapped class."""
        self._name_bind(mapper, bind)

    def bind_table(self, table: Any, bind: Bind) -> None:
        """Name the engine of a table."""
        self._name_bind(table, bind)

    def _name_bind(self, key: Any, bind: Bind) -> None:
        if self._binds is _NO_BINDS:
            self._binds = Binds()
        self._binds.add(key, check_bind(bind))

    def connection(
        self,
        mapper: Any = None,
        bind_arguments: Mapping[str, Any] | None = None,
        execution_options: Mapping[str, Any] | None = None,
    ) -> Connection:
        """Return the connection of the current transaction."""
        if bind_arguments is not None or execution_options is not None:
            check_options(execution_options, bind_arguments)
        arguments = dict(bind_arguments) if bind_arguments else {}
        if mapper is not None:
            arguments.setdefault("mapper", mapper)
        with self._guard("connection()"):
            return self._connection_to(self.get_bind(**arguments), execution_options)

    def connection_for(self, mapper: Any, clause: Any = None, **bind_arguments: Any) -> Connection:
        """Return the connection for a mapper; a transaction must have begun."""
        bind = self.bind
        if (
            bind is None
            or self._binds is not _NO_BINDS
            or bind_arguments
            or type(self).get_bind is not Session.get_bind
        ):
            bind = self.get_bind(**{"mapper": mapper, "clause": clause, **bind_arguments})
        transaction = self._transaction
        if transaction is not None:
            entry = transaction._connections.get(bind)
            if entry is not None and transaction.state is ACTIVE:
                return entry[0]
        return self._connection_to(bind)

    def _connection_to(self, bind: Bind, options: Mapping[str, Any] | None = None) -> Connection:
        transaction = self._transaction or self._need_transaction()
        if transaction.state is not ACTIVE:
            transaction.check_active()
        return enlist(transaction, bind, options)

    def for_statement(self, statement: Any, bind_arguments: Mapping[str, Any] | None = None) -> Connection:
        """Return the connection that serves a statement."""
        arguments = dict(bind_arguments or {})
        mapper = arguments.pop("mapper", None) or entity_mapper(statement)
        clause = arguments.pop("clause", statement)
        return self.connection_for(mapper, clause, **arguments)


_NO_BINDS = Binds()


def _named_binds(binds: Mapping[Any, Bind]) -> Binds:
    given = as_mapping(binds, "binds=", "{User: engine}")
    return Binds({key: check_bind(bind, f"binds[{key!r}]") for key, bind in given.items()}) if given else _NO_BINDS


def living_sessions() -> list[Session]:
    """Return every session there is."""
    return [session for reference in list(_sessions.values()) if (session := reference()) is not None]


def close_all_sessions() -> None:
    """Close every session there is."""
    for session in living_sessions():
        session.close()


def _tell_holders(error: BaseException, engine: Engine) -> None:
    tell_holders(error, engine, Session._all())


on_timeout.append(_tell_holders)
watch_forks(Session._all)
watch_failures(Session._all)
