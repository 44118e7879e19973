"""What a Session tells: flushes, transactions, statements, and how objects come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..exc import ArgumentError
from ..kernel.core import wrapped_listener
from ..kernel.listening import Telling, anybody, hear
from ..state.instance import state_of
from .session import Session, living_sessions

OF_OBJECTS = frozenset(
    {
        "before_attach",
        "after_attach",
        "transient_to_pending",
        "pending_to_transient",
        "persistent_to_transient",
        "pending_to_persistent",
        "detached_to_persistent",
        "loaded_as_persistent",
        "persistent_to_deleted",
        "deleted_to_persistent",
        "deleted_to_detached",
        "persistent_to_detached",
    }
)


class SessionEvents(Telling):
    """Events of a Session, of all sessions of a ``sessionmaker`` or class, or of all there are.

    ::

        @event.listens_for(Session, "before_flush")
        def stamp(session, flush_context, instances):
            for obj in session.dirty: ...
    """

    _target_class_doc = "SomeSessionClassOrObject"
    _dispatch_target = Session

    @classmethod
    def _find(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, Session) or (isinstance(target, type) and issubclass(target, Session)):
            return target
        if getattr(target, "_is_asyncio", False):
            raise NotImplementedError(
                f"There are no async listeners: {target!r} runs its session in a greenlet, where a plain function is "
                f"called, and may use the database as in any sync code. Listen to its sync_session, or to the class "
                f"that makes it (sync_session_class)."
            )
        factory = getattr(target, "session_factory", None)  # of a scoped_session, which may be of any make
        if factory is None:
            return None
        made = factory if isinstance(factory, type) else getattr(factory, "class_", None)
        if isinstance(made, type) and issubclass(made, Session):
            return made
        if getattr(type(target), "__module__", "").startswith("ropewalk."):
            raise ArgumentError(
                f"The sessions of {target!r} come from {factory!r}, which does not say of what class they are. Listen "
                f"to the sessions' class, or make them with sessionmaker()."
            )
        return None

    @classmethod
    def _listen(cls, event_key: Any, *, raw: bool = False, restore_load_context: bool = False, **kw: Any) -> None:
        name = event_key.identifier
        if raw and name in OF_OBJECTS:
            event_key = wrapped_listener(event_key, _of_states)
        target = event_key.dispatch_target
        event_key.base_listen(**kw)
        hear(target, name)
        if name == "loaded_as_persistent" and not anybody.loads:
            anybody.loads = True
            anybody.version += 1
        if isinstance(target, type):
            for session in living_sessions():
                if isinstance(session, target) and "_heard" in vars(session):
                    hear(session, name)

    # -- statements ------------------------------------------------------------------------

    def do_orm_execute(self, orm_execute_state: Any) -> None:
        """A statement is about to be executed; what is returned, if anything, takes the place of its result."""

    # -- transactions ----------------------------------------------------------------------

    def after_transaction_create(self, session: Any, transaction: Any) -> None:
        """A transaction, a savepoint, or the part that a flush is, has begun; there is no connection yet."""

    def after_transaction_end(self, session: Any, transaction: Any) -> None:
        """A transaction, a savepoint, or the part that a flush is, has ended in whatever way."""

    def after_begin(self, session: Any, transaction: Any, connection: Any) -> None:
        """A connection has joined the transaction."""

    def before_commit(self, session: Any) -> None:
        """A transaction or savepoint is about to be committed; what is changed here is flushed."""

    def after_commit(self, session: Any) -> None:
        """A transaction or savepoint was committed in the database; no SQL can be executed until it is over."""

    def after_rollback(self, session: Any) -> None:
        """A transaction or savepoint was rolled back in the database."""

    def after_soft_rollback(self, session: Any, previous_transaction: Any) -> None:
        """A rollback is over; SQL can be executed where ``session.is_active``."""

    # -- flushes ---------------------------------------------------------------------------

    def before_flush(self, session: Any, flush_context: Any, instances: Any) -> None:
        """A flush is about to look at what changed; what is added, changed or deleted here goes with it."""

    def after_flush(self, session: Any, flush_context: Any) -> None:
        """All statements of a flush were sent; the session still shows what was new, changed and deleted."""

    def after_flush_postexec(self, session: Any, flush_context: Any) -> None:
        """A flush is over, and the session's objects have their new states."""

    def after_bulk_update(self, update_context: Any) -> None:
        """Rows were changed by an UPDATE with criteria."""

    def after_bulk_delete(self, delete_context: Any) -> None:
        """Rows were deleted by a DELETE with criteria."""

    # -- objects ---------------------------------------------------------------------------

    def before_attach(self, session: Any, instance: Any) -> None:
        """An object is about to come into the session."""

    def after_attach(self, session: Any, instance: Any) -> None:
        """An object has come into the session."""

    def transient_to_pending(self, session: Any, instance: Any) -> None:
        """A new object has come into the session."""

    def pending_to_transient(self, session: Any, instance: Any) -> None:
        """A new object has left the session without having been saved."""

    def persistent_to_transient(self, session: Any, instance: Any) -> None:
        """The INSERT of an object was rolled back."""

    def pending_to_persistent(self, session: Any, instance: Any) -> None:
        """A flush has inserted an object."""

    def detached_to_persistent(self, session: Any, instance: Any) -> None:
        """An object that has a row has come into the session."""

    def loaded_as_persistent(self, session: Any, instance: Any) -> None:
        """An object was made from a row."""

    def persistent_to_deleted(self, session: Any, instance: Any) -> None:
        """A flush has deleted an object's row."""

    def deleted_to_persistent(self, session: Any, instance: Any) -> None:
        """The DELETE of an object was rolled back."""

    def deleted_to_detached(self, session: Any, instance: Any) -> None:
        """The DELETE of an object was committed, or the session was closed before that."""

    def persistent_to_detached(self, session: Any, instance: Any) -> None:
        """An object has left the session: by expunge, by close."""


def _of_states(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a listener that was registered with ``raw=True``: it is given states instead of objects."""

    def call(session: Any, instance: Any) -> Any:
        return fn(session, state_of(instance))

    return call
