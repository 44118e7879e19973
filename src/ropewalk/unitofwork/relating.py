"""What a flush has to know of a relationship before it can write it.

It follows from the mapping, so it is worked out once for each class and relationship. Which
attribute gives the key, which takes it, in which tables these stand; everything else is told by
the objects (see dependencies.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..exc import UnmappedColumnError
from ..kernel.symbols import MANYTOMANY, MANYTOONE, NO_VALUE
from ..mapping import configuring
from ..mapping.behind import table_behind
from ..state.history import History

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..mapping.relationships import RelationshipProperty
    from ..state.instance import InstanceState


class RelationPlan:
    """How one relationship of one class is written.

    :ivar many_to_one: the object's own foreign key is written.
    :ivar many_to_many: rows of an association table are.
    :ivar pairs: attribute that has the key, on one object, and attribute that takes it, on the other.
    :ivar back: under which attribute the objects at the other end keep this one, if they keep in step.
    """

    def __init__(self, mapper: Mapper[Any], prop: RelationshipProperty) -> None:
        self.mapper = mapper
        self.prop = prop
        self.key = prop.key
        self.many_to_one = prop.direction is MANYTOONE
        self.many_to_many = prop.direction is MANYTOMANY
        self.relation: Any = mapper.class_manager.relations[prop.key]
        self.pairs: list[tuple[str, str]] = []
        if not self.many_to_many:
            self.pairs = prop.sync_keys
            if not self.pairs:
                raise _no_attribute(prop)
        #: attributes of this class whose values others are given
        self.given_keys = [giver for giver, _ in self.pairs]
        if self.many_to_many:
            self.given_keys = [mapper.key_of[source] for source, _ in prop.synchronize_pairs if source in mapper.key_of]
        #: tables with a foreign key → those that it refers to
        pairs = [(table_behind(taker), table_behind(giver)) for giver, taker in prop.synchronize_pairs]
        self.tables = [(taker, giver) for taker, giver in pairs if taker is not None and giver is not None]
        self.back = self.relation.back_key if not self.many_to_many and not self.many_to_one else None
        #: objects that the flush may delete because they left this relationship
        self.deletes_orphans = prop.cascade.delete_orphan
        self.deletes = prop.cascade.delete or prop.cascade.delete_orphan
        self.leaves_lost = prop.passive_deletes == "all" or self.deletes_orphans

    def members(self, values: dict[str, Any]) -> Iterable[Any]:
        """Return the objects that ``values`` hold under this relationship, None where nothing is there."""
        held = values.get(self.key)
        if held is None:
            return ()
        return self.relation.kind.iterate(held) if self.relation.uselist else (held,)

    def history(self, state: InstanceState) -> History:
        """Return what came and went since the last flush; nothing is loaded."""
        return self.relation.history(state)  # type: ignore[no-any-return]

    def changed(self, state: InstanceState) -> bool:
        """Whether something may have come or gone since the last flush."""
        committed = state.committed
        return committed is not None and self.key in committed

    def loaded_history(self, state: InstanceState, instance: Any) -> History:
        """Return what came and went, the collection loaded first unless the database is to see to it."""
        return self.history(state) if self.prop.passive_deletes else self.full_history(state, instance)

    def full_history(self, state: InstanceState, instance: Any) -> History:
        """Return what came, what went, and what is there, loaded where it can be."""
        if self.relation.queried:
            return self.relation.loaded_history(state, instance)  # type: ignore[no-any-return]
        if self.key not in instance.__dict__ and self._can_load(state):
            self.relation.load_anyway(state, instance)
        return self.history(state)

    def _can_load(self, state: InstanceState) -> bool:
        return state.pk is not None and state.owner is not None and state.owner.loader is not None


def value_of(state: InstanceState, values: dict[str, Any], key: str) -> Any:
    """Return a value that another object's foreign key is to get."""
    value = values.get(key, NO_VALUE)
    if value is not NO_VALUE:
        return value
    names = state.mapper.pk_keys
    if state.pk is not None and key in names:
        return state.identity[names.index(key)]  # type: ignore[index]
    return None


def relations_of(mapper: Mapper[Any]) -> dict[str, RelationPlan]:
    """Return how the relationships of a class are written, by attribute."""
    if not mapper.relationship_props:
        return {}
    if configuring.pending:
        configuring.configure(mapper)
    return {key: RelationPlan(mapper, prop) for key, prop in mapper.relationship_props.items() if not prop.viewonly}


def _no_attribute(prop: RelationshipProperty) -> UnmappedColumnError:
    missing = [
        column
        for pair in prop.synchronize_pairs
        for column in pair
        if column not in prop.parent.key_of and column not in prop.mapper.key_of
    ]
    return UnmappedColumnError(
        f"{prop} cannot be written: no attribute stands for the column {', '.join(map(str, missing))}. Map it, or "
        f"declare the relationship viewonly=True."
    )
