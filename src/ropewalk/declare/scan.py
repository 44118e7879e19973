"""Reading a class body: what a class, its mixins and its abstract bases say about its mapping."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Column, ColumnElement

from ..exc import ArgumentError, InvalidRequestError, MappedAnnotationError, SAWarning
from ..kernel.core import copy_column, refers_to_column_without_table
from ..mapping.properties import MapperProperty
from .annotations import Annotation, annotations_of, is_class_var, read_annotation
from .columns import MappedColumn
from .declared import DeclaredDirective
from .door import mapper_of
from .embedded import embedded_in
from .unmapped import column_for

DIRECTIVES = ("__table__", "__tablename__", "__table_args__", "__mapper_args__")


class ClassScan:
    """What was found in the body of one class and of its unmapped bases.

    :ivar attributes: attribute name → what the body says it is.
    :ivar annotations: attribute name → its annotation.
    :ivar copies: column of a mixin, or declared attribute → what the class has in its place.
    :ivar computed: names of the attributes that a declared_attr of a mixin gave.
    :ivar tablename: ``__tablename__``, or None.
    :ivar table_args: ``__table_args__``, or None.
    :ivar mapper_args: gives ``__mapper_args__``; it is asked late, when the columns are there.
    :ivar declared_table: gives ``__table__`` where that is a declared attribute.
    """

    def __init__(self, class_: type, *, allow_unmapped: bool) -> None:
        self.class_ = class_
        # __init_subclass__ or a decorator may have written to the class; what counts is what stands there now
        self.body: dict[str, Any] = dict(class_.__dict__)
        self.allow_unmapped = allow_unmapped
        self.is_dataclass = dataclasses.is_dataclass(class_)
        self.has_table = "__table__" in self.body
        self.attributes: dict[str, Any] = {}
        self.annotations: dict[str, Annotation] = {}
        self.copies: dict[Any, Any] = {}
        self.computed: set[str] = set()
        self.tablename: str | None = None
        self.table_args: Any = None
        self.mapper_args: Callable[[], dict[str, Any]] | None = None
        self.declared_table: Callable[[], Any] | None = None

    def read(self) -> None:
        """Read the class and its bases, the class first."""
        bases = [base for base in self.class_.__mro__ if base is not object]
        # Columns of mixins are copied before anything is computed from them, so that `cls.owner_id` in a
        # declared_attr means the column of this class and not that of the mixin.
        copied = {base: {} if base is self.class_ or mapper_of(base) else self._copy_columns(base) for base in bases}
        inherited_args = False
        for base in bases:
            mapped = base is not self.class_ and mapper_of(base) is not None
            self.attributes.update(copied[base])
            for name, value, raw in members(base):
                if name in DIRECTIVES:
                    had_args = self.table_args is not None
                    self._directive(name, value, mapped)
                    if not had_args and self.table_args is not None and base is not self.class_:
                        inherited_args = True
                elif mapped:
                    self._warn_of_uninherited(base, name, value)
                elif base is self.class_:
                    self._own(name, value, raw)
                else:
                    self._mixed_in(base, name, value, raw)
        if inherited_args and not self.tablename:
            self.table_args = None

    def read_own(self) -> None:
        """Read the body of the class alone, as of a mixin that is made a dataclass and not mapped."""
        for name, value, raw in members(self.class_):
            if name not in DIRECTIVES:
                self._annotate(name, raw, self.class_, required=False)
                if name in self.body:
                    self.attributes[name] = value

    # -- directives -------------------------------------------------------------------

    def _directive(self, name: str, value: Any, mapped: bool) -> None:
        """Take in ``__tablename__`` and its like; from a mapped base only where it is computed for each "
        "class."""
        declared = isinstance(value, DeclaredDirective)
        if mapped and not declared:
            return
        class_: Any = self.class_
        if name == "__mapper_args__":
            self.mapper_args = self.mapper_args or (lambda: dict(class_.__mapper_args__))
        elif name == "__tablename__":
            self.tablename = self.tablename or class_.__tablename__
        elif name == "__table__":
            if declared and self.declared_table is None:
                self.declared_table = lambda: class_.__table__
        elif not self.table_args:
            self.table_args = class_.__table_args__
            if not isinstance(self.table_args, (tuple, dict, type(None))):
                raise ArgumentError(
                    f"{class_.__name__}.__table_args__ must be a tuple of constraints and indexes, a "
                    f"dictionary of keywords, or a tuple that ends in one; it is {self.table_args!r}."
                )

    # -- attributes -------------------------------------------------------------------

    def _copy_columns(self, base: type) -> dict[str, Any]:
        """Give the class its own copies of the columns of a mixin or abstract base."""
        copied: dict[str, Any] = {}
        for name, value, raw in members(base):
            if name in DIRECTIVES:
                continue
            embedded = embedded_in(base, name)
            if embedded is not None:
                # who inherits it from a mapped class has it already
                if name not in self.body and not any(name in m.props for m in map(mapper_of, self.class_.__mro__) if m):
                    copied[name] = copy_of(embedded) if isinstance(embedded, (Column, MappedColumn)) else embedded
                continue
            if value is None and not self.has_table and raw is not None:
                # `note = None` in the class leaves the mixin's column out
                if name in self.body or getattr(self.class_, name, None) is not None:
                    continue
                annotation = self._annotate(name, raw, base, required=False)
                if annotation is None or annotation.container is None:
                    self.annotations.pop(name, None)
                    continue
                copied[name] = column_for(annotation)
            elif isinstance(value, (Column, MappedColumn)):
                if getattr(self.class_, name, value) is not value:
                    continue
                self._annotate(name, raw, base, required=True)
                if self.has_table and (value.name or name) in self.body["__table__"].c:
                    continue
                self._check_foreign_keys(base, name, value)
                self.copies[value] = copied[name] = copy_of(value)
            else:
                continue
            type.__setattr__(self.class_, name, copied[name])
        return copied

    def _check_foreign_keys(self, base: type, name: str, column: Any) -> None:
        for foreign_key in column.foreign_keys:
            if refers_to_column_without_table(foreign_key):
                raise InvalidRequestError(
                    f"{base.__name__}.{name} refers to a column that has no table yet, the same for all "
                    "classes that use the mixin. Put it into a @declared_attr method, or name the column as "
                    "a string."
                )

    def _own(self, name: str, value: Any, raw: Any) -> None:
        """Take in an attribute of the class itself."""
        embedded = embedded_in(self.class_, name)
        if embedded is not None:
            self.attributes[name] = embedded
            return
        required = (
            not self.allow_unmapped
            and not self.is_dataclass
            and (value is None or isinstance(value, (MappedColumn, MapperProperty, DeclaredDirective)))
        )
        if isinstance(value, DeclaredDirective):
            raw = raw or value.return_annotation
            required = False
        annotation = self._annotate(name, raw, self.class_, required=required)
        if value is None and not self.has_table and annotation is not None and annotation.container is not None:
            self.attributes[name] = column_for(annotation)
        elif name in self.body:
            self.attributes[name] = value

    def _mixed_in(self, base: type, name: str, value: Any, raw: Any) -> None:
        """Take in an attribute of a mixin or an abstract base; its columns are copied already."""
        if isinstance(value, (Column, MappedColumn)):
            return
        if isinstance(value, MapperProperty):
            raise InvalidRequestError(
                f"{base.__name__}.{name} is a {type(value).__name__} on a mixin or abstract base, where one "
                "object would serve several classes. Return it from a method marked @declared_attr."
            )
        if isinstance(value, DeclaredDirective):
            self._compute(base, name, value)
        elif raw is None:
            warn_of_expression(base, name, value)

    def _compute(self, base: type, name: str, declared: DeclaredDirective[Any]) -> None:
        if declared.for_each_class:
            if name in self.body:
                warnings.warn(
                    f"{self.class_.__name__}.{name} is not used: {base.__name__}.{name} is "
                    "declared_attr.cascading, which is computed for each class.",
                    SAWarning,
                    stacklevel=2,
                )
            value = declared.__get__(None, self.class_)
            type.__setattr__(self.class_, name, value)
        else:
            # Where a mapped base has computed it before, this is that base's attribute.
            value = getattr(self.class_, name)
        self.computed.add(name)
        self.attributes[name] = self.copies[declared] = value
        if isinstance(value, (Column, MapperProperty)) and value.doc is None:
            value.doc = declared.__doc__
        self._annotate(name, declared.return_annotation, base, required=False)

    def _annotate(self, name: str, raw: Any, origin: type, *, required: bool) -> Annotation | None:
        """Read an annotation and keep it.

        :param required: whether the attribute is mapped for certain, so that the annotation must be
          ``Mapped[...]``.
        """
        if name in self.annotations:
            return self.annotations[name]
        if raw is None:
            return None
        try:
            annotation = read_annotation(raw, self.class_, origin)
        except MappedAnnotationError:
            # Annotations of other libraries are none of our business.
            if required or "Mapped[" in str(raw):
                raise
            return None
        if annotation.container is None and is_class_var(annotation):
            return None
        if annotation.container is None and required and not self.allow_unmapped and not self.is_dataclass:
            raise MappedAnnotationError(
                f"{origin.__name__}.{name} is annotated with {raw!r}, which does not say whether it is "
                "mapped. Write Mapped[...] around the type for a mapped attribute, ClassVar[...] for one "
                "that is not; __allow_unmapped__ = True on the class lets such annotations pass."
            )
        self.annotations[name] = annotation
        return annotation

    def _warn_of_uninherited(self, base: type, name: str, value: Any) -> None:
        if isinstance(value, DeclaredDirective) and not value.quiet:
            warnings.warn(
                f"{base.__name__}.{name} is a declared_attr of a mapped class; it is not computed again for "
                f"its subclass {self.class_.__name__}. Move it to a mixin and mark it "
                "declared_attr.cascading for that.",
                SAWarning,
                stacklevel=2,
            )


