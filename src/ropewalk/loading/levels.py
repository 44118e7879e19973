"""``recursion_depth``: a relationship from a class to itself, loaded level by level.

One statement loads the next level of all objects of this one. Going on stops at the depth that was
given, where nothing more is found, and at objects that have been met before, so that circles end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..state.instance import InstanceState

Level = Sequence[tuple[InstanceState, Any]]


def load_levels(session: Any, fetch: Any, parents: Level, depth: int, overwrite: bool, values: Any = None) -> None:
    """Load what comes after a level that is loaded.

    :param fetch: how the relationship is loaded for any level.
    :param parents: the objects that have it by now.
    :param depth: how many levels more; -1 for all.
    :param values: those of parameters in options.
    """
    prop = fetch.prop
    met = {state for state, _ in parents}
    while depth != 0 and (parents := _next_level(prop, parents, met)):
        lacking = parents if overwrite else [found for found in parents if prop.key not in found[1].__dict__]
        if lacking:
            fetch.load(session, lacking, overwrite, values=values)
        depth -= 1


def _next_level(prop: Any, parents: Level, met: set[InstanceState]) -> Level:
    """Return the objects at the other end, each the first time that it is met."""
    found: list[tuple[InstanceState, Any]] = []
    for state, instance in parents:
        for other in _members(prop, state, instance):
            other_state: InstanceState = other._sa_instance_state
            own: Any = other_state.mapper.relationship_props.get(prop.key)
            if other_state in met or own is not prop:
                continue
            met.add(other_state)
            changed = other_state.first_key is not None and prop.key in (other_state.committed or ())
            if not changed or prop.key in other.__dict__:
                found.append((other_state, other))
    return found


def _members(prop: Any, state: InstanceState, instance: Any) -> Iterable[Any]:
    held = instance.__dict__.get(prop.key)
    if held is None:
        return ()
    if not prop.uselist:
        return (held,)
    return [one for one in state.mapper.class_manager.relations[prop.key].kind.iterate(held) if one is not None]
