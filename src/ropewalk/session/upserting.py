"""``session.upsert()``: objects whose rows may be there already, without asking the database first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ..exc import ArgumentError, InvalidRequestError
from ..loading.returning import prop_for
from ..state.instance import PENDING, PERSISTENT, InstanceState
from ..unitofwork.upserting import Upsert
from . import cascading, moves

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..state.identity import IdentityMap
    from .guard import Guard

T = TypeVar("T")


class Upserting:
    """The part of a Session that inserts or updates."""

    if TYPE_CHECKING:
        identity_map: IdentityMap
        _guard: Guard
        _new: dict[InstanceState, Any]

        def _autobegin(self) -> None: ...

    def upsert(self, instance: T, on: Any = None, *, update: Iterable[Any] | None = None) -> T:
        """Have the next flush insert an object's row, or update the row that is there already.

        One statement does either (``INSERT ... ON CONFLICT DO UPDATE``, ``ON DUPLICATE KEY UPDATE``), for all such
        objects of one shape. The key, and all that the object was not given, come back with it. Where the session
        holds an object for that row already, the values go to that one, as with ``merge()``: use what is returned.

        ::

            user = session.upsert(User(email="ed@example.org", name="Ed"), on=User.email)

        :param on: the attribute or attributes by which the row is found, with a primary key or unique constraint in
            the database; the primary key where None. On MySQL and MariaDB any unique key of the table decides.
        :param update: the attributes that a row which is there gets from the object; all that it has where None, none
            with an empty list. Defaults are for new rows only, ``onupdate`` for the others.
        :raises InvalidRequestError: the object has a row already, or no value for ``on``; or its class has several
            tables or a version column.
        """
        return self.upsert_all([instance], on, update=update)[0]

    def upsert_all(self, instances: Iterable[T], on: Any = None, *, update: Iterable[Any] | None = None) -> list[T]:
        """Have the next flush insert or update the rows of several objects; see :meth:`upsert`."""
        self._guard.check("upsert()")
        known: dict[Any, _Known] = {}
        found = []
        for instance in instances:
            state = moves.state_in(instance)
            mapper = state.mapper
            if mapper not in known:
                known[mapper] = _Known(self, mapper, on, update)
            found.append(known[mapper].take(state, instance))
        self._autobegin()
        return found


class _Known:
    """The objects of one class that a session holds, by the attributes that tell rows apart."""

    def __init__(self, session: Any, mapper: Mapper[Any], on: Any, update: Any) -> None:
        self.session = session
        self.mapper = mapper
        if len(mapper.tables) != 1 or getattr(mapper, "version_id_col", None) is not None:
            raise InvalidRequestError(
                f"{mapper.class_.__name__} cannot be upserted: a class with several tables or a version column needs "
                f"to know its row. Use session.merge()."
            )
        on = () if on is None else on
        single = isinstance(on, str) or not isinstance(on, (list, tuple))
        keys = tuple(self._key(name, "on") for name in ([on] if single else on)) or mapper.pk_keys
        chosen = None if update is None else tuple(self._key(name, "update") for name in update)
        self.upsert = Upsert(keys, chosen)
        self._held: dict[Any, InstanceState] | None = None

    def _key(self, name: Any, where: str) -> str:
        prop = prop_for(self.mapper, name)
        if prop is None:
            raise ArgumentError(
                f"upsert({where}=...): {name!s} is no column attribute of {self.mapper.class_.__name__}; it has "
                f"{', '.join(self.mapper.column_props)}."
            )
        return str(prop.key)

    def take(self, state: InstanceState, instance: Any) -> Any:
        """Have an object upserted; return it, or the one that the session holds for its row."""
        session, keys = self.session, self.upsert.on
        if state.owner is session.identity_map and state.status == PERSISTENT:
            return instance  # its changes are an UPDATE anyway
        if state.pk is not None:
            raise InvalidRequestError(
                f"{state.describe()} has a row, and is {state.status_name}: bring it into the session with "
                f"session.add(obj), or its values with session.merge(obj). upsert() is for new objects."
            )
        held = instance.__dict__
        from_parents = any(key in held for key, prop in self.mapper.relationship_props.items() if not prop.uselist)
        if not from_parents and any(held.get(key) is None for key in keys):
            raise InvalidRequestError(
                f"{state.describe()} cannot be upserted on {', '.join(keys)}: it has no value there, and NULL never "
                f"meets another row."
            )
        values = tuple(held.get(key) for key in keys)
        there = None if None in values else self._find(values)
        other = None if there is None or there is state else there()
        if other is not None:
            self._copy(held, other)
            return other
        moves.add(session, state, instance)
        if self.mapper.relationship_props:
            cascading.add_related(session, state, instance)
        if session.identity_map.upserts is None:
            session.identity_map.upserts = {}
        session.identity_map.upserts[state] = self.upsert
        if self._held is not None and None not in values:
            self._held[values] = state
        return instance

    def _find(self, values: tuple[Any, ...]) -> InstanceState | None:
        if self._held is None:
            self._held = {}
            keys = self.upsert.on
            pending = [s for s in self.session._new if s.mapper is self.mapper and s.status == PENDING]
            persistent = [s for s in self.session.identity_map.all_states() if s.mapper is self.mapper]
            for state in (*pending, *persistent):
                held = state.dict
                if state.pk is not None and keys == self.mapper.pk_keys:
                    self._held[state.identity] = state
                elif all(held.get(key) is not None for key in keys):
                    self._held[tuple(held[key] for key in keys)] = state
        return self._held.get(values)

    def _copy(self, held: dict[str, Any], other: Any) -> None:
        """Give the object that the session holds what the new one has."""
        untouched = {*self.upsert.on, *self.mapper.pk_keys}
        names = self.mapper.column_props if self.upsert.update is None else self.upsert.update
        for key in names:
            if key in held and key not in untouched:
                setattr(other, key, held[key])
