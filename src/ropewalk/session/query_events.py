"""What a Query tells: that it is about to become a statement."""

from __future__ import annotations

from typing import Any

from ..kernel.core import wrapped_listener
from ..kernel.listening import Telling, hear


class QueryEvents(Telling):
    """Events of Query, or of a subclass of it. ::

    @event.listens_for(Query, "before_compile", retval=True)
    def without_deleted(query):
        for found in query.column_descriptions:
            if found["type"] is User:
                query = query.filter(User.deleted == False)
        return query
    """

    _target_class_doc = "SomeQuery"

    @classmethod
    def _listen(cls, event_key: Any, *, retval: bool = False, bake_ok: bool = False, **kw: Any) -> None:
        if not retval:
            event_key = wrapped_listener(event_key, _returning_nothing)
        event_key.base_listen(**kw)
        hear(event_key.dispatch_target, event_key.identifier)

    def before_compile(self, query: Any) -> None:
        """A query is about to become a SELECT; with ``retval=True`` what is returned takes its place."""

    def before_compile_update(self, query: Any, update_context: Any) -> None:
        """``query.update()`` is about to become an UPDATE; ``update_context.values`` may be changed."""

    def before_compile_delete(self, query: Any, delete_context: Any) -> None:
        """``query.delete()`` is about to become a DELETE."""


def _returning_nothing(fn: Any) -> Any:
    def call(*arguments: Any, **kw: Any) -> None:
        fn(*arguments, **kw)

    return call
