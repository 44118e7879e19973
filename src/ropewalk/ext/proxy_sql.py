"""An association proxy on its class: conditions on the related objects.

``User.keywords == "cheese"`` is an EXISTS over the relationship; through a proxy of a proxy, or
to an attribute that is a relationship itself, an EXISTS within an EXISTS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sqlalchemy import or_
from sqlalchemy.sql import operators

from ..exc import ArgumentError, InvalidRequestError
from ..mapping import configuring
from .proxy_values import AssociationProxyInstance

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..mapping.mapper import Mapper
    from .associationproxy import AssociationProxy

T = TypeVar("T")


def view_of(proxy: AssociationProxy[T], mapper: Mapper[Any], obj: Any = None) -> AssociationProxyInstance[T]:
    """Return what a proxy is on the class of ``mapper``, or for one object of it."""
    # With the class manager it is forgotten when the class is mapped anew.
    views = vars(mapper.class_manager).setdefault("association_proxies", {})
    view = views.get(proxy)
    if view is None:
        view = views[proxy] = _make_view(proxy, mapper)
    return view if obj is None else view.for_object(obj)  # type: ignore[no-any-return]


def _make_view(proxy: AssociationProxy[T], mapper: Mapper[Any]) -> AssociationProxyInstance[T]:
    if configuring.pending:  # the relationship may be a backref
        configuring.configure(mapper)
    prop: Any = mapper.props.get(proxy.target_collection)
    if prop is None:
        raise InvalidRequestError(
            f"{proxy!r}: {mapper.class_.__name__} has no attribute {proxy.target_collection!r}; it has "
            f"{', '.join(mapper.props)}."
        )
    if not prop.is_relationship:
        raise NotImplementedError(
            f"{mapper.class_.__name__}.{proxy.key}: an association proxy to a non-relationship intermediary is not "
            f"supported, and {prop} is none."
        )
    return _view_through(proxy, mapper.class_, prop.mapper.class_)


def _view_through(proxy: AssociationProxy[T], owner: type, target: type) -> AssociationProxyInstance[T]:
    """Choose the kind of view by what the attribute of the related class is."""
    try:
        attribute = getattr(target, proxy.value_attr)
    except AttributeError:
        return AmbiguousAssociationProxyInstance(proxy, owner, target)
    except Exception as error:
        raise InvalidRequestError(
            f'{owner.__name__}.{proxy.key}: unexpected error from attribute "{target.__name__}.{proxy.value_attr}" '
            f'of class "{target.__name__}": {error}'
        ) from error
    if isinstance(attribute, AssociationProxyInstance) or getattr(
        getattr(attribute, "property", None), "is_relationship", False
    ):
        return ObjectAssociationProxyInstance(proxy, owner, target)
    if callable(getattr(attribute, "operate", None)):
        return ColumnAssociationProxyInstance(proxy, owner, target)
    return AmbiguousAssociationProxyInstance(proxy, owner, target)


class _ComparableProxy(AssociationProxyInstance[T]):
    """A view whose related attribute is known: conditions can be made."""

    to_objects: bool

    def __clause_element__(self) -> NoReturn:
        raise NotImplementedError(
            f"The association proxy can't be used as a plain column expression: {self.owning_class.__name__}."
            f"{self.key} is in another table. Compare it, or join along its local_attr and select its remote_attr."
        )

    def adapt_to(self, parent: Any, adapt: Callable[[Any], Any]) -> AliasedAssociationProxyInstance[T]:
        """Return the same view of an alias."""
        return _ALIASED[type(self)](self, parent)  # type: ignore[no-any-return]

    def any(self, criterion: Any = None, **kwargs: Any) -> Any:
        """Whether one of the related objects fulfils a criterion, or whether there is one at all."""
        if not self._inner and self._leads_to_one:
            raise InvalidRequestError(f"any() is for collections and {self} leads to one object. Use has().")
        return self._exists(criterion, kwargs)

    def has(self, criterion: Any = None, **kwargs: Any) -> Any:
        """Whether the related object fulfils a criterion, or whether there is one at all."""
        if not self._inner and not self._leads_to_one:
            raise InvalidRequestError(f"has() is for references and {self} leads to a collection. Use any().")
        if criterion is not None and not self.to_objects:
            raise ArgumentError(f"Non-empty has() not allowed for {self}, which leads to a column. Use ==.")
        return self._exists(criterion, kwargs)

    @property
    def _inner(self) -> Any:
        """The view of the related class, where the proxy leads to another proxy."""
        attribute = self.remote_attr
        return attribute if isinstance(attribute, AssociationProxyInstance) else None

    @property
    def _leads_to_one(self) -> bool:
        return self.scalar and not (self.to_objects and self.remote_attr.relationship.uselist)

    def _exists(self, criterion: Any, kwargs: dict[str, Any]) -> Any:
        inner = self._inner
        if inner is not None:
            criterion = inner._exists(criterion, kwargs)
        elif self.to_objects:
            criterion = _exists_over(self.remote_attr, criterion, **kwargs)
        elif kwargs:
            raise ArgumentError(
                f"Can't apply keyword arguments to column-targeted {self}: {', '.join(kwargs)}. Use ==."
            )
        return _exists_over(self.local_attr, criterion)


def _exists_over(relationship: Any, criterion: Any = None, **kwargs: Any) -> Any:
    over = relationship.any if relationship.relationship.uselist else relationship.has
    return over(criterion, **kwargs)


class ObjectAssociationProxyInstance(_ComparableProxy[T]):
    """A view of objects, or of what another proxy shows."""

    to_objects = True

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"{self} leads to objects and has no operator {getattr(op, '__name__', op)}. Use ==, any(), has() or "
            "contains()."
        )

    reverse_operate = operate

    def contains(self, other: Any, **kwargs: Any) -> Any:
        """Whether ``other`` is among the objects, or values, that the proxy shows."""
        inner = self._inner
        if inner is not None:
            return _exists_over(self.local_attr, inner == other if inner.scalar else inner.contains(other))
        if not self.scalar:
            return _exists_over(self.local_attr, **{self.value_attr: other})
        if self._leads_to_one:
            raise InvalidRequestError(f"contains() doesn't apply to {self}, which leads to one object. Use ==.")
        return self.local_attr.has(self.remote_attr.contains(other))

    def __eq__(self, other: Any) -> Any:
        found = self.local_attr.has(**{self.value_attr: other})
        return or_(found, self.local_attr == None) if other is None else found  # noqa: E711

    def __ne__(self, other: Any) -> Any:
        return self.local_attr.has(self.remote_attr != other)

    __hash__ = object.__hash__


class ColumnAssociationProxyInstance(_ComparableProxy[T]):
    """A view of a column: any operator applies to the column of some related object."""

    to_objects = False

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        found = self._exists(op(self.remote_attr, *other, **kwargs), {})
        if op is operators.eq and other[0] is None:  # no related object is no value, too
            return or_(found, self.local_attr == None)  # noqa: E711
        return found

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        return self._exists(op(other, self.remote_attr, **kwargs), {})


class AliasedAssociationProxyInstance(_ComparableProxy[T]):
    """A view of an alias: the relationship is the alias's."""

    def __init__(self, view: AssociationProxyInstance[T], alias: Any) -> None:
        super().__init__(view.parent, view.owning_class, view.target_class)
        self.alias = alias

    @property
    def local_attr(self) -> Any:
        return getattr(self.alias.entity, self.target_collection)


