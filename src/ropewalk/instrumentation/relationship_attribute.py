"""A relationship as it stands on its class: objects on an instance, conditions in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .attributes import QueryableAttribute
from .references import instance_state

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..mapping.properties import MapperProperty

T_co = TypeVar("T_co", bound=Any, covariant=True)


class RelationshipAttribute(QueryableAttribute[T_co]):
    """A relationship attribute of a mapped class."""

    def __init__(self, mapper: Mapper[Any], prop: MapperProperty, parent: Any = None) -> None:
        super().__init__(mapper, prop, parent)
        self._relations = mapper.class_manager.relations

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            # Python has looked into the __dict__ before it came here.
            state = instance_state(instance)
            return state.mapper.class_manager.relations[self.key].get(state, instance)
