"""What the members of a row can be asked for by: ``row.name``, ``row._mapping[User.name]``, ``row._mapping[User]``."""

from __future__ import annotations

from typing import Any

from ..kernel.bundles import bundle_of
from ..kernel.core import attribute_key_of, entity_of
from ..kernel.names import is_lasting, is_made_up, members_of, naming_of
from .entities import entity_in


class RowNames:
    """The names of a SELECT's members.

    :ivar names: for each member its name in a row; None where it has none.
    :ivar others: for each member the objects by which it can be had, too.
    :ivar lasting: whether the next statement of this shape has the same objects.
    """

    def __init__(self, statement: Any) -> None:
        self.names: list[str | None] = []
        self.others: list[tuple[Any, ...]] = []
        self.lasting = True
        name_of = naming_of(statement)
        for member in members_of(statement, whole=True):
            bundle = bundle_of(member)
            if bundle is not None:
                self.names.append(bundle.name)
                self.others.append((bundle,))
                self.lasting = False
                continue
            entity = entity_in(member)
            if entity is not None:
                self.names.append(None if is_made_up(entity_name(entity)) else entity_name(entity))
                self.others.append((entity.entity,))
                self.lasting = self.lasting and not entity.is_aliased_class
                continue
            self.names.append(name_of(member))
            self.others.append(self._others(member))

    def _others(self, member: Any) -> tuple[Any, ...]:
        entity, key = entity_of(member), attribute_key_of(member)
        if entity is None or key is None:
            self.lasting = self.lasting and is_lasting(member)
            return (member,)
        self.lasting = self.lasting and not entity.is_aliased_class
        return (member, getattr(entity.entity, key, member))


def entity_name(entity: Any) -> str:
    """Return the name of a class or alias as a row has it."""
    return entity.name if entity.is_aliased_class else entity.mapper.class_.__name__  # type: ignore[no-any-return]
