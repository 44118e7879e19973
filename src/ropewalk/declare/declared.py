"""``declared_attr``: attributes of mixins that are computed for each class."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..exc import SAWarning
from ..instrumentation.attributes import InstrumentedAttribute, Mapped

T = TypeVar("T")
T_co = TypeVar("T_co", bound=Any, covariant=True)

# While a class is being mapped: what its declared attributes have given so far. Each is computed once, so
# that `cls.owner_id` means one column however many other declared attributes refer to it.
_computed: dict[type, dict[DeclaredDirective[Any], Any]] = {}


@contextlib.contextmanager
def computing_for(class_: type) -> Iterator[None]:
    """Keep each declared attribute of ``class_`` at its first value until the block ends."""
    _computed[class_] = {}
    try:
        yield
    finally:
        del _computed[class_]


class DeclaredDirective(Generic[T_co]):
    """What ``@declared_attr`` and ``@declared_attr.directive`` make of a function."""

    def __init__(self, fn: Callable[..., Any], cascading: bool = False, quiet: bool = False) -> None:
        if isinstance(fn, classmethod):
            fn = fn.__func__
        self.fget: Callable[..., Any] = fn
        self.for_each_class = cascading
        self.quiet = quiet
        self.__doc__ = fn.__doc__

    @property
    def return_annotation(self) -> Any:
        """The annotation behind the arrow, or None."""
        return getattr(self.fget, "__annotations__", {}).get("return")

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: Any) -> T_co: ...

        def __set__(self, instance: Any, value: Any) -> None: ...

        def __delete__(self, instance: Any) -> None: ...

    else:

        def __get__(self, instance, owner):
            values = _computed.get(owner)
            if values is None:
                name = self.fget.__name__
                if "__mapper__" not in owner.__dict__ and not (name.startswith("__") and name.endswith("__")):
                    warnings.warn(
                        f"{owner.__name__}.{name} is a declared_attr, read from a class that is not mapped; "
                        "each read gives a new object.",
                        SAWarning,
                        stacklevel=2,
                    )
                return self.fget(owner)
            if self not in values:
                values[self] = self.fget(owner)
            return values[self]


class _Cascading:
    """``@declared_attr.cascading``: compute it again for each subclass of a mapped class too."""

    def __call__(self, fn: Callable[..., Any]) -> declared_attr[Any]:
        return declared_attr(fn, cascading=True)


class declared_attr(DeclaredDirective[T_co], Mapped[T_co]):
    """Mark a method of a mixin, an abstract base or a mapped class that computes a mapped attribute.

    The method gets the class. It is called once for each mapped class, and what it returns (a column, a
    relationship, an expression) becomes that class's attribute::

        class Owned:
            owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))

            @declared_attr
            def owner(cls) -> Mapped["User"]:
                return relationship("User", foreign_keys=[cls.owner_id])

    ``@declared_attr.directive`` marks ``__tablename__``, ``__table_args__`` and ``__mapper_args__`` for the
    sake of type checkers. ``@declared_attr.cascading`` computes the attribute for subclasses as well, where
    otherwise they inherit it. ``@classmethod`` below any of them is allowed.
    """

    if TYPE_CHECKING:

        def __init__(self, fn: Callable[..., Mapped[T_co]], cascading: bool = False, quiet: bool = False) -> None: ...

        @overload
        def __get__(self, instance: None, owner: Any) -> InstrumentedAttribute[T_co]: ...

        @overload
        def __get__(self, instance: object, owner: Any) -> T_co: ...

        def __get__(self, instance: object | None, owner: Any) -> InstrumentedAttribute[T_co] | T_co: ...

        def __set__(self, instance: Any, value: Any) -> None: ...

        def __delete__(self, instance: Any) -> None: ...

    directive = DeclaredDirective
    cascading = _Cascading()


def declarative_mixin(cls: type[T]) -> type[T]:
    """Return the class as it is; a mark for readers that it is a mixin."""
    return cls


def has_inherited_table(cls: type) -> bool:
    """Tell whether a base of ``cls`` is mapped to a table.

    For a ``declared_attr`` that gives the top of a hierarchy a table name and its subclasses none::

        @declared_attr.directive
        def __tablename__(cls) -> str | None:
            return None if has_inherited_table(cls) else cls.__name__.lower()
    """
    return any(getattr(base, "__table__", None) is not None for base in cls.__mro__[1:])
