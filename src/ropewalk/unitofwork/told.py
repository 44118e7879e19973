"""Writing rows of a class whose listeners want to know: ``before_insert``, ``after_update`` and their kin.

A flush asks once for each set of rows whether there are such listeners; what is here runs only if there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from ..kernel.listening import anybody
from .changes import ChangeSet, Kind
from .journal import Journal
from .plan import plan_of

if TYPE_CHECKING:
    from ..state.instance import InstanceState
    from .work import Work


class FlushContext:
    """What listeners to a flush, and to ``refresh_flush``, are given: the ``flush_context``.

    :ivar session: the session that is flushed.
    :ivar new: the states of the objects that are inserted; :ivar dirty: of those that were written to;
        :ivar deleted: of those that are deleted.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.new: Sequence[InstanceState] = ()
        self.dirty: Sequence[InstanceState] = ()
        self.deleted: Sequence[InstanceState] = ()

    def see(self, work: Work) -> None:
        """Take note of what a flush is about to write."""
        self.new, self.deleted = list(work.new), list(work.deleted)
        self.dirty = [state for state in work.identity_map.modified if state not in work.deleted]

    @property
    def states(self) -> dict[InstanceState, tuple[bool, bool]]:
        """Each state → (whether it is deleted, False)."""
        found = dict.fromkeys((*self.new, *self.dirty), (False, False))
        found.update((state, (True, False)) for state in self.deleted)
        return found

    def __repr__(self) -> str:
        return f"<FlushContext: {len(self.new)} new, {len(self.dirty)} dirty, {len(self.deleted)} deleted>"


def is_told(mapper: Any) -> bool:
    """Whether somebody listens to the rows of a class."""
    return bool(mapper.tells_rows) or (anybody.refresh_flush and bool(mapper.class_manager.dispatch.refresh_flush))


def write_told(
    work: Work, change_set: ChangeSet, connect: Callable[[], Connection], journal: Journal, write: Callable[[], None]
) -> None:
    """Write a change set and tell of it, before and after.

    A class mapped to several tables has a change set for each; it is told before the first and after the last.
    """
    plan = change_set.plan
    mapper: Any = plan.mapper
    tables = len(plan_of(mapper).tables)
    first, last = [], []
    for state in change_set.states:
        journal.told[state] = count = journal.told.get(state, 0) + 1
        if count == 1:
            first.append((state, _verb(change_set.kind, state)))
        if count == tables:
            last.append((state, _verb(change_set.kind, state)))
    dispatch = mapper.dispatch
    for state, verb in first:
        if listeners := getattr(dispatch, f"before_{verb}"):
            listeners(mapper, connect(), state())
    mark = journal.mark()
    write()
    if change_set.kind is not Kind.DELETE:
        given = journal.taken_since(mark, mapper.pk_keys)
        tell = mapper.class_manager.dispatch.refresh_flush
        if tell and given:
            _tell_given(change_set.states, given, tell, _context_of(work))
    for state, verb in last:
        if listeners := getattr(dispatch, f"after_{verb}"):
            listeners(mapper, connect(), state())


def _verb(kind: Kind, state: InstanceState) -> str:
    if kind is Kind.DELETE:
        return "delete"
    return "insert" if state.pk is None else "update"  # one that takes over a row is new nevertheless


def _context_of(work: Work) -> FlushContext:
    if work.context is None:  # nobody listens to the flush as such
        work.context = FlushContext(work.identity_map.session)
        work.context.see(work)
    return work.context  # type: ignore[no-any-return]


def _tell_given(
    states: Iterable[InstanceState], given: dict[int, list[str]], tell: Callable[..., Any], context: FlushContext
) -> None:
    for state in states:
        instance = state()
        if instance is not None and (keys := given.get(id(instance.__dict__))):
            tell(instance, context, list(dict.fromkeys(keys)))
