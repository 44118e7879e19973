"""Relationships that are loaded when somebody touches them: for that object, and for its peers.

One touch of ``customer.orders`` loads the orders of all customers that came in the same result
and have not got theirs yet. A reference whose object the session holds costs no statement at all.
"""

from __future__ import annotations

from typing import Any

from ..exc import InvalidRequestError
from ..mapping.relationships import QUERIED
from ..state.instance import PERSISTENT, InstanceState
from . import peers
from .fetching import Fetch, fetch_for, held_under


def load_related(session: Any, state: InstanceState, instance: Any, key: str) -> Any:
    """Load a relationship that an object lacks, and return its value."""
    prop = state.mapper.relationship_props[key]
    node = peers.node_of(state)
    choice = None if node is None else node.choices.get(key)
    lazy = prop.lazy if choice is None else choice.kind
    if lazy == "raise" and not session.forced:
        raise forbidden(state, prop, "raise")
    fetch = fetch_for(prop) if choice is None else choice.fetch
    if fetch.by_target_key and _held_already(session, fetch, state, instance):
        return instance.__dict__[key]
    if lazy == "raise_on_sql" and not session.forced:
        raise forbidden(state, prop, "raise_on_sql")
    if lazy == "noload":
        return _nothing(state, instance, prop)
    if state.status != PERSISTENT and state.pk is not None:
        raise InvalidRequestError(
            f"{state.describe()} is {state.status_name}: its attribute {key!r} cannot be loaded any more."
        )
    if state.pk is not None:  # a new object asks what its keys refer to; a flush might be what it is asked before
        session._autoflush()
    if key not in instance.__dict__:
        load_together(session, fetch, state, instance)
    return instance.__dict__.get(key)


def load_alone(session: Any, state: InstanceState, instance: Any, key: str) -> None:
    """Load a relationship of one object, whatever its peers lack, as ``refresh()`` does."""
    prop = state.mapper.relationship_props[key]
    if prop.lazy in QUERIED:
        return  # there is nothing to load, the changes are forgotten already
    node = peers.node_of(state)
    choice = None if node is None else node.choices.get(key)
    fetch = fetch_for(prop) if choice is None else choice.fetch
    fetch.load(session, [(state, instance)], asked_by=state, values=peers.values_of(state))


def load_together(session: Any, fetch: Fetch, state: InstanceState, instance: Any) -> None:
    """Load a relationship for an object and for all its peers that lack it."""
    prop = fetch.prop
    key = prop.key
    names = fetch.attributes if not fetch.keyed_by_pk else ()

    def lacks(peer: InstanceState, held: dict[str, Any]) -> bool:
        if key in held or peer.mapper.relationship_props.get(key) is not prop:
            return False
        if peer.first_key is not None and key in (peer.committed or ()) and not _waiting(peer, key):
            return False  # set or deleted by the program
        return all(name in held for name in names)

    parents = peers.around(state, instance, lacks, prop.peers is False)
    sent = fetch.load(session, parents, asked_by=state, values=peers.values_of(state))
    if len(parents) > 1:
        peers.saved.note(f"{prop}", len(parents), sent)


def _held_already(session: Any, fetch: Fetch, state: InstanceState, instance: Any) -> bool:
    """Answer a reference from the identity map, if that has the object."""
    key = fetch.key_of(state, instance)
    prop = fetch.prop
    if key is None:
        instance.__dict__[prop.key] = None
        return True
    mapper = prop.mapper
    other = held_under(session.identity_map.map_for(mapper), key, mapper)
    if other is None:
        return False
    instance.__dict__[prop.key] = other
    return True


def _nothing(state: InstanceState, instance: Any, prop: Any) -> Any:
    if prop.uselist:
        return state.mapper.class_manager.relations[prop.key].set_loaded(state, instance, ())
    instance.__dict__[prop.key] = None
    return None


def _waiting(state: InstanceState, key: str) -> bool:
    """Whether changes of a collection wait for it to be loaded."""
    return bool(state.extra) and key in state.extra.get("pending", ())  # type: ignore[union-attr]


def forbidden(state: InstanceState, prop: Any, lazy: str) -> InvalidRequestError:
    """The error for a relationship that must not be loaded on demand."""
    name = f"{state.mapper.class_.__name__}.{prop.key}"
    return InvalidRequestError(
        f"{name!r} is not available due to lazy={lazy!r}: it is not to be loaded on demand. Load it with the query, "
        f"as in select(...).options(selectinload({name}))."
    )
