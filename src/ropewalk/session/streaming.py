"""Results that are loaded a chunk at a time (``yield_per``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Result

from ..exc import InvalidRequestError
from ..loading.plan import Bound
from ..loading.results import streamed
from ..loading.rows import hold
from .stream_rows import rows_of

if TYPE_CHECKING:
    from .session import Session

_CHUNK = 1_000  # rows of a stream that does not say how many


def whole_only(plan: Any) -> bool:
    """Whether a chunk of a plan's rows may end in the middle of an object."""
    return any(link.prop.uselist for link in plan.links)


def stream(
    session: Session,
    source: Bound,
    params: Any,
    options: Mapping[str, Any],
    bind_arguments: Mapping[str, Any] | None,
    core_options: Mapping[str, Any],
) -> Result[Any]:
    """Load a result a chunk at a time, so that memory does not grow with it.

    :param core_options: those of the options that are Core's.
    """
    if options.get("autoflush", True):
        session._autoflush()
    if whole_only(source.plan):
        raise InvalidRequestError(
            "yield_per() cannot be used with joined collections: a chunk may end in the middle of one. Load them with "
            "selectinload(), or lazily."
        )
    size = int(options.get("yield_per") or _CHUNK)
    for_more = core_options or None  # what is loaded besides comes whole
    core_options = {**core_options, "stream_results": True}
    owner = session.identity_map
    populate = bool(options.get("populate_existing"))
    alone = options.get("peers") is False
    plan = source.plan
    unit = session._unit()
    unit.__enter__()
    connection = session.for_statement(source.statement, bind_arguments)
    prepared = plan.prepared(connection.dialect)
    opened = connection.execute(source.own_statement(), params, execution_options=core_options)
    source_rows = rows_of(connection, opened)
    loaded: Iterator[Any] = iter(())

    def chunks(asked: int | None) -> Iterator[Iterator[Any]]:
        # Core calls this anew for each change of size, and drops the iterator it had.
        nonlocal loaded
        yield loaded
        while not opened.closed:
            with session._guard("reading of a stream"):
                # A server-side cursor may learn of its columns with the first rows, and is gone with the last.
                cursor = source_rows.cursor
                if cursor is None:
                    break
                loader = None
                if cursor.description is not None:
                    loader = plan.loader(prepared, connection.dialect, cursor, plan.single, populate)
                rows = source_rows.read(asked or size)
                if not rows:
                    break
                if loader is None:
                    loader = plan.loader(prepared, connection.dialect, cursor, plan.single, populate)
                peers = plan.new_peers(alone, source.values)
                before, session.options_now = session.options_now, for_more
                try:
                    loaded = iter(loader(rows, owner, peers))
                finally:
                    session.options_now = before
                if owner.held is not None:
                    hold(owner, peers)
            yield loaded
        if not opened.closed:
            source_rows.end()
            opened.close()
            unit.__exit__(None, None, None)

    result = streamed(source.metadata, chunks, plan.single, opened)
    return result.yield_per(size)
