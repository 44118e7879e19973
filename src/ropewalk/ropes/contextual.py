"""Contextual mapping, as SQLAlchemy 0.4 had it: objects that enter the session of the present scope by themselves."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from ..declare import mapper as map_imperatively
from ..exc import ArgumentError
from ..instrumentation.manager import unknown_keyword

if TYPE_CHECKING:
    from sqlalchemy.util import ScopedRegistry

    from ..mapping.mapper import Mapper

T = TypeVar("T")


def map_contextually(
    registry: ScopedRegistry[Any], class_: type[T], local_table: Any, *args: Any, validate: bool, save: bool, **kw: Any
) -> Mapper[T]:
    """Map ``class_``; see :meth:`scoped_session.mapper`."""
    from .scoped import QueryProperty

    if not isinstance(class_, type):
        raise ArgumentError(f"A class is needed to map, not {class_!r}.")
    cls: Any = class_
    if cls.__init__ is object.__init__:
        cls.__init__ = _constructor(validate)
    if not hasattr(cls, "query"):
        cls.query = QueryProperty(registry, None)
    mapper = map_imperatively(class_, local_table, *args, **kw)
    if save:
        cls.__init__ = _saving(cls.__init__, registry)
    return mapper


def _constructor(validate: bool) -> Any:
    def __init__(self: Any, **kwargs: Any) -> None:
        cls = type(self)
        for key in kwargs if validate else ():
            if key not in cls.__mapper__.props:
                raise ArgumentError(unknown_keyword(cls, key))
        for key, value in kwargs.items():
            setattr(self, key, value)

    return __init__


def _saving(original: Any, registry: ScopedRegistry[Any]) -> Any:
    """Wrap a constructor so that the finished object enters a session; ``_sa_session=`` names another one."""

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, _sa_session: Any = None, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if type(self).__init__ is __init__ or _sa_session is not None:  # else a subclass's own is not done yet
            (registry() if _sa_session is None else _sa_session).add(self)

    return __init__
