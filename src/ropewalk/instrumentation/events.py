"""What mapped classes and their objects tell: mapping, rows written, objects made, loaded, expired.

A listener may come before its class is mapped, and be meant for a mixin or for a base that never is: it is held
(:class:`Held`) until a class is mapped that it is for.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..kernel.core import dispatch_for, others_for, pass_on, take_listeners, wrapped_listener
from ..kernel.listening import Telling, anybody
from ..kernel.symbols import EXT_CONTINUE
from ..mapping import configuring
from ..mapping.mapper import Mapper
from ..state.instance import STATE, state_of
from .attribute_events import take_attribute_listeners
from .making import tell_of_making
from .manager import ClassManager, managers

OF_ROWS = frozenset(f"{when}_{what}" for when in ("before", "after") for what in ("insert", "update", "delete"))
OF_CONFIGURING = frozenset({"before_configured", "after_configured", "before_mapper_configured", "mapper_configured"})
OF_MAKING = frozenset({"first_init", "init", "init_failure"})


class Held:
    """The listeners to a class that is not mapped, or not yet."""

    def __init__(self, class_: type, owner: Any) -> None:
        self.class_ = class_
        self.dispatch = dispatch_for(owner)


class _TellingClasses(Telling):
    """Events of mapped classes, which can be listened to before there is anything to tell."""

    _held: weakref.WeakKeyDictionary[type, Held]
    _owner: Any

    @classmethod
    def _hold(cls, class_: type) -> Any:
        held = cls._held.get(class_)
        if held is None:
            held = cls._held[class_] = Held(class_, cls._owner)
        return held

    @classmethod
    def _found(cls, class_: type) -> Mapper[Any] | None:
        return class_.__dict__.get("__mapper__")

    @classmethod
    def _is_foreign(cls, class_: type) -> bool:
        """Whether a class is mapped by SQLAlchemy's ORM, which may be in the same process, or is one of its own."""
        return "_sa_class_manager" in class_.__dict__ or class_.__module__.startswith("sqlalchemy.orm.")

    @classmethod
    def _targets(cls, held: Held, event_key: Any, propagate: bool, **kw: Any) -> Iterator[Any]:
        """Yield the mapped subclasses' targets; SQLAlchemy's ORM, if it is there, holds the listener too."""
        if not any(STATE in vars(base) for base in held.class_.__mro__):  # else it is a base of ours alone
            for other in others_for(cls, event_key.identifier):
                pass_on(other, event_key, propagate=propagate, **kw)
        if propagate:
            waiting: list[type] = list(type.__subclasses__(held.class_))
            for class_ in waiting:
                waiting.extend(type.__subclasses__(class_))
                if (mapper := cls._found(class_)) is not None:
                    yield cls._of(mapper)

    @classmethod
    def _of(cls, mapper: Mapper[Any]) -> Any:
        return mapper

    @classmethod
    def _take(cls, target: Any, class_: type, bases: Iterable[Any]) -> None:
        """Give a class just mapped the listeners that were held for it, and those of what it inherits from."""
        for base in class_.__mro__:
            held = cls._held.get(base)
            if held is not None:
                take_listeners(target.dispatch, held.dispatch, base is not class_)
        for inherited in bases:
            if "dispatch" in vars(inherited):
                take_listeners(target.dispatch, inherited.dispatch, True)


