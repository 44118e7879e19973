"""How objects move between the states: transient, pending, persistent, deleted, detached.

Each move that could mean two things is refused, with a word on what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..exc import InvalidRequestError, UnmappedInstanceError
from ..instrumentation.losses import take_back_losses
from ..instrumentation.pending import forget_pending
from ..kernel.listening import anybody
from ..loading.peers import Peers
from ..state.instance import DELETED, DETACHED, PENDING, PERSISTENT, SEVERAL, TRANSIENT, InstanceState, state_of
from ..state.parting import Parting
from . import telling

if TYPE_CHECKING:
    from .session import Session


def state_in(instance: Any) -> InstanceState:
    """Return the state of a mapped object; UnmappedInstanceError for anything else."""
    if isinstance(instance, type):
        raise UnmappedInstanceError(instance)
    state = state_of(instance)
    if state is None or not isinstance(state, InstanceState):
        raise UnmappedInstanceError(instance)
    return state


def add(session: Session, state: InstanceState, instance: Any) -> None:
    """Bring an object in: a transient one becomes pending, a detached one persistent."""
    owner = state.owner
    if owner is session.identity_map:
        if state.status == DELETED:
            raise InvalidRequestError(
                f"{state.describe()} has been deleted in this transaction. Roll back to have it back, or call "
                f"make_transient(obj) to insert it as a new object."
            )
        session._deleted.pop(state, None)
        return
    _check_free(session, state)
    if state.pk is None:
        heard = session._heard is not None
        if heard:
            telling.attaching(session, state, instance)
        state.owner = session.identity_map
        state.status = PENDING
        session._new[state] = instance
        if heard:
            telling.attached(session, state, instance)
    else:
        _attach(session, state, instance)


def save(session: Session, state: InstanceState, instance: Any) -> None:
    """The chapter's ``save()``: for transient objects alone."""
    if state.pk is not None:
        raise InvalidRequestError(
            f"{state.describe()} is already in the database; save() is for new objects. "
            f"Use update() or add() to bring a detached object into this session."
        )
    add(session, state, instance)


def update(session: Session, state: InstanceState, instance: Any) -> None:
    """The chapter's ``update()``: for objects that have a row already."""
    if state.pk is None:
        raise InvalidRequestError(
            f"{state.describe()} has no row in the database yet; update() is for objects that have one. "
            f"Use save() or add() for a new object."
        )
    add(session, state, instance)


def _check_free(session: Session, state: InstanceState) -> None:
    other = state.session
    if other is not None and other is not session:
        raise InvalidRequestError(
            f"{state.describe()} is already attached to session {other.hash_key} (this is session "
            f"{session.hash_key}): an object belongs to one session at a time. Take it out there with expunge(obj), or "
            f"bring a copy in with merge(obj)."
        )


def _attach(session: Session, state: InstanceState, instance: Any) -> None:
    if state.was_deleted:
        raise InvalidRequestError(
            f"{state.describe()} has been deleted, so it cannot be added as it is. Call make_transient(obj) first to "
            f"insert it as a new object."
        )
    there = session.identity_map.find(state.mapper, state.pk, state.identity_token)
    if there is not None and there is not instance:
        raise InvalidRequestError(
            f"{state.describe()} cannot come in: another instance with its key is already present in this session. "
            f"Use merge(obj) to copy this one's values onto it, or expunge() that one first."
        )
    heard = session._heard is not None
    if heard:
        telling.attaching(session, state, instance)
    state.owner = session.identity_map
    state.status = PERSISTENT
    session.identity_map.put(state, instance)
    if state.committed is not None:
        session.identity_map.modified[state] = instance
    if heard:
        telling.attached(session, state, instance)


def delete(session: Session, state: InstanceState, instance: Any) -> None:
    """Mark an object for deletion by the next flush."""
    if state.pk is None:
        raise InvalidRequestError(
            f"{state.describe()} is not persisted: it has no row to delete."
            + (" Take it out of the session with expunge(obj)." if state.status == PENDING else "")
        )
    if state in session._deleted or (state.status == DELETED and state.owner is session.identity_map):
        return
    if state.owner is not session.identity_map:
        _check_free(session, state)
        _attach(session, state, instance)
    session._deleted[state] = instance


def expunge(session: Session, state: InstanceState) -> None:
    """Take one object out: a pending one is transient again, a persistent one detached."""
    if state.owner is not session.identity_map:
        raise InvalidRequestError(f"{state.describe()} is not present in this session, so it cannot be expunged.")
    release(session, [state])


def release(
    session: Session, states: Iterable[InstanceState], to_transient: bool = False, how: str = "session.expunge()"
) -> None:
    """Take objects out of the session.

    :param to_transient: they lose their identity: their rows were never committed.
    :param how: what to say of it in an error.
    """
    heard = session._heard is not None
    parting = None if to_transient else Parting(how)
    for state in states:
        session._new.pop(state, None)
        session._deleted.pop(state, None)
        if state.pk is not None:
            session.identity_map.remove(state)
            if session._transaction is not None:
                session._transaction.deleted.pop(state, None)
                session._transaction.born.pop(state, None)
        before = state.status
        let_go(state, to_transient, parting)
        if heard:
            telling.left(session, state(), before, to_transient)


def let_go(state: InstanceState, to_transient: bool = False, parting: Parting | None = None) -> None:
    """Make a state nobody's."""
    state.parting = parting
    if state.status == DELETED and not to_transient:
        state.set_extra("was_deleted", True)
    state.owner = None
    if (peers := state.peers) is not None:
        state.peers = peers.left if type(peers) is Peers and not to_transient else None
    if to_transient or state.pk is None:
        forget_pending(state)
        state.pk = None
        state.committed = None
        state.mutables = None
        state.expired = False
        state.status = TRANSIENT
        if state.extra:
            state.extra.pop("was_deleted", None)
            state.extra.pop("expired_keys", None)
    else:
        state.status = DETACHED