def members(class_: type) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, value (or None) and annotation (or None) of what a class body defines, in its order.

    Names that are only annotated stand nowhere in the ``__dict__``; they are put where the annotations
    around them say.
    """
    values = {name: value for name, value in class_.__dict__.items() if _concerns_mapping(name)}
    annotations = {name: raw for name, raw in annotations_of(class_).items() if _concerns_mapping(name)}
    waiting = list(annotations)
    names: list[str] = []
    for name in values:
        if name in waiting:
            while waiting[0] != name:
                names.append(waiting.pop(0))
            names.append(waiting.pop(0))
            while waiting and waiting[0] not in values:
                names.append(waiting.pop(0))
        else:
            names.append(name)
    for name in dict.fromkeys([*names, *waiting]):
        yield name, values.get(name), annotations.get(name)


def _concerns_mapping(name: str) -> bool:
    return name in DIRECTIVES or not name.startswith(("__", "_sa_"))


def copy_of(column: Any) -> Any:
    """Return a copy of a mixin's column, of whichever kind it is."""
    return column.copy() if isinstance(column, MappedColumn) else copy_column(column)


def warn_of_expression(class_: type, name: str, value: Any) -> None:
    """Warn where a SQL expression stands in a class body without column_property()."""
    if isinstance(value, ColumnElement):
        warnings.warn(
            f"{class_.__name__}.{name} is a SQL expression and is not mapped; column_property(...) around it "
            "would map it.",
            SAWarning,
            stacklevel=2,
        )
