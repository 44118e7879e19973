"""What all our classes of events have in common, and who listens to anything at all.

``sqlalchemy.event.listen(target, name, fn)`` is Core's, and so is the registry behind it. Each floor that has
something to tell defines a class of events: the methods name the events and their arguments, ``_accept_with``
says which targets it knows, and ``_listen`` prepares the listener and those who will call it.

A place that tells something must cost nothing while nobody listens. There are three ways to that: an object or
class knows the names of the events that are listened to (:func:`hear`); :data:`anybody` says it for the whole
process, where there are too many objects to ask each one; and code that is made for a class is made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.event import Events

from .core import ask_first


class Telling(Events[Any]):
    """The base of our classes of events; every public function in a subclass is an event."""

    def __init_subclass__(cls) -> None:
        for name, event in vars(cls).items():
            if callable(event) and not name.startswith("_"):
                event._omit_standard_example = True  # Core would write an example into each docstring at import
        super().__init_subclass__()
        ask_first(cls)


class Anybody:
    """Which events somebody in this process has ever listened to.

    :ivar version: another number whenever code that was made for a set of listeners is out of date.
    """

    __slots__ = (
        "attributes",
        "expire",
        "loads",
        "modified",
        "pickle",
        "refresh",
        "refresh_flush",
        "removes",
        "version",
    )

    def __init__(self) -> None:
        self.version = 0
        self.attributes = self.modified = self.removes = False
        self.expire = self.loads = self.pickle = self.refresh = self.refresh_flush = False


anybody = Anybody()


def hear(target: Any, name: str) -> None:
    """Note on an object, or on a class and those that derive from it, that ``name`` is listened to."""
    if not isinstance(target, type):
        target._heard = (target._heard or frozenset()) | {name}
        return
    target._heard = (target._heard or frozenset()) | {name}  # type: ignore[attr-defined]
    waiting: list[Any] = list(type.__subclasses__(target))
    for class_ in waiting:
        if "_heard" in vars(class_):
            class_._heard |= {name}
        waiting.extend(type.__subclasses__(class_))


def forget_silent(target: Any) -> None:
    """Look which of the events noted on an object, or on its class, are still listened to, and forget the others.

    Core does not say when a listener is removed, so this is called now and then.
    """
    noted = target._heard
    if noted is None:
        return
    left = frozenset(name for name in noted if getattr(target.dispatch, name))
    if len(left) < len(noted):
        # What an object's class is told of, the object is too: none of it is lost.
        holder = next(holder for holder in (target, *type(target).__mro__) if "_heard" in vars(holder))
        holder._heard = left or None


def given_returned(fn: Callable[..., Any], place: int) -> Callable[..., Any]:
    """Wrap a listener whose return value does not count: what was given at ``place`` is returned."""

    def call(*arguments: Any, **kw: Any) -> Any:
        fn(*arguments, **kw)
        return arguments[place]

    return call
