"""Values that outlive their object.

``session.get(User, 1).tags.append("x")`` changes a list whose object has gone before the
call is made: Python drops the object once it has the list. Nobody can tell us of such a
change, so nothing held the object. Its state stays here while somebody else may still
hold one of its mutable values; where one of them has changed by the next flush, an
object takes the lost one's place, as modified.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .mutable import same

if TYPE_CHECKING:
    from .identity import IdentityMap
    from .instance import InstanceState

_refs = sys.getrefcount


def changed_values(state: InstanceState) -> dict[str, tuple[Any, Any]]:
    """Return the mutable values that differ from their copies, with these."""
    mutables = state.mutables or {}
    return {key: pair for key, pair in mutables.items() if not same(state, key, *pair)}


def may_still_change(state: InstanceState) -> bool:
    """Whether somebody beside the state and its dying object holds one of the mutable values."""
    return any(_held_elsewhere(pair) for pair in (state.mutables or {}).values())


def _held_elsewhere(pair: tuple[Any, Any]) -> bool:
    return _refs(pair[0]) > _PLAIN_REFS or _part_held(pair[0])


def _part_held(value: Any) -> bool:
    """Whether somebody holds a container inside ``value``."""
    if type(value) is dict:
        parts = list(value.values())
    elif type(value) is list:
        parts = list(value)
    else:
        return False
    for part in parts:
        if type(part) in (dict, list) and (_refs(part) > _PART_REFS or _part_held(part)):
            return True
    return False


def _calibrate() -> tuple[int, int]:
    """Count the references that a value has when nobody else holds it.

    How many of them an interpreter counts for its own stack differs between releases.
    """
    pair: tuple[Any, Any] = ([[]], None)
    keeper = {"value": pair[0]}  # the dying object's own reference

    def outer(pair: tuple[Any, Any]) -> int:
        return _refs(pair[0])

    def inner(value: Any) -> int:
        parts = list(value)
        count = 0
        for part in parts:
            count = _refs(part)
        return count

    found = outer(pair), inner(pair[0])
    del keeper
    return found


_PLAIN_REFS, _PART_REFS = _calibrate()


def revive(owner: IdentityMap, state: InstanceState) -> None:
    """Give the changed values of a lost object to one in its place, which is modified then."""
    changed = changed_values(state)
    if not changed or owner.session is None:
        return
    there = owner.map_for(state.mapper, state.identity_token).get(state.pk)
    instance = None if there is None else there()
    if there is None or instance is None:
        class_: Any = state.mapper.class_
        instance = class_.__new__(class_)
        there = class_.__ropewalk_state__(instance)
        there.pk, there.status, there.extra, there.owner = state.pk, state.status, state.extra, owner
        there.expired = True
        owner.put(there, instance)
    if there.committed is None:
        there.committed = {}
    for key, (value, twin) in changed.items():
        there.committed.setdefault(key, twin)
        instance.__dict__[key] = value
    owner.modified[there] = instance
