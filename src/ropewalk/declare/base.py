"""Declarative base classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform, overload

from sqlalchemy import FromClause, MetaData

from ..exc import InvalidRequestError
from ..kernel.symbols import NO_ARG, NoArg
from ..mapping.mapper import Mapper
from ..mapping.properties import SynonymProperty, column_property, deferred, synonym
from ..mapping.relationships import relationship
from . import dataclass
from .build import declare_class
from .columns import MappedColumn, mapped_column
from .door import mapper_of
from .metaclass import DCTransformDeclarative, DeclarativeAttributeIntercept, DeclarativeMeta
from .names import ClassRegistry
from .registry import declarative_constructor, registry
from .scan import ClassScan
from .typemap import TypeAnnotationMap

T = TypeVar("T")


class _Declarative:
    """What all declarative bases have in common.

    The slot holds the state of each object, so that ``vars(obj)`` shows nothing but data; classes derived
    from a base have a ``__dict__`` and weak references as usual.
    """

    __slots__ = ("_sa_instance_state",)

    if TYPE_CHECKING:
        registry: ClassVar[registry]
        metadata: ClassVar[MetaData]
        __name__: ClassVar[str]
        __mapper__: ClassVar[Mapper[Any]]
        __table__: ClassVar[FromClause]
        __tablename__: Any
        __mapper_args__: Any
        __table_args__: Any

        def __init__(self, **kw: Any) -> None: ...


class DeclarativeBase(_Declarative, metaclass=DeclarativeAttributeIntercept):
    """Derive your base class from this one, and your mapped classes from that.

    ::

        class Base(DeclarativeBase):
            type_annotation_map = {str: String(200)}

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

    The base may set ``metadata``, ``type_annotation_map`` or a whole ``registry``. Columns that it declares
    are those of each class derived from it.
    """

    __slots__ = ()

    def __init_subclass__(cls, **kw: Any) -> None:
        if DeclarativeBase in cls.__bases__:
            _set_up_base(cls, DeclarativeBase)
        else:
            declare_class(_registry_of(cls), cls)
        super().__init_subclass__(**kw)


class DeclarativeBaseNoMeta(_Declarative):
    """Like :class:`DeclarativeBase`, without a metaclass, for classes that need another one.

    Attributes are added to a mapped class with :func:`add_mapped_attribute`.
    """

    __slots__ = ()

    def __init_subclass__(cls, **kw: Any) -> None:
        if DeclarativeBaseNoMeta in cls.__bases__:
            _set_up_base(cls, DeclarativeBaseNoMeta)
        else:
            declare_class(_registry_of(cls), cls)
        super().__init_subclass__(**kw)


def _registry_of(class_: Any) -> registry:
    # under a name of its own, since a class may have an attribute called "registry"
    found: registry = class_._sa_registry
    return found


def _set_up_base(class_: Any, root: type) -> None:
    """Give a declarative base its registry.

    :raises InvalidRequestError: it has a table name, or a registry and a type map.
    """
    name = class_.__name__
    if isinstance(class_.__dict__.get("__tablename__"), str) or isinstance(
        class_.__dict__.get("__table__"), FromClause
    ):
        raise InvalidRequestError(
            f"{name} derives from {root.__name__} itself, which makes it a base and not a mapped class. Put "
            f"`class Base({root.__name__}): ...` between them."
        )
    given = getattr(class_, "registry", None)
    type_map: TypeAnnotationMap | None = getattr(class_, "type_annotation_map", None)
    if given is None:
        given = registry(metadata=getattr(class_, "metadata", None), type_annotation_map=type_map)
        class_.registry = given
    elif not isinstance(given, registry):
        raise InvalidRequestError(f"{name}.registry must be a registry(), not {given!r}.")
    elif type_map is not None:
        raise InvalidRequestError(
            f"{name} has both a registry and a type_annotation_map, which would never be read. Give it to "
            "the registry: registry(type_annotation_map=...)."
        )
    class_._sa_registry = given
    if "metadata" not in class_.__dict__:
        class_.metadata = given.metadata
    if class_.__init__ is object.__init__ and given.constructor is not None:
        class_.__init__ = given.constructor


def declarative_base(
    *,
    metadata: MetaData | None = None,
    mapper: Callable[..., Mapper[Any]] | None = None,
    cls: Any = object,
    name: str = "Base",
    class_registry: ClassRegistry | None = None,
    type_annotation_map: TypeAnnotationMap | None = None,
    constructor: Callable[..., None] | None = declarative_constructor,
    metaclass: Callable[..., Any] = DeclarativeMeta,
) -> Any:
    """Make a declarative base class; :class:`DeclarativeBase` is the form that type checkers understand.

    The parameters are those of :class:`registry` and of :meth:`registry.generate_base`.
    """
    made = registry(
        metadata=metadata,
        class_registry=class_registry,
        type_annotation_map=type_annotation_map,
        constructor=constructor,
    )
    return made.generate_base(mapper=mapper, cls=cls, name=name, metaclass=metaclass)


def as_declarative(
    *, metadata: MetaData | None = None, class_registry: ClassRegistry | None = None, **kw: Any
) -> Callable[[type[T]], type[T]]:
    """Class decorator: make a declarative base of the class, with a registry of its own."""
    return registry(metadata=metadata, class_registry=class_registry).as_declarative_base(**kw)


def synonym_for(name: str, map_column: bool = False) -> Callable[[Any], SynonymProperty]:
    """Decorator: make a property of the class a synonym of the mapped attribute ``name``.

    Objects use the property, SQL uses the column::

        @synonym_for("_status")
        @property
        def status(self):
            return self._status.upper()

    :param map_column: map the column named like the property under ``name``.
    """

    def decorate(descriptor: Any) -> SynonymProperty:
        return SynonymProperty(name, map_column=map_column, descriptor=descriptor)

    return decorate


# -- dataclasses ----------------------------------------------------------------------


class MappedAsDataclass(metaclass=DCTransformDeclarative):
    """Mixin: make dataclasses of the mapped classes derived from it.

    Arguments of :func:`dataclasses.dataclass` are given in the class statement::

        class Base(MappedAsDataclass, DeclarativeBase, kw_only=True): ...

        class User(Base, repr=False):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True, init=False)
            name: Mapped[str]
            tags: Mapped[list[str]] = mapped_column(default_factory=list)

    Mixins and abstract bases of such classes derive from it too.
    """

    __slots__ = ()

    def __init_subclass__(
        cls,
        init: bool | NoArg = NO_ARG,
        repr: bool | NoArg = NO_ARG,
        eq: bool | NoArg = NO_ARG,
        order: bool | NoArg = NO_ARG,
        unsafe_hash: bool | NoArg = NO_ARG,
        match_args: bool | NoArg = NO_ARG,
        kw_only: bool | NoArg = NO_ARG,
        dataclass_callable: Callable[..., type] | NoArg = NO_ARG,
        **kw: Any,
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name in dataclass.ARGUMENTS}
        dataclass.set_arguments(cls, arguments)
        super().__init_subclass__(**kw)
        if mapper_of(cls) is None:
            _transform_unmapped(cls)


def _transform_unmapped(class_: type) -> None:
    scan = ClassScan(class_, allow_unmapped=True)
    scan.read_own()
    dataclass.transform(class_, scan, dataclass.arguments_of(class_) or {}, keep_attributes=True)


@overload
def unmapped_dataclass(cls: type[T], /) -> type[T]: ...


@overload
def unmapped_dataclass(cls: None = None, /, **arguments: Any) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(field_specifiers=(MappedColumn, mapped_column, column_property, deferred, synonym, relationship))
def unmapped_dataclass(cls: type[T] | None = None, /, **arguments: Any) -> type[T] | Callable[[type[T]], type[T]]:
    """Class decorator: make a dataclass of a mixin or abstract base of classes mapped as dataclasses.

    :param arguments: those of :func:`dataclasses.dataclass`.
    """

    def decorate(class_: type[T]) -> type[T]:
        dataclass.set_arguments(class_, arguments)
        _transform_unmapped(class_)
        return class_

    return decorate if cls is None else decorate(cls)


@dataclass_transform(field_specifiers=(MappedColumn, mapped_column, column_property, deferred, synonym, relationship))
def mapped_as_dataclass(registry: registry, /, **arguments: Any) -> Callable[[type[T]], type[T]]:
    """Class decorator: make the class a dataclass and map it in ``registry``.

    :param arguments: those of :func:`dataclasses.dataclass`.
    """

    def decorate(class_: type[T]) -> type[T]:
        dataclass.set_arguments(class_, arguments)
        return registry.mapped(class_)

    return decorate