class MapperEvents(_TellingClasses):
    """Events of a mapper: given by it, by its class, by a base or mixin with ``propagate=True``, or ``Mapper`` for all.

    ::

        @event.listens_for(User, "before_insert")
        def stamp(mapper, connection, target):
            target.created = now()
    """

    _target_class_doc = "SomeClass"
    _dispatch_target = Mapper
    _held = weakref.WeakKeyDictionary()
    _owner = Mapper

    @classmethod
    def _find(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, Mapper):
            return None if identifier in ("before_configured", "after_configured") else target
        if not isinstance(target, type):
            return None
        if issubclass(target, Mapper):
            return target
        if identifier in ("before_configured", "after_configured") or cls._is_foreign(target):
            return None
        return cls._found(target) or cls._hold(target)

    @classmethod
    def _listen(
        cls, event_key: Any, *, raw: bool = False, retval: bool = False, propagate: bool = False, **kw: Any
    ) -> None:
        name, target = event_key.identifier, event_key.dispatch_target
        if name in OF_ROWS and raw:
            event_key = wrapped_listener(event_key, _with_state(2))
        if not retval:
            event_key = wrapped_listener(event_key, _continuing)
        targets: list[Any] = [target]
        if isinstance(target, Held):
            targets += cls._targets(target, event_key, propagate, raw=raw, **kw)
        elif propagate and isinstance(target, Mapper):
            targets += target.self_and_descendants - {target}
        for each in targets:
            event_key.with_dispatch_target(each).base_listen(propagate=propagate, **kw)
            if not isinstance(each, Held):
                cls._notice(each, name)

    @classmethod
    def _notice(cls, target: Any, name: str) -> None:
        """Have a mapper, or all of them, ask its listeners from now on."""
        if name in OF_ROWS:
            target.tells_rows = True
        elif name in OF_CONFIGURING:
            mappers = [target] if isinstance(target, Mapper) else [manager.mapper for manager in managers]
            for mapper in mappers:
                if mapper.registry is not None and mapper.registry.awaits(mapper):
                    configuring.announce(mapper)

    def instrument_class(self, mapper: Any, class_: Any) -> None:
        """A class is about to become a mapped class; its mapper is there."""

    def after_mapper_constructed(self, mapper: Any, class_: Any) -> None:
        """A class was mapped; its relationships are not configured yet."""

    def before_mapper_configured(self, mapper: Any, class_: Any) -> None:
        """A mapper is about to be configured; with ``retval=True`` and ``EXT_SKIP`` returned it is not."""

    def mapper_configured(self, mapper: Any, class_: Any) -> None:
        """A mapper was configured; those that it refers to may not be."""

    def before_configured(self) -> None:
        """New mappers are about to be configured (``Mapper`` is the only target)."""

    def after_configured(self) -> None:
        """New mappers were configured (``Mapper`` is the only target)."""

    def before_insert(self, mapper: Any, connection: Any, target: Any) -> None:
        """An object is about to be inserted; what is set on it goes into the row."""

    def after_insert(self, mapper: Any, connection: Any, target: Any) -> None:
        """An object was inserted."""

    def before_update(self, mapper: Any, connection: Any, target: Any) -> None:
        """A changed object is about to be updated, if anything in its row differs."""

    def after_update(self, mapper: Any, connection: Any, target: Any) -> None:
        """A changed object has gone through the flush, whether or not it took an UPDATE."""

    def before_delete(self, mapper: Any, connection: Any, target: Any) -> None:
        """An object's row is about to be deleted."""

    def after_delete(self, mapper: Any, connection: Any, target: Any) -> None:
        """An object's row was deleted."""


class InstanceEvents(_TellingClasses):
    """Events of the objects of a class: given by it, a base or mixin with ``propagate=True``, or ``Mapper`` for all."""

    _target_class_doc = "SomeClass"
    _dispatch_target = ClassManager
    _held = weakref.WeakKeyDictionary()
    _owner = ClassManager

    @classmethod
    def _find(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, ClassManager):
            return target
        if isinstance(target, Mapper):
            return target.class_manager
        if not isinstance(target, type):
            return None
        if issubclass(target, (Mapper, ClassManager)):
            return ClassManager
        if cls._is_foreign(target):
            return None
        mapper = cls._found(target)
        return cls._hold(target) if mapper is None else mapper.class_manager

    @classmethod
    def _of(cls, mapper: Mapper[Any]) -> Any:
        return mapper.class_manager

    @classmethod
    def _listen(
        cls,
        event_key: Any,
        *,
        raw: bool = False,
        propagate: bool = False,
        restore_load_context: bool = False,
        **kw: Any,
    ) -> None:
        name, target = event_key.identifier, event_key.dispatch_target
        kw.pop("retval", None)
        if raw and name != "first_init":
            event_key = wrapped_listener(event_key, _with_state(0))
        targets: list[Any] = [target]
        if isinstance(target, Held):
            targets += cls._targets(target, event_key, propagate, raw=raw, **kw)
        elif propagate and isinstance(target, ClassManager):
            targets += [m.class_manager for m in target.mapper.self_and_descendants if m is not target.mapper]
        for each in targets:
            event_key.with_dispatch_target(each).base_listen(propagate=propagate, **kw)
            if not isinstance(each, Held):
                cls._notice(each, name)

    @classmethod
    def _notice(cls, target: Any, name: str) -> None:
        """Have a class, or all of them, ask its listeners from now on."""
        if name in OF_MAKING:
            for manager in [target] if isinstance(target, ClassManager) else list(managers):
                tell_of_making(manager)
        elif name in ("load", "refresh"):
            anybody.version += 1
            anybody.refresh = anybody.refresh or name == "refresh"
        else:
            setattr(anybody, "pickle" if name == "unpickle" else name, True)

    def first_init(self, manager: Any, cls: Any) -> None:
        """The first object of a class is about to be made."""

    def init(self, target: Any, args: Any, kwargs: Any) -> None:
        """``__init__`` of an object is about to be called; ``kwargs`` may be changed."""

    def init_failure(self, target: Any, args: Any, kwargs: Any) -> None:
        """``__init__`` of an object has raised."""

    def load(self, target: Any, context: Any) -> None:
        """An object was made from a row, or by ``merge()``."""

    def refresh(self, target: Any, context: Any, attrs: Any) -> None:
        """An object was given values from its row again; ``attrs`` names them, None stands for all."""

    def refresh_flush(self, target: Any, flush_context: Any, attrs: Any) -> None:
        """A flush has given an object values that a default, or the database, has made."""

    def expire(self, target: Any, attrs: Any) -> None:
        """An object has forgotten attributes; ``attrs`` names them, None stands for all."""

    def pickle(self, target: Any, state_dict: Any) -> None:
        """An object is being pickled; what is put into ``state_dict`` goes with it."""

    def unpickle(self, target: Any, state_dict: Any) -> None:
        """An object was unpickled."""


