"""Reads from replicas, writes to the primary, and a session that always sees what it has written.

::

    Session = sessionmaker(class_=RoutingSession, primary=primary_engine, replicas=[one, two])

    with Session(token=request.cookies.get("seen")) as session:
        session.add(Order(...))
        session.commit()
        response.set_cookie("seen", session.token or "")
"""

from __future__ import annotations

import math
import random
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.functions import next_value

from ..exc import ArgumentError
from ..kernel.parts import locks_rows
from ..session.arguments import as_function, as_several, check_number, check_options
from ..session.binds import check_bind
from ..session.positions import Positions, check_token, positions_for
from ..session.session import Session

__all__ = ["RoutingSession"]

_down: weakref.WeakKeyDictionary[Engine, float] = weakref.WeakKeyDictionary()  # replica → until when nobody asks it


class RoutingSession(Session):
    """A session that reads from replicas as long as it may, and writes to the primary.

    Reads go to one replica for the length of a transaction. They go to the primary: once the transaction has written
    (a flush, an INSERT, UPDATE or DELETE, textual SQL, which might, or ``connection()``); where rows are locked
    (``with_for_update``); while no replica has followed to the session's ``token``; and where no replica answers.

    :param primary: the engine to write to.
    :param replicas: the engines to read from.
    :param token: up to where replicas must have followed: the ``token`` of an earlier session, as the program got it
        back. It is checked for its form only; somebody who makes one up can have reads sent to the primary, no more.
    :param wait: for how many seconds to wait for a replica that has not followed yet.
    :param max_lag: read from no replica that is further behind, in seconds.
    :param choose: gives a replica of those that may be asked; a random one if not given.
    :param retry_after: for how many seconds a replica that did not answer is left alone, by all sessions.
    :param positions: asks the databases for their positions; PostgreSQL and MariaDB are known.
    """

    def __init__(
        self,
        primary: Engine,
        replicas: Sequence[Engine] = (),
        *,
        token: str | None = None,
        wait: float = 0.0,
        max_lag: float | None = None,
        choose: Callable[[Sequence[Engine]], Engine] = random.choice,
        retry_after: float = 10.0,
        positions: Positions | None = None,
        **kw: Any,
    ) -> None:
        if "bind" in kw:
            raise ArgumentError("A RoutingSession has primary= and replicas= in place of bind=.")
        replicas = tuple(as_several(replicas, "replicas=", "one replica is [engine]"))
        check_number(wait, "wait=")
        check_number(retry_after, "retry_after=")
        if max_lag is not None:  # less than nothing: no replica will do
            check_number(max_lag, "max_lag=", -math.inf)
        as_function(choose, "choose=", "random.choice")
        for engine in (primary, *replicas):
            check_bind(engine, "primary" if engine is primary else "replicas")
            if not isinstance(engine, Engine):
                raise ArgumentError(f"RoutingSession: primary and replicas must be Engines; got {engine!r}.")
        super().__init__(primary, **kw)
        self.primary = primary
        self.replicas = replicas
        self.positions = positions or positions_for(primary.dialect)
        self.token = check_token(token, self.positions)
        self.wait = wait
        self.max_lag = max_lag
        self.retry_after = retry_after
        self._choose = choose
        self._reader: Engine | None = None  # who answers the reads of this transaction
        self._has_written = False  # in this transaction
        self._pinned = 0  # how many blocks say that all goes to the primary
        self._blind = False  # what was written cannot be told by a token

    # -- who is asked -----------------------------------------------------------------------

    def get_bind(self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **kw: Any) -> Any:
        """Return the engine for a statement: a replica, where it only reads and may be read from one.

        ``bind_arguments={"role": "primary"}`` and ``{"role": "replica"}`` say so; the latter of textual SQL that only
        reads.
        """
        role = kw.pop("role", None)
        if role not in (None, "primary", "replica"):
            raise ArgumentError(f"bind_arguments: role is 'primary' or 'replica'; got {role!r}.")
        if bind is not None:
            return bind
        if self._binds:
            return super().get_bind(mapper, clause=clause, **kw)
        if self._flushing or role == "primary" or self._writes(clause, mapper, role):
            self._has_written = True
            return self.primary
        if self._has_written or self._pinned or self._blind or not self.replicas:
            return self.primary
        if self._reader is None:
            self._reader = self._find_reader()
        return self._reader

    def _writes(self, clause: Any, mapper: Any, role: str | None) -> bool:
        """Whether a statement writes, or may."""
        if clause is None:
            return mapper is None and role != "replica"  # connection(), for whatever purpose
        if isinstance(clause, UpdateBase) or locks_rows(clause):
            return True
        if not getattr(clause, "is_select", False) or getattr(clause, "is_text", False):
            return role != "replica"
        return any(isinstance(part, (UpdateBase, next_value)) for part in visitors.iterate(clause))

    @contextmanager
    def on_primary(self) -> Iterator[RoutingSession]:
        """A ``with`` block in which reads go to the primary too."""
        self._pinned += 1
        try:
            yield self
        finally:
            self._pinned -= 1

    def _find_reader(self) -> Engine:
        """Return a replica that answers and has followed far enough, or the primary."""
        now = time.monotonic()
        left = [engine for engine in self.replicas if _down.get(engine, 0.0) <= now]
        while left:
            engine = self._choose(left)
            left.remove(engine)
            if self._may_read_from(engine):
                return engine
        return self.primary

    def _may_read_from(self, engine: Engine) -> bool:
        try:
            with engine.connect() as connection:  # which the transaction then finds in the pool
                return self._is_fresh(connection)
        except (DBAPIError, OSError, PoolTimeout):
            _down[engine] = time.monotonic() + self.retry_after
            return False

    def _is_fresh(self, connection: Connection) -> bool:
        positions = self.positions
        if positions is None or (self.token is None and self.max_lag is None):
            driver: Any = connection.connection.dbapi_connection
            try:
                if connection.dialect.do_ping(driver):
                    return True
            except Exception as error:
                connection.invalidate()
                raise OSError("the replica does not answer") from error
            connection.invalidate()
            raise OSError("the replica does not answer")
        if self.token is not None and not positions.has_followed(connection, self.token, self.wait):
            return False
        if self.max_lag is not None:
            lag = positions.lag(connection)
            return lag is not None and lag <= self.max_lag
        return True

    # -- what was written ---------------------------------------------------------------------

    def _committed(self, transaction: Any) -> None:
        super()._committed(transaction)
        entry = transaction._connections.get(self.primary)
        if entry is None or not self._has_written:
            return
        # The transaction is committed whatever happens here, so nothing here may fail it.
        try:
            found = None if self.positions is None else self.positions.written(entry[0])
        except Exception:
            found = None
        if found is None:
            self._blind = True  # from now on this session reads from the primary, to see what it has written
        else:
            self.token = found

    def _after_transaction(self) -> None:
        self._reader = None
        self._has_written = False
        super()._after_transaction()

    # -- reads and writes that do not say what they are ---------------------------------------------

    def connection(
        self,
        mapper: Any = None,
        bind_arguments: Mapping[str, Any] | None = None,
        execution_options: Mapping[str, Any] | None = None,
    ) -> Connection:
        """Return the connection of the current transaction to the primary, for whatever purpose.

        ``bind_arguments={"role": "replica"}`` asks for one that only reads.
        """
        check_options(execution_options, bind_arguments)
        return super().connection(mapper, {"role": "primary", **(bind_arguments or {})}, execution_options)

    def get(self, entity: Any, ident: Any, *, with_for_update: Any = None, **kw: Any) -> Any:
        """Return the object with that primary key; see :meth:`Session.get`."""
        if not with_for_update:
            return super().get(entity, ident, **kw)
        with self._writing():
            return super().get(entity, ident, with_for_update=with_for_update, **kw)

    def refresh(self, instance: object, attribute_names: Any = None, with_for_update: Any = None) -> None:
        """Read an object's attributes anew; see :meth:`Session.refresh`."""
        if not with_for_update:
            super().refresh(instance, attribute_names, with_for_update)
            return
        with self._writing():
            super().refresh(instance, attribute_names, with_for_update)

    def bulk_insert_mappings(self, *args: Any, **kw: Any) -> None:
        """Insert rows; see :meth:`Session.bulk_insert_mappings`."""
        with self._writing():
            super().bulk_insert_mappings(*args, **kw)

    def bulk_update_mappings(self, *args: Any, **kw: Any) -> None:
        """Update rows; see :meth:`Session.bulk_update_mappings`."""
        with self._writing():
            super().bulk_update_mappings(*args, **kw)

    def bulk_save_objects(self, *args: Any, **kw: Any) -> None:
        """Insert or update rows; see :meth:`Session.bulk_save_objects`."""
        with self._writing():
            super().bulk_save_objects(*args, **kw)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._has_written = True
        with self.on_primary():
            yield
            self._has_written = self._transaction is not None or not self.transactional
