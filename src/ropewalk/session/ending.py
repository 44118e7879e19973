"""How the connections of a session's transaction end theirs: prepare, commit, roll back, give back.

With several databases there is a moment when some have committed and others have not. Whatever goes wrong
there, and whenever a COMMIT is not answered, is told as :class:`ropewalk.exc.CommitOutcomeUnknown`, which
says of each database what is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from ..exc import CommitOutcomeUnknown
from ..kernel.idle import is_left
from .retrying import outcome_is_unknown

if TYPE_CHECKING:
    from .enlisting import Entry
    from .transaction import SessionTransaction


def entries_of(transaction: SessionTransaction) -> list[Entry]:
    """Return the connections that take part, each once."""
    # each stands there under itself and under its engine
    if len(transaction._connections) == 2:  # the most usual: one
        return [next(iter(transaction._connections.values()))]
    return [entry for key, entry in transaction._connections.items() if key is entry.connection]


def prepare_all(transaction: SessionTransaction) -> None:
    """Have every database promise that it can commit (the first phase of two)."""
    for entry in entries_of(transaction):
        if entry.commits:
            try:
                entry.transaction.prepare()
            except DBAPIError as err:
                if err.connection_invalidated:
                    err.add_note(
                        f"The connection was lost in PREPARE, so {_name(entry)} may hold a prepared transaction "
                        f"{entry.transaction.xid!r}. It was not committed: roll it back there when it appears in "
                        f"PreparedTransactions(engine)."
                    )
                raise


def commit_all(transaction: SessionTransaction) -> None:
    """Commit every connection.

    :raises CommitOutcomeUnknown: it is not known that all have committed, nor that none has.
    """
    if transaction.parent is None and transaction.session.twophase:
        _commit_prepared(transaction)
        return
    entries = entries_of(transaction)
    for entry in entries:
        if not entry.commits:
            continue
        try:
            left = entry.owned and is_left(entry.connection, entry.transaction)
            transaction.committed.append((entry, left or entry.transaction.commit()))  # no line between the two
        except DBAPIError as err:
            before, after = _beside(entry, entries)
            unknown = outcome_is_unknown(err)
            if transaction.parent is None and (before or unknown):
                raise _in_doubt(err, before, [entry] if unknown else [], after if unknown else [entry, *after]) from err
            raise
        except BaseException as err:
            before, _ = _beside(entry, entries)
            if before:
                err.add_note(f"By then {_names(before)} had committed.")
            if not isinstance(err, Exception):
                err.add_note(f"It came while {_name(entry)} was asked to commit: nobody knows whether it did.")
            raise


def _beside(entry: Entry, entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return those that commit before, and those that commit after one of them."""
    place = entries.index(entry)
    return [other for other in entries[:place] if other.commits], [
        other for other in entries[place + 1 :] if other.commits
    ]


def has_committed(transaction: SessionTransaction) -> bool:
    """Whether all connections have committed."""
    return len(transaction.committed) == sum(entry.commits for entry in entries_of(transaction)) > 0


def _commit_prepared(transaction: SessionTransaction) -> None:
    """Commit what was prepared. All have promised, so one that fails keeps none of the others back."""
    committed, failed = [], []
    first: BaseException | None = None
    for entry in entries_of(transaction):
        if not entry.commits:
            continue
        try:
            entry.transaction.commit()
        except BaseException as err:
            first = first or err
            failed.append(entry)
        else:
            committed.append(entry)
    if isinstance(first, DBAPIError):
        raise _in_doubt(first, committed, failed, [], prepared=True) from first
    if first is not None:
        first.add_note(f"It came while {_names(failed)} was asked to commit: nobody knows whether it did.")
        raise first


def _in_doubt(
    err: DBAPIError, committed: list[Entry], unknown: list[Entry], undone: list[Entry], prepared: bool = False
) -> CommitOutcomeUnknown:
    parts = [
        f"{what}: {_names(entries)}"
        for what, entries in (("committed", committed), ("not known", unknown), ("rolled back", undone))
        if entries
    ]
    xids = {entry.connection.engine: entry.transaction.xid for entry in unknown} if prepared else {}
    look = (
        f" If {', '.join(map(repr, xids.values()))} is still in PreparedTransactions(engine), it was not: commit it "
        f"there."
        if xids
        else ""
    )
    return CommitOutcomeUnknown(
        f"The outcome of this commit is in doubt ({'; '.join(parts)}). Do not do the work again before you have looked "
        f"what is in the database.{look} The cause was: {err.args[0] if err.args else err}",
        err,
        [entry.connection.engine for entry in committed],
        [entry.connection.engine for entry in unknown],
        [entry.connection.engine for entry in undone],
        xids,
    )


def roll_back_all(transaction: SessionTransaction, cause: BaseException | None) -> BaseException | None:
    """Roll every connection back; return the first failure, or note it on ``cause`` where there is one.

    What takes part in somebody else's transaction is rolled back too: it has become unfit to be committed.
    """
    if not transaction._connections:
        return None
    first: BaseException | None = None
    for entry in reversed(entries_of(transaction)):
        try:
            if not (entry.owned and is_left(entry.connection, entry.transaction)):
                entry.transaction.rollback()
        except BaseException as err:
            if _was_lost(err) and transaction.parent is None and not transaction.session.twophase:
                continue  # a server rolls back by itself what it has lost the client of
            if transaction.by_itself and isinstance(err, DBAPIError):
                continue  # the savepoint has gone with the rest
            if cause is not None:
                cause.add_note(f"The rollback that followed failed too: {err!r}")
            elif first is None:
                first = err
    return first


def _was_lost(err: BaseException) -> bool:
    return isinstance(err, DBAPIError) and err.connection_invalidated


def give_back(transaction: SessionTransaction, finished: bool, invalidate: bool) -> None:
    """Return the connections to their pools; what has not ended there is rolled back."""
    first: BaseException | None = None
    for entry in entries_of(transaction):
        try:
            if invalidate and transaction.parent is None:
                entry.connection.invalidate()
            if entry.owned:
                is_left(entry.connection, entry.transaction)
                entry.connection.close()  # which rolls back what has not ended
            elif not finished and entry.commits and entry.transaction.is_active:
                entry.transaction.close()
        except BaseException as err:
            first = first or err
    if first is not None:
        raise first


def _name(entry: Entry) -> str:
    return repr(entry.connection.engine)


def _names(entries: list[Any]) -> str:
    return " and ".join(map(_name, entries))
