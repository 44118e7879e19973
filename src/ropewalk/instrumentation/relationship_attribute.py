"""A relationship as it stands on its class: objects on an instance, conditions in SQL.

``User.addresses.any(Address.email == "x")`` is an EXISTS over the other table,
``Address.user == ed`` a comparison of the foreign key. The attribute itself is its join
condition, which is what a join onto it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, exists, literal_column, not_, or_, select
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.util import ClauseAdapter

from ..exc import ArgumentError, InvalidRequestError
from ..kernel.core import alias_of, entity_column, marks_of
from ..kernel.joins import JoinTarget
from ..kernel.symbols import MANYTOONE
from ..mapping import configuring
from ..mapping.marks import only_marks
from .attributes import QueryableAttribute
from .compared import values_of
from .references import instance_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..mapping.mapper import Mapper
    from ..mapping.properties import MapperProperty

T_co = TypeVar("T_co", bound=Any, covariant=True)


class RelationshipAttribute(JoinTarget, QueryableAttribute[T_co]):  # type: ignore[misc]
    """A relationship attribute of a mapped class, or of an alias of one.

    :ivar target_entity: the mapper or alias at the other end, as :meth:`of_type` may have set it.
    :ivar criteria: what :meth:`and_` has added to the join condition.
    """

    def __init__(
        self,
        mapper: Mapper[Any],
        prop: MapperProperty,
        parent: Any = None,
        of_type: Any = None,
        criteria: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(mapper, prop, parent)
        self._mapper = mapper
        self._of_type = of_type
        self.criteria = criteria
        self._is_plain = False

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            # Python has looked into the __dict__ before it came here.
            state = instance_state(instance)
            return state.mapper.class_manager.relations[self.key].get(state, instance)

    # -- what it is ---------------------------------------------------------------------

    @property
    def relationship(self) -> Any:
        """The property, configured."""
        prop: Any = self.prop
        if not prop.configured:
            configuring.configure(prop.parent)
        return prop

    @property
    def mapper(self) -> Mapper[Any]:
        """The mapper at the other end."""
        return self.relationship.mapper  # type: ignore[no-any-return]

    @property
    def entity(self) -> Any:
        """The mapper, or alias, at the other end."""
        return self.target_entity

    @property
    def target_entity(self) -> Any:
        return self.relationship.entity if self._of_type is None else self._of_type

    def of_type(self, entity: Any) -> RelationshipAttribute[Any]:
        """Return the same relationship to a subclass, or to an alias, of its target."""
        found = getattr(entity, "_aliased_insp", None) or getattr(entity, "__mapper__", entity)
        mapper = getattr(found, "mapper", None)
        if mapper is None or not (mapper.isa(self.mapper) or self.mapper.isa(mapper)):
            raise ArgumentError(f"{self}.of_type() takes a subclass or an alias of {self.mapper.class_.__name__}.")
        return RelationshipAttribute(self._mapper, self.prop, self.parent, found, self.criteria)

    def and_(self, *criteria: Any) -> RelationshipAttribute[Any]:
        """Return the same relationship with more to its join condition."""
        return RelationshipAttribute(self._mapper, self.prop, self.parent, self._of_type, self.criteria + criteria)

    def adapt_to(self, parent: Any, adapt: Callable[[Any], Any]) -> Any:
        return RelationshipAttribute(self._mapper, self.prop, parent, self._of_type, self.criteria)

    def cache_key_parts(self) -> tuple[Any, ...]:
        return self.parent, self.prop, self._of_type, self.criteria

    # -- as SQL -------------------------------------------------------------------------

    def _make_expression(self) -> Any:
        primaryjoin, secondaryjoin, _ = self.relationship.join_conditions(self._own_selectable, self._far_selectable)
        parts = [primaryjoin, *([] if secondaryjoin is None else [secondaryjoin]), *self.criteria]
        return entity_column(and_(*parts), self.parent, self.key)

    @property
    def comparator(self) -> Any:
        return self.expression if (redefined := self._redefined()) is None else redefined

    def _redefined(self) -> Any:
        """The operators that the mapping gives in place of these, or None."""
        factory = self.prop.comparator_factory  # type: ignore[attr-defined]
        if factory is None or self._is_plain:
            return None
        found = factory(self.prop, self.parent)
        found.plain = RelationshipAttribute(self._mapper, self.prop, self.parent, self._of_type, self.criteria)
        found.plain._is_plain = True
        return found

    @property
    def _own_selectable(self) -> Any:
        return self.parent.selectable if self.parent.is_aliased_class else None

    @property
    def _far_selectable(self) -> Any:
        entity = self.target_entity
        return entity.selectable if entity.is_aliased_class else None

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"{self} is a relationship and has no operator {getattr(op, '__name__', op)}; compare with ==, !=, any(), "
            f"has() or contains(), or use its columns."
        )

    reverse_operate = operate

    def in_(self, other: Any) -> Any:
        raise NotImplementedError(
            f"in_() is not there for relationships such as {self}; use in_() on the column of the foreign key."
        )

    def not_in(self, other: Any) -> Any:
        return self.in_(other)

    notin_ = not_in

    def any(self, criterion: Any = None, **kwargs: Any) -> Any:
        """Whether a member of the collection fulfils a criterion, or whether there is a member at all."""
        if (redefined := self._redefined()) is not None:
            return redefined.any(criterion, **kwargs)
        if not self.relationship.uselist:
            raise InvalidRequestError(f"any() is for collections and {self} holds one object. Use has().")
        return self._exists(criterion, kwargs)

    def has(self, criterion: Any = None, **kwargs: Any) -> Any:
        """Whether the object referred to fulfils a criterion, or whether there is one at all."""
        if (redefined := self._redefined()) is not None:
            return redefined.has(criterion, **kwargs)
        if self.relationship.uselist:
            raise InvalidRequestError(f"has() is for references and {self} is a collection. Use any().")
        return self._exists(criterion, kwargs)

    def contains(self, other: Any, **kwargs: Any) -> Any:
        """Whether ``other`` is a member of the collection."""
        if (redefined := self._redefined()) is not None:
            return redefined.contains(other, **kwargs)
        if not self.relationship.uselist:
            raise InvalidRequestError(f"contains() is for collections and {self} holds one object. Use ==.")
        return self._is(other)

    def __eq__(self, other: Any) -> Any:
        if (redefined := self._redefined()) is not None:
            return redefined == other
        prop = self.relationship
        if other is None or isinstance(other, Null):
            if not prop.uselist and prop.direction is MANYTOONE and prop.secondary is None:
                return and_(*[column.is_(None) for column in self._own_key()])
            return not_(self._exists(None, {}))
        if prop.uselist:
            raise InvalidRequestError(
                f"{self} is a collection and cannot be compared with an object or a collection. Use contains()."
            )
        return self._is(other)

    def __ne__(self, other: Any) -> Any:
        if (redefined := self._redefined()) is not None:
            return redefined != other
        prop = self.relationship
        own_key = not prop.uselist and prop.direction is MANYTOONE and prop.secondary is None
        if other is None or isinstance(other, Null):
            return or_(*[column.is_not(None) for column in self._own_key()]) if own_key else self._exists(None, {})
        if prop.uselist:
            raise InvalidRequestError(
                f"{self} is a collection and cannot be compared with an object or a collection. Use ~contains()."
            )
        if own_key:
            return or_(not_(self._is(other)), *[column.is_(None) for column in self._own_key()])
        return not_(self._is(other))

    __hash__ = object.__hash__

    def _own_key(self) -> list[Any]:
        """The columns of this end that refer to the other."""
        own = self._own_selectable
        columns = [local for local, _ in self.relationship.local_remote_pairs]
        return columns if own is None else [own.corresponding_column(column) for column in columns]

    def _is(self, other: Any) -> Any:
        """The condition that ``other`` is what stands at the other end."""
        prop = self.relationship
        if getattr(type(other), "__mapper__", None) is None or not isinstance(other, prop.mapper.class_):
            raise ArgumentError(
                f"{self} can be compared with an object of {prop.mapper.class_.__name__} or None, not with "
                f"{other!r:.80}."
            )
        if prop.secondary is None:
            condition = values_of(other, prop.primaryjoin, lambda column: "remote" in marks_of(column))
            condition = only_marks(condition, frozenset())
            own = self._own_selectable
            return condition if own is None else ClauseAdapter(own).traverse(condition)
        secondary = alias_of(prop.secondary)
        primaryjoin, secondaryjoin, _ = prop.join_conditions(self._own_selectable, None, secondary)
        targets = {target for target, _ in prop.secondary_synchronize_pairs}
        member = values_of(other, secondaryjoin, lambda column: column in targets)
        found: Any = select(literal_column("1")).select_from(secondary).where(primaryjoin, member)
        return exists(found.correlate_except(secondary))

    def _exists(self, criterion: Any, kwargs: dict[str, Any]) -> Any:
        prop = self.relationship
        entity = self.target_entity
        target = entity.selectable
        adapter = None
        if prop.is_self_referential and not entity.is_aliased_class:
            target = target.alias()
            adapter = ClauseAdapter(target)
        secondary = None if prop.secondary is None else alias_of(prop.secondary)
        primaryjoin, secondaryjoin, _ = prop.join_conditions(self._own_selectable, target, secondary)
        attributes = entity.entity if entity.is_aliased_class else entity.class_
        wanted = [*self.criteria, *([] if criterion is None else [criterion])]
        wanted += [getattr(attributes, name) == value for name, value in kwargs.items()]
        if adapter is not None:
            wanted = [adapter.traverse(_clause(part)) for part in wanted]
        else:
            target = entity.__clause_element__()  # which says whose table it is, to options with criteria for it
        inside = [target] if secondary is None else [target, secondary]
        joined = [primaryjoin] if secondaryjoin is None else [primaryjoin, secondaryjoin]
        found: Any = select(literal_column("1")).select_from(*inside).where(*joined, *wanted)
        return exists(found.correlate_except(*inside))


def _clause(part: Any) -> Any:
    return part.__clause_element__() if hasattr(part, "__clause_element__") else part
