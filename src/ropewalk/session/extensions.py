"""0.4's ``SessionExtension``, over today's events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from ..instrumentation.extensions import as_extensions, chain
from ..kernel.symbols import EXT_CONTINUE


class SessionExtension:
    """The base of extensions given as ``Session(..., extension=...)``, ``sessionmaker`` or ``create_session``.

    Several are called in their order; one that returns ``EXT_STOP`` keeps the others from being called. New
    programs listen to events. ::

        class Log(SessionExtension):
            def after_commit(self, session):
                log("committed")

        Session = sessionmaker(engine, extension=Log())
    """

    def before_commit(self, session: Any) -> Any:
        """A transaction is about to be committed; what is changed here is flushed."""
        return EXT_CONTINUE

    def after_commit(self, session: Any) -> Any:
        """A transaction was committed."""
        return EXT_CONTINUE

    def after_rollback(self, session: Any) -> Any:
        """A transaction was rolled back."""
        return EXT_CONTINUE

    def before_flush(self, session: Any, flush_context: Any, instances: Any) -> Any:
        """A flush is about to look at what changed."""
        return EXT_CONTINUE

    def after_flush(self, session: Any, flush_context: Any) -> Any:
        """All statements of a flush were sent."""
        return EXT_CONTINUE

    def after_flush_postexec(self, session: Any, flush_context: Any) -> Any:
        """A flush is over."""
        return EXT_CONTINUE

    def after_begin(self, session: Any, transaction: Any, connection: Any) -> Any:
        """A connection has joined the transaction."""
        return EXT_CONTINUE

    def after_attach(self, session: Any, instance: Any) -> Any:
        """An object has come into the session."""
        return EXT_CONTINUE

    def after_bulk_update(self, session: Any, query: Any, query_context: Any, result: Any) -> Any:
        """Rows were changed by ``query.update()``."""
        return EXT_CONTINUE

    def after_bulk_delete(self, session: Any, query: Any, query_context: Any, result: Any) -> Any:
        """Rows were deleted by ``query.delete()``."""
        return EXT_CONTINUE


def extend_session(session: Any, extension: Any) -> None:
    """Have the extensions of a session called."""
    extensions = as_extensions(extension, SessionExtension)
    for name in vars(SessionExtension):
        if name.startswith("_") or (call := chain(extensions, name, SessionExtension)) is None:
            continue
        if name.startswith("after_bulk_"):
            event.listen(session, name, lambda told, call=call: call(told.session, told.query, told, told.result))
        else:
            event.listen(session, name, call)
