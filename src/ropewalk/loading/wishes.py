"""What options and mapping say together: which columns of an entity to fetch, which relationships to load, how.

A :class:`Node` stands for one entity at one place of a query. What it says of a relationship is a
:class:`Choice`, which in turn has the node of the objects that the relationship leads to.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from ..exc import InvalidRequestError
from ..mapping import configuring
from ..mapping.mapper import Mapper
from ..mapping.properties import ColumnProperty
from ..mapping.relationships import QUERIED
from ..state.instance import PERSISTENT, state_of
from .levels import load_levels
from .options import WILDCARD, Step, Wish
from .portable import mapper_of, packed_wishes, unpacked_wishes
from .user_options import CARRIED

JOINED = frozenset({"joined", "contains"})
AFTERWARDS = frozenset({"selectin", "subquery", "immediate"})
AT_HAND = "at hand"
"""A way to load: where going on would lead in circles, a reference is set if the session has what it refers to."""
RECURSIVE = frozenset({"selectin", "immediate"})
PROHIBITIONS = frozenset({"raise", "raise_on_sql", "noload"})
COLUMN_KINDS = frozenset({"defer", "undefer", "undefer_group", "load_only", "with_expression"})
_NO_WAYS = COLUMN_KINDS | {"criteria"}


class Choice:
    """How one relationship is loaded at one place.

    :ivar kind: the way; ``select`` for on demand.
    :ivar detail: ``innerjoin``, or the alias of ``contains_eager``.
    :ivar depth: how many levels more of a self-referential relationship are loaded, -1 for all, None for none.
    :ivar node: what is wished for the objects at its other end.
    """

    def __init__(self, parent: Node, prop: Any, wish: Wish | None, kind: str) -> None:
        self.prop = prop
        self.kind = kind
        self.detail = None if wish is None else wish.detail
        self.depth: int | None = None
        self.step = wish.path[0] if wish is not None and wish.path else None
        self._parent = parent

    @property
    def criteria(self) -> tuple[Any, ...]:
        return () if self.step is None else self.step.criteria

    @property
    def given_alias(self) -> Any:
        """What ``of_type()`` was given, an alias or a class; None for the relationship's own target."""
        return None if self.step is None else self.step.of_type

    @cached_property
    def node(self) -> Node:
        prop, parent = self.prop, self._parent
        asked = prop.entity if self.given_alias is None else self.given_alias
        onwards = [w for w in parent.wishes if _is_everywhere(w) and not self._ends_here(w)]
        for wish in parent.wishes:
            if (
                wish.path
                and wish.path[0].prop is prop
                and (len(wish.path) > 1 or wish.kind in COLUMN_KINDS or wish.names)
            ):
                onwards.append(wish._replace(path=wish.path[1:]))
        return Node(asked, onwards, parent.trail)

    def _ends_here(self, wish: Wish) -> bool:
        """What ``"*"`` said of a query holds for no other one that somebody causes later by a touch."""
        return self.kind == "select" and wish.kind in ("select", *JOINED, *AFTERWARDS)

    @cached_property
    def fetch(self) -> Any:
        """How it is loaded by a statement of its own."""
        from .fetching import Fetch, fetch_for  # which is made of plans, and these of nodes

        if self.kind == AT_HAND or not (self.node.matters or self.criteria or loads_more(self.prop.mapper)):
            return fetch_for(self.prop)
        return Fetch(self.prop, self.node.later, self.criteria)


