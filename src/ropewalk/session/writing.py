"""What a Session offers for changing things: add, delete, expire, merge, flush."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeVar

from ..exc import FlushError, InvalidRequestError
from ..kernel.collector import paused_for
from ..state.instance import PERSISTENT, InstanceState
from ..state.mutable import changed_in_place
from ..unitofwork.flush import flush
from ..unitofwork.work import Outcome, Work
from . import bulk, cascading, merging, moves, reading
from .arguments import as_several, names_in
from .cascading import Cascading
from .farewell import read_before_deletion
from .restoring import Restoring
from .running import calls_of, locals_of
from .telling import FlushListeners
from .transaction import SUBTRANSACTION
from .unit import Unit
from .upserting import Upserting

if TYPE_CHECKING:
    from ..state.identity import IdentityMap
    from .guard import Guard
    from .transaction import SessionTransaction, SessionTransactionOrigin

T = TypeVar("T")


class Writing(Upserting, Cascading, Restoring):
    """The writing half of a Session; the reading half and the connections are in ``session.py``."""

    if TYPE_CHECKING:
        identity_map: IdentityMap
        autoflush: bool
        expire_on_commit: bool
        transactional: bool
        _new: dict[InstanceState, Any]
        _deleted: dict[InstanceState, Any]
        _transaction: SessionTransaction | None
        _first_change: Any
        _guard: Guard
        _heard: frozenset[str] | None
        dispatch: Any
        _flushing: bool
        _to_ask: list[tuple[Any, InstanceState]]

        def _begin(
            self, origin: SessionTransactionOrigin, execution_options: Mapping[str, Any] | None = None
        ) -> SessionTransaction: ...

        def _need_transaction(self) -> SessionTransaction: ...

        def connection_for(self, mapper: Any, clause: Any = None, **kw: Any) -> Any: ...

    elsewhere: Any = None  # gives the shards of related objects, in a session that has several

    # -- moving objects ------------------------------------------------------------------

    def add(self, instance: object) -> None:
        """Bring an object into the session: a new one is inserted by the next flush.

        :raises InvalidRequestError: it belongs to another session, or another object with its key is here.
        """
        self._guard.check("add()")
        state = moves.state_in(instance)
        moves.add(self, state, instance)  # type: ignore[arg-type]
        if state.mapper.relationship_props:
            cascading.add_related(self, state, instance)  # type: ignore[arg-type]
        self._autobegin()

    def add_all(self, instances: Iterable[object]) -> None:
        """Bring several objects into the session."""
        instances = as_several(instances, "add_all()", "add(obj) is for one")
        with paused_for(length_hint(instances)):
            for instance in instances:
                self.add(instance)

    def save(self, instance: object) -> None:
        """Bring a new object into the session (0.4's name; ``add`` takes detached ones too)."""
        self._guard.check("save()")
        state = moves.state_in(instance)
        moves.save(self, state, instance)  # type: ignore[arg-type]
        cascading.add_related(self, state, instance)  # type: ignore[arg-type]
        self._autobegin()

    def update(self, instance: object) -> None:
        """Bring a detached object into the session (0.4's name; ``add`` takes new ones too)."""
        self._guard.check("update()")
        state = moves.state_in(instance)
        moves.update(self, state, instance)  # type: ignore[arg-type]
        cascading.add_related(self, state, instance)  # type: ignore[arg-type]
        self._autobegin()

    def save_or_update(self, instance: object) -> None:
        """Bring an object into the session (0.4's name for ``add``)."""
        self.add(instance)

    def delete(self, instance: object) -> None:
        """Have the next flush delete an object's row, and those of objects that its relationships delete with it.

        Collections in memory stay as they are until they are expired.

        :raises InvalidRequestError: it has no row.
        """
        self._guard.check("delete()")
        cascading.delete(self, moves.state_in(instance), instance)  # type: ignore[arg-type]
        self._autobegin()

    def delete_all(self, instances: Iterable[object]) -> None:
        """Have the next flush delete several objects' rows."""
        for instance in as_several(instances, "delete_all()", "delete(obj) is for one"):
            self.delete(instance)

    def expunge(self, instance: object) -> None:
        """Take an object out of the session: nothing of it is flushed any more."""
        self._guard.check("expunge()")
        cascading.expunge(self, moves.state_in(instance), instance)  # type: ignore[arg-type]

    def expunge_all(self) -> None:
        """Take all objects out of the session."""
        self._guard.check("expunge_all()")
        moves.detach_all(self, "session.expunge_all()")  # type: ignore[arg-type]

    def clear(self) -> None:
        """Take all objects out of the session (0.4's name for ``expunge_all``)."""
        self.expunge_all()

    def expire(self, instance: object, attribute_names: Iterable[str] | None = None) -> None:
        """Forget an object's attributes; the next read fetches them. Unflushed changes are dropped."""
        self._guard.check("expire()")
        state = moves.state_in(instance)
        if state.owner is not self.identity_map or state.status != PERSISTENT:
            raise InvalidRequestError(
                f"{state.describe()} is {state.status_name}; only what is persistent in this session can be expired."
            )
        if attribute_names is None:
            cascading.expire(self, state, instance)  # type: ignore[arg-type]
        else:
            moves.expire_keys(state, names_in(attribute_names))

    def expire_all(self) -> None:
        """Forget the attributes of every object in the session."""
        self._guard.check("expire_all()")
        if any(self.identity_map.maps.values()):
            moves.expire(self.identity_map.all_states())

    def merge(self, instance: T, *, load: bool = True, options: Sequence[Any] | None = None) -> T:
        """Copy an object's values onto the one with the same key in this session, and return that one.

        It is found in the identity map, or loaded, or made new.

        :param load: with ``False`` nothing is loaded, and the copy is taken for unchanged.
        """
        with self._guard("merge()"):
            return merging.merge(self, [instance], load, options)[0]  # type: ignore[arg-type]

    def merge_all(self, instances: Iterable[T], *, load: bool = True, options: Sequence[Any] | None = None) -> list[T]:
        """Merge several objects, and what several of them refer to once."""
        with self._guard("merge_all()"):
            return merging.merge(self, instances, load, options)  # type: ignore[arg-type]

    def is_modified(self, instance: object, include_collections: bool = True) -> bool:
        """Whether an object has changes that a flush would write."""
        state = moves.state_in(instance)
        props = state.mapper.relationship_props
        keys = [*state.mapper.column_props, *(key for key in props if include_collections or not props[key].uselist)]
        return any(state.history(key).has_changes() for key in keys)

    @property
    @contextmanager
    def _no_autoflush(self) -> Iterator[Any]:
        before, self.autoflush = self.autoflush, False
        try:
            yield self
        finally:
            self.autoflush = before

    @property
    def no_autoflush(self) -> Any:
        """A ``with`` block in which queries do not flush first."""
        return self._no_autoflush

    def enable_relationship_loading(self, obj: object) -> None:
        """Let an object that is not in the database load what its keys refer to."""
        state = moves.state_in(obj)
        state.set_extra("load_pending", True)
        state.owner = self.identity_map

    # -- in bulk, past the unit of work -----------------------------------------------------

    def bulk_insert_mappings(
        self,
        mapper: Any,
        mappings: Iterable[Mapping[str, Any]],
        return_defaults: bool = False,
        render_nulls: bool = False,
    ) -> None:
        """Insert a row for each mapping of attribute names to values; no object is made.

        :param return_defaults: put the new primary keys into the mappings.
        :param render_nulls: write NULL for None, in place of the column's default.
        """
        bulk.insert_mappings(self, reading.mapper_of(mapper), mappings, return_defaults, render_nulls)  # type: ignore[arg-type]

    def bulk_update_mappings(self, mapper: Any, mappings: Iterable[Mapping[str, Any]]) -> None:
        """Update a row for each mapping, by the primary key in it; objects in the session do not learn of it.

        :raises StaleDataError: a row is not there.
        """
        bulk.update_mappings(self, reading.mapper_of(mapper), mappings)  # type: ignore[arg-type]

    def bulk_save_objects(
        self,
        objects: Iterable[object],
        return_defaults: bool = False,
        update_changed_only: bool = True,
        preserve_order: bool = True,
    ) -> None:
        """Insert or update the rows of objects as they are, without their relationships, and outside the session.

        :param return_defaults: give new objects their primary keys.
        :param update_changed_only: write only what changed.
        :param preserve_order: taken for its name's sake: the order is always kept.
        """
        bulk.save_objects(self, objects, return_defaults, update_changed_only)  # type: ignore[arg-type]

    # -- flushing ------------------------------------------------------------------------

    def _is_clean(self) -> bool:
        identity_map = self.identity_map
        if identity_map.orphans:
            identity_map.settle_orphans()
        if self._new or self._deleted or identity_map.modified:
            return False
        if identity_map.watched:
            for state in list(identity_map.watched):
                if any(True for _ in changed_in_place(state)):
                    return False
        # What changed and was dropped while we looked has been brought back as modified.
        return not identity_map.modified

    def _autoflush(self) -> None:
        if not self.autoflush or self._flushing:
            return
        identity_map = self.identity_map
        if self._new or self._deleted or identity_map.modified or identity_map.watched or identity_map.orphans:
            try:
                self.flush()
            except Exception as err:
                err.add_note(
                    "(raised by an autoflush before a query; use the session.no_autoflush block if this flush comes "
                    "too early)"
                )
                raise

    def _autobegin(self) -> None:
        if self._transaction is None and self.transactional:
            self._need_transaction()

    def flush(self, objects: Iterable[Any] | None = None) -> None:
        """Write what is new, changed and deleted to the database, in one transaction.

        :param objects: write these only.
        :raises InvalidRequestError: called from within a flush.
        """
        with self._guard("flush()"):
            if self._is_flushing(2):
                raise InvalidRequestError("This session is already flushing: flush() cannot be called from inside.")
            if self._is_clean():
                return
            if self._to_ask:
                self._ask()
            self._flushing = True
            try:
                self._flush(objects)
            finally:
                self._flushing = False

    def _is_flushing(self, calls: int = 1) -> bool:
        """Whether so many calls of ``flush()`` are under way."""
        return self._flushing and calls_of((Writing.flush.__code__,), self) >= calls

    def _is_writing_in(self, transaction: SessionTransaction) -> bool:
        """Whether a flush in a transaction has begun to write, and the objects do not know yet what was written."""
        if not self._flushing or all(
            work.identity_map is not self.identity_map for work in locals_of(_SENDING, "work")
        ):
            return False
        written_in = locals_of(Writing._flush.__code__, "transaction")
        return any(inner is not None and inner.session is self and transaction.is_around(inner) for inner in written_in)

    def ask_at_flush(self, reference: Any, state: InstanceState) -> None:
        """Have the next flush find out what an assignment to a reference replaced; it was made where one must await."""
        self._to_ask.append((reference, state))

    def _ask(self) -> None:
        asked, self._to_ask = self._to_ask, []
        for reference, state in asked:
            instance = state()
            if instance is not None and state.owner is self.identity_map and state.status == PERSISTENT:
                reference.settle_former(state, instance)

    def _flush(self, objects: Iterable[Any] | None) -> None:
        listeners = None if self._heard is None else FlushListeners(self, objects)  # type: ignore[arg-type]
        if listeners is not None:
            listeners.before()
        new, deleted = self._new, self._deleted
        only: set[InstanceState] | None = None
        if objects is not None:
            only = cascading.flushed_with(self, objects)  # type: ignore[arg-type]
            if not only:
                return
            new = {state: obj for state, obj in new.items() if state in only}
            deleted = {state: obj for state, obj in deleted.items() if state in only}
        if deleted:
            read_before_deletion(self, deleted)  # type: ignore[arg-type]
        with self._unit() as transaction:
            if transaction.parent is not None:  # what is written in a savepoint is read anew if that is undone
                transaction.dirty.update(dict.fromkeys(self.identity_map.modified))
            if listeners is not None:
                self._flush_told(listeners, transaction, new, deleted, only)
                return
            work = Work(self.identity_map, new, deleted, self.connection_for)
            try:
                with paused_for(len(new) + len(deleted) + len(self.identity_map.modified)):
                    outcome = flush(work, only)
                _keep(transaction, outcome)
                if new is self._new and len(new) == len(outcome.inserted):
                    new.clear()
                else:
                    for state in new if new is not self._new else outcome.inserted:
                        self._new.pop(state, None)
                for state in outcome.deleted:  # and not what a listener has marked meanwhile
                    self._deleted.pop(state, None)
                if outcome.lost:
                    moves.release(self, outcome.lost)  # type: ignore[arg-type]
            except BaseException as err:
                if work.outcome is not None:  # interrupted when it was taking over
                    _keep(transaction, work.outcome)
                transaction.fail(err)
                raise

    def _flush_told(
        self,
        listeners: FlushListeners,
        transaction: SessionTransaction,
        new: dict[InstanceState, Any],
        deleted: dict[InstanceState, Any],
        only: set[InstanceState] | None,
    ) -> None:
        """Flush with somebody listening, who may add to the session's new and deleted objects meanwhile."""
        new, deleted = dict(new), dict(deleted)
        work = Work(self.identity_map, new, deleted, self.connection_for)
        failure: BaseException | None = None
        try:
            listeners.attend(transaction, work)
            if transaction.parent is not None:
                transaction.dirty.update(dict.fromkeys(self.identity_map.modified))
            outcome = flush(work, only)
            for state in deleted:
                self._deleted.pop(state, None)
            _keep(transaction, outcome)
            listeners.taken_over(outcome, deleted)
            for state in new:
                self._new.pop(state, None)
            if outcome.lost:
                moves.release(self, outcome.lost)  # type: ignore[arg-type]
            listeners.over()
        except BaseException as err:
            failure = err
            if work.outcome is not None:
                _keep(transaction, work.outcome)
            transaction.fail(err)
            raise
        finally:
            listeners.end(failure)

    def _flush_for_commit(self) -> None:
        for _ in range(100):
            self.flush()
            if self._is_clean():
                return
        raise FlushError("100 flushes in a row left something to flush: does a hook change objects each time?")

    def _unit(self) -> Unit:
        """Give the transaction to work in: the session's, or one of its own in the non-transactional mode."""
        if self._transaction is not None or self.transactional:
            transaction = self._transaction or self._need_transaction()
            transaction.check_active()
            return Unit(transaction, False)
        return Unit(self._begin(SUBTRANSACTION), True)


_SENDING = flush.__code__


def _keep(transaction: SessionTransaction, outcome: Outcome) -> None:
    """Keep what a rollback has to know of a flush."""
    transaction.born.update(dict.fromkeys(outcome.inserted))
    transaction.deleted.update(dict.fromkeys(outcome.deleted))
    if transaction.parent is not None:
        transaction.dirty.update(dict.fromkeys(outcome.updated))
    for state, before in outcome.rekeyed.items():
        transaction.rekeyed.setdefault(state, before)
