"""Objects that a second query meets: whose wishes hold, those of the query that loaded them or the new ones.

The first query goes on speaking for what it loaded, so that its filters and bans do not vanish because another
query sees the same rows. The second adds what it says of single attributes, which counts for what is not loaded yet.
An object that is read anew as a whole, since it had expired or by ``populate_existing``, is freed of the bans.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..mapping.changing import forget_with
from ..state.instance import InstanceState
from .options import Wish
from .peers import Peers
from .user_options import CARRIED
from .wishes import PROHIBITIONS, Node

_OF_THE_FIRST = ("criteria", CARRIED)


def meet_again(state: InstanceState, former: Peers, peers: list[InstanceState], populate: bool) -> None:
    """Put an object among those that a second query has met.

    :param former: among which it has been so far.
    :param peers: what the second query's objects share.
    :param populate: the object takes all that the row has.
    """
    first: Node | None = former.node
    second: Node | None = None
    values: Mapping[str, Any] | None = None
    if type(peers) is Peers:
        second, values = peers.node, peers.values
    found: list[InstanceState] = peers
    if first is not None and first.wishes and not (populate and second and second.wishes):
        if first is second:
            if not _same(former.values, values):
                return  # a query of the same kind, for other values
        else:
            node = _together(first, second, populate or state.expired)
            if node is first:
                return
            found = _list_for(peers if type(peers) is Peers else former, node, former.values, values)
    state.peers = found
    found.append(state)


def _list_for(keeper: Peers, node: Node, first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Peers:
    """Return the list of those to whom two queries apply, which had these values."""
    values = {**(second or {}), **(first or {})} or None
    if keeper.met is None:
        keeper.met = []
    for known in keeper.met:
        if known.node is node and _same(known.values, values):
            return known
    keeper.met.append(found := Peers(node, keeper.alone, values))
    return found


def _same(values: Mapping[str, Any] | None, others: Mapping[str, Any] | None) -> bool:
    try:
        return bool(values == others)
    except Exception:  # values such as arrays, which cannot be compared as a whole
        return False


@forget_with
def _forget() -> None:
    _together.cache_clear()


@lru_cache(maxsize=500)
def _together(first: Node, second: Node | None, anew: bool) -> Node:
    """Return what two queries wish for an object; ``first`` itself where the second changes nothing."""
    wishes = [wish for wish in first.wishes if not (anew and _bans(wish))]
    if second is not None:
        known = {wish for wish in wishes if wish.kind not in _OF_THE_FIRST}
        wishes += [wish for wish in second.wishes if wish.kind not in _OF_THE_FIRST and wish not in known]
    same = len(wishes) == len(first.wishes) and all(map(operator.is_, wishes, first.wishes))
    return first if same else first.with_wishes(wishes)


def _bans(wish: Wish) -> bool:
    return wish.kind in PROHIBITIONS and len(wish.path) <= 1
