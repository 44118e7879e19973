"""What a flush is given, and what it gives back.

The session says which objects are new and which are to be deleted, and keeps its own
lists; the unit of work reads, writes to the database, and reports. ::

    work = Work(identity_map, new, deleted, connection_for)
    outcome = flush(work)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..state.identity import IdentityMap
    from ..state.instance import InstanceState


class Work:
    """What is to be written.

    :ivar identity_map: whose ``modified`` and ``watched`` say where to look for changes.
    :ivar new: pending states and their objects, in the order in which they were added.
    :ivar deleted: persistent states and their objects that are to go.
    :ivar outcome: what is being taken over, for whoever must undo it when that is interrupted.
    :ivar connection_for: gives the connection that serves a mapper, inside its transaction.
        It is asked when there is something to send, not before.
    :ivar starting: called when it is known that there is something to write, with the objects that changed, by state.
    :ivar written: called when all statements were sent, before anything is taken over.
    :ivar context: what those who listen to the flush are given, once there is one.
    """

    __slots__ = ("connection_for", "context", "deleted", "identity_map", "new", "outcome", "starting", "written")

    def __init__(
        self,
        identity_map: IdentityMap,
        new: Mapping[InstanceState, Any],
        deleted: Mapping[InstanceState, Any],
        connection_for: Callable[..., Connection],
    ) -> None:
        self.identity_map = identity_map
        self.new = new
        self.deleted = deleted
        self.connection_for = connection_for
        self.outcome: Outcome | None = None
        self.starting: Callable[[Mapping[InstanceState, Any]], None] | None = None
        self.written: Callable[[], None] | None = None
        self.context: Any = None

    def connection_at(self, mapper: Mapper[Any], token: Any) -> Connection:
        """Return the connection that serves a mapper, on one shard where there are several."""
        return self.connection_for(mapper) if token is None else self.connection_for(mapper, shard_id=token)


class Outcome:
    """What was written. When ``flush`` returns one, the states and the identity map agree with it.

    :ivar inserted: states that were new; now persistent and in the identity map.
    :ivar updated: states that an UPDATE was sent for.
    :ivar deleted: states whose rows are gone; out of the identity map, with status DELETED.
        A state whose row was taken over by a new object with the same key is among them.
    :ivar rekeyed: states whose primary key changed → the key they had, and the object.
    :ivar lost: new states that lost their parents before they were saved; the session lets go of them.
    :ivar statements: how many statements went to the driver; an executemany is one.
    """

    __slots__ = ("deleted", "inserted", "lost", "rekeyed", "statements", "updated")

    def __init__(self, statements: int = 0) -> None:
        self.inserted: list[InstanceState] = []
        self.updated: list[InstanceState] = []
        self.deleted: list[InstanceState] = []
        self.rekeyed: dict[InstanceState, tuple[Any, Any]] = {}
        self.lost: list[InstanceState] = []
        self.statements = statements

    def __bool__(self) -> bool:
        return bool(self.inserted or self.updated or self.deleted)