class Node:
    """One entity at one place of a query.

    :param entity: the mapper, or the alias that the program made.
    :param wishes: what was wished from here on.
    :param trail: the mappers on the way here: loading by mapping alone does not go in circles.
    """

    def __init__(self, entity: Any, wishes: Iterable[Wish] = (), trail: tuple[Mapper[Any], ...] = ()) -> None:
        self.entity = entity
        self.mapper: Mapper[Any] = entity.mapper
        self.trail = (*trail, self.mapper)
        self.wishes = [w for w in wishes if concerns(entity, w.path[0].entity if w.path else w.entity)]

    def __reduce__(self) -> Any:
        trail = tuple(mapper.class_ for mapper in self.trail[:-1])
        return (_node_again, (self.mapper.class_, packed_wishes(self.wishes), trail))

    @cached_property
    def matters(self) -> bool:
        """Whether there is anything to do beside fetching the usual columns."""
        return bool(self.wishes) or bool(self.joined or self.afterwards)

    @cached_property
    def later(self) -> Node:
        """The same for a statement of our own.

        It has none of the joins that ``contains_eager`` speaks of, nor criteria that are for the first one alone.
        """
        if not any(wish.kind in ("contains", "criteria") for wish in self.wishes):
            return self
        wishes = [w._replace(kind="select", detail=None) if w.kind == "contains" else w for w in self.wishes]
        wishes = [w for w in wishes if w.kind != "criteria" or w.detail.propagate_to_loaders]
        return self.with_wishes(wishes)

    def with_wishes(self, wishes: Iterable[Wish]) -> Node:
        """The same entity at the same place, with other wishes."""
        node = Node(self.entity, (), self.trail[:-1])
        node.wishes = list(wishes)
        return node

    # -- columns ------------------------------------------------------------------------------

    @cached_property
    def columns(self) -> list[ColumnProperty]:
        """The attributes to fetch."""
        mapper = self.mapper
        pk = set(mapper.pk_keys)
        found = {p.key for p in mapper.column_props.values() if not p.left_out}
        for wish in self._about_columns():
            found = _chosen(mapper, found, wish)
        found |= pk
        return [p for p in mapper.column_props.values() if p.key in found]

    @cached_property
    def expressions(self) -> dict[str, Any]:
        """The SQL expressions given for attributes."""
        return {w.names[0]: w.detail for w in self._about_columns() if w.kind == "with_expression"}

    @cached_property
    def forbidden(self) -> frozenset[str]:
        """The attributes left out that must not be loaded on demand either."""
        found: set[str] = set()
        for wish in self._about_columns():
            if wish.detail is True:
                every = set(self.mapper.column_props)
                found |= every - _chosen(self.mapper, every, wish) - set(self.mapper.pk_keys)
        return frozenset(found)

    def _about_columns(self) -> list[Wish]:
        return [w for w in self.wishes if not w.path and w.kind in COLUMN_KINDS]

    # -- relationships --------------------------------------------------------------------------

    @cached_property
    def choices(self) -> dict[str, Choice]:
        """How each relationship is loaded for which there is more to say than its mapping does on demand."""
        if configuring.pending:
            configuring.configure(self.mapper)
        found = {}
        for key, prop in self.mapper.relationship_props.items():
            choice = self._choice(prop)
            if choice is not None:
                found[key] = choice
        return found

    @cached_property
    def criteria(self) -> list[Any]:
        """What is demanded of the entities that are loaded from here on."""
        return [wish.detail for wish in self.wishes if wish.kind == "criteria"]

    def _choice(self, prop: Any) -> Choice | None:
        named = [w for w in self.wishes if len(w.path) == 1 and w.path[0].prop is prop and not w.names]
        if prop.lazy in QUERIED:
            _refuse_to_load(prop, named)
            return None
        onwards = any((w.path and w.path[0].prop is prop) or w.kind == CARRIED for w in self.wishes)
        general = [w for w in self.wishes if not w.path and w.names == (WILDCARD,) and w.kind not in _NO_WAYS]
        bound = [w for w in general if w.entity is not None] or general
        usual = (bound[-1].kind if bound else "") or prop.lazy
        if named:
            # defaultload() says nothing of the way: what an option before it said, stands
            wish = next((w for w in reversed(named) if w.kind), named[-1])
            if wish.kind == "contains":  # one option says which alias, another what comes behind it
                wish = next((w for w in named if w.kind == "contains" and w.detail is not None), wish)
            choice = Choice(self, prop, wish, wish.kind or usual)
            if wish.kind in RECURSIVE:
                choice.depth = _depth(prop, wish.detail)
            return choice
        if bound:
            return Choice(self, prop, None, usual)
        if prop.lazy in JOINED or prop.lazy in AFTERWARDS:
            if not self._goes_in_circles(prop):
                return Choice(self, prop, None, prop.lazy)
            if self.criteria:
                return Choice(self, prop, None, "select")
            return Choice(self, prop, None, AT_HAND) if prop.lazy == "immediate" and prop.use_get else None
        return Choice(self, prop, None, prop.lazy) if onwards or self.criteria else None

    def _goes_in_circles(self, prop: Any) -> bool:
        if prop.join_depth:
            return bool(len(self.trail) > prop.join_depth)
        return any(mapper.isa(prop.mapper) or prop.mapper.isa(mapper) for mapper in self.trail)

    @cached_property
    def joined(self) -> list[Choice]:
        return [choice for choice in self.choices.values() if choice.kind in JOINED]

    @cached_property
    def afterwards(self) -> list[Choice]:
        return [choice for choice in self.choices.values() if choice.kind in AFTERWARDS or choice.kind == AT_HAND]

    def finish(self, owner: Any, objects: dict[Any, Any], overwrite: bool, values: Any = None) -> None:
        """Load what is to be loaded for these objects by further statements.

        :param objects: state → object.
        :param values: those of parameters in options, see :class:`~.peers.Peers`.
        """
        session = owner.session
        for choice in self.afterwards:
            key, prop = choice.prop.key, choice.prop
            concerned = [
                (state, instance)
                for state, instance in objects.items()
                if state.mapper.relationship_props.get(key) is prop
            ]
            parents = [
                (state, instance)
                for state, instance in concerned
                if overwrite or (key not in instance.__dict__ and key not in (state.committed or ()))
            ]
            if choice.kind == AT_HAND:
                choice.fetch.take_at_hand(session, parents)
                continue
            if parents:
                # whoever wants no objects loaded together has each reach for its own
                alone = choice.kind == "immediate" and (prop.peers is False or not session.peers)
                for group in [[parent] for parent in parents] if alone else [parents]:
                    choice.fetch.load(session, group, overwrite, values=values)
                if choice.depth is not None:
                    load_levels(session, choice.fetch, parents, choice.depth, overwrite, values)
            if len(parents) < len(concerned) and choice.node.afterwards:
                members = _held_by(concerned, choice)
                if members:
                    choice.node.finish(owner, members, overwrite, values)


