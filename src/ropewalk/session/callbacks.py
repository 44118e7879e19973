"""``session.on_commit(fn)``: what is to be done once the work is in the database, and only then.

A listener to ``after_commit`` runs inside the commit, with the connection still held. These callbacks run after
it: the connection is back in the pool, so that they may take their time, and may use the session anew.
(Idea: ``transaction.on_commit`` of Django.)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..exc import ArgumentError
from .awaiting import await_here

if TYPE_CHECKING:
    from .transaction import SessionTransaction


def add_callback(transaction: SessionTransaction | None, callback: Callable[[], Any]) -> None:
    """Keep a callback for the end of a transaction; without one there is nothing to wait for."""
    if not callable(callback):
        raise ArgumentError(f"on_commit() takes a function without arguments, not {callback!r}.")
    if transaction is None:
        _call(callback)
        return
    transaction.check_active()
    while transaction.is_subtransaction and transaction.parent is not None:
        transaction = transaction.parent
    if transaction.callbacks is None:
        transaction.callbacks = []
    transaction.callbacks.append(callback)


def run_callbacks(callbacks: list[Callable[[], Any]], first: BaseException | None = None) -> BaseException | None:
    """Call all of them, whether or not one fails; return the first failure, with notes on the others.

    :param first: a failure that is on its way already.
    """
    for callback in callbacks:
        try:
            _call(callback)
        except Exception as err:
            if first is None:
                first = err
                first.add_note(f"(raised by {callback!r}, called after the commit: that has succeeded)")
            else:
                first.add_note(f"Another callback after the commit, {callback!r}, failed too: {err!r}")
    return first


def _call(callback: Callable[[], Any]) -> None:
    result = callback()
    if inspect.iscoroutine(result):
        await_here(result, repr(callback))
