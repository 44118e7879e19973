"""Instrumenting a class: what mapping puts on it, and takes off again."""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

from ..kernel.core import entity_table
from ..mapping import configuring
from ..mapping.mapper import Mapper
from ..mapping.properties import MapperProperty
from ..state.instance import STATE, InstanceState, new_state
from .attributes import EntityClause, InstrumentedAttribute, SynonymAttribute
from .queried import QUERIED, QueriedAttribute
from .relations import Relations
from .relationship_attribute import RelationshipAttribute
from .validators import find_hooks
from .writing import guarded_setattr, make_delattr, make_setattr, set_value

managers: weakref.WeakSet[ClassManager] = weakref.WeakSet()
"""Those of all mapped classes."""


class ClassManager:
    """What was put on one class, so that it can be found and taken off.

    ``plain`` are the column attributes whose writes need nothing but recording;
    ``special`` maps other attributes to what writes them.
    """

    dispatch: Any  # of events.py
    has_made = False  # whether an object was made of the class, as far as listeners have asked to know

    def __init__(self, mapper: Mapper[Any]) -> None:
        self.mapper = mapper
        self.class_ = mapper.class_
        self.plain: set[str] = set()
        self.special: dict[str, Callable[[Any, str, Any], None]] = {}
        self.replaced: dict[str, Any] = {}  # what the class's own __dict__ held before
        self.added: set[str] = set()
        self.relations = Relations(mapper)
        self.listened: set[str] = set()  # the relationships that somebody listens to
        managers.add(self)
        self.state_class: type[InstanceState] = type(
            f"{self.class_.__name__}State", (InstanceState,), {"__slots__": (), "mapper": mapper}
        )

    def attach(self, prop: MapperProperty) -> None:
        """Put the attribute of a property that came after the mapping on the class."""
        add_attribute(self.mapper, prop)
        if prop.is_relationship:
            for mapper in self.mapper.self_and_descendants - {self.mapper}:
                if mapper.class_manager is not None and mapper.props.get(prop.key) is prop:
                    add_attribute(mapper, prop)

    def put(self, name: str, value: Any) -> None:
        if name not in self.added:
            self.added.add(name)
            if name in self.class_.__dict__:
                self.replaced[name] = self.class_.__dict__[name]
        type.__setattr__(self.class_, name, value)


def instrument_class(mapper: Mapper[Any]) -> ClassManager:
    """Make ``mapper.class_`` a mapped class."""
    manager = ClassManager(mapper)
    class_: Any = mapper.class_
    mapper.class_manager = manager
    mapper.validators, mapper.reconstructor = find_hooks(class_)
    own = class_.__dict__
    manager.put("__mapper__", mapper)
    manager.put("__ropewalk_table__", staticmethod(functools.partial(_clause_of, mapper)))
    manager.put("__ropewalk_state__", _state_factory(manager))
    manager.put("__clause_element__", EntityClause())
    if "__table__" not in own:
        manager.put("__table__", mapper.local_table)
    for prop in mapper.props.values():
        add_attribute(mapper, prop)
    columns = mapper.column_props
    if "__setattr__" in own:
        manager.put("__setattr__", guarded_setattr(own["__setattr__"], columns, manager.special))
    else:
        inherited = _unmapped_method(class_, "__setattr__")
        manager.put("__setattr__", make_setattr(manager.plain, manager.special, inherited))
    if "__delattr__" not in own:
        inherited = _unmapped_method(class_, "__delattr__")
        manager.put("__delattr__", make_delattr(columns, manager.relations.delete, inherited))
    _instrument_init(manager)
    if not isinstance(own.get("_instance_key"), property):
        manager.put("_instance_key", property(_instance_key))
    return manager


def uninstrument_class(mapper: Mapper[Any]) -> None:
    """Take off what :func:`instrument_class` put on."""
    manager: ClassManager = mapper.class_manager
    for name in manager.added:
        if name in manager.replaced:
            type.__setattr__(manager.class_, name, manager.replaced[name])
        elif name in manager.class_.__dict__:
            type.__delattr__(manager.class_, name)
    manager.added.clear()


def add_attribute(mapper: Mapper[Any], prop: MapperProperty) -> None:
    """Put the attribute of one property on the class."""
    manager: ClassManager = mapper.class_manager
    key = prop.key
    if prop.is_synonym:
        existing = _plain_descriptor(mapper.class_, key)
        if prop.descriptor is None and existing is not None:  # type: ignore[attr-defined]
            prop.descriptor = existing  # type: ignore[attr-defined]
        manager.put(key, SynonymAttribute(mapper, prop))
        if key in mapper.validators:
            manager.special[key] = validated_writer(*mapper.validators[key], through_descriptor=True)
        return
    if prop.is_relationship:
        manager.plain.discard(key)
        manager.relations.pop(key, None)
        manager.special[key] = manager.relations.write
        queried = prop.lazy in QUERIED  # type: ignore[attr-defined]
        manager.put(key, (QueriedAttribute if queried else RelationshipAttribute)(mapper, prop))
        return
    if not prop.is_column:
        return
    manager.put(key, InstrumentedAttribute(mapper, prop))
    manager.plain.discard(key)
    manager.special.pop(key, None)
    setter: Callable[[Any, str, Any], None] | None = None
    if prop.active_history:  # type: ignore[attr-defined]
        setter = _set_with_history
    if key in mapper.validators:
        setter = validated_writer(*mapper.validators[key], inner=setter or set_value)
    if setter is None:
        manager.plain.add(key)
    else:
        manager.special[key] = setter


