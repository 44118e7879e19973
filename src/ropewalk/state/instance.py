"""What Ropewalk knows of one instance.

The state *is* the weak reference to its object: a ``weakref.ref`` with slots, which the
identity map also holds as its entry. One allocation serves both. The object in turn
holds its state (in a slot, or under ``_sa_instance_state`` in its ``__dict__``), so
that either finds the other.

``committed`` is what makes the unit of work cheap: ``None`` while nothing changed, else
for each attribute that was written the value it had before, recorded by the first write
(see ``instrumentation/writing.py``). While only one attribute was written, which is by far
the most usual, its name and value lie in two slots, and no dictionary is made: a container
for each changed object would keep the garbage collector busy.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from ..exc import DetachedInstanceError, InvalidRequestError, UnmappedInstanceError
from ..kernel.listening import anybody
from ..kernel.symbols import NO_VALUE
from .history import AttributeState, History
from .mutable import changed_in_place
from .parting import Parting

if TYPE_CHECKING:
    from ..mapping.mapper import Collection, Mapper
    from .identity import IdentityMap

TRANSIENT, PENDING, PERSISTENT, DELETED, DETACHED = range(5)
STATE = "_sa_instance_state"  # where an object holds its state: a slot, or a key of its __dict__
SEVERAL = ""  # the name of no attribute
STATUS_NAMES = ("transient", "pending", "persistent", "deleted", "detached")


class InstanceState(weakref.ref):  # type: ignore[type-arg]
    """The state of one mapped object, as :func:`ropewalk.inspect` returns it.

    Each mapped class has a subclass of its own, which knows the ``mapper``.
    """

    __slots__ = (
        "_committed",
        "expired",
        "extra",
        "first_key",
        "first_value",
        "mutables",
        "owner",
        "parting",
        "peers",
        "pk",
        "status",
    )

    mapper: ClassVar[Mapper[Any]]

    owner: IdentityMap | None  # of the session that holds it
    status: int
    pk: Any  # the bare key: a value for one column, a tuple for several; None without identity
    first_key: str | None  # the only attribute written; SEVERAL if _committed holds them; None while clean
    first_value: Any  # what it was before
    mutables: dict[str, tuple[Any, Any]] | None  # attribute → (value, copy) where it can change in place
    expired: bool  # unloaded column attributes are to be fetched all together
    peers: list[InstanceState] | None  # what came in the same result
    extra: dict[str, Any] | None  # what few states need
    parting: Parting | None  # how it left its session; unset while it never did, so that loading costs nothing

    # A weak reference hashes and compares like its referent; a state is itself.
    __hash__ = object.__hash__
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    is_instance = True
    is_mapper = False
    is_aliased_class = False

    @property
    def committed(self) -> dict[str, Any] | None:
        """What was written since the last flush → the value before; None while nothing was."""
        key = self.first_key
        if key is None:
            return None
        if key is not SEVERAL:
            self._committed: dict[str, Any] = {key: self.first_value}
            self.first_key = SEVERAL
            self.first_value = None
        return self._committed

    @committed.setter
    def committed(self, value: dict[str, Any] | None) -> None:
        if value is None:
            self.first_key = None
        else:
            self.first_key = SEVERAL
            self._committed = value

    # -- what it is -----------------------------------------------------------------

    @property
    def transient(self) -> bool:
        """Neither in a session nor in the database."""
        return self.status == TRANSIENT

    @property
    def pending(self) -> bool:
        """In a session, not yet in the database."""
        return self.status == PENDING

    @property
    def persistent(self) -> bool:
        """In a session and in the database."""
        return self.status == PERSISTENT

    @property
    def deleted(self) -> bool:
        """Deleted by a flush whose transaction is still open."""
        return self.status == DELETED

    @property
    def detached(self) -> bool:
        """In the database, but in no session."""
        return self.status == DETACHED

    @property
    def was_deleted(self) -> bool:
        """Whether a flush has deleted the row, committed or not."""
        return self.status == DELETED or bool(self.extra and self.extra.get("was_deleted"))

    @property
    def status_name(self) -> str:
        return STATUS_NAMES[self.status]

    @property
    def object(self) -> Any:
        """The object itself, or None when it is gone."""
        return self()

    def obj(self) -> Any:
        return self()

    @property
    def class_(self) -> type[Any]:
        return self.mapper.class_

    @property
    def dict(self) -> dict[str, Any]:
        instance = self()
        return {} if instance is None else instance.__dict__

    @property
    def session(self) -> Any:
        """The session that holds the object, or None."""
        return None if self.owner is None else self.owner.session

    @property
    def async_session(self) -> Any:
        """The AsyncSession that holds the object, or None."""
        session = self.session
        outer = None if session is None else session._async
        return None if outer is None else outer()

    @property
    def identity_token(self) -> Any:
        if self.extra is not None and (found := self.extra.get("token")) is not None:
            return found
        return None if self.owner is None else self.owner.token

    @property
    def identity(self) -> tuple[Any, ...] | None:
        """The primary key as a tuple, or None for an object without one."""
        if self.pk is None:
            return None
        return (self.pk,) if self.mapper.single_pk is not None else self.pk

    @property
    def identity_key(self) -> tuple[type[Any], tuple[Any, ...], Any] | None:
        """``(class, primary key, token)``, or None for an object without identity."""
        if self.pk is None:
            return None
        return (self.mapper.base_mapper.class_, self.identity, self.identity_token)  # type: ignore[return-value]

    @property
    def key(self) -> tuple[type[Any], tuple[Any, ...], Any] | None:
        """The identity key; who sets it says by hand which row the object stands for, or with None that it has none."""
        return self.identity_key

    @key.setter
    def key(self, value: tuple[Any, ...] | None) -> None:
        if self.owner is not None:
            raise InvalidRequestError(
                f"The key of {self.describe()} cannot be set while a session holds it: expunge(obj) first."
            )
        if value is None:
            self.pk, self.status = None, TRANSIENT
        else:
            self.pk = value[1][0] if self.mapper.single_pk is not None else tuple(value[1])
            self.status = DETACHED

    @property
    def info(self) -> Any:
        """A dictionary of the program's own for this object; it is pickled with it."""
        if self.extra is None or "info" not in self.extra:
            self.set_extra("info", {})
        return self.extra["info"]  # type: ignore[index]

    @property
    def has_identity(self) -> bool:
        return self.pk is not None

    # -- what it holds ----------------------------------------------------------------

    @property
    def attrs(self) -> Collection[AttributeState]:
        """An :class:`AttributeState` for each mapped attribute."""
        from ..mapping.mapper import Collection

        return Collection({key: AttributeState(self, key) for key in self.mapper.props})

    @property
    def unloaded(self) -> set[str]:
        """The attributes that hold no value."""
        held = self.dict
        return {key for key, p in self.mapper.props.items() if not p.is_synonym and key not in held}

    unloaded_expirable = unloaded

    @property
    def unmodified(self) -> set[str]:
        return set(self.mapper.props) - set(self.changed_keys())

    def unmodified_intersection(self, keys: Any) -> set[str]:
        return set(keys) & self.unmodified

    @property
    def expired_attributes(self) -> set[str]:
        """The attributes that the next read will fetch."""
        if self.pk is None or not (self.expired or self.extra):
            return set()
        named = set((self.extra or {}).get("expired_keys", ()))
        if self.expired:
            named |= {k for k in self.unloaded if not _deferred(self.mapper.props[k])}
        return named & self.unloaded

    @property
    def modified(self) -> bool:
        """Whether something was written since the last flush."""
        if self.status in (TRANSIENT, PENDING):
            return any(key in self.dict for key in self.mapper.props)
        return self.committed is not None or (self.mutables is not None and any(True for _ in changed_in_place(self)))

    def changed_keys(self) -> list[str]:
        """The attributes that were written, or that changed in place, since the last flush."""
        keys = list(self.committed or ())
        if self.mutables:
            keys.extend(key for key in changed_in_place(self) if key not in keys)
        return keys

    def history(self, key: str) -> History:
        """What was added to, and deleted from, attribute ``key`` since the last flush."""
        return History.of(self, key)

    def original(self, key: str) -> Any:
        """The value of ``key`` as of the last flush, or NO_VALUE where it is not known."""
        committed = self.committed
        if committed is not None and key in committed:
            return committed[key]
        if self.mutables is not None and key in self.mutables:
            return self.mutables[key][1]
        return self.dict.get(key, NO_VALUE)

    # -- what happens to it -----------------------------------------------------------

    def load_attribute(self, instance: Any, key: str) -> Any:
        """Return the value of an attribute that is not there, loading it where that can be done."""
        if self.pk is None and not self.may_load_pending(key):
            return None  # never set
        if self.committed is not None and key in self.committed:
            return None  # deleted with ``del``
        owner = self.owner
        if owner is None or owner.loader is None:
            raise self._detached(instance, key)
        return owner.loader.load_attribute(self, instance, key)

    def _detached(self, instance: Any, key: str) -> DetachedInstanceError:
        """The error for an attribute that nobody can load any more: why, and what would have helped."""
        parting = getattr(self, "parting", None)
        if self.owner is not None:
            why = (
                "its session is gone: the program let go of the Session without closing it, and Python collected it. "
                "Keep a reference to the session for as long as its objects are loaded from"
            )
        elif parting is not None:
            why = f"it left its session by {parting}"
        else:
            why = "it has been in none since it was made, or unpickled"
        option = self._option_for(key)
        if option:
            remedy = f"Have the query load it, as select(...).options({option}) does"
        elif self.expired:
            remedy = (
                "It was expired, as commit() does: read it before the session closes, or keep what was loaded with "
                "Session(expire_on_commit=False)"
            )
        else:
            remedy = "Read it before the session closes"
        return DetachedInstanceError(
            f"{self.describe()} is not bound to a Session, so attribute {self.mapper.class_.__name__}.{key} cannot be "
            f"loaded; {why}. {remedy}; or bring the object into a session again with session.add(obj) or "
            f"session.merge(obj).",
            instance,
            key,
        )

    def may_load_pending(self, key: str) -> bool:
        """Whether an object without a row loads what its keys refer to.

        So say ``relationship(load_on_pending=True)``, and ``enable_relationship_loading``.
        """
        prop: Any = self.mapper.relationship_props.get(key)
        if prop is None:
            return False
        return (self.owner is not None and prop.load_on_pending) or bool(self.extra and "load_pending" in self.extra)

    def _option_for(self, key: str) -> str:
        """Return the loader option that would have loaded an attribute; empty where none is needed."""
        prop: Any = self.mapper.props.get(key)
        name = f"{self.mapper.class_.__name__}.{key}"
        if prop is not None and prop.is_relationship:
            return f"selectinload({name})"
        if prop is not None and prop.is_column and (prop.deferred or not self.expired):
            return f"undefer({name})"
        return ""

    def set_extra(self, name: str, value: Any) -> None:
        if self.extra is None:
            self.extra = {}
        self.extra[name] = value

    def describe(self) -> str:
        """Name the object in an error message: ``<User id=7>``, without loading anything."""
        keys = self.mapper.pk_keys
        if self.pk is not None:
            identity: Any = self.identity
        else:
            held = self.dict
            identity = tuple(held.get(key) for key in keys)
        shown = ", ".join(f"{key}={value!r}" for key, value in zip(keys, identity, strict=False))
        return (
            f"<{self.mapper.class_.__name__} {shown}>"
            if any(v is not None for v in identity)
            else (f"<{self.mapper.class_.__name__} at {id(self()):#x}, {self.status_name}>")
        )

    def __repr__(self) -> str:
        return f"<InstanceState of {self.describe()}, {self.status_name}>"

    def __reduce__(self) -> Any:
        instance = self()
        if instance is None:
            raise InvalidRequestError(f"The state of {self.describe()} cannot be pickled: its object is gone.")
        wishes = getattr(self.peers, "left", None)  # the options that it was loaded with go along, the peers do not
        held = (instance, self.pk, self.committed, self.mutables, self.expired, self.extra, wishes)
        if anybody.pickle:
            more: dict[str, Any] = {"instance": instance}
            self.mapper.class_manager.dispatch.pickle(instance, more)
            return (_restore, (*held, more))
        return (_restore, held)