class InstrumentationEvents(Telling):
    """Events of classes being mapped, given by a class: they are told of it and of what derives from it."""

    _target_class_doc = "SomeBaseClass"

    class _Everybody:
        pass

    _dispatch_target = _Everybody

    @classmethod
    def _find(cls, target: Any, identifier: str) -> Any:
        return everybody if isinstance(target, type) else None

    @classmethod
    def _listen(cls, event_key: Any, propagate: bool = True, **kw: Any) -> None:
        base = event_key.target
        for other in others_for(cls, event_key.identifier):
            pass_on(other, event_key, **kw)

        def only_within(fn: Callable[..., Any]) -> Callable[..., Any]:
            def call(class_: type, *arguments: Any) -> None:
                if issubclass(class_, base):
                    fn(class_, *arguments)

            return call

        wrapped_listener(event_key, only_within).base_listen(**kw)

    def class_instrument(self, cls: Any) -> None:
        """A class has become a mapped class."""

    def class_uninstrument(self, cls: Any) -> None:
        """The mapping of a class is about to be taken off."""

    def attribute_instrument(self, cls: Any, key: Any, inst: Any) -> None:
        """A class has got a mapped attribute."""


everybody: Any = InstrumentationEvents._Everybody()


def tell_of_mapping(mapper: Mapper[Any]) -> None:
    """Give a new mapper its listeners, and tell that its class is about to be instrumented."""
    inherited = [] if mapper.inherits is None else [mapper.inherits]
    MapperEvents._take(mapper, mapper.class_, inherited)
    dispatch = mapper.dispatch
    if any(getattr(dispatch, name) for name in OF_ROWS):
        mapper.tells_rows = True
    if any(getattr(dispatch, name) for name in OF_CONFIGURING):
        configuring.announce(mapper)
    dispatch.instrument_class(mapper, mapper.class_)


def tell_of_instrumenting(mapper: Mapper[Any]) -> None:
    """Give a newly instrumented class its listeners, and tell of it."""
    manager: ClassManager = mapper.class_manager
    class_ = mapper.class_
    inherited = [] if mapper.inherits is None else [mapper.inherits.class_manager]
    InstanceEvents._take(manager, class_, inherited)
    dispatch = manager.dispatch
    if any(getattr(dispatch, name) for name in OF_MAKING):
        tell_of_making(manager)
    if dispatch.load or dispatch.refresh:
        anybody.version += 1
        anybody.refresh = anybody.refresh or bool(dispatch.refresh)
    for name in ("expire", "refresh_flush", "pickle"):
        if getattr(dispatch, name):
            setattr(anybody, name, True)
    if dispatch.unpickle:
        anybody.pickle = True
    take_attribute_listeners(mapper)
    everybody.dispatch.class_instrument(class_)
    if everybody.dispatch.attribute_instrument:
        for key in mapper.props:
            everybody.dispatch.attribute_instrument(class_, key, class_.__dict__.get(key))


def _with_state(place: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what wraps a listener registered with ``raw=True``: it is given the state of the object at ``place``."""

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            given = list(arguments)
            given[place] = state_of(given[place])
            return fn(*given)

        return call

    return wrap


def _continuing(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a listener whose return value does not count."""

    def call(*arguments: Any, **kw: Any) -> Any:
        fn(*arguments, **kw)
        return EXT_CONTINUE

    return call
