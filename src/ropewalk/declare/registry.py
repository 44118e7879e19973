"""``registry``: a set of mappings that belong together."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, overload

from sqlalchemy import FromClause, MetaData
from sqlalchemy.types import TypeEngine

from ..exc import ArgumentError
from ..instrumentation.events import everybody
from ..instrumentation.manager import uninstrument_class, unknown_keyword
from ..kernel.core import dispatch_for
from ..kernel.symbols import EXT_SKIP
from ..mapping import configuring
from ..mapping.mapper import Mapper
from ..mapping.properties import column_property, deferred, synonym
from ..mapping.relationships import relationship
from . import dataclass
from .build import declare_class
from .columns import MappedColumn, mapped_column
from .door import map_class, mapper_of
from .metaclass import DeclarativeMeta
from .names import ClassRegistry, add_class, find_class, remove_class
from .typemap import MutableTypeAnnotationMap, TypeAnnotationMap, sql_type_of, without_none

T = TypeVar("T")


def declarative_constructor(self: Any, **kwargs: Any) -> None:
    """Set each keyword as an attribute; what ``__init__`` of a class without one of its own does.

    :raises TypeError: the class has no such attribute.
    """
    class_ = type(self)
    for key, value in kwargs.items():
        if not hasattr(class_, key):
            raise TypeError(unknown_keyword(class_, key))
        setattr(self, key, value)


declarative_constructor.__name__ = "__init__"
# Instrumentation may put a faster one of the same behaviour in its place.
declarative_constructor.__ropewalk_default__ = True  # type: ignore[attr-defined]


class registry:
    """Holds what a set of mapped classes shares: metadata, type map, constructor, and the classes by name.

    :param metadata: where tables are registered; a new :class:`~sqlalchemy.MetaData` by default.
    :param class_registry: a dictionary for the classes by name; given to several registries, their
      classes can refer to one another by name.
    :param type_annotation_map: Python type → SQL type, before the defaults.
    :param constructor: what becomes ``__init__`` of classes that have none; None leaves them Python's.
    """

    dispatch: Any  # of events.py, which knows this class

    def __init__(
        self,
        *,
        metadata: MetaData | None = None,
        class_registry: ClassRegistry | None = None,
        type_annotation_map: TypeAnnotationMap | None = None,
        constructor: Callable[..., None] | None = declarative_constructor,
    ) -> None:
        self.metadata = MetaData() if metadata is None else metadata
        self.constructor = constructor
        self.type_annotation_map: MutableTypeAnnotationMap = {}
        self._class_registry: ClassRegistry = (
            weakref.WeakValueDictionary() if class_registry is None else class_registry
        )
        # in the order of mapping, so that hooks run for a base before its subclasses
        self._classes: weakref.WeakKeyDictionary[type, None] = weakref.WeakKeyDictionary()
        self._unconfigured: list[weakref.ref[Mapper[Any]]] = []
        if type_annotation_map is not None:
            self.update_type_annotation_map(type_annotation_map)
        _registries.add(self)

    # -- what it holds ----------------------------------------------------------------

    @property
    def mappers(self) -> frozenset[Mapper[Any]]:
        """The mappers of all classes mapped here."""
        return frozenset(self._mappers_in_order())

    def _mappers_in_order(self) -> list[Mapper[Any]]:
        return [found for class_ in list(self._classes) if (found := mapper_of(class_)) is not None]

    def find_class(self, path: str) -> type:
        """Return the mapped class that a string means: its name, with or without (the end of) its module.

        :raises InvalidRequestError: no class answers to it, or several do.
        """
        return find_class(path, self._class_registry)

    def add(self, mapper: Mapper[Any]) -> None:
        """Take in a mapper; :func:`map_class` calls it."""
        add_class(mapper.class_, self._class_registry)
        self._classes[mapper.class_] = None
        self._unconfigured.append(weakref.ref(mapper))

    # -- types ------------------------------------------------------------------------

    def update_type_annotation_map(self, type_annotation_map: TypeAnnotationMap) -> None:
        """Add entries to the type map; ``X | None`` as a key means ``X``."""
        self.type_annotation_map.update({without_none(key): value for key, value in type_annotation_map.items()})

    def resolve_type(self, python_type: Any) -> TypeEngine[Any] | None:
        """Return the SQL type that an annotation of ``python_type`` gives, or None where none is known."""
        return sql_type_of(python_type, self.type_annotation_map)

    # -- mapping ----------------------------------------------------------------------

    def map_imperatively(self, class_: type[T], local_table: FromClause | None = None, **kw: Any) -> Mapper[T]:
        """Map a plain class to a table, and return its mapper.

        ::

            registry.map_imperatively(User, users, properties={"name": users.c.user_name})

        :param kw: ``properties`` and whatever else :class:`Mapper` takes.
        :raises ArgumentError: the class is mapped already, there is no table, or it has no primary key.
        """
        return map_class(class_, local_table, registry=self, **kw)

    def map_declaratively(self, cls: type[T]) -> Mapper[T]:
        """Map a class by what its body says, without a declarative base, and return its mapper."""
        declare_class(self, cls)
        mapper = mapper_of(cls)
        if mapper is None:
            raise ArgumentError(f"{cls.__name__} says __abstract__ = True and cannot be mapped itself.")
        return mapper

    def mapped(self, cls: type[T]) -> type[T]:
        """Class decorator: map the class by what its body says."""
        declare_class(self, cls)
        return cls

    @overload
    def mapped_as_dataclass(self, cls: type[T], /) -> type[T]: ...

    @overload
    def mapped_as_dataclass(self, cls: None = None, /, **arguments: Any) -> Callable[[type[T]], type[T]]: ...

    @dataclass_transform(
        field_specifiers=(MappedColumn, mapped_column, column_property, deferred, synonym, relationship)
    )
    def mapped_as_dataclass(
        self, cls: type[T] | None = None, /, **arguments: Any
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Class decorator: make the class a dataclass and map it.

        :param arguments: those of :func:`dataclasses.dataclass`.
        """

        def decorate(class_: type[T]) -> type[T]:
            dataclass.set_arguments(class_, arguments)
            return self.mapped(class_)

        return decorate if cls is None else decorate(cls)

    def generate_base(
        self,
        mapper: Callable[..., Mapper[Any]] | None = None,
        cls: Any = object,
        name: str = "Base",
        metaclass: Callable[..., Any] = DeclarativeMeta,
    ) -> Any:
        """Make a declarative base class; :class:`DeclarativeBase` is the form that type checkers understand.

        :param mapper: makes the mapper of each class, instead of :class:`Mapper`.
        :param cls: a class, or a tuple of them, to derive the base from.
        :param name: the name of the base.
        :param metaclass: the type of the base.
        """
        bases = cls if isinstance(cls, tuple) else (cls,)
        body: dict[str, Any] = {
            "registry": self,
            "metadata": self.metadata,
            "__abstract__": True,
            "__slots__": ("_sa_instance_state",),
        }
        if isinstance(cls, type):
            body["__doc__"] = cls.__doc__
            body["__module__"] = cls.__module__ if cls is not object else __name__
        if self.constructor is not None:
            body["__init__"] = self.constructor
        if mapper is not None:
            body["__mapper_cls__"] = mapper
        if hasattr(cls, "__class_getitem__"):
            body["__class_getitem__"] = classmethod(lambda class_, _key: class_)
        return metaclass(name, bases, body)

    def as_declarative_base(self, **kw: Any) -> Callable[[type[T]], type[T]]:
        """Class decorator: make a declarative base of the class. Takes what :meth:`generate_base` takes."""

        def decorate(cls: type[T]) -> type[T]:
            base: type[T] = self.generate_base(cls=cls, name=cls.__name__, **kw)
            return base

        return decorate

    # -- configuring and disposing ------------------------------------------------------

    def configure(self, cascade: bool = False) -> None:
        """Complete the mappings made since the last call; it happens by itself on first use.

        ``__declare_first__()`` of the mapped classes runs before, ``__declare_last__()`` after.
        """
        if not self._unconfigured:
            configuring.configure_registry(self)  # a relationship may have come to a mapper that was complete
            return
        new = [mapper for ref in self._unconfigured if (mapper := ref()) is not None]
        self._unconfigured.clear()
        of_all = dispatch_for(Mapper)
        of_all.before_configured()
        self.dispatch.before_configured(self)
        self._call_hook("__declare_first__")
        skipped = _skipped(new)
        if skipped:
            self._unconfigured += [weakref.ref(mapper) for mapper in skipped]
            configuring.configure_mappers([m for m in configuring.waiting(self) if m not in skipped])
        else:
            configuring.configure_registry(self)
        for mapper in new:
            if mapper not in skipped:
                configuring.done(mapper)
                mapper.dispatch.mapper_configured(mapper, mapper.class_)
        self._call_hook("__declare_last__")
        self.dispatch.after_configured(self)
        of_all.after_configured()

    def awaits(self, mapper: Mapper[Any]) -> bool:
        """Whether a mapper is to be configured yet."""
        return any(ref() is mapper for ref in self._unconfigured)

    def _call_hook(self, name: str) -> None:
        for mapper in self._mappers_in_order():
            declared = getattr(mapper.class_, name, None)
            if declared is not None:
                declared()

    def dispose(self, cascade: bool = False) -> None:
        """Take all mappings of this registry off their classes."""
        for class_ in list(self._classes):
            mapper = mapper_of(class_)
            if mapper is not None:
                everybody.dispatch.class_uninstrument(class_)
                uninstrument_class(mapper)
                configuring.forget(mapper)
            remove_class(class_, self._class_registry)
        self._classes.clear()
        self._unconfigured.clear()


