"""What all our classes of events have in common, and who listens to anything at all.

``sqlalchemy.event.listen(target, name, fn)`` is Core's, and so is the registry behind it. Each floor that has
something to tell defines a class of events: the methods name the events and their arguments, ``_find``
says which targets it knows, and ``_listen`` prepares the listener and those who will call it.

A place that tells something must cost nothing while nobody listens. There are three ways to that: an object or
class knows the names of the events that are listened to (:func:`hear`); :data:`anybody` says it for the whole
process, where there are too many objects to ask each one; and code that is made for a class is made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.event import Events
from sqlalchemy.exc import InvalidRequestError

from .core import ask_first, others_for


class Telling(Events[Any]):
    """The base of our classes of events; every public function in a subclass is an event."""

    _target_class_doc: str

    def __init_subclass__(cls) -> None:
        for name, event in vars(cls).items():
            if callable(event) and not name.startswith("_"):
                event._omit_standard_example = True  # Core would write an example into each docstring at import
        super().__init_subclass__()
        ask_first(cls)
        for name in cls.dispatch._event_names:
            _with_event.setdefault(name, []).append(cls)

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        """Return what is listened to; called by Core, which asks the class that was defined last before the others."""
        found = cls._find(target, identifier)
        ours = _with_event[identifier]
        if found is None and ours[0] is cls and len(others_for(cls, identifier)) >= len(ours) and _is_ours(target):
            # SQLAlchemy's ORM is asked next: it would take the target for its own, and fail
            whose = " or ".join(other._target_class_doc for other in ours)
            raise InvalidRequestError(
                f"No such event {identifier!r} for {getattr(target, '__qualname__', target)}: it is told of {whose}. "
                f"See docs/events.md for who can be listened to."
            )
        return found

    @classmethod
    def _find(cls, target: Any, identifier: str) -> Any:
        """Return what is listened to where a target is given; None where it has no such events."""
        return super()._accept_with(target, identifier)


_with_event: dict[str, list[type[Telling]]] = {}


def _is_ours(target: Any) -> bool:
    class_ = target if isinstance(target, type) else type(target)
    return hasattr(class_, "__ropewalk_state__") or any(
        base.__module__.partition(".")[0] == "ropewalk" for base in class_.__mro__
    )


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
            class_._heard = (class_._heard or frozenset()) | {name}  # None once nobody listened any more
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
