"""The attribute of a mapped class: a value on an object, SQL on the class.

:class:`InstrumentedAttribute` is a *non-data* descriptor: it has ``__get__`` and no
``__set__``. A loaded value lies in the object's own ``__dict__``, where Python finds it
without asking us; the descriptor is called only for what is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from sqlalchemy import ColumnElement
from sqlalchemy.sql import operators
from sqlalchemy.sql.operators import ColumnOperators

from ..kernel.core import entity_column
from ..kernel.shortcuts import comparison_copier
from ..state.instance import state_of

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import SQLCoreOperations
    from sqlalchemy.sql.roles import TypedColumnsClauseRole

    from ..mapping.mapper import Mapper
    from ..mapping.properties import MapperProperty

T = TypeVar("T")
T_co = TypeVar("T_co", bound=Any, covariant=True)

if TYPE_CHECKING:

    class SQLORMExpression(SQLCoreOperations[T_co], TypedColumnsClauseRole[T_co]):
        """What a mapped attribute is in a SQL expression."""

    class Mapped(SQLORMExpression[T_co]):
        """The annotation of a mapped attribute."""

        @overload
        def __get__(self, instance: None, owner: Any) -> InstrumentedAttribute[T_co]: ...

        @overload
        def __get__(self, instance: object, owner: Any) -> T_co: ...

        def __get__(self, instance: object | None, owner: Any) -> InstrumentedAttribute[T_co] | T_co: ...

        def __set__(self, instance: Any, value: SQLCoreOperations[T_co] | T_co) -> None: ...

        def __delete__(self, instance: Any) -> None: ...

        @classmethod
        def _empty_constructor(cls, arg1: Any) -> Mapped[T_co]: ...

    class _Attribute(Mapped[T_co]):
        __slots__ = ()

else:

    class SQLORMExpression(Generic[T_co]):
        """What a mapped attribute is in a SQL expression."""

    class Mapped(SQLORMExpression[T_co], Generic[T_co]):
        """The annotation of a mapped attribute: ``name: Mapped[str]``, ``nick: Mapped[str | None]``."""

    class _Attribute(ColumnOperators, Mapped[T_co]):
        pass


if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..session.dynamic import AppenderQuery
    from ..session.writeonly import WriteOnlyCollection

    class DynamicMapped(Mapped[T_co]):
        """The annotation of a ``lazy="dynamic"`` collection."""

        @overload  # type: ignore[override]
        def __get__(self, instance: None, owner: Any) -> InstrumentedAttribute[T_co]: ...

        @overload
        def __get__(self, instance: object, owner: Any) -> AppenderQuery[T_co]: ...

        def __get__(self, instance: object | None, owner: Any) -> InstrumentedAttribute[T_co] | AppenderQuery[T_co]: ...

        def __set__(self, instance: Any, value: Iterable[T_co]) -> None: ...  # type: ignore[override]

    class WriteOnlyMapped(Mapped[T_co]):
        """The annotation of a ``lazy="write_only"`` collection."""

        @overload  # type: ignore[override]
        def __get__(self, instance: None, owner: Any) -> InstrumentedAttribute[T_co]: ...

        @overload
        def __get__(self, instance: object, owner: Any) -> WriteOnlyCollection[T_co]: ...

        def __get__(
            self, instance: object | None, owner: Any
        ) -> InstrumentedAttribute[T_co] | WriteOnlyCollection[T_co]: ...

        def __set__(self, instance: Any, value: Iterable[T_co]) -> None: ...  # type: ignore[override]

else:

    class DynamicMapped(Mapped[T_co]):
        """The annotation of a ``lazy="dynamic"`` collection."""

    class WriteOnlyMapped(Mapped[T_co]):
        """The annotation of a ``lazy="write_only"`` collection."""


class QueryableAttribute(_Attribute[T_co]):
    """An attribute of a mapped class, or of an alias of one, as SQL.

    Any operator gives a Core expression: ``User.name == "ed"``, ``User.age + 1``.

    :ivar key: the attribute's name.
    :ivar property: the mapper's property.
    :ivar parent: the mapper, or the alias, that it belongs to.
    """

    is_attribute = True
    is_mapper = False
    is_instance = False
    is_aliased_class = False
    is_clause_element = False
    inherit_cache = True

    dispatch: Any  # of attribute_events.py
    needs_history = False  # whether a listener wants the old value loaded

    def __init__(self, mapper: Mapper[Any], prop: MapperProperty, parent: Any = None) -> None:
        self.key = prop.key
        self.prop = self.property = prop
        self.parent: Any = mapper if parent is None else parent
        self.class_ = mapper.class_
        self.__doc__ = prop.doc
        self._expression: ColumnElement[Any] | None = None

    # -- as SQL -----------------------------------------------------------------------

    @property
    def expression(self) -> ColumnElement[Any]:
        """The Core expression, marked with the entity that it belongs to."""
        found = self._expression
        if found is None:
            found = self._expression = self._make_expression()
        return found

    def _make_expression(self) -> ColumnElement[Any]:
        return entity_column(self.prop.expression, self.parent, self.key)  # type: ignore[attr-defined]

    def __clause_element__(self) -> ColumnElement[Any]:
        return self.expression

    @property
    def comparator(self) -> Any:
        factory = getattr(self.prop, "comparator_factory", None)
        return self.expression if factory is None else factory(self.prop, self.parent)

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        return op(self.comparator, *other, **kwargs)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        return op(other, self.comparator, **kwargs)

    def label(self, name: str | None) -> Any:
        """Name the expression in the SELECT list."""
        return self.expression.label(name)

    @property
    def info(self) -> dict[Any, Any]:
        return self.prop.info

    @property
    def parententity(self) -> Any:
        return self.parent

    def adapt_to(self, parent: Any, adapt: Callable[[Any], Any]) -> QueryableAttribute[T_co]:
        """Return this attribute as one of ``parent``, an alias, with its columns replaced by ``adapt``."""
        # Of the class's own type: Python turns ``a == b`` round where b's type derives from a's.
        new: QueryableAttribute[T_co] = InstrumentedAttribute(self.prop.parent, self.prop, parent)
        new._expression = entity_column(adapt(self.prop.expression), parent, self.key)  # type: ignore[attr-defined]
        return new

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return getattr(self.__dict__["prop"] and self.comparator, name)
        except AttributeError:
            raise AttributeError(
                f"Neither the attribute {self} nor its column expression has an attribute {name!r}.",
                name=name,
                obj=self,
            ) from None

    __hash__ = object.__hash__

    def get_history(self, instance: object, passive: Any = None) -> Any:
        """Return what was added to the attribute of an object, and deleted from it, since the last flush."""
        return state_of(instance).history(self.key)  # type: ignore[union-attr]

    def __str__(self) -> str:
        name = self.class_.__name__
        return f"aliased({name}).{self.key}" if self.parent.is_aliased_class else f"{name}.{self.key}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


# ColumnOperators sets __hash__ aside with __eq__; the operators themselves come from it.
for _op in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(QueryableAttribute, _op, getattr(ColumnOperators, _op))
QueryableAttribute.__hash__ = object.__hash__  # type: ignore


class InstrumentedAttribute(QueryableAttribute[T_co]):
    """A mapped column attribute as it stands on its class."""

    def __init__(self, mapper: Mapper[Any], prop: MapperProperty, parent: Any = None) -> None:
        super().__init__(mapper, prop, parent)
        self._copiers: dict[Any, Callable[[Any], Any] | None] = {}

    def _compare(self, op: Any, other: Any) -> Any:
        """Compare for the first time: let Core do it, and keep what can repeat it for another value."""
        comparison = self.operate(op, other)
        if getattr(self.prop, "comparator_factory", None) is None:
            self._copiers[op, type(other)] = comparison_copier(comparison, other)
        return comparison

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            # Python has looked into the __dict__ before it came here.
            state = state_of(instance)
            if state is None:
                return None
            return state.load_attribute(instance, self.key)


def _comparison(op: Any) -> Any:
    def compare(self: Any, other: Any) -> Any:
        copier = self._copiers.get((op, type(other)), _FIRST)
        if copier is None:
            return self.operate(op, other)
        return self._compare(op, other) if copier is _FIRST else copier(other)

    return compare


_FIRST: Any = object()

for _op in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(InstrumentedAttribute, f"__{_op}__", _comparison(getattr(operators, _op)))
InstrumentedAttribute.__hash__ = object.__hash__  # type: ignore


class SynonymAttribute(QueryableAttribute[T_co]):
    """A second name: on objects it reads and writes the first one, on the class it is its SQL."""

    def __init__(self, mapper: Mapper[Any], prop: Any, parent: Any = None) -> None:
        super().__init__(mapper, prop, parent)
        self.target = prop.name
        self.property = mapper.props.get(prop.name, prop)
        self.descriptor = prop.descriptor

    @property
    def original_property(self) -> Any:
        """The property of this name itself, where ``property`` is that of the attribute it stands for."""
        return self.prop

    @property
    def _proxied(self) -> Any:
        return getattr(self.class_, self.target)

    def _make_expression(self) -> Any:
        return self._proxied.__clause_element__()

    @property
    def comparator(self) -> Any:
        factory = self.prop.comparator_factory  # type: ignore[attr-defined]
        return self._proxied if factory is None else factory(self._proxied.prop, self.parent)

    def adapt_to(self, parent: Any, adapt: Callable[[Any], Any]) -> Any:
        return self._proxied.adapt_to(parent, adapt)

    def _followed(self) -> Any:
        """Return the relationship that this is another name of, which joins and options are to follow; or None."""
        found = self.class_.__dict__.get(self.target)
        if isinstance(found, SynonymAttribute):
            return found._followed()
        prop = getattr(found, "prop", None)
        return found if prop is not None and prop.is_relationship else None

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self._followed() or self
            if self.descriptor is not None:
                return self.descriptor.__get__(instance, owner)
            return getattr(instance, self.target)

        def __set__(self, instance: Any, value: Any) -> None:
            if self.descriptor is not None:
                self.descriptor.__set__(instance, value)
            else:
                setattr(instance, self.target, value)

        def __delete__(self, instance: Any) -> None:
            if self.descriptor is not None:
                self.descriptor.__delete__(instance)
            else:
                delattr(instance, self.target)


class EntityClause:
    """``__clause_element__`` of a mapped class: what Core sees when it is given the class.

    It answers for the class alone. An object must not pass for its table.
    """

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None or "__mapper__" not in owner.__dict__:
            raise AttributeError("__clause_element__")
        return owner.__ropewalk_table__
