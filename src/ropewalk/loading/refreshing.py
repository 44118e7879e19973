"""Reading expired objects anew with what belongs to them: relationships that are loaded with the object itself.

An object is refreshed as it was loaded. What its mapping, or the options of its query, had loaded eagerly comes
along: joined in the same SELECT, or by one more for all objects that are refreshed together. Where nothing is
loaded eagerly none of this is needed, and ``ondemand.py`` and ``together.py`` fetch the columns alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from ..kernel.in_lists import KeyedStatement, among_keys, most_keys
from ..mapping.mapper import Mapper
from ..state.instance import InstanceState
from . import peers
from .plan import Plan
from .rows import compile_loader, hold
from .selecting import select
from .told import refresh_told
from .wishes import AFTERWARDS, Choice, Node, loads_more

Lacking = Sequence[tuple[InstanceState, Any]]
_NONE: frozenset[str] = frozenset()


class _Part(Node):
    """What a refresh loads: some of the columns, and some of the relationships, of a node."""

    def __init__(self, whole: Node, columns: frozenset[str], relations: frozenset[str]) -> None:
        super().__init__(whole.mapper, whole.wishes, whole.trail[:-1])
        wanted = columns.union(self.mapper.pk_keys)
        self.columns = [p for p in self.mapper.column_props.values() if p.key in wanted]
        self.choices = {key: choice for key, choice in whole.choices.items() if key in relations}
        self.matters = True


class Refresh:
    """``SELECT ... WHERE primary key IN (...)`` for some attributes, with what is loaded eagerly."""

    def __init__(self, whole: Node, columns: frozenset[str], relations: frozenset[str]) -> None:
        self.mapper: Mapper[Any] = whole.mapper
        self.statement = select(self.mapper.class_).where(among_keys(self.mapper.primary_key))
        self.plan = Plan(self.statement, (), (), _Part(whole, columns, relations))
        self._prepared: dict[Dialect, KeyedStatement] = {}

    def load(self, session: Any, lacking: Lacking) -> int:
        """Load for these objects and return the number of statements; who has no row stays as it is."""
        before = [state.peers for state, _ in lacking]
        if session._heard is not None and "do_orm_execute" in session._heard:
            refresh_told(session, self, [state for state, _ in lacking])
            sent = 1
        else:
            sent = self._send(session, lacking)
        for (state, _), known in zip(lacking, before, strict=True):
            state.peers = known  # who came together stays together, with what their query wished for
        return sent

    def _send(self, session: Any, lacking: Lacking) -> int:
        connection = session.connection_for(self.mapper)
        dialect = connection.dialect
        prepared = self._prepared.get(dialect)
        if prepared is None:
            prepared = self._prepared[dialect] = KeyedStatement(self.plan.statement, dialect)
        owner, plan = session.identity_map, self.plan
        values = peers.values_of(lacking[0][0])
        size = most_keys(dialect, len(self.mapper.primary_key))
        sent = 0
        for start in range(0, len(lacking), size):
            keys = [state.pk for state, _ in lacking[start : start + size]]
            rows, description = prepared.rows(connection, keys, None, values)
            loader = prepared.loaders.get(0)
            if loader is None:
                loader = prepared.loaders[0] = compile_loader(
                    plan.slots, plan.types, dialect, description, True, False, plan.links
                )
            near = plan.new_peers(False, values)
            loader(rows, owner, near)
            if owner.held is not None:
                hold(owner, near)
            sent += 1
        return sent


def node_for(state: InstanceState) -> Node | None:
    """Return what is wished for an object beside its columns, by its query or else its mapping; None for nothing."""
    node: Node | None = peers.node_of(state)
    if node is not None:
        return node.later if node.mapper is state.mapper else None
    mapper = state.mapper
    return whole_node(mapper) if loads_more(mapper) else None


def whole_node(mapper: Mapper[Any]) -> Node:
    """Return what the mapping alone wishes for an object."""
    known: tuple[int, Node] | None = mapper.__dict__.get("_whole_node")
    if known is None or known[0] != len(mapper.props):
        known = mapper.__dict__["_whole_node"] = (len(mapper.props), Node(mapper))
    return known[1]


def eager_in(node: Node) -> dict[str, Choice]:
    """Return the relationships that are loaded with the object when it is read anew.

    What a query took from joins of its own cannot be had again; that is loaded on demand.
    """
    found: dict[str, Choice] | None = node.__dict__.get("_eager")
    if found is None:
        found = node.__dict__["_eager"] = {
            key: choice for key, choice in node.choices.items() if choice.kind == "joined" or choice.kind in AFTERWARDS
        }
    return found


def due_relations(state: InstanceState, instance: Any, node: Node) -> frozenset[str]:
    """Return the relationships to be loaded when an expired object is read anew."""
    eager = eager_in(node)
    if not eager:
        return _NONE
    held, committed = instance.__dict__, state.committed or {}
    relations = state.mapper.relationship_props
    return frozenset(k for k, c in eager.items() if k not in held and k not in committed and relations[k] is c.prop)


def refresh_for(node: Node, columns: Iterable[str], relations: Iterable[str]) -> Refresh:
    """Return the prepared statement, made on the first call."""
    cache: dict[Any, Refresh] = node.__dict__.setdefault("_refreshes", {})
    wanted = (frozenset(columns), frozenset(relations))
    found = cache.get(wanted)
    if found is None:
        found = cache[wanted] = Refresh(node, *wanted)
    return found


def load_around(session: Any, state: InstanceState, lacking: Lacking, node: Node, columns: Iterable[str]) -> bool:
    """Read an expired object anew, and those that lack the same; return False where nothing is loaded eagerly."""
    instance = lacking[0][1]
    relations = due_relations(state, instance, node)
    if not relations:
        return False
    sent = refresh_for(node, columns, relations).load(session, lacking)
    if len(lacking) > 1:
        peers.saved.note(f"{state.mapper.class_.__name__}, refreshed", len(lacking), sent)
    return True


__all__ = ["Refresh", "due_relations", "eager_in", "load_around", "node_for", "refresh_for", "whole_node"]
