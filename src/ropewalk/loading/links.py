"""The part of a generated loader that ties objects of one row together, and loads what is still to come.

For a customer with joined orders a loader has, beside what ``rows.py`` makes of each entity::

    lists1 = {}; seen1 = set()
    for ...:
        if c0_id != k0:  # another object than in the row before
            ...
            if e0 is not None and (list1 := lists1.get(s0)) is None:
                list1 = lists1[s0] = []
        ...
        if e0 is not None:
            if e1 is not None and s1 not in seen1:
                seen1.add(s1)
                list1.append(e1)
    put1(lists1)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..exc import SAWarning
from ..kernel.symbols import MANYTOONE, ONETOMANY
from ..state.instance import InstanceState


def link(source: Any, number: int, found: Any, populate: bool) -> None:
    """Add the lines that put the objects of one link where they belong."""
    prop, p, n = found.prop, found.parent, number
    key = prop.key
    line = source.body.append
    line(f"if e{p} is not None:")
    if not prop.uselist:
        source.setup.append(f"first{n} = set()")
        line(f"    if s{p} not in first{n}:")
        line(f"        first{n}.add(s{p})")
        condition = "" if populate else f"if {key!r} not in e{p}.__dict__: "
        line(f"        {condition}e{p}.__dict__[{key!r}] = e{n}")
        if prop.direction is not MANYTOONE:
            source.globals["warn_of_several"], source.globals[f"prop{n}"] = warn_of_several, prop
            line(f"    elif e{n} is not None and e{p}.__dict__.get({key!r}) is not e{n}: warn_of_several(prop{n})")
        return
    source.setup.append(f"lists{n} = {{}}; seen{n} = set()")
    # a row of the other table belongs to one object, unless an association table is between
    alone = prop.direction is ONETOMANY and prop.is_simple
    pair = f"s{n}" if alone else f"(s{p}, s{n})"
    line(f"    if e{n} is not None and {pair} not in seen{n}:")
    line(f"        seen{n}.add({pair})")
    line(f"        list{n}.append(e{n})")
    source.globals[f"put{n}"] = _putter(prop, populate)
    source.tail.append(f"put{n}(lists{n})")


def _putter(prop: Any, populate: bool) -> Callable[[dict[InstanceState, list[Any]]], None]:
    key = prop.key

    def put(lists: dict[InstanceState, list[Any]]) -> None:
        for state, members in lists.items():
            instance = state()
            if populate or key not in instance.__dict__:
                state.mapper.class_manager.relations[key].set_loaded(state, instance, members)

    return put


def warn_of_several(prop: Any) -> None:
    """Warn that a relationship which holds one object met several."""
    warnings.warn(
        f"Several rows were found for {prop}, which holds one object: the first of them counts. Make it a collection, "
        f"or have its condition meet one row.",
        SAWarning,
        stacklevel=2,
    )


def node_lines(source: Any, number: int, node: Any, populate: bool) -> None:
    """Add the lines for an entity of which there is more to load: peers of its own, and what comes afterwards."""
    n = number
    source.globals[f"node{n}"] = node
    given = "getattr(peers, 'alone', False), getattr(peers, 'values', None)"
    source.setup.append(f"peers{n} = Peers(node{n}, {given}); peer{n} = peers{n}.append")
    source.tail.append(f"if owner.held is not None: peers.extend(peers{n})")
    if node.afterwards:
        source.setup.append(f"all{n} = {{}}")
        source.body.append(f"if e{n} is not None: all{n}[s{n}] = e{n}")
        source.tail.append(f"node{n}.finish(owner, all{n}, {populate}, peers{n}.values)")