class _AliasedColumnProxy(AliasedAssociationProxyInstance[T], ColumnAssociationProxyInstance[T]):
    pass


class _AliasedObjectProxy(AliasedAssociationProxyInstance[T], ObjectAssociationProxyInstance[T]):
    pass


_ALIASED: dict[Any, Any] = {
    ColumnAssociationProxyInstance: _AliasedColumnProxy,
    ObjectAssociationProxyInstance: _AliasedObjectProxy,
}


class AmbiguousAssociationProxyInstance(AssociationProxyInstance[T]):
    """A view of an attribute that the related class does not map; its subclasses may, or it is plain Python."""

    def for_object(self, obj: Any) -> AssociationProxyInstance[T]:
        """Return the view by the class of the object that ``obj`` refers to."""
        mapper = getattr(type(getattr(obj, self.target_collection)), "__mapper__", None)
        if mapper is None or mapper.class_ is self.target_class:
            return self
        views = self.__dict__.setdefault("_by_class", {})
        found = views.get(mapper.class_)
        if found is None:
            found = views[mapper.class_] = _view_through(self.parent, self.owning_class, mapper.class_)
        return found  # type: ignore[no-any-return]

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    reverse_operate = operate

    def any(self, criterion: Any = None, **kwargs: Any) -> NoReturn:
        self._refuse()

    def has(self, criterion: Any = None, **kwargs: Any) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise AttributeError(
            f"Association proxy {self.owning_class.__name__}.{self.target_collection} refers to an attribute "
            f"{self.value_attr!r} that is not directly mapped on {self.target_class.__name__}, so that no condition "
            "can be made of it."
        )
