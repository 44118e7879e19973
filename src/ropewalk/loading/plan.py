"""From a statement to a plan: what its rows are made of, worked out once.

A plan is found again by the statement's cache key, so that a statement which differs
only in its literal values costs neither analysis nor compilation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnClause, Connection, Select, TextClause
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

from ..exc import ArgumentError, InvalidRequestError
from ..kernel.collector import MANY, paused_for
from ..kernel.core import cache_key, raw_columns, selects_entity, statement_entity
from ..kernel.names import is_open_ended, members_of
from ..kernel.options import key_for_any_values, options_of, options_since, without_options
from ..kernel.shortcuts import shape_of
from ..kernel.statements import Prepared
from ..mapping.changing import forget_with
from ..state.instance import InstanceState
from .conflicts import check_conflicts, check_roots
from .entities import EntityColumns, entity_in
from .from_statement import FromStatement
from .grouping import groups_in, whole_members
from .joining import Assembled
from .naming import RowNames
from .options import Load
from .peers import Peers
from .results import metadata_of
from .rows import Loader, compile_loader, hold
from .user_options import carried_by
from .wishes import Node, wishes_in

_plans: Any = LRUCache(1000)
_shapes: dict[Any, tuple[Plan, Any]] = {}
_MOST_SHAPES = 1000


@forget_with
def _forget() -> None:
    """A mapped class has another attribute now, which the plans lack."""
    _plans.clear()
    _shapes.clear()


class Plan:
    """How one shape of statement becomes objects.

    :ivar slots: for each member of the SELECT list an :class:`EntityColumns`, or None for a plain column.
    :ivar row: what each member of a row can be asked for by.
    :ivar links: the entities whose columns were joined to these, by relationships.
    :ivar wished: the keys of the parameters in the options.
    :ivar subject: the mapper of the first entity, or None: it decides on the engine.
    """

    __slots__ = (
        "_prepared", "bindparams", "groups", "links", "members", "metadata", "nodes", "row", "single", "slots",
        "statement", "subject", "types", "wished",
    )  # fmt: skip

    def __init__(
        self,
        statement: Any,
        options: Sequence[Any],
        bindparams: Sequence[Any] = (),
        node: Node | None = None,
        wished: Sequence[Any] = (),
    ) -> None:
        self.bindparams = bindparams
        self.wished = [bind.key for bind in wished]
        wishes = wishes_in(options)
        self.nodes = nodes_of(statement, wishes, node)
        if wishes:
            check_conflicts(wishes)
            check_roots(options_since(statement), [found.entity for found in self.nodes if found is not None])
        assembled = Assembled(statement, self.nodes)
        self.slots: list[EntityColumns | None] = assembled.slots
        self.links = assembled.links
        self.row = RowNames(statement)
        self.types: list[Any] = assembled.types
        self.single = len(self.row.names) == 1
        self.groups = groups_in(raw_columns(statement), statement)
        self.members = whole_members(self.slots, self.groups)
        entity = statement_entity(statement)
        self.subject = None if entity is None else entity.mapper
        self.metadata = metadata_of(self.row.names, self.members, self.row.others)
        self.statement = assembled.statement
        self._prepared: dict[Dialect, Prepared] = {}

    @property
    def mappers(self) -> list[Any]:
        return [slot.mapper for slot in self.slots if slot is not None]

    def new_peers(self, alone: bool = False, values: Mapping[str, Any] | None = None) -> list[InstanceState]:
        """Return the list that the states of one result will share."""
        return Peers(None, alone, values) if alone or values else []

    def prepared(self, dialect: Dialect) -> Prepared:
        """Return the statement made ready for ``dialect``."""
        found = self._prepared.get(dialect)
        if found is None:
            found = self._prepared[dialect] = Prepared(self.statement, dialect, self.bindparams)
        return found

    def loader(self, prepared: Prepared, dialect: Dialect, cursor: Any, single: bool, populate: bool) -> Loader:
        """Return the generated function that turns the cursor's rows into objects."""
        loader = prepared.loaders.get((single, populate))
        if loader is None:
            loader = prepared.loaders[single, populate] = compile_loader(
                self.slots, self.types, dialect, cursor.description, single, populate, self.links, self.groups
            )
        return loader