def _held_by(parents: Iterable[tuple[Any, Any]], choice: Choice) -> dict[Any, Any]:
    """Return what these objects hold in a relationship already, and the database knows: state → object."""
    found: dict[Any, Any] = {}
    key = choice.prop.key
    for state, instance in parents:
        relation = state.mapper.class_manager.relations[key]
        held = instance.__dict__.get(key)
        for member in relation.kind.iterate(held) if choice.prop.uselist and held is not None else (held,):
            other = None if member is None else state_of(member)
            if other is not None and other.status == PERSISTENT and other.mapper.isa(choice.node.mapper):
                found[other] = member
    return found


def concerns(entity: Any, named: Any) -> bool:
    """Whether an option for the class or alias ``named``, or for any where None, is one for ``entity``."""
    if named is None or named is entity:
        return True
    if entity.entity is named.entity:  # of a union of queries, for which a subquery stands
        return True
    if named.is_aliased_class or entity.is_aliased_class:
        return False
    return bool(named.mapper.isa(entity.mapper) or entity.mapper.isa(named.mapper))


def _depth(prop: Any, depth: int | None) -> int | None:
    if depth is not None and not (prop.mapper.isa(prop.parent) or prop.parent.isa(prop.mapper)):
        raise InvalidRequestError(
            f"recursion_depth has no meaning for {prop}: it leads from {prop.parent.class_.__name__} to "
            f"{prop.mapper.class_.__name__}, and not to its own class."
        )
    return depth


def _refuse_to_load(prop: Any, wishes: list[Wish]) -> None:
    for wish in wishes:
        if wish.kind in JOINED or wish.kind in AFTERWARDS:
            raise InvalidRequestError(
                f"{prop} has lazy={prop.lazy!r}: its members are not loaded with their object, by no option. Query "
                f"them for each object, or map a second relationship with viewonly=True to load them from."
            )


def _node_again(class_: type[Any], wishes: Any, trail: tuple[type[Any], ...]) -> Node:
    """Return a node that was pickled."""
    mappers: Any = tuple(mapper_of(before) for before in trail)
    return Node(mapper_of(class_), unpacked_wishes(wishes, Wish, Step), mappers)


def _is_everywhere(wish: Wish) -> bool:
    return not wish.path and wish.entity is None and (wish.names == (WILDCARD,) or wish.kind == CARRIED)


def _chosen(mapper: Mapper[Any], fetched: set[str], wish: Wish) -> set[str]:
    """Return the attributes to fetch, of those that were to be, after one more wish."""
    if wish.kind == "undefer_group":
        names = {p.key for p in mapper.column_props.values() if p.deferred_group in wish.names}
    else:
        names = {key for key in mapper.column_props if key in wish.names or WILDCARD in wish.names}
    if wish.kind == "defer":
        return fetched - names
    if wish.kind == "load_only":
        return {key for key in fetched if mapper.column_props[key].query_expression} | names
    return fetched | names


def wishes_in(options: Iterable[Any]) -> list[Wish]:
    """Return what the options of a statement wish for."""
    return [wish for option in options for wish in getattr(option, "wishes", ())]


def loads_more(mapper: Mapper[Any]) -> bool:
    """Whether a mapping has relationships that are loaded with the object itself."""
    props = mapper.relationship_props
    if not props:
        return False
    known = mapper.__dict__.get("_loads_more")
    if known is None or known[0] != len(props):
        known = mapper.__dict__["_loads_more"] = len(props), Node(mapper).matters
    return bool(known[1])
