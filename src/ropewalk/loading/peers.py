"""Peers: objects that came in the same result, and are loaded together what they lack.

When one of them needs a relationship, a deferred column or a refresh, one statement loads it
for those around it that lack it too. A list of states is all that ties peers together; states
are weak references, so nobody is kept alive by it, and an object that left is passed over.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..kernel.in_lists import MOST_KEYS
from ..state.instance import PERSISTENT, InstanceState

log = logging.getLogger("ropewalk.peers")

ENABLED = os.environ.get("ROPEWALK_PEERS", "1") != "0"
"""Whether sessions batch unless they are told otherwise; ``ROPEWALK_PEERS=0`` in the environment says no."""

_FAR = 1_000  # so many in a row that lack nothing: those further off are hardly asked for next


class Peers(list[InstanceState]):
    """The states of one result that has more to say of its objects.

    :ivar alone: with ``True`` each object is loaded for itself.
    :ivar node: what the query wished for these objects: what loads later must honour it.
    :ivar values: those of the parameters in the query's options, by key; its plan has the values of another one.
    :ivar met: for ``meeting.py``: lists of those that another query has met as well.
    """

    __slots__ = ("_left", "alone", "met", "node", "values")

    def __init__(self, node: Any = None, alone: bool = False, values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.node = node
        self.alone = alone
        self.values = values
        self._left: Peers | None = None
        self.met: list[Peers] | None = None

    @property
    def left(self) -> Peers:
        """What a state holds that has left the session: the wishes, and none of the others."""
        found = self._left
        if found is None:
            found = self._left = Peers(self.node, self.alone, self.values)
        return found

    def __reduce__(self) -> Any:
        return (Peers, (self.node, self.alone))  # the objects stay behind, and expressions do not travel


class Saved:
    """What batching has saved since the program started.

    :ivar batches: statements that loaded something for several objects at once.
    :ivar statements: statements that were not sent because of them.
    """

    def __init__(self) -> None:
        self.batches = 0
        self.statements = 0

    def note(self, what: str, objects: int, statements: int) -> None:
        """Take note that ``statements`` loaded ``what`` for so many objects."""
        if objects <= statements:
            return
        self.batches += 1
        self.statements += objects - statements
        log.debug("%s: %d objects with %d statement(s), %d saved", what, objects, statements, objects - statements)

    def __repr__(self) -> str:
        return f"<Saved {self.statements} statements by {self.batches} batches>"


saved = Saved()


def node_of(state: InstanceState) -> Any:
    """Return what the query that loaded an object wished for it, or None."""
    peers = state.peers
    return peers.node if type(peers) is Peers else None


def values_of(state: InstanceState) -> Mapping[str, Any] | None:
    """Return the values of parameters in the options of the query that loaded an object."""
    peers = state.peers
    return peers.values if type(peers) is Peers else None


def around(
    state: InstanceState,
    instance: Any,
    lacks: Callable[[InstanceState, dict[str, Any]], bool],
    alone: bool,
    most: int = MOST_KEYS,
) -> list[tuple[InstanceState, Any]]:
    """Return a state and its object, followed by those of its peers that lack the same.

    :param lacks: tells so of a peer, from its state and the ``__dict__`` of its object.
    :param alone: look at no peers.
    """
    found = [(state, instance)]
    peers = state.peers
    owner = state.owner
    if alone or peers is None or len(peers) < 2 or owner is None or not owner.session.peers:
        return found
    if type(peers) is Peers and peers.alone:
        return found
    idle = 0
    for peer in _from(peers, state):
        other = peer()
        if other is None or other is instance:
            continue
        if peer.owner is owner and peer.status == PERSISTENT and peer.peers is peers and lacks(peer, other.__dict__):
            found.append((peer, other))
            idle = 0
            if len(found) >= most:
                break
        else:
            idle += 1
            if idle > _FAR:
                break
    return found


def _from(peers: list[InstanceState], state: InstanceState) -> Iterable[InstanceState]:
    """Return the peers from ``state`` on, and then those before it."""
    try:
        start = peers.index(state)
    except ValueError:
        start = 0
    return peers[start:] + peers[:start]
