"""Comparators: what a mapping may give to redefine the operators of one attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy.sql.operators import ColumnOperators

T = TypeVar("T")


class PropComparator(ColumnOperators if not TYPE_CHECKING else Generic[T]):  # type: ignore[misc]
    """Base of the classes given as ``comparator_factory``.

    ::

        class CaseInsensitive(ColumnProperty.Comparator):
            def __eq__(self, other):
                return func.lower(self.__clause_element__()) == func.lower(other)

        name: Mapped[str] = column_property(Column(String), comparator_factory=CaseInsensitive)

    :ivar prop: the property whose operators it defines.
    """

    def __init__(self, prop: Any, parententity: Any, adapt_to_entity: Any = None) -> None:
        self.prop = self.property = prop
        self.parent = self._parententity = parententity

    def __clause_element__(self) -> Any:
        if self.parent.is_aliased_class:
            return self.parent.adapt(self.prop.expression)
        return getattr(self.prop.parent.class_, self.prop.key).expression

    @property
    def expression(self) -> Any:
        return self.__clause_element__()

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        return op(self.__clause_element__(), *other, **kwargs)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        return op(other, self.__clause_element__(), **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__clause_element__(), name)


class RelationshipComparator(PropComparator):
    """The operators of a relationship; derive from it for the ``comparator_factory`` of one.

    What a subclass does not define is as usual. It may add methods of its own::

        class Matching(RelationshipProperty.Comparator):
            def named(self, name):
                return self.any(Tag.name == name)

        tags: Mapped[list["Tag"]] = relationship(comparator_factory=Matching)

    :ivar plain: the attribute with its usual operators.
    """

    plain: Any

    def __clause_element__(self) -> Any:
        return self.plain.expression

    def __eq__(self, other: Any) -> Any:
        return self.plain == other

    def __ne__(self, other: Any) -> Any:
        return self.plain != other

    __hash__ = object.__hash__

    def any(self, criterion: Any = None, **kwargs: Any) -> Any:
        return self.plain.any(criterion, **kwargs)

    def has(self, criterion: Any = None, **kwargs: Any) -> Any:
        return self.plain.has(criterion, **kwargs)

    def contains(self, other: Any, **kwargs: Any) -> Any:
        return self.plain.contains(other, **kwargs)

    def of_type(self, entity: Any) -> Any:
        return self.plain.of_type(entity)

    def and_(self, *criteria: Any) -> Any:
        return self.plain.and_(*criteria)
