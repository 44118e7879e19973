"""``mapped_column()``: the column behind an attribute of a declarative class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, Integer
from sqlalchemy.sql.operators import ColumnOperators
from sqlalchemy.sql.schema import SchemaConst
from sqlalchemy.types import NullType, TypeEngine

from ..exc import ArgumentError, MappedAnnotationError
from ..instrumentation.attributes import Mapped
from ..kernel.core import copy_column, merge_column, set_column_type
from ..kernel.sentinel import is_insert_sentinel, take_sentinel
from ..kernel.symbols import NO_ARG, NoArg
from ..mapping.properties import AttributeOptions, ColumnProperty
from .annotations import Annotation, forward_references
from .resolving import told_type
from .typemap import allows_none, readings

if TYPE_CHECKING:
    from .registry import registry as Registry

T = TypeVar("T")


if TYPE_CHECKING:

    class _ColumnInTheMaking(Mapped[T]):
        __slots__ = ()

else:

    class _ColumnInTheMaking(ColumnOperators, Mapped[T]):
        __slots__ = ()


class MappedColumn(_ColumnInTheMaking[T]):
    """What :func:`mapped_column` returns: a column in the making, which its class completes.

    Name, type and nullability come from the attribute that it is assigned to. It works in SQL expressions
    inside the class body (``column_property(first + " " + last)``) like the column it stands for.

    :ivar column: the :class:`sqlalchemy.Column`; it goes into the class's table.
    """

    __slots__ = (
        "active_history",
        "attribute_options",
        "column",
        "deferred",
        "deferred_group",
        "deferred_raiseload",
        "nullable_given",
        "own_default",
        "sort_order",
        "use_existing_column",
    )

    def __init__(
        self,
        column: Column[T],
        *,
        attribute_options: AttributeOptions,
        nullable_given: bool = False,
        own_default: bool = False,
        deferred: bool | NoArg = NO_ARG,
        deferred_group: str | None = None,
        deferred_raiseload: bool | None = None,
        active_history: bool = False,
        use_existing_column: bool = False,
        sort_order: int | NoArg = NO_ARG,
    ) -> None:
        self.column = column
        self.attribute_options = attribute_options
        self.nullable_given = nullable_given
        self.own_default = own_default
        self.deferred = deferred
        self.deferred_group = deferred_group
        self.deferred_raiseload = deferred_raiseload
        self.active_history = active_history
        self.use_existing_column = use_existing_column
        self.sort_order = sort_order

    # -- as a SQL expression --------------------------------------------------------

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def foreign_keys(self) -> Any:
        return self.column.foreign_keys

    def __clause_element__(self) -> Column[T]:
        return self.column

    def operate(self, op: Any, *other: Any, **kw: Any) -> Any:
        return op(self.column, *other, **kw)

    def reverse_operate(self, op: Any, other: Any, **kw: Any) -> Any:
        return op(other, self.column, **kw)

    # -- as a part of a class ---------------------------------------------------------

    def copy(self) -> MappedColumn[T]:
        """Return an equal one with a column of its own, for one more class that uses a mixin."""
        options: dict[str, Any] = {name: getattr(self, name) for name in MappedColumn.__slots__ if name != "column"}
        return type(self)(copy_column(self.column), **options)

    def to_property(self) -> ColumnProperty | None:
        """Return the property it needs, or None where a plain column attribute will do."""
        deferred = self.deferred
        if isinstance(deferred, NoArg):
            deferred = bool(self.deferred_group or self.deferred_raiseload)
        if not deferred and not self.active_history:
            return None
        return ColumnProperty(
            self.column,
            deferred=deferred,
            deferred_group=self.deferred_group if deferred else None,
            deferred_raiseload=bool(self.deferred_raiseload),
            active_history=self.active_history,
            attribute_options=self.attribute_options,
        )

    def declarative_scan(self, registry: Registry, class_: type, key: str, annotation: Annotation | None) -> None:
        """Take name, type and nullability from the attribute ``key`` of ``class_``.

        :raises MappedAnnotationError: nothing says what type the column has.
        """
        name_column(self.column, key)
        if annotation is None:
            if isinstance(self.column.type, NullType) and is_insert_sentinel(self.column):
                set_column_type(self.column, Integer())
            elif isinstance(self.column.type, NullType) and not self.column.foreign_keys:
                raise MappedAnnotationError(
                    f"{class_.__name__}.{key}: mapped_column() has neither a type nor an annotation to take "
                    f"one from. Write `{key}: Mapped[...] = mapped_column()`, or give it a type as in "
                    "mapped_column(String)."
                )
            return
        python_type = annotation.inner
        if not self.nullable_given:
            self.column.nullable = allows_none(python_type)
        candidates, extras = readings(python_type)
        for extra in extras:
            if isinstance(extra, MappedColumn):
                self._take_over(extra, class_, key)
                break
        if isinstance(self.column.type, NullType) and not self.column.foreign_keys:
            # A type map may name a type as it is written, `Json = dict[str, "Json"] | str`.
            candidates = [*readings(annotation.written)[0], *candidates]
            self._take_type(registry, class_, key, annotation, candidates)

    def _take_type(
        self, registry: Registry, class_: type, key: str, annotation: Annotation, candidates: list[Any]
    ) -> None:
        told = told_type(registry, class_, annotation.inner)
        if told is not None:
            set_column_type(self.column, told)
            return
        for candidate in candidates:
            sql_type = registry.resolve_type(candidate)
            if sql_type is not None:
                set_column_type(self.column, sql_type)
                return
        raise MappedAnnotationError(_no_type_message(class_, key, annotation, candidates))

    def _take_over(self, shared: MappedColumn[Any], class_: type, key: str) -> None:
        """Take from the ``mapped_column()`` inside ``Annotated`` whatever was not said here."""
        if shared.column.name is not None:
            raise ArgumentError(
                f"{class_.__name__}.{key}: a mapped_column() inside Annotated serves many attributes and "
                f"cannot have a name of its own ({shared.column.name!r}); give it in `{key} = "
                "mapped_column(name)`."
            )
        take_sentinel(shared.column, self.column)
        merge_column(shared.column, self.column, with_default=not self.own_default)
        if self.deferred is NO_ARG:
            self.deferred = shared.deferred
        if self.sort_order is NO_ARG:
            self.sort_order = shared.sort_order
        self.deferred_group = self.deferred_group or shared.deferred_group
        if self.deferred_raiseload is None:
            self.deferred_raiseload = shared.deferred_raiseload
        self.active_history = self.active_history or shared.active_history
        self.use_existing_column = self.use_existing_column or shared.use_existing_column


def name_column(column: Column[Any], key: str) -> None:
    """Name a column after its attribute, unless it has a name."""
    if column.key is None:
        column.key = key
    if column.name is None:
        column.name = key


def _no_type_message(class_: type, key: str, annotation: Annotation, candidates: list[Any]) -> str:
    where = f"{class_.__name__}.{key}"
    python_type = candidates[-1]
    unknown = list(forward_references(annotation.inner))
    if unknown:
        names = ", ".join(repr(name) for name in unknown)
        return (
            f"{where}: the annotation {annotation.raw!r} uses {names}, which module "
            f"{annotation.origin.__module__} does not define. Import it there (not only for type checkers), "
            "or define it before the class."
        )
    if isinstance(python_type, TypeEngine) or (isinstance(python_type, type) and issubclass(python_type, TypeEngine)):
        return (
            f"{where}: {python_type!r} inside Mapped[...] is a SQL type. Annotate with the Python type of "
            f"the value and give the SQL type on the right: `{key}: Mapped[...] = "
            f"mapped_column({type_name(python_type)})`."
        )
    if not (isinstance(python_type, type) or hasattr(python_type, "__module__")):
        return f"{where}: {python_type!r} inside Mapped[...] is not a Python type."
    tried = " nor ".join(dict.fromkeys(type_name(candidate) for candidate in candidates))
    return (
        f"{where}: no column type is known for {tried}. Give one, `{key}: Mapped[...] = "
        f"mapped_column(<type>)`, or for all such attributes put {type_name(candidates[0])} into the "
        "type_annotation_map of the declarative base; a reference to another mapped class needs "
        "relationship()."
    )


def type_name(python_type: Any) -> str:
    """Return a type as a person writes it."""
    if isinstance(python_type, type) and not hasattr(python_type, "__origin__"):
        return python_type.__name__
    return str(python_type)


def mapped_column(
    name_or_type: Any = None,
    type_or_item: Any = None,
    /,
    *args: Any,
    init: bool | NoArg = NO_ARG,
    repr: bool | NoArg = NO_ARG,
    default: Any = NO_ARG,
    default_factory: Callable[[], Any] | NoArg = NO_ARG,
    compare: bool | NoArg = NO_ARG,
    kw_only: bool | NoArg = NO_ARG,
    hash: bool | NoArg | None = NO_ARG,
    nullable: bool | SchemaConst | None = SchemaConst.NULL_UNSPECIFIED,
    primary_key: bool | None = False,
    deferred: bool | NoArg = NO_ARG,
    deferred_group: str | None = None,
    deferred_raiseload: bool | None = None,
    use_existing_column: bool = False,
    name: str | None = None,
    type_: Any = None,
    autoincrement: Any = "auto",
    doc: str | None = None,
    key: str | None = None,
    index: bool | None = None,
    unique: bool | None = None,
    info: dict[Any, Any] | None = None,
    onupdate: Any = None,
    insert_default: Any = NO_ARG,
    server_default: Any = None,
    server_onupdate: Any = None,
    active_history: bool = False,
    quote: bool | None = None,
    system: bool = False,
    comment: str | None = None,
    sort_order: int | NoArg = NO_ARG,
    dataclass_metadata: Mapping[Any, Any] | NoArg | None = NO_ARG,
    **kw: Any,
) -> MappedColumn[Any]:
    """Declare a mapped column; what is not said comes from the ``Mapped[...]`` annotation and the
    attribute's name.

    ::

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str | None] = mapped_column("email_address", String(100), index=True)
        owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))

    Positional arguments are those of :class:`sqlalchemy.Column`: an optional name, an optional type, then
    ``ForeignKey``, ``Sequence``, ``Identity``, ``Computed`` and so on. So are the keywords, apart from these:

    :param default: for a dataclass the field's default, and in any case the column's, unless
      ``insert_default`` is given.
    :param insert_default: the column's default, where it differs from that of the dataclass field.
    :param deferred: load the column when it is first read. ``deferred_group`` loads several together,
      ``deferred_raiseload`` raises instead.
    :param active_history: load the old value when an unloaded attribute is overwritten.
    :param sort_order: where in CREATE TABLE the column stands; lower comes first, 0 is usual.
    :param use_existing_column: in single-table inheritance, share the column of this name if the table has
      it.
    :param init, repr, default_factory, compare, kw_only, hash, dataclass_metadata: as in
      ``dataclasses.field``, for classes mapped as dataclasses.
    """
    options = AttributeOptions(init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata)
    nullable_given = isinstance(nullable, bool)
    if nullable_given:
        kw["nullable"] = nullable
    column_default = default if insert_default is NO_ARG else insert_default
    if column_default is not NO_ARG:
        kw["default"] = column_default
    if info is not None:
        kw["info"] = info
    column: Column[Any] = Column(
        name_or_type,
        type_or_item,
        *args,
        primary_key=bool(primary_key),
        name=name,
        type_=type_,
        autoincrement=autoincrement,
        doc=doc,
        key=key,
        index=index,
        unique=unique,
        onupdate=onupdate,
        server_default=server_default,
        server_onupdate=server_onupdate,
        quote=quote,
        system=system,
        comment=comment,
        **kw,
    )
    return MappedColumn(
        column,
        attribute_options=options,
        nullable_given=nullable_given,
        own_default=column_default is not NO_ARG,
        deferred=deferred,
        deferred_group=deferred_group,
        deferred_raiseload=deferred_raiseload,
        active_history=active_history,
        use_existing_column=use_existing_column,
        sort_order=sort_order,
    )
