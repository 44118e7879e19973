"""Writing rows of a class whose listeners want to know: ``before_insert``, ``after_update`` and their kin.

A flush asks once for each set of rows whether there are such listeners; what is here runs only if there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from ..kernel.listening import anybody
from .changes import ChangeSet, Kind
from .journal import Journal
from .plan import plan_of

if TYPE_CHECKING:
    from ..state.instance import InstanceState


def is_told(mapper: Any) -> bool:
    """Whether somebody listens to the rows of a class."""
    return bool(mapper.tells_rows) or (anybody.refresh_flush and bool(mapper.class_manager.dispatch.refresh_flush))


def write_told(
    change_set: ChangeSet, connect: Callable[[], Connection], journal: Journal, write: Callable[[], None]
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
            _tell_given(change_set.states, given, tell)
    for state, verb in last:
        if listeners := getattr(dispatch, f"after_{verb}"):
            listeners(mapper, connect(), state())


def _verb(kind: Kind, state: InstanceState) -> str:
    if kind is Kind.DELETE:
        return "delete"
    return "insert" if state.pk is None else "update"  # one that takes over a row is new nevertheless


def _tell_given(states: Iterable[InstanceState], given: dict[int, list[str]], tell: Callable[..., Any]) -> None:
    for state in states:
        instance = state()
        if instance is not None and (keys := given.get(id(instance.__dict__))):
            tell(instance, None, keys)
