"""``Session.refresh``: an object read anew at once, with the relationships that are loaded with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..exc import ArgumentError, InvalidRequestError
from ..loading import lazy, ondemand, refreshing
from ..loading.entities import default_props
from ..state.instance import PERSISTENT, InstanceState
from . import cascading, moves
from .arguments import names_in
from .fetching_told import fetch_told
from .reading import locked

if TYPE_CHECKING:
    from .session import Session


def refresh(session: Session, instance: Any, names: Iterable[str] | None, with_for_update: Any) -> None:
    """See :meth:`Session.refresh`."""
    state = moves.state_in(instance)
    if state.owner is not session.identity_map or state.status != PERSISTENT:
        raise InvalidRequestError(
            f"{state.describe()} is {state.status_name} and not persistent in this session, so it cannot be refreshed."
        )
    if with_for_update == {}:
        raise ArgumentError("with_for_update={} says nothing: give True, or options such as {'nowait': True}.")
    mapper = state.mapper
    node = refreshing.node_for(state) or refreshing.whole_node(mapper)
    if names is None:
        loaded = {p.key for p in default_props(mapper)}
        columns = {k for k in mapper.column_props if k in loaded or k in instance.__dict__}
        cascading.expire(session, state, instance)
        relations = frozenset(refreshing.eager_in(node))
    else:
        keys = _keys(state, names)
        columns = {key for key in keys if key in mapper.column_props}
        relations = frozenset(key for key in keys if key in mapper.relationship_props)
        moves.expire_keys(state, keys)
    session._autoflush()  # not before: what is refreshed loses its changes
    if names is not None:
        _refuse_changed_key(state, columns)
    if not _load(session, state, instance, columns, relations, node, with_for_update):
        raise InvalidRequestError(
            f"Could not refresh {state.describe()}: it has no row in the database any more"
            + (", or another transaction has locked it (skip_locked)." if _passes_over(with_for_update) else ".")
        )


def _passes_over(with_for_update: Any) -> bool:
    if isinstance(with_for_update, Mapping):
        return bool(with_for_update.get("skip_locked"))
    return bool(getattr(with_for_update, "skip_locked", False))


def _keys(state: InstanceState, names: Iterable[str]) -> list[str]:
    mapper = state.mapper
    keys = names_in(names)
    for key in keys:
        if key not in mapper.props:
            raise InvalidRequestError(
                f"{mapper.class_.__name__} has no attribute {key!r} to refresh; it has {', '.join(mapper.props)}."
            )
    return [mapper.props[k].name if mapper.props[k].is_synonym else k for k in keys]  # type: ignore[attr-defined]


def _refuse_changed_key(state: InstanceState, columns: Iterable[str]) -> None:
    """An object is read by its key: a new one that no row has yet would find nothing."""
    changed = [key for key in state.mapper.pk_keys if key not in columns and key in state.changed_keys()]
    changed = [key for key in changed if state.history(key).has_changes()]
    if changed:
        raise InvalidRequestError(
            f"{state.describe()} has a new primary key ({', '.join(changed)}) that is not flushed, so it cannot be "
            f"refreshed in part: flush() first, or refresh {', '.join(changed)} as well, which drops the change."
        )


def _load(
    session: Session,
    state: InstanceState,
    instance: Any,
    columns: set[str],
    relations: frozenset[str],
    node: Any,
    with_for_update: Any,
) -> bool:
    """Fetch the columns, and the relationships as they are loaded eagerly; False where the row is gone."""
    # a row is locked alone: databases refuse to lock the far side of an outer join
    eager = frozenset() if with_for_update else relations & refreshing.eager_in(node).keys()
    with session._unit():
        if not eager:
            statement = locked(ondemand.by_key(state.mapper, frozenset(columns)).statement, with_for_update)
            if session._heard is not None and "do_orm_execute" in session._heard:
                found = fetch_told(session, state, instance, columns, True, statement)
            else:
                connection = session.connection_for(state.mapper)
                found = ondemand.load_keys(state, instance, columns, connection, True, statement)
            if not found:
                return False
        else:
            refreshing.refresh_for(node, columns, eager).load(session, [(state, instance)])
            if any(key not in instance.__dict__ for key in (*columns, *eager)):
                return False
        for key in relations:
            if key not in instance.__dict__:
                lazy.load_alone(session, state, instance, key)
    return True
