"""Being told of each statement that a database refused, at no cost to those that it did not.

Core's ``handle_error`` is the one place that sees them all: statements on either road, rows fetched later, and what
a program sends on a connection by itself. But a dialect with a listener counts as listened to, and statements would
leave the short road (``core.is_quiet``). So the mark by which Core knows that it has listeners is another true value
here, as long as ours are the only ones; whoever listens besides puts Core's own in its place.

It takes the private name ``_has_events`` of a dialect, by which Core asks whether to call listeners at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event


class _ErrorsOnly:
    """Stands for True in ``dialect._has_events``: somebody listens, but to errors alone."""


ERRORS_ONLY: Any = _ErrorsOnly()


def tell_of_failures(engine: Engine, listener: Callable[[Any], None]) -> None:
    """Have ``listener`` called with Core's ``ExceptionContext`` of each statement of an engine that fails."""
    dialect: Any = engine.dialect
    if event.contains(dialect, "handle_error", listener):
        return  # a copy of the engine, with other options, has seen to it
    before = dialect._has_events
    event.listen(dialect, "handle_error", listener)
    if not before:
        dialect._has_events = ERRORS_ONLY
