"""``association_proxy("user_keywords", "keyword")``: one attribute of related objects, as if it were one's own.

A list, set or dictionary of related objects is seen as the list, set or dictionary of one of
their attributes; a reference to one object as that attribute itself. The parts are in
``proxy_values`` (on objects), ``proxy_collections`` and ``proxy_sets`` (what stands for the
collection), and ``proxy_sql`` (on the class).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..exc import ArgumentError, InvalidRequestError
from ..kernel.symbols import NO_ARG
from ..mapping.properties import AttributeOptions
from .proxy_collections import AssociationCollection, AssociationDict, AssociationList
from .proxy_sets import AssociationSet
from .proxy_sql import (
    AliasedAssociationProxyInstance,
    AmbiguousAssociationProxyInstance,
    ColumnAssociationProxyInstance,
    ObjectAssociationProxyInstance,
    view_of,
)
from .proxy_values import AssociationProxyInstance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

__all__ = [
    "AliasedAssociationProxyInstance",
    "AmbiguousAssociationProxyInstance",
    "AssociationCollection",
    "AssociationDict",
    "AssociationList",
    "AssociationProxy",
    "AssociationProxyExtensionType",
    "AssociationProxyInstance",
    "AssociationSet",
    "ColumnAssociationProxyInstance",
    "ObjectAssociationProxyInstance",
    "association_proxy",
]

T = TypeVar("T")

# Programs with a proxy_factory derive from these, under the names that they know.
_AssociationCollection = AssociationCollection
_AssociationList = AssociationList
_AssociationSet = AssociationSet
_AssociationDict = AssociationDict


class AssociationProxyExtensionType(enum.Enum):
    """What kind of attribute this is, for who goes through all of a class."""

    ASSOCIATION_PROXY = "ASSOCIATION_PROXY"


class AssociationProxy(Generic[T]):
    """The descriptor that :func:`association_proxy` makes; also the annotation of such an attribute.

    It knows no class: mixins and subclasses share it. What it is on one class,
    :meth:`for_class` tells.
    """

    is_attribute = True
    is_mapper = False
    is_instance = False
    is_aliased_class = False
    is_clause_element = False
    extension_type = AssociationProxyExtensionType.ASSOCIATION_PROXY
    owning_class = None

    def __init__(
        self,
        target_collection: str,
        attr: str,
        *,
        creator: Callable[..., Any] | None = None,
        getset_factory: Callable[..., Any] | None = None,
        proxy_factory: Callable[..., Any] | None = None,
        proxy_bulk_set: Callable[..., Any] | None = None,
        info: Mapping[Any, Any] | None = None,
        cascade_scalar_deletes: bool = False,
        create_on_none_assignment: bool = False,
        attribute_options: AttributeOptions | None = None,
    ) -> None:
        if cascade_scalar_deletes and create_on_none_assignment:
            raise ArgumentError(
                f"association_proxy({target_collection!r}, {attr!r}): cascade_scalar_deletes and "
                "create_on_none_assignment contradict each other, one removes the object for a None and the other "
                "makes one. Leave one of them out."
            )
        self.target_collection = target_collection
        self.value_attr = attr
        self.creator = creator
        self.getset_factory = getset_factory
        self.proxy_factory = proxy_factory
        self.proxy_bulk_set = proxy_bulk_set
        self.info: dict[Any, Any] = dict(info or {})
        self.cascade_scalar_deletes = cascade_scalar_deletes
        self.create_on_none_assignment = create_on_none_assignment
        self.attribute_options = attribute_options or AttributeOptions()
        self.key = f"{target_collection}.{attr}"  # until a class body tells its name

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = name

    def for_class(self, class_: type, obj: object | None = None) -> AssociationProxyInstance[T]:
        """Return what the proxy is on one mapped class.

        :param obj: an object of the class, where only subclasses of the related class have the attribute and
          it depends on the object which one is meant.
        :raises InvalidRequestError: the class is not mapped.
        """
        mapper = getattr(class_, "__mapper__", None)
        if mapper is None:
            raise InvalidRequestError(
                f"{class_.__name__} is not mapped, so that {self!r} has no relationship "
                f"{self.target_collection!r} to look through."
            )
        return view_of(self, mapper, obj)

    @overload
    def __get__(self, instance: None, owner: None) -> Self: ...

    @overload
    def __get__(self, instance: None, owner: Any) -> AssociationProxyInstance[T]: ...

    @overload
    def __get__(self, instance: object, owner: Any) -> T: ...

    def __get__(self, instance: object | None, owner: Any) -> Any:
        if instance is not None:
            return self.for_class(type(instance), instance).get(instance)
        # A class that is about to be mapped inherits the mapper of its base, and is not meant by it.
        if owner is None or "__mapper__" not in owner.__dict__:
            return self
        return self.for_class(owner)

    def __set__(self, instance: object, values: T) -> None:
        self.for_class(type(instance), instance).set(instance, values)

    def __delete__(self, instance: object) -> None:
        self.for_class(type(instance), instance).delete(instance)

    def __repr__(self) -> str:
        return f"AssociationProxy({self.target_collection!r}, {self.value_attr!r})"


def association_proxy(
    target_collection: str,
    attr: str,
    *,
    creator: Callable[..., Any] | None = None,
    getset_factory: Callable[..., Any] | None = None,
    proxy_factory: Callable[..., Any] | None = None,
    proxy_bulk_set: Callable[..., Any] | None = None,
    info: Mapping[Any, Any] | None = None,
    cascade_scalar_deletes: bool = False,
    create_on_none_assignment: bool = False,
    init: Any = NO_ARG,
    repr: Any = NO_ARG,
    default: Any = NO_ARG,
    default_factory: Any = NO_ARG,
    compare: Any = NO_ARG,
    kw_only: Any = NO_ARG,
    hash: Any = NO_ARG,
    dataclass_metadata: Any = NO_ARG,
) -> AssociationProxy[Any]:
    """Show one attribute of related objects as an attribute of one's own. ::

        class User(Base):
            user_keywords: Mapped[list["UserKeyword"]] = relationship()
            keywords: AssociationProxy[list[str]] = association_proxy(
                "user_keywords", "keyword", creator=lambda word: UserKeyword(keyword=word)
            )

        user.keywords.append("cheese")
        select(User).where(User.keywords == "cheese")

    :param target_collection: the relationship to look through.
    :param attr: the attribute of the objects there; it may be a proxy itself.
    :param creator: makes a related object of a value, or of key and value for a dictionary; without it the
      related class is called with them.
    :param getset_factory: ``(collection class, proxy) -> getter, setter``, in place of reading and writing ``attr``.
    :param proxy_factory: ``(lazy_collection, creator, attr, proxy)`` → what stands for the collection.
    :param proxy_bulk_set: ``(collection, values)``, fills an empty one when the whole is assigned.
    :param info: anything the program wants to keep with it.
    :param cascade_scalar_deletes: to assign None lets go of the related object, not of its attribute alone.
    :param create_on_none_assignment: to assign None makes a related object where there is none.
    """
    return AssociationProxy(
        target_collection,
        attr,
        creator=creator,
        getset_factory=getset_factory,
        proxy_factory=proxy_factory,
        proxy_bulk_set=proxy_bulk_set,
        info=info,
        cascade_scalar_deletes=cascade_scalar_deletes,
        create_on_none_assignment=create_on_none_assignment,
        attribute_options=AttributeOptions(
            init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata
        ),
    )
