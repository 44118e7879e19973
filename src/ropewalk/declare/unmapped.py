"""``Unmapped[...]`` and ``unmapped_column()``: a column of the table that no attribute of the class stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..exc import ArgumentError
from ..instrumentation.attributes import Mapped
from ..kernel.sentinel import mark_unmapped
from ..kernel.symbols import NO_ARG
from ..mapping.properties import AttributeOptions
from .annotations import Annotation
from .columns import MappedColumn, mapped_column

T_co = TypeVar("T_co", covariant=True)

if TYPE_CHECKING:

    class Unmapped(Generic[T_co]):
        """The annotation of a column that is in the table alone: ``legacy: Unmapped[str | None]``."""

else:

    class Unmapped(Mapped[T_co]):
        """The annotation of a column that is in the table alone: ``legacy: Unmapped[str | None]``."""


class UnmappedColumn(MappedColumn[Any]):
    """What :func:`unmapped_column` returns: a column in the making, which its class leaves to the table."""

    __slots__ = ()

    def __init__(self, column: Any, **options: Any) -> None:
        super().__init__(column, **options)
        mark_unmapped(column)

    def declarative_scan(self, registry: Any, class_: type, key: str, annotation: Annotation | None) -> None:
        """Take name, type and nullability from the attribute ``key`` of ``class_``.

        :raises ArgumentError: a ``mapped_column()`` inside ``Annotated`` has options for an attribute.
        """
        super().declarative_scan(registry, class_, key, annotation)
        _refuse(
            f"{class_.__name__}.{key}",
            deferred=self.deferred if self.deferred is not NO_ARG else None,
            deferred_group=self.deferred_group,
            deferred_raiseload=self.deferred_raiseload,
            active_history=self.active_history,
        )


def unmapped_column(*args: Any, **kw: Any) -> Any:
    """Declare a column that the table has and the class has not.

    ::

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            legacy_name: Unmapped[str | None] = unmapped_column(String(50), server_default="")

    It is created with the table, filled by its defaults, and named in SQL as ``User.__table__.c.legacy_name``. Objects
    do not load it, and a dataclass has no field for it. ``legacy_name: Unmapped[str | None]`` alone says the same.

    :param args: those of :func:`mapped_column`, and so are the keywords, but for those that are for attributes.
    :raises ArgumentError: there are such.
    """
    _refuse("unmapped_column()", **{name: kw.pop(name, None) for name in _FOR_ATTRIBUTES})
    made = mapped_column(*args, **kw)
    return UnmappedColumn(
        made.column,
        attribute_options=AttributeOptions(),
        nullable_given=made.nullable_given,
        own_default=made.own_default,
        use_existing_column=made.use_existing_column,
        sort_order=made.sort_order,
    )


_FOR_ATTRIBUTES = ("deferred", "deferred_group", "deferred_raiseload", "active_history")


def _refuse(where: str, **options: Any) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        raise ArgumentError(f"{where} has {', '.join(given)}, which only a mapped attribute can have. Leave it out.")


def column_for(annotation: Annotation) -> MappedColumn[Any]:
    """Return the column in the making for an annotation without a value."""
    return unmapped_column() if is_unmapped(annotation) else mapped_column()


def is_unmapped(annotation: Annotation | None) -> bool:
    """Whether an annotation is ``Unmapped[...]``."""
    container = None if annotation is None else annotation.container
    return container is not None and issubclass(container, Unmapped)


def check_agreement(class_: type, key: str, value: Any, annotation: Annotation | None) -> None:
    """Refuse ``Unmapped[...]`` with the value of a mapped attribute, and the other way round.

    :raises ArgumentError: it is so.
    """
    if annotation is None or annotation.container is None:
        return
    if is_unmapped(annotation) != isinstance(value, UnmappedColumn):
        if is_unmapped(annotation):
            raise ArgumentError(
                f"{class_.__name__}.{key} is annotated with Unmapped[...] and given {value!r:.80}: only "
                f"unmapped_column(...) can stand there, or nothing."
            )
        raise ArgumentError(
            f"{class_.__name__}.{key} is annotated with Mapped[...] and given unmapped_column(): say Unmapped[...], or "
            f"mapped_column()."
        )
