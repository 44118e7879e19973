"""The properties a mapper consists of: columns, expressions, synonyms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, null
from sqlalchemy import exc as core_exc
from sqlalchemy.schema import Column
from sqlalchemy.sql.elements import Null
from sqlalchemy.types import ARRAY, JSON, PickleType, TypeDecorator, TypeEngine

from ..kernel.core import as_column_element
from ..kernel.symbols import NO_ARG
from .comparator import PropComparator

if TYPE_CHECKING:
    from .mapper import Mapper


class AttributeOptions:
    """What a dataclass wants to know of a mapped attribute; ``NO_ARG`` where nothing was said."""

    __slots__ = (
        "compare",
        "dataclass_metadata",
        "default",
        "default_factory",
        "hash",
        "init",
        "kw_only",
        "repr",
    )

    def __init__(
        self,
        init: Any = NO_ARG,
        repr: Any = NO_ARG,
        default: Any = NO_ARG,
        default_factory: Any = NO_ARG,
        compare: Any = NO_ARG,
        kw_only: Any = NO_ARG,
        hash: Any = NO_ARG,
        dataclass_metadata: Any = NO_ARG,
    ) -> None:
        self.init = init
        self.repr = repr
        self.default = default
        self.default_factory = default_factory
        self.compare = compare
        self.kw_only = kw_only
        self.hash = hash
        self.dataclass_metadata = dataclass_metadata

    @property
    def given(self) -> bool:
        """Whether any of them was said."""
        return any(getattr(self, name) is not NO_ARG for name in self.__slots__)


class MapperProperty:
    """One attribute of a mapped class, as the mapper sees it.

    ``key`` and ``parent`` are set when a mapper takes the property in.
    """

    key: str
    parent: Mapper[Any]
    extension: Any = None  # of 0.4's kind
    is_column = False
    is_synonym = False
    is_relationship = False

    def __init__(
        self,
        *,
        doc: str | None = None,
        info: dict[Any, Any] | None = None,
        attribute_options: AttributeOptions | None = None,
    ) -> None:
        self.doc = doc
        self.info: dict[Any, Any] = {} if info is None else dict(info)
        self.attribute_options = attribute_options or AttributeOptions()

    def taken_in(self) -> None:
        """A mapper has taken this property in: ``key`` and ``parent`` are known."""

    @property
    def class_attribute(self) -> Any:
        """The attribute on the mapped class."""
        return getattr(self.parent.class_, self.key)

    def __str__(self) -> str:
        return f"{self.parent.class_.__name__}.{self.key}" if hasattr(self, "parent") else type(self).__name__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class ColumnProperty(MapperProperty):
    """An attribute that holds a column's value, or that of a SQL expression.

    :param columns: the column; several where equal columns of joined tables share one attribute.
    :param deferred: leave it out of the SELECT until it is asked for.
    :param deferred_group: deferred columns of one group are loaded together.
    :param deferred_raiseload: raise instead of loading it on demand.
    :param active_history: load the old value when an unloaded attribute is set.
    :param query_expression: queries give the expression, or leave it at the default here.
    :ivar left_out: whether a plain SELECT leaves it out.
    """

    is_column = True

    class Comparator(PropComparator):
        """The operators of a column attribute; derive from it for a ``comparator_factory``."""

    def __init__(
        self,
        *columns: Any,
        deferred: bool = False,
        deferred_group: str | None = None,
        deferred_raiseload: bool = False,
        active_history: bool = False,
        expire_on_flush: bool = True,
        comparator_factory: Any = None,
        info: dict[Any, Any] | None = None,
        doc: str | None = None,
        attribute_options: AttributeOptions | None = None,
        query_expression: bool = False,
    ) -> None:
        super().__init__(doc=doc, info=info, attribute_options=attribute_options)
        self.columns: list[ColumnElement[Any]] = [as_column_element(c) for c in columns]
        first = self.columns[0]
        if self.doc is None:
            self.doc = getattr(first, "doc", None)
        if info is None and isinstance(first, Column):
            self.info = first.info
        self.deferred = deferred or deferred_group is not None
        self.deferred_group = deferred_group
        self.deferred_raiseload = deferred_raiseload
        self.active_history = active_history
        self.expire_on_flush = expire_on_flush
        self.comparator_factory = comparator_factory
        self.query_expression = query_expression
        self.has_default = query_expression and not isinstance(first, Null)
        self.left_out = self.deferred or (query_expression and not self.has_default)

    @property
    def expression(self) -> ColumnElement[Any]:
        return self.columns[0]

    def __clause_element__(self) -> ColumnElement[Any]:
        return self.columns[0]

    @property
    def type(self) -> TypeEngine[Any]:
        return self.columns[0].type

    @property
    def writable(self) -> bool:
        """Whether it stands for a column of a table, and not for an expression."""
        return isinstance(self.columns[0], Column)

    @property
    def may_be_mutable(self) -> bool:
        """Whether its values can change in place, so that a copy must tell."""
        return self.writable and _may_be_mutable(self.type)

    def copy(self) -> ColumnProperty:
        """Return the same property, not yet taken in by a mapper."""
        new = ColumnProperty.__new__(ColumnProperty)
        new.__dict__.update(self.__dict__)
        new.__dict__.pop("parent", None)
        new.columns = list(self.columns)
        new.info = dict(self.info)
        return new


class SynonymProperty(MapperProperty):
    """An attribute that is another name for a mapped attribute.

    :param name: the attribute it stands for.
    :param map_column: move the column named like the synonym under ``name``.
    :param descriptor: a Python descriptor that serves instances; the SQL side stays the column's.
    """

    is_synonym = True

    def __init__(
        self,
        name: str,
        map_column: bool | None = None,
        descriptor: Any = None,
        comparator_factory: Any = None,
        doc: str | None = None,
        info: dict[Any, Any] | None = None,
        attribute_options: AttributeOptions | None = None,
    ) -> None:
        super().__init__(
            doc=doc or getattr(descriptor, "__doc__", None), info=info, attribute_options=attribute_options
        )
        self.name = name
        self.map_column = map_column
        self.descriptor = descriptor
        self.comparator_factory = comparator_factory


def column_property(
    column: Any,
    *additional_columns: Any,
    group: str | None = None,
    deferred: bool = False,
    raiseload: bool = False,
    comparator_factory: Any = None,
    active_history: bool = False,
    expire_on_flush: bool = True,
    info: dict[Any, Any] | None = None,
    doc: str | None = None,
    init: Any = NO_ARG,
    repr: Any = NO_ARG,
    default: Any = NO_ARG,
    default_factory: Any = NO_ARG,
    compare: Any = NO_ARG,
    kw_only: Any = NO_ARG,
    hash: Any = NO_ARG,
    dataclass_metadata: Any = NO_ARG,
    extension: Any = None,
) -> Any:
    """Map a column, or any SQL expression, as an attribute.

    An expression is computed by the database whenever the object is loaded and is never written::

        fullname: Mapped[str] = column_property(first_name + " " + last_name)

    :param extension: an :class:`AttributeExtension`, or several (0.4's way to listen to events).
    """
    options = AttributeOptions(init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata)
    made = ColumnProperty(
        column,
        *additional_columns,
        deferred=deferred,
        deferred_group=group,
        deferred_raiseload=raiseload,
        active_history=active_history,
        expire_on_flush=expire_on_flush,
        comparator_factory=comparator_factory,
        info=info,
        doc=doc,
        attribute_options=options,
    )
    made.extension = extension
    return made


def deferred(column: Any, *additional_columns: Any, group: str | None = None, **kw: Any) -> Any:
    """Map a column that is loaded when it is first read, not before.

    :param group: columns of the same group are loaded together.
    """
    return column_property(column, *additional_columns, group=group, deferred=True, **kw)


def query_expression(
    default_expr: Any = None,
    *,
    repr: Any = NO_ARG,
    compare: Any = NO_ARG,
    expire_on_flush: bool = True,
    info: dict[Any, Any] | None = None,
    doc: str | None = None,
) -> Any:
    """Map an attribute whose SQL expression each query may give with :func:`~ropewalk.with_expression`.

    :param default_expr: the expression for queries that give none; without it the attribute is then None.
    """
    expression = null() if default_expr is None else default_expr
    return ColumnProperty(
        expression,
        expire_on_flush=expire_on_flush,
        info=info,
        doc=doc,
        attribute_options=AttributeOptions(init=False, repr=repr, compare=compare),
        query_expression=True,
    )


def synonym(
    name: str,
    *,
    map_column: bool | None = None,
    descriptor: Any = None,
    comparator_factory: Any = None,
    init: Any = NO_ARG,
    repr: Any = NO_ARG,
    default: Any = NO_ARG,
    default_factory: Any = NO_ARG,
    compare: Any = NO_ARG,
    kw_only: Any = NO_ARG,
    hash: Any = NO_ARG,
    info: dict[Any, Any] | None = None,
    doc: str | None = None,
    dataclass_metadata: Any = NO_ARG,
) -> Any:
    """Map an attribute as another name for ``name``, for Python and for SQL alike."""
    options = AttributeOptions(init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata)
    return SynonymProperty(name, map_column, descriptor, comparator_factory, doc, info, options)


_MUTABLE_PYTHON_TYPES = (dict, list, set, bytearray)


def _may_be_mutable(type_: TypeEngine[Any]) -> bool:
    if isinstance(type_, (JSON, ARRAY, PickleType, TypeDecorator)):
        return True
    try:
        python_type: Callable[..., Any] = type_.python_type
    except (NotImplementedError, core_exc.SQLAlchemyError):
        return False
    return isinstance(python_type, type) and issubclass(python_type, _MUTABLE_PYTHON_TYPES)
