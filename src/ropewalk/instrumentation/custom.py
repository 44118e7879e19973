"""Collection classes of a program's own.

Any class that can append, remove and iterate will do. What it is like, a list, a set or a
dictionary, is seen from its base class, its ``__emulates__``, or its methods; the methods
that such a collection has are made to tell what comes and goes, and :class:`collection`
marks those that we cannot know.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..exc import ArgumentError
from . import dicts, lists, sets
from .adapter import adding, before_change, removing

F = TypeVar("F", bound=Callable[..., Any])

_ROLE, _ARGUMENT, _BEFORE, _AFTER = "_rw_role", "_rw_argument", "_rw_before", "_rw_after"


class collection:
    """Marks for the methods of a collection class. ::

    class Tags:
        __emulates__ = set

        def __init__(self):
            self.data = {}

        @collection.appender
        def put(self, tag): ...

        @collection.remover
        def take(self, tag): ...

        @collection.iterator
        def __iter__(self): ...
    """

    @staticmethod
    def appender(fn: F) -> F:
        """The method that takes one object in."""
        return _mark(fn, _ROLE, "appender")

    @staticmethod
    def remover(fn: F) -> F:
        """The method that lets one object go."""
        return _mark(fn, _ROLE, "remover")

    @staticmethod
    def iterator(fn: F) -> F:
        """The method that iterates over the objects."""
        return _mark(fn, _ROLE, "iterator")

    @staticmethod
    def converter(fn: F) -> F:
        """The method that turns what is assigned into an iterable of objects."""
        return _mark(fn, _ROLE, "converter")

    @staticmethod
    def internally_instrumented(fn: F) -> F:
        """A method that calls others which tell of the change, so that it must not."""
        return _mark(fn, "_sa_instrumented", True)

    @staticmethod
    def adds(arg: int | str) -> Callable[[F], F]:
        """A method that takes in its argument ``arg``: a position, ``self`` being 0, or a name."""
        return lambda fn: _mark(_mark(fn, _BEFORE, "add"), _ARGUMENT, arg)

    @staticmethod
    def replaces(arg: int | str) -> Callable[[F], F]:
        """A method that takes in its argument ``arg`` and returns what it lets go for it."""
        return lambda fn: _mark(_mark(_mark(fn, _BEFORE, "add"), _ARGUMENT, arg), _AFTER, True)

    @staticmethod
    def removes(arg: int | str) -> Callable[[F], F]:
        """A method that lets go its argument ``arg``."""
        return lambda fn: _mark(_mark(fn, _BEFORE, "remove"), _ARGUMENT, arg)

    @staticmethod
    def removes_return() -> Callable[[F], F]:
        """A method that lets go what it returns."""
        return lambda fn: _mark(fn, _AFTER, True)


def _mark(fn: F, name: str, value: Any) -> F:
    setattr(fn, name, value)
    return fn


def duck_type(thing: Any) -> Any:
    """Return what a class, or an object, is like: ``list``, ``set``, ``dict``; None for none of them."""
    emulates = getattr(thing, "__emulates__", NotImplemented)
    if emulates is not NotImplemented:
        return duck_type(emulates) if emulates is not None and emulates not in (list, set, dict) else emulates
    class_ = thing if isinstance(thing, type) else type(thing)
    for kind in (list, set, dict):
        if issubclass(class_, kind):
            return kind
    for method, kind in (("append", list), ("add", set), ("set", dict)):
        if hasattr(class_, method):
            return kind
    return None


_ROLES = {
    list: {"appender": "append", "remover": "remove", "iterator": "__iter__"},
    set: {"appender": "add", "remover": "remove", "iterator": "__iter__"},
    dict: {"iterator": "values"},
}
_WRAPPERS: dict[Any, dict[str, Callable[[Any], Any]]] = {
    list: lists.WRAPPERS,
    set: sets.WRAPPERS,
    dict: dicts.WRAPPERS,
}


def instrument_collection_class(class_: Any) -> None:
    """Make a class's methods tell what comes and goes; nothing is done a second time.

    :raises ArgumentError: the class cannot append, remove or iterate.
    """
    if "_sa_ready" in class_.__dict__:
        return
    if class_.__module__ == "builtins":
        raise ArgumentError(
            f"The built-in {class_.__name__} cannot be instrumented as it is. Derive a class from it, or use list, set "
            f"or a keyed dictionary."
        )
    kind = duck_type(class_)
    roles: dict[str, str] = dict(_ROLES.get(kind, {}))
    marked = _marked_methods(class_)
    for name, fn in marked.items():
        role = getattr(fn, _ROLE, None)
        if role is not None:
            roles[role] = name
    _check_roles(class_, roles)
    wrappers = _WRAPPERS.get(kind, {})
    for name, wrapper in wrappers.items():
        fn = getattr(class_, name, None)
        if fn is not None and name not in marked and not hasattr(fn, "_sa_instrumented"):
            _put(class_, name, fn, wrapper(fn))
    for name, fn in marked.items():
        if hasattr(fn, _BEFORE) or hasattr(fn, _AFTER):
            _put(class_, name, fn, _telling(fn, getattr(fn, _BEFORE, None), getattr(fn, _ARGUMENT, None)))
    for role, before in (("appender", "add"), ("remover", "remove")):
        fn = getattr(class_, roles[role])
        if not hasattr(fn, "_sa_instrumented"):
            known = wrappers.get(roles[role])
            told = known(fn) if known is not None else _telling(fn, before, 1)
            _put(class_, roles[role], fn, told)
    for role in ("appender", "remover", "iterator", "converter"):
        if role in roles:
            setattr(class_, f"_sa_{role}", getattr(class_, roles[role]))
    if not hasattr(class_, "_sa_adapter"):
        class_._sa_adapter = None
    class_._sa_ready = True


def _marked_methods(class_: type) -> dict[str, Any]:
    """Return the methods that carry marks of ours, those of base classes too."""
    found: dict[str, Any] = {}
    for base in reversed(class_.__mro__):
        for name, fn in vars(base).items():
            if any(hasattr(fn, mark) for mark in (_ROLE, _BEFORE, _AFTER)):
                found[name] = getattr(class_, name)
    return found


def _check_roles(class_: type, roles: dict[str, str]) -> None:
    for role in ("appender", "remover", "iterator"):
        if role not in roles or not hasattr(class_, roles[role]):
            raise ArgumentError(
                f"Type {class_.__name__} must elect an {role} method to be a collection class: mark one with "
                f"@collection.{role}, or give it the methods of a list, a set or a dictionary."
            )


def _put(class_: Any, name: str, original: Any, told: Any) -> None:
    functools.update_wrapper(told, original, ("__name__", "__qualname__", "__doc__"), ())
    told._sa_instrumented = True
    for mark in (_ROLE, _ARGUMENT, _BEFORE, _AFTER):
        if hasattr(original, mark):
            setattr(told, mark, getattr(original, mark))
    setattr(class_, name, told)


def _telling(fn: Any, before: str | None, argument: int | str | None) -> Any:
    """Return ``fn`` so that it tells what comes in, or goes, with its argument and with what it returns."""
    parameters = list(inspect.signature(fn).parameters)
    takes_initiator = "_sa_initiator" in parameters
    place: int | None = None
    name: str | None = None
    if isinstance(argument, int):
        place = argument - 1
        name = parameters[argument] if argument < len(parameters) else None
    elif argument is not None:
        name = argument
        place = parameters.index(argument) - 1 if argument in parameters else None
    tells_result = bool(getattr(fn, _AFTER, False))

    def method(self: Any, *args: Any, _sa_initiator: Any = None, **kw: Any) -> Any:
        if before is not None:
            given = list(args)
            if name in kw:
                value = kw[name]
            elif place is not None and place < len(given):
                value = given[place]
            else:
                raise ArgumentError(f"Missing argument {argument} of {type(self).__name__}.{fn.__name__}.")
            if before == "remove":
                removing(self, value, _sa_initiator)
            else:
                value = adding(self, value, _sa_initiator)
                if name in kw:
                    kw[name] = value
                elif place is not None:
                    given[place] = value
            args = tuple(given)
        elif tells_result:
            before_change(self, _sa_initiator)
        if takes_initiator:
            kw["_sa_initiator"] = _sa_initiator
        result = fn(self, *args, **kw)
        if tells_result and result is not None:
            removing(self, result, _sa_initiator)
        return result

    return method