def detach_all(session: Session, how: str = "session.close()") -> None:
    """Take every object out.

    :param how: what to say of it in an error.
    """
    identity_map = session.identity_map
    leaving = identity_map.all_states()
    leaving += session._new
    transaction = session._transaction
    while transaction is not None:
        leaving += [state for state in transaction.deleted if state.owner is identity_map]
        transaction = transaction.parent
    told = None if session._heard is None else [(state(), state.status) for state in leaving]
    parting = Parting(how) if leaving else None
    for state in leaving:
        let_go(state, False, parting)
    session._new.clear()
    session._deleted.clear()
    identity_map.clear_all()
    if told is not None:
        for instance, before in told:
            telling.left(session, instance, before, False)


def lose(session: Session, state: InstanceState) -> None:
    """Take out an object whose row turned out to be gone; a rollback may bring both back."""
    session.identity_map.remove(state)
    session._deleted.pop(state, None)
    state.status = DELETED
    if session._transaction is not None:
        session._transaction.deleted[state] = None
    if session._heard is not None and (instance := state()) is not None:
        session.dispatch.persistent_to_deleted(session, instance)


def has_row_now(state: InstanceState) -> None:
    """Give an object that was inserted outside the session the identity of its row: it is detached."""
    values = tuple(state.dict[key] for key in state.mapper.pk_keys)
    state.pk = values[0] if state.mapper.single_pk is not None else values
    state.committed = None
    if state.status == TRANSIENT:
        state.status = DETACHED


# -- expiry ------------------------------------------------------------------------------


def expire(states: Iterable[InstanceState]) -> None:
    """Forget what the objects hold; the next read fetches it. Pending changes are dropped."""
    group: list[InstanceState] = []
    tells = anybody.expire
    for state in states:
        instance = state()
        if instance is None:
            continue
        held = instance.__dict__
        for key in state.mapper.column_props:
            held.pop(key, None)
        related = state.mapper.relationship_props
        if related:
            if state.first_key is not None:
                take_back_losses(state, related)
            for key in related:
                held.pop(key, None)
        state.expired = True
        if state.peers is None:  # it came in no result; what expires together is read together
            state.peers = group
            group.append(state)
        if state.first_key is not None:
            several = state.first_key is SEVERAL
            state.first_key = None
            if several:
                del state._committed  # and with it its hold on objects that have left
            if state.owner is not None:
                state.owner.modified.pop(state, None)
        if state.mutables is not None:
            state.mutables = None
            if state.owner is not None:
                state.owner.watched.pop(state, None)
        if state.extra is not None:
            state.extra.pop("expired_keys", None)
            state.extra.pop("pending", None)
        if tells:
            state.mapper.class_manager.dispatch.expire(instance, None)


def expire_keys(state: InstanceState, keys: Iterable[str]) -> None:
    """Forget some attributes of one object."""
    keys = list(keys)
    held = state.dict
    committed = state.committed
    if committed is not None and state.mapper.relationship_props:
        take_back_losses(state, keys)
    named = set((state.extra or {}).get("expired_keys", ()))
    for key in keys:
        prop = state.mapper.props.get(key)
        if prop is None:
            raise InvalidRequestError(
                f"{state.mapper.class_.__name__} has no attribute {key!r} to expire; it has "
                f"{', '.join(state.mapper.props)}."
            )
        held.pop(key, None)
        if committed is not None:
            committed.pop(key, None)
        if state.mutables is not None:
            state.mutables.pop(key, None)
        if prop.is_relationship:
            forget_pending(state, key)
        else:
            named.add(key)
    state.set_extra("expired_keys", named)
    if committed is not None and not committed:
        state.committed = None
        if state.owner is not None:
            state.owner.modified.pop(state, None)
    if anybody.expire and (instance := state()) is not None:
        state.mapper.class_manager.dispatch.expire(instance, keys)


# -- public functions ----------------------------------------------------------------------


def make_transient(instance: object) -> None:
    """Take an object out of its session and make it new: it has no identity any more.

    Its loaded attributes stay, so that adding it inserts another row; a generated key
    has to be set to None first to be generated anew.
    """
    state = state_in(instance)
    session = state.session
    if session is not None:
        release(session, [state])
    let_go(state, to_transient=True)


def make_transient_to_detached(instance: object) -> None:
    """Make a transient object stand for an existing row, whose key its attributes hold.

    All other attributes are loaded when they are read, once it is in a session.

    :raises InvalidRequestError: it has an identity or a session already, or no key.
    """
    state = state_in(instance)
    if state.pk is not None or state.session is not None:
        raise InvalidRequestError(
            f"{state.describe()} is {state.status_name}; make_transient_to_detached() takes a transient object."
        )
    mapper = state.mapper
    held = state.dict
    values = tuple(held.get(key) for key in mapper.pk_keys)
    if any(value is None for value in values):
        raise InvalidRequestError(
            f"{state.describe()} cannot stand for a row: set its primary key {', '.join(mapper.pk_keys)} first."
        )
    state.pk = values[0] if mapper.single_pk is not None else values
    state.status = DETACHED
    if state.extra:
        state.extra.pop("was_deleted", None)
    state.committed = None
    if anybody.expire and (unloaded := {key for key in mapper.props if key not in held}):
        mapper.class_manager.dispatch.expire(instance, unloaded)


def object_session(instance: object) -> Session | None:
    """Return the session that holds an object, or None."""
    return state_in(instance).session  # type: ignore[no-any-return]


def was_deleted(instance: object) -> bool:
    """Whether a flush has deleted the row of an object."""
    return state_in(instance).was_deleted
