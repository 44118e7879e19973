"""Objects that a second query meets: whose wishes hold, those of the query that loaded them or the new ones.

The first query goes on speaking for what it loaded, so that its filters and bans do not vanish because another
query sees the same rows. The second adds what it says of single attributes, which counts for what is not loaded yet.
An object that is read anew as a whole, since it had expired or by ``populate_existing``, is freed of the bans.
"""

from __future__ import annotations

import operator
from functools import lru_cache

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
    second: Node | None = peers.node if type(peers) is Peers else None
    found: list[InstanceState] = peers
    if first is not None and first.wishes and first is not second and not (populate and second and second.wishes):
        node = _together(first, second, populate or state.expired)
        if node is first:
            return
        keeper = peers if type(peers) is Peers else former
        if keeper.met is None:
            keeper.met = {}
        known = keeper.met.get(node)
        if known is None:
            known = keeper.met[node] = Peers(node, keeper.alone)
        found = known
    state.peers = found
    found.append(state)


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