def new_state(cls: type[InstanceState], instance: Any) -> InstanceState:
    """Return a state for a transient ``instance``."""
    state = cls(instance, _object_gone)
    state.owner = state.pk = state.first_key = state.mutables = state.peers = state.extra = None
    state.status = TRANSIENT
    state.expired = False
    return state


def state_of(instance: Any) -> InstanceState | None:
    """Return the state of a mapped object, giving it one where it has none yet; None if it is not mapped."""
    try:
        return instance._sa_instance_state  # type: ignore[no-any-return]
    except AttributeError:
        factory = getattr(type(instance), "__ropewalk_state__", None)
        return None if factory is None else factory(instance)


def _object_gone(state: InstanceState) -> None:
    state.peers = None  # which hold the state in turn: nothing may be left to the cyclic collector
    owner = state.owner
    if owner is not None:
        owner.forget(state)


def _restore(
    instance: Any,
    pk: Any,
    committed: Any,
    mutables: Any,
    expired: bool,
    extra: Any,
    wishes: Any = None,
    more: Any = None,
) -> InstanceState:
    """Rebuild the state of an unpickled object, detached from any session.

    :param more: what listeners to the pickling have added, for those to the unpickling.
    """
    if getattr(type(instance), "__ropewalk_state__", None) is None:
        raise UnmappedInstanceError(
            instance,
            f"An object of {type(instance).__module__}.{type(instance).__qualname__} cannot be unpickled: the class is "
            f"not mapped in this process. Import, or run, what maps it first.",
        )
    # In a circle of objects pickle may rebuild a state while it is at it; whoever holds the first one keeps it.
    state: InstanceState = getattr(instance, "_sa_instance_state", None) or type(instance).__ropewalk_state__(instance)
    state.pk, state.committed, state.mutables = pk, committed, mutables
    state.expired, state.extra, state.peers = expired, extra, wishes
    state.status = TRANSIENT if pk is None else DETACHED
    if anybody.pickle:
        state.mapper.class_manager.dispatch.unpickle(instance, {"instance": instance} if more is None else more)
    return state


def _deferred(prop: Any) -> bool:
    return bool(prop.is_column and prop.left_out)
