"""0.4's ``MapperExtension`` and ``AttributeExtension``, over today's events.

Extensions are called in their order; a method that returns ``EXT_STOP`` keeps the others from being called.
Whatever a class does not define is not called at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import event

from ..exc import ArgumentError
from ..kernel.symbols import EXT_CONTINUE, EXT_STOP
from ..mapping.mapper import Mapper

_OF_MAPPERS = (
    "instrument_class",
    "before_insert",
    "after_insert",
    "before_update",
    "after_update",
    "before_delete",
    "after_delete",
)
# What took part in building objects from rows, which is generated code here.
_OF_OTHER_TIMES = (
    "load",
    "get",
    "get_session",
    "translate_row",
    "create_instance",
    "populate_instance",
    "append_result",
)


class MapperExtension:
    """The base of extensions given as ``mapper(..., extension=...)``, or ``__mapper_args__ = {"extension": ...}``.

    New programs listen to events. ::

        class Stamp(MapperExtension):
            def before_insert(self, mapper, connection, instance):
                instance.created = now()
                return EXT_CONTINUE
    """

    def instrument_class(self, mapper: Any, class_: type) -> Any:
        """A class is about to become a mapped class."""
        return EXT_CONTINUE

    def init_instance(
        self, mapper: Any, class_: type, oldinit: Any, instance: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """``__init__`` is about to be called; ``kwargs`` may be changed."""
        return EXT_CONTINUE

    def init_failed(
        self, mapper: Any, class_: type, oldinit: Any, instance: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """``__init__`` has raised."""
        return EXT_CONTINUE

    def reconstruct_instance(self, mapper: Any, instance: Any) -> Any:
        """An object was made from a row."""
        return EXT_CONTINUE

    def before_insert(self, mapper: Any, connection: Any, instance: Any) -> Any:
        """An object is about to be inserted; what is set on it goes into the row."""
        return EXT_CONTINUE

    def after_insert(self, mapper: Any, connection: Any, instance: Any) -> Any:
        """An object was inserted."""
        return EXT_CONTINUE

    def before_update(self, mapper: Any, connection: Any, instance: Any) -> Any:
        """A changed object is about to be updated."""
        return EXT_CONTINUE

    def after_update(self, mapper: Any, connection: Any, instance: Any) -> Any:
        """A changed object was updated."""
        return EXT_CONTINUE

    def before_delete(self, mapper: Any, connection: Any, instance: Any) -> Any:
        """An object's row is about to be deleted."""
        return EXT_CONTINUE

    def after_delete(self, mapper: Any, connection: Any, instance: Any) -> Any:
        """An object's row was deleted."""
        return EXT_CONTINUE


class AttributeExtension:
    """The base of extensions given as ``relation(..., extension=...)`` or ``column_property(..., extension=...)``.

    :cvar active_history: have the old value loaded, for :meth:`set`.
    """

    active_history = False

    def append(self, obj: Any, value: Any, initiator: Any) -> Any:
        """An object is about to come into a collection; return what is to be put in."""
        return value

    def remove(self, obj: Any, value: Any, initiator: Any) -> None:
        """An object is about to leave a collection."""

    def set(self, obj: Any, value: Any, oldvalue: Any, initiator: Any) -> Any:
        """A value is about to be set; return what is to be set."""
        return value


def as_extensions(given: Any, base: type) -> list[Any]:
    """Return extensions as a list; one, or several, objects or classes of them may be given.

    :raises ArgumentError: there is something else among them.
    """
    found = list(given) if isinstance(given, (list, tuple)) else [given]
    made = [each() if isinstance(each, type) else each for each in found]
    for each in made:
        if not isinstance(each, base):
            raise ArgumentError(
                f"extension= takes objects of classes that derive from {base.__name__}, alone or in a list; got "
                f"{each!r:.80}."
            )
    return made


def chain(extensions: Iterable[Any], name: str, base: type) -> Callable[..., Any] | None:
    """Return what calls ``name`` of the extensions that define it, until one stops; None if none does."""
    own = [getattr(each, name) for each in extensions if getattr(type(each), name) is not getattr(base, name)]
    if not own:
        return None

    def call(*arguments: Any) -> Any:
        for method in own:
            if method(*arguments) is EXT_STOP:
                return EXT_STOP
        return EXT_CONTINUE

    return call


def extend_mapper(mapper: Mapper[Any]) -> None:
    """Have the extensions of a mapper called; its class is not instrumented yet."""
    extensions = as_extensions(mapper.extension, MapperExtension)
    for each in extensions:
        found = [name for name in _OF_OTHER_TIMES if hasattr(type(each), name)]
        if found:
            raise ArgumentError(
                f"{type(each).__name__}.{found[0]}() is not called: objects are made by code that is generated "
                f"for their statement. Use reconstruct_instance(), or listen to 'load' or to the session's "
                f"'do_orm_execute'."
            )
    for name in _OF_MAPPERS:
        if (call := chain(extensions, name, MapperExtension)) is not None:
            event.listen(mapper, name, call, propagate=True)


def extend_objects(mapper: Mapper[Any]) -> None:
    """Have the extensions of a mapper called for its objects."""
    extensions = as_extensions(mapper.extension, MapperExtension)
    for name, event_name in (("init_instance", "init"), ("init_failed", "init_failure")):
        if (call := chain(extensions, name, MapperExtension)) is not None:
            event.listen(mapper, event_name, _of_making(call), propagate=True)
    if (call := chain(extensions, "reconstruct_instance", MapperExtension)) is not None:
        event.listen(mapper, "load", _of_loading(call), propagate=True)


def extend_attributes(mapper: Mapper[Any]) -> None:
    """Have the extensions of a mapper's attributes called."""
    for key, prop in mapper.props.items():
        given = getattr(prop, "extension", None)
        if given is None or prop.parent is not mapper:
            continue
        attribute = mapper.class_.__dict__[key]
        for each in as_extensions(given, AttributeExtension):
            for name in ("append", "remove", "set"):
                if getattr(type(each), name) is not getattr(AttributeExtension, name):
                    event.listen(
                        attribute,
                        name,
                        getattr(each, name),
                        retval=name != "remove",
                        active_history=each.active_history,
                        propagate=True,
                    )


def _of_making(call: Callable[..., Any]) -> Callable[..., Any]:
    def listener(target: Any, args: Any, kwargs: Any) -> None:
        class_: Any = type(target)
        call(class_.__mapper__, class_, class_.__init__, target, args, kwargs)

    return listener


def _of_loading(call: Callable[..., Any]) -> Callable[..., Any]:
    def listener(target: Any, context: Any) -> None:
        call(type(target).__mapper__, target)

    return listener
