"""One statement that loads a relationship for many objects at once.

Which statement depends on how the two tables are joined:

* a reference by the target's primary key: what the session does not hold is selected by key;
* equal columns: the target's rows (through the association table, where there is one) whose
  columns have the values that these objects hold;
* any other condition: an alias of the objects' own table joined to the target's.

Whatever the way, the keys stand before the target's columns in each row, and tell to whom it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Join
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, ColumnClause, Grouping

from ..kernel.collector import paused_for
from ..kernel.core import marks_of, unmarked
from ..kernel.in_lists import KeyedStatement, among_keys, most_keys
from ..kernel.values import with_values
from ..mapping import changing, configuring
from ..state.instance import InstanceState
from .links import warn_of_several
from .plan import Plan
from .rows import compile_loader, hold
from .selecting import select
from .told import told_rows
from .wishes import Node

Parents = Sequence[tuple[InstanceState, Any]]
Values = Mapping[str, Any] | None


class Fetch:
    """How one relationship is loaded for objects of one mapped class.

    :ivar attributes: the attributes of these objects that make the key.
    :ivar columns: the columns, in the statement, that have to be among the keys.
    :ivar keyed_by_pk: the key is the primary key of these objects.
    :ivar by_target_key: the key is the target's own, so that the identity map is asked first.
    """

    def __init__(self, prop: Any, node: Any = None, criteria: Sequence[Any] = ()) -> None:
        self.prop = prop
        self.mapping = changing.number
        node = node or Node(prop.entity, (), (prop.parent,))
        entity = node.entity
        target, adapt, far = entity.class_, _same, None
        if entity.is_aliased_class:  # of_type(alias)
            target, adapt, far = entity.entity, entity.adapt, entity.selectable
        conditions: list[Any] = [adapt(criterion) for criterion in criteria]
        self.by_target_key = bool(prop.use_get) and not conditions and far is None
        pairs = _equal_columns(prop)
        if prop.use_get:
            self.attributes = tuple(prop.get_keys)
            self.columns = [adapt(column) for column in prop.mapper.primary_key]
        elif pairs is not None:
            self.attributes = tuple(key for key, _ in pairs)
            self.columns = [column if prop.secondary is not None else adapt(column) for _, column in pairs]
            if prop.secondary is not None:
                conditions.insert(0, prop.join_conditions(None, far)[1])
        else:
            parent = prop.parent.selectable.alias()
            self.attributes = prop.parent.pk_keys
            self.columns = [parent.corresponding_column(column) for column in prop.parent.primary_key]
            primaryjoin, secondaryjoin, _ = prop.join_conditions(parent, far)
            conditions[:0] = [primaryjoin] if secondaryjoin is None else [primaryjoin, secondaryjoin]
        self.width = len(self.columns)
        statement = select(target, *self.columns).where(*conditions, among_keys(self.columns))
        if isinstance(prop.secondary, Join):  # whose tables are joined by more than the conditions say
            statement = statement.select_from(prop.secondary)
        if prop.order_by:
            statement = statement.order_by(*[adapt(clause) for clause in prop.order_by])
        if node.criteria:
            statement = statement.options(*node.criteria)
        self.statement = statement
        self.node = node
        self.plan = Plan(statement, (), (), node)
        self._prepared: dict[Dialect, KeyedStatement] = {}
        self.keyed_by_pk = self.attributes == prop.parent.pk_keys

    # -- keys ---------------------------------------------------------------------------

    def key_of(self, state: InstanceState, instance: Any) -> Any:
        """Return what the rows of an object are found by; None where there can be none."""
        if self.keyed_by_pk and state.pk is not None:
            return state.pk
        held = instance.__dict__
        if self.width == 1:
            (name,) = self.attributes
            return held[name] if name in held else getattr(instance, name)
        key = tuple([held[name] if name in held else getattr(instance, name) for name in self.attributes])
        return None if None in key else key

    # -- loading ------------------------------------------------------------------------

    def load(
        self,
        session: Any,
        parents: Parents,
        overwrite: bool = False,
        asked_by: InstanceState | None = None,
        values: Values = None,
    ) -> int:
        """Load the relationship for these objects and put it in place; return the number of statements sent.

        :param asked_by: the object where somebody has touched it.
        :param values: those of parameters in options, see :class:`~.peers.Peers`.
        """
        if self.by_target_key:
            return self._load_by_target_key(session, parents, overwrite, asked_by, values)
        keyed = [(self.key_of(state, instance), state, instance) for state, instance in parents]
        groups: dict[Any, list[Any]] = {key: [] for key, _, _ in keyed if key is not None}
        sent = 0
        for rows in self._rows(session, list(groups), overwrite, asked_by, values):
            sent += 1
            if self.width == 1:
                for found, key in rows:
                    groups[key].append(found)
            else:
                for found, *key in rows:
                    groups[tuple(key)].append(found)
        put = self._put_collection if self.prop.uselist else self._put_first
        for key, state, instance in keyed:
            put(state, instance, () if key is None else groups[key], overwrite)
        return sent

    def take_at_hand(self, session: Any, parents: Parents) -> None:
        """Set a reference of these objects where the session holds what it refers to; nothing is sent."""
        known = session.identity_map.map_for(self.prop.mapper)
        for state, instance in parents:
            held = instance.__dict__
            if all(name in held for name in self.attributes):
                found = known.get(self.key_of(state, instance))
                other = None if found is None else found()
                if isinstance(other, self.prop.mapper.class_):
                    held[self.prop.key] = other

    def _put_collection(self, state: InstanceState, instance: Any, members: Iterable[Any], overwrite: bool) -> None:
        key = self.prop.key
        if overwrite or key not in instance.__dict__:
            state.mapper.class_manager.relations[key].set_loaded(state, instance, members)

    def _put_first(self, state: InstanceState, instance: Any, members: Sequence[Any], overwrite: bool) -> None:
        held = instance.__dict__
        if overwrite or self.prop.key not in held:
            held[self.prop.key] = members[0] if members else None
            if len(members) > 1:
                warn_of_several(self.prop)
            if overwrite and state.committed:
                state.committed.pop(self.prop.key, None)

    def _load_by_target_key(
        self, session: Any, parents: Parents, overwrite: bool, asked_by: InstanceState | None, values: Values
    ) -> int:
        mapper = self.prop.mapper
        known = session.identity_map.map_for(mapper)
        keyed = [(self.key_of(state, instance), state, instance) for state, instance in parents]
        found: dict[Any, Any] = {None: None}
        missing = []
        for key, _, _ in keyed:
            if key not in found:
                other = found[key] = held_under(known, key, mapper)
                if other is None or overwrite:
                    missing.append(key)
        sent = 0
        for rows in self._rows(session, missing, overwrite, asked_by, values):
            sent += 1
            for other, *key in rows:
                found[key[0] if self.width == 1 else tuple(key)] = other
        name = self.prop.key
        for key, state, instance in keyed:
            if overwrite or name not in instance.__dict__:
                instance.__dict__[name] = found[key]
                if overwrite and state.committed:
                    state.committed.pop(name, None)
        return sent

    def _rows(
        self, session: Any, keys: Sequence[Any], overwrite: bool, asked_by: InstanceState | None, values: Values
    ) -> Iterable[Iterable[Any]]:
        """Execute for these keys, a chunk at a time, and give what was loaded with each row's key."""
        if not keys:
            return
        if session.elsewhere is not None:  # a session over several shards, where the program says which to ask
            for place in session.faces_for(with_values(self.plan.statement, values)):
                yield from self._rows(place, keys, overwrite, asked_by, values)
            return
        if session._heard is not None and "do_orm_execute" in session._heard:
            yield told_rows(session, self, keys, overwrite, asked_by, values)
            return
        with session._unit():
            connection = session.connection_for(self.prop.mapper, self.plan.statement)
            dialect = connection.dialect
            prepared = self._prepared.get(dialect)
            if prepared is None:
                prepared = self._prepared[dialect] = KeyedStatement(self.plan.statement, dialect)
            owner = session.identity_map
            peers = self.plan.new_peers(False, values)
            size = most_keys(dialect, self.width)
            for start in range(0, len(keys), size):
                rows, description = prepared.rows(connection, keys[start : start + size], session.options_now, values)
                loader = prepared.loaders.get(overwrite)
                if loader is None:
                    plan = self.plan
                    loader = prepared.loaders[overwrite] = compile_loader(
                        plan.slots, plan.types, dialect, description, False, overwrite, plan.links
                    )
                with paused_for(len(rows)):
                    loaded = loader(rows, owner, peers)
                if owner.held is not None:
                    hold(owner, peers)
                yield loaded