def _skipped(mappers: list[Mapper[Any]]) -> list[Mapper[Any]]:
    """Tell that mappers are about to be configured; return those that a listener wants left out."""
    return [
        mapper
        for mapper in mappers
        if any(listener(mapper, mapper.class_) is EXT_SKIP for listener in mapper.dispatch.before_mapper_configured)
    ]


_registries: weakref.WeakSet[registry] = weakref.WeakSet()


def configure_mappers() -> None:
    """Complete the mappings of all registries; it happens by itself on first use."""
    for each in list(_registries):
        each.configure()


def clear_mappers() -> None:
    """Take all mappings off all classes. For test suites; objects made before are of no use afterwards."""
    for each in list(_registries):
        each.dispose()


_default_registry = registry()


def mapper(
    class_: type[T],
    local_table: FromClause | None = None,
    properties: dict[str, Any] | None = None,
    **kw: Any,
) -> Mapper[T]:
    """Map a plain class to a table.

    The classes mapped in this way share one registry; :meth:`registry.map_imperatively` does the same in a
    registry of your own. ::

        class User:
            def __init__(self, name):
                self.name = name

        mapper(User, users_table, properties={"name": users_table.c.user_name})

    :param properties: attribute name → column or property, for what is not simply named like its column.
    :param kw: whatever else :class:`Mapper` takes.
    """
    return _default_registry.map_imperatively(class_, local_table, properties=properties, **kw)
