"""One piece of work in a session's transaction, or in one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .transaction import SessionTransaction


class Unit:
    """A ``with`` block around one piece of work; ``own`` says that its transaction ends with it."""

    __slots__ = ("own", "transaction")

    def __init__(self, transaction: SessionTransaction, own: bool) -> None:
        self.transaction = transaction
        self.own = own

    def __enter__(self) -> SessionTransaction:
        return self.transaction

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not self.own:
            return
        if error is None:
            self.transaction.commit()
            return
        self.transaction.fail(error)
        self.transaction.let_go()