def _same(clause: Any) -> Any:
    return clause


def held_under(known: dict[Any, InstanceState], key: Any, mapper: Any) -> Any:
    """Return the object that the session holds under a key, unless it has to be read anew."""
    state = known.get(key)
    if state is None or state.expired:
        return None
    found = state()
    return found if isinstance(found, mapper.class_) else None


def fetch_for(prop: Any) -> Fetch:
    """Return how a relationship is loaded where nothing more is wished, worked out on the first call."""
    if not prop.configured:
        configuring.configure(prop.parent)
    found: Fetch | None = prop.__dict__.get("_fetch")
    if found is None or found.mapping != changing.number:
        found = prop._fetch = Fetch(prop)
    return found


def _equal_columns(prop: Any) -> list[tuple[str, Any]] | None:
    """Return (attribute of this end, column that equals it) where the join is just that; else None.

    The column is the target's or, where there is one, the association table's.
    """
    pairs: dict[str, Any] = {}
    for comparison in _comparisons(prop.primaryjoin):
        left, right = getattr(comparison, "left", None), getattr(comparison, "right", None)
        if getattr(comparison, "operator", None) is not operators.eq:
            return None
        if not (isinstance(left, ColumnClause) and isinstance(right, ColumnClause)):
            return None
        if "remote" in marks_of(left):
            left, right = right, left
        if "remote" not in marks_of(right) or "remote" in marks_of(left):
            return None
        key = prop.parent.key_of.get(unmarked(left))
        if key is None or key in pairs:
            return None
        pairs[key] = unmarked(right)
    return list(pairs.items())


def _comparisons(condition: Any) -> Iterator[Any]:
    """Yield what a condition demands, all of it."""
    while isinstance(condition, Grouping):
        condition = condition.element
    if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _comparisons(part)
    else:
        yield condition