def _plain_descriptor(class_: type, key: str) -> Any:
    for base in class_.__mro__:
        found = vars(base).get(key)
        if found is not None:
            return found if isinstance(found, property) or hasattr(type(found), "__set__") else None
    return None


def _clause_of(mapper: Mapper[Any]) -> Any:
    clause = mapper.__dict__.get("clause")
    if clause is None:
        clause = mapper.clause = entity_table(mapper.selectable, mapper)  # type: ignore[attr-defined]
    return clause


def _state_factory(manager: ClassManager) -> Callable[[Any], InstanceState]:
    """Return what gives an object of this class its state, in the slot or in the ``__dict__``."""
    state_class = manager.state_class
    slot = _state_slot(manager.class_)
    if slot is not None:
        put = slot.__set__

        def attach(instance: Any) -> InstanceState:
            state = new_state(state_class, instance)
            put(instance, state)
            return state

    else:

        def attach(instance: Any) -> InstanceState:
            state = instance.__dict__[STATE] = new_state(state_class, instance)
            return state

    return staticmethod(attach)


def _state_slot(class_: type) -> Any:
    """Return the slot that holds the state in objects of a declarative class, or None."""
    for base in class_.__mro__:
        found = vars(base).get(STATE)
        if found is not None:
            return found
    return None


def _unmapped_method(class_: type, name: str) -> Any:
    """Return the method that serves a name which is not mapped: the nearest one not made by us."""
    for base in class_.__mro__[1:]:
        if name in vars(base):
            return vars(base)[name]
    return getattr(object, name)


def validated_writer(
    fn: Any, options: dict[str, Any], inner: Any = None, through_descriptor: bool = False
) -> Callable[[Any, str, Any], None]:
    def write(instance: Any, key: str, value: Any) -> None:
        if options["include_removes"]:
            value = fn(instance, key, value, False)
        else:
            value = fn(instance, key, value)
        if through_descriptor:
            object.__setattr__(instance, key, value)
        else:
            inner(instance, key, value)

    return write


def _set_with_history(instance: Any, key: str, value: Any) -> None:
    """Write an attribute whose old value must be known: load it first where it is not."""
    if key not in instance.__dict__:
        getattr(instance, key)
    set_value(instance, key, value)


def _instance_key(self: Any) -> Any:
    """The identity key of a persistent object as the 0.4 chapter shows it: ``(User, (7,))``."""
    from ..state.identity import instance_key
    from ..state.instance import state_of

    state = state_of(self)
    if state is None or state.pk is None:
        raise AttributeError(f"{type(self).__name__} object has no _instance_key: it has no row in the database yet.")
    return instance_key(state)


# -- __init__ -------------------------------------------------------------------------


def _instrument_init(manager: ClassManager) -> None:
    class_: Any = manager.class_
    own = class_.__dict__.get("__init__")
    if own is not None:
        manager.put("__init__", _stateful_init(own))
        return
    constructor = getattr(manager.mapper.registry, "constructor", None)
    for base in class_.__mro__[1:]:
        found = vars(base).get("__init__")
        if found is None or found is object.__init__ or found is constructor:
            continue
        if getattr(found, "__ropewalk_default__", False):
            break
        if "__mapper__" not in vars(base):
            manager.put("__init__", _stateful_init(found))
        return
    if constructor is None or getattr(constructor, "__ropewalk_default__", False):
        manager.put("__init__", _default_init(manager))
    else:
        manager.put("__init__", _stateful_init(constructor))


def _stateful_init(original: Any) -> Any:
    """Wrap a class's own ``__init__``: the state is there before its first line runs."""

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            self._sa_instance_state  # noqa: B018
        except AttributeError:
            type(self).__ropewalk_state__(self)
        if configuring.pending:
            configuring.configure(type(self).__mapper__)
        original(self, *args, **kwargs)

    __init__.__ropewalk_wrapped__ = original  # type: ignore[attr-defined]
    with contextlib.suppress(ValueError, TypeError):
        __init__.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return __init__


def _default_init(manager: ClassManager) -> Any:
    """Return the constructor of a class without one: mapped names as keywords."""
    plain, special = manager.plain, manager.special
    class_ = manager.class_

    def __init__(self: Any, **kwargs: Any) -> None:
        if configuring.pending:  # a backref may be among the keywords
            configuring.configure(manager.mapper)
        if plain.issuperset(kwargs):
            self.__dict__.update(kwargs)
            return
        cls = type(self)
        for key, value in kwargs.items():
            if key not in special and not hasattr(cls, key):
                raise TypeError(unknown_keyword(cls, key))
            setattr(self, key, value)

    __init__.__ropewalk_default__ = True  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{class_.__qualname__}.__init__"
    return __init__


def unknown_keyword(cls: Any, key: str) -> str:
    """The message for a keyword that the default constructor does not know."""
    names = list(cls.__mapper__.props)
    close = difflib.get_close_matches(key, names, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names)}."
    return f"{key!r} is an invalid keyword argument for {cls.__name__}: {hint}"