class Bound:
    """A plan together with the literal values of one statement: ready to be executed."""

    __slots__ = ("bindparams", "params", "plan", "statement", "values")

    def __init__(
        self,
        plan: Plan,
        bindparams: Sequence[Any],
        statement: Any,
        params: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        self.plan = plan
        self.bindparams = bindparams
        self.statement = statement
        self.params = params  # what statement.params() was given, here or in a subquery
        self.values = values  # those of the parameters in the options, under the keys of the plan's own

    def open(
        self,
        connection: Connection,
        given: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, Prepared]:
        """Execute; return the driver's cursor and what was executed."""
        prepared = self.plan.prepared(connection.dialect)
        if self.params:
            given = {**self.params, **(given or {})}
        return prepared.execute(connection, self.bindparams, given, options, self.own_statement), prepared

    @property
    def metadata(self) -> Any:
        """What a result needs to know of the rows: an alias made anew is not the one that the plan has seen."""
        plan = self.plan
        if plan.row.lasting or self.statement is None:
            return plan.metadata
        names = RowNames(self.statement)
        return metadata_of(names.names, plan.members, names.others)

    def own_statement(self) -> Any:
        """Return the Core statement with this call's own literal values."""
        if self.statement is None:
            return self.plan.statement
        # expanded anew: the columns of an alias or subquery belong to this very statement, in its options too
        wishes = wishes_in(options_of(self.statement))
        nodes = nodes_of(self.statement, wishes) if wishes else self.plan.nodes
        return without_options(Assembled(self.statement, nodes).statement, Load)  # which have done their part

    def load_all(
        self,
        connection: Connection,
        owner: Any,
        given: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        single: bool = False,
        populate: bool = False,
        alone: bool = False,
    ) -> list[Any]:
        """Execute and return all objects (``single``) or tuples.

        :param alone: what they lack later, each object loads for itself.
        """
        cursor, prepared = self.open(connection, given, options)
        try:
            loader = self.plan.loader(prepared, connection.dialect, cursor, single, populate)
            rows = cursor.fetchmany(MANY)
            with paused_for(len(rows)):
                if len(rows) == MANY:
                    rows = [*rows, *cursor.fetchall()]
                peers = self.plan.new_peers(alone, self.values)
                result = loader(rows, owner, peers)
        finally:
            cursor.close()
        if owner.held is not None:
            hold(owner, peers)
        return result


def nodes_of(statement: Any, wishes: Sequence[Any], node: Node | None = None) -> list[Node | None]:
    """Return, for each member of the SELECT list, what to load of it: ``node`` if given; None for a plain column."""
    found: list[Node | None] = []
    for column in members_of(statement):
        entity = entity_in(column)
        found.append(None if entity is None else Node(entity, wishes) if node is None else node)
    return found


def plan_for(statement: Any) -> Bound:
    """Return the plan of a SELECT, with the statement's own values."""
    shape = shape_of(statement)
    if shape is None:
        return _by_cache_key(statement)
    known = _shapes.get(shape[0])
    if known is not None:
        return Bound(known[0], shape[1], statement)
    bound = _by_cache_key(statement)
    # where an attribute is an expression with values of its own, Core's key has these too
    if [id(bind) for bind in bound.bindparams] == [id(bind) for bind in shape[1]]:
        if len(_shapes) >= _MOST_SHAPES:
            _shapes.clear()
        _shapes[shape[0]] = bound.plan, statement
    return bound


def _by_cache_key(statement: Any) -> Bound:
    options = options_of(statement)
    key, wished = key_for_any_values(statement) if options else (cache_key(statement), ())
    if key is None or (options and carried_by(wishes_in(options))):  # of which the key may say nothing
        return Bound(Plan(statement, options), (), statement)
    plan = _plans.get(key.key)
    if plan is None:
        plan = _plans[key.key] = Plan(statement, options, key.bindparams, None, wished)
    values = None
    if wished:
        values = {name: b.effective_value for name, b in zip(plan.wished, wished, strict=True) if not b.required}
    params = getattr(key, "params", None)  # 2.0 has them in the bindparams
    return Bound(plan, key.bindparams, statement, params, values)


def has_entities(statement: Any) -> bool:
    """Whether a statement is a SELECT with a mapped class in its list."""
    if isinstance(statement, FromStatement):
        return True
    return isinstance(statement, Select) and selects_entity(statement)


def is_planned(statement: Any) -> bool:
    """Whether a plan of ours is to execute a statement: a SELECT of mapped classes or of their attributes.

    :raises InvalidRequestError: there is a star beside mapped classes, so that nobody knows what stands where.
    """
    if isinstance(statement, FromStatement):
        return True
    if not isinstance(statement, Select) or statement_entity(statement) is None:
        return False
    for star in raw_columns(statement):
        if isinstance(star, (TextClause, ColumnClause)) and is_open_ended(star):  # and no table, as usual
            break
    else:
        return True
    if not selects_entity(statement):
        return False
    raise InvalidRequestError(
        f"A SELECT of mapped classes cannot have {str(star)!r} in its list: nobody knows how many columns that gives. "
        f"Name the columns, or use from_statement()."
    )


def check_selectable(thing: Any) -> None:
    """Refuse what cannot stand in a SELECT list, with a word on what could."""
    if isinstance(thing, type):
        raise ArgumentError(
            f"{thing.__module__}.{thing.__qualname__} is not mapped, so it cannot be queried. Derive it from your "
            f"DeclarativeBase, or map it with registry.map_imperatively(...)."
        )
