"""Reading annotations: strings into types, ``Mapped[X]`` into ``X``."""

from __future__ import annotations

import builtins
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from ..exc import MappedAnnotationError
from ..instrumentation.attributes import Mapped
from ..mapping.properties import MapperProperty
from .typemap import is_annotated, is_literal, is_union


class Annotation:
    """The annotation of one attribute of a mapped class.

    :ivar container: ``Mapped``, or the subclass of it that was written; None for an annotation of another
      kind.
    :ivar inner: what stands between the brackets of ``Mapped[...]`` (or the whole annotation), with every
      name that is known by now put in. What is not known yet stays as ``typing.ForwardRef``.
    :ivar elsewhere: quoted names that are those of mapped classes of another registry, and these classes.
    :ivar written: the same, with nothing put in inside of it.
    :ivar raw: the annotation as the class has it.
    :ivar origin: the class in whose body it stands.
    """

    __slots__ = ("container", "elsewhere", "inner", "origin", "raw", "written")

    def __init__(self, raw: Any, container: type | None, inner: Any, origin: type, written: Any) -> None:
        self.raw = raw
        self.container = container
        self.inner = inner
        self.origin = origin
        self.written = written
        self.elsewhere: dict[str, type] = {}

    def __repr__(self) -> str:
        return f"<Annotation {self.raw!r}>"


def annotations_of(class_: type) -> Mapping[str, Any]:
    """Return the annotations in the body of ``class_`` itself, unevaluated where Python leaves them so."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(class_, format=annotationlib.Format.FORWARDREF)
    return class_.__dict__.get("__annotations__") or {}


def read_annotation(raw: Any, class_: type, origin: type) -> Annotation:
    """Read the annotation ``raw``, written in the body of ``origin``, a base of ``class_`` or itself."""
    names = _Names(class_, origin)
    written = raw
    while isinstance(written, (str, typing.ForwardRef)):
        written = names.evaluate(written if isinstance(written, str) else written.__forward_arg__)
    container = typing.get_origin(written)
    if isinstance(container, type) and issubclass(container, Mapped):
        written = typing.get_args(written)[0]
    else:
        container = None
    found = Annotation(raw, container, _resolve(written, names, ()), origin, written)
    found.elsewhere = names.elsewhere
    return found


def is_class_var(annotation: Annotation) -> bool:
    """Tell whether the annotation is ``ClassVar`` or ``ClassVar[...]``."""
    return annotation.inner is typing.ClassVar or typing.get_origin(annotation.inner) is typing.ClassVar


def forward_references(python_type: Any) -> Iterator[str]:
    """Yield the names in a type that could not be resolved."""
    if isinstance(python_type, typing.ForwardRef):
        yield python_type.__forward_arg__
    elif not is_literal(python_type):
        for argument in typing.get_args(python_type):
            yield from forward_references(argument)


def _resolve(python_type: Any, names: _Names, within: tuple[Any, ...]) -> Any:
    """Resolve one node of an annotation.

    :param within: the types being resolved around it; ``Json = dict[str, "Json"] | str`` names itself.
    """
    if isinstance(python_type, _Unknown):
        return typing.ForwardRef(python_type.text)
    if isinstance(python_type, (str, typing.ForwardRef)):
        text = python_type if isinstance(python_type, str) else python_type.__forward_arg__
        value = names.evaluate(text)
        if any(value is outer for outer in within):
            return python_type
        if names.is_of_another_registry(value):
            names.elsewhere[text] = value
            return typing.ForwardRef(text)
        return _resolve(value, names, within)
    return _with_resolved_arguments(python_type, names, (*within, python_type))


def _with_resolved_arguments(python_type: Any, names: _Names, within: tuple[Any, ...]) -> Any:
    arguments = typing.get_args(python_type)
    if not arguments or is_literal(python_type):
        return python_type
    if is_annotated(python_type):
        inner = _resolve(arguments[0], names, within)
        return python_type if inner is arguments[0] else typing.Annotated[(inner, *arguments[1:])]
    resolved = tuple(
        argument if isinstance(argument, list) else _resolve(argument, names, within) for argument in arguments
    )
    if all(new is old for new, old in zip(resolved, arguments, strict=True)):
        return python_type
    if is_union(python_type):
        return typing.Union[resolved]
    if hasattr(python_type, "copy_with"):
        return python_type.copy_with(resolved)
    return python_type.__origin__[resolved]


class _Names(dict[str, Any]):
    """The names an annotation may use: of its module, then of its class, then Python's own.

    A name that is in none of them is not an error here: a relationship's target is often imported for type
    checkers only, or defined further down.
    """

    def __init__(self, class_: type, origin: type) -> None:
        super().__init__()
        self._class = class_
        module = sys.modules.get(origin.__module__)
        self._module = module.__dict__ if module is not None else {}
        self._origin = origin
        self.elsewhere: dict[str, type] = {}

    def __missing__(self, name: str) -> Any:
        if name in self._module:
            return self._module[name]
        for owner in (self._origin, self._class):
            value = owner.__dict__.get(name)
            # an attribute may be called like its type, as in `Address: Mapped["Address"] = relationship()`
            if value is not None and not isinstance(value, MapperProperty) and not hasattr(value, "declarative_scan"):
                return value
            if name == owner.__name__:
                return owner
        if name == "Mapped":
            return Mapped
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return _Unknown(name)

    def is_of_another_registry(self, value: Any) -> bool:
        """Whether a quoted name met a class that its own registry may yet have another of that name for."""
        if not isinstance(value, type) or "__mapper__" not in value.__dict__:
            return False
        own = getattr(self._class, "registry", None)
        return own is not None and value.__dict__["__mapper__"].registry is not own

    def evaluate(self, text: str) -> Any:
        try:
            # The text is the program's own annotation, which Python would have evaluated itself. The module
            # stands in as globals for the sake of lambdas inside Annotated[...].
            return eval(text, self._module, self)
        except Exception as error:
            raise MappedAnnotationError(
                f"The annotation {text!r} of {self._origin.__name__} (module {self._origin.__module__}) "
                f"cannot be evaluated: {type(error).__name__}: {error}. Check its spelling, and that what it "
                "names is imported in that module."
            ) from error


class _Unknown:
    """A name that is not defined yet; it takes part in an annotation as any type does."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __getattr__(self, name: str) -> _Unknown:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Unknown(f"{self.text}.{name}")

    def __getitem__(self, item: Any) -> _Unknown:
        items = item if isinstance(item, tuple) else (item,)
        return _Unknown(f"{self.text}[{', '.join(_as_text(i) for i in items)}]")

    def __or__(self, other: Any) -> Any:
        return typing.Union[typing.ForwardRef(self.text), _as_argument(other)]

    def __ror__(self, other: Any) -> Any:
        return typing.Union[_as_argument(other), typing.ForwardRef(self.text)]

    def __call__(self, *args: Any, **kw: Any) -> _Unknown:
        return _Unknown(f"{self.text}(...)")


def _as_argument(value: Any) -> Any:
    return typing.ForwardRef(value.text) if isinstance(value, _Unknown) else value


def _as_text(value: Any) -> str:
    if isinstance(value, _Unknown):
        return value.text
    if isinstance(value, str):
        return value
    if isinstance(value, type) and not isinstance(value, types.GenericAlias):
        return value.__name__
    return repr(value)
