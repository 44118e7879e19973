"""What a Session does to read: execute, get, refresh, load on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Result, TextClause, select
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.lambdas import StatementLambdaElement

from ..exc import ArgumentError, InvalidRequestError, NoResultFound, StaleDataError, UnmappedClassError
from ..kernel.core import statement_entity
from ..kernel.dml import resolved_lambda
from ..loading import lazy, ondemand, refreshing, together
from ..loading.entities import default_props
from ..loading.from_statement import FromStatement
from ..loading.options import lazyload
from ..loading.plan import is_planned, plan_for
from ..loading.results import result_of
from ..loading.wishes import loads_more
from ..state.instance import PERSISTENT, InstanceState
from . import dml, moves
from .core_options import OURS, for_core
from .fetching_told import fetch_together_told, fetch_told
from .orm_execute import ask_listeners
from .streaming import stream, whole_only
from .transaction import SUBTRANSACTION

if TYPE_CHECKING:
    from .session import Session

_NO_OPTIONS: Mapping[str, Any] = {}


def mapper_of(entity: Any) -> Any:
    """Return the mapper of a class, an alias or a mapper; UnmappedClassError for anything else."""
    if isinstance(entity, type):
        mapper = entity.__dict__.get("__mapper__") or getattr(entity, "__mapper__", None)
    else:
        mapper = getattr(entity, "mapper", None) if getattr(entity, "is_mapper", False) else None
    if mapper is None:
        raise UnmappedClassError(entity)
    return mapper


# -- statements ----------------------------------------------------------------------------


def execute(
    session: Session,
    statement: Any,
    params: Any,
    execution_options: Mapping[str, Any] | None,
    bind_arguments: Mapping[str, Any] | None,
) -> Result[Any]:
    """Execute any statement; entities in it become objects."""
    with session._guard("execute()"):
        if session._heard is not None and "do_orm_execute" in session._heard:
            return execute_told(session, statement, params, execution_options, bind_arguments)
        if not is_planned(statement):
            return _execute_core(session, statement, params, execution_options, bind_arguments)
        return execute_planned(session, statement, params, execution_options, bind_arguments)


def execute_told(
    session: Session,
    statement: Any,
    params: Any,
    execution_options: Mapping[str, Any] | None,
    bind_arguments: Mapping[str, Any] | None,
    added: Any = None,
) -> Result[Any]:
    """Execute any statement as the listeners to ``do_orm_execute`` want it; to be called inside the guard."""

    def run(statement: Any, params: Any, options: Mapping[str, Any], bind_arguments: Mapping[str, Any]) -> Result[Any]:
        execute = execute_planned if is_planned(statement) else _execute_core
        return execute(session, statement, params or None, options, bind_arguments)

    return ask_listeners(session, statement, params, execution_options, bind_arguments, run, added=added)


def execute_planned(
    session: Session,
    statement: Any,
    params: Any,
    execution_options: Mapping[str, Any] | None,
    bind_arguments: Mapping[str, Any] | None,
) -> Result[Any]:
    """Execute a SELECT, or a FromStatement, by a plan of ours; to be called inside the guard."""
    options = statement.get_execution_options()
    if execution_options or session.execution_options:
        options = {**session.execution_options, **options, **(execution_options or {})}
    if isinstance(statement, FromStatement):
        data = load(session, statement, statement, params, options, bind_arguments, statement.single)
        return result_of(statement.metadata, data, statement.single)
    bound = plan_for(statement)
    plan = bound.plan
    if not (options or params or bind_arguments):
        session._autoflush()
        with session._unit():
            connection = session.connection_for(plan.subject, statement)
            data = bound.load_all(connection, session.identity_map, None, None, plan.single)
    elif options.get("yield_per") or (options.get("stream_results") and not whole_only(plan)):
        return stream(session, bound, params, options, bind_arguments, for_core(options) or {})
    else:
        data = load(session, bound, statement, params, options, bind_arguments, plan.single)
    return result_of(bound.metadata, data, plan.single)


def load(
    session: Session,
    source: Any,
    statement: Any,
    params: Any = None,
    options: Mapping[str, Any] | None = None,
    bind_arguments: Mapping[str, Any] | None = None,
    single: bool = True,
) -> list[Any]:
    """Execute a plan and return all that it gives, as objects or as tuples."""
    options = options or {}
    if options.get("autoflush", True):
        session._autoflush()
    if params is not None and not isinstance(params, Mapping):
        raise ArgumentError("A SELECT of entities takes one dictionary of parameters, not a list of them.")
    core_options = {k: v for k, v in options.items() if k not in OURS} if options else None
    with session._unit():
        target = statement.columns[0] if isinstance(statement, FromStatement) else statement
        connection = session.for_statement(target, bind_arguments)
        before, session.options_now = session.options_now, core_options or None
        try:
            return source.load_all(  # type: ignore[no-any-return]
                connection,
                session.identity_map,
                params,
                core_options,
                single,
                bool(options.get("populate_existing")),
                options.get("peers") is False,
            )
        finally:
            session.options_now = before


def _execute_core(
    session: Session,
    statement: Any,
    params: Any,
    execution_options: Mapping[str, Any] | None,
    bind_arguments: Mapping[str, Any] | None,
) -> Result[Any]:
    """Execute a statement without entities: Core's own result."""
    if isinstance(statement, StatementLambdaElement):
        return execute(session, resolved_lambda(statement), params, execution_options, bind_arguments)
    if isinstance(statement, type) or not hasattr(statement, "compile"):
        raise ArgumentError(f"execute() takes a statement such as select(...), or SQL text; got {statement!r}.")
    if isinstance(statement, UpdateBase) and statement_entity(statement) is not None:
        options = {**statement.get_execution_options(), **(execution_options or {})}
        return dml.execute(session, statement, params, options, bind_arguments)
    if (execution_options or _NO_OPTIONS).get("autoflush", session.execution_options.get("autoflush", True)):
        session._autoflush()
    with session._unit() as transaction:
        if transaction.parent is not None and isinstance(statement, (UpdateBase, TextClause)):
            transaction.past_objects = True
        connection = session.for_statement(statement, bind_arguments)
        result = connection.execute(statement, params, execution_options=dict(execution_options or {}))
        if transaction.origin is SUBTRANSACTION and result.returns_rows:
            return result.freeze()()  # the connection goes back with the unit
        return result


# -- by key ------------------------------------------------------------------------------


def get(
    session: Session,
    entity: Any,
    ident: Any,
    options: Sequence[Any] = (),
    populate_existing: bool | None = None,
    with_for_update: Any = None,
    identity_token: Any = None,
    execution_options: Mapping[str, Any] | None = None,
    bind_arguments: Mapping[str, Any] | None = None,
) -> Any:
    """See :meth:`Session.get`."""
    if session.execution_options:
        execution_options = {**session.execution_options, **(execution_options or {})}
    if populate_existing is not None:
        if session._heard is not None:
            execution_options = {**(execution_options or {}), "populate_existing": populate_existing}
    else:
        populate_existing = bool(execution_options and execution_options.get("populate_existing"))
    with session._guard("get()"):
        mapper = mapper_of(entity)
        pk = ondemand.identity_of(mapper, ident)
        if populate_existing or with_for_update:
            versions = mapper.version_id_col is not None and with_for_update and not populate_existing
            known = _known_version(session, mapper, pk, identity_token) if versions else None
            found = _read(
                session, mapper, pk, options, populate_existing, with_for_update, execution_options, bind_arguments
            )
            if known is not None and found is not None:
                _compare_version(mapper, found, known)
            return found
        entries = session.identity_map.map_for(mapper, identity_token)
        try:
            state = entries.get(pk)
        except TypeError:
            raise InvalidRequestError(
                f"{ident!r} cannot be a primary key of {mapper.class_.__name__}: it is not hashable."
            ) from None
        instance = None if state is None else state()
        if instance is not None and state is not None:
            if not isinstance(instance, mapper.class_):
                return None
            if state.expired and not _revive(session, state, instance):
                moves.lose(session, state)
                return None
            return instance
        if pk is None or (
            mapper.single_pk is None and (None in pk if not mapper.allow_partial_pks else all(v is None for v in pk))
        ):
            return None
        return _read(session, mapper, pk, options, False, None, execution_options, bind_arguments)


def _read(
    session: Session,
    mapper: Any,
    pk: Any,
    options: Sequence[Any],
    populate: bool,
    with_for_update: Any,
    execution_options: Mapping[str, Any] | None = None,
    bind_arguments: Mapping[str, Any] | None = None,
) -> Any:
    if session._heard is not None and "do_orm_execute" in session._heard:
        return _read_told(session, mapper, pk, options, populate, with_for_update, execution_options, bind_arguments)
    if execution_options is None or execution_options.get("autoflush", True):
        session._autoflush()
    query = ondemand.by_key(mapper)
    more = bool(options) or loads_more(mapper) or (type(pk) is tuple and None in pk)
    if not (more or with_for_update or execution_options or bind_arguments):
        if session.transactional:
            session._need_transaction().check_active()
            return query.load(session.connection_for(mapper), session.identity_map, pk, populate)
        with session._unit():
            return query.load(session.connection_for(mapper), session.identity_map, pk, populate)
    if with_for_update or not more:  # a row is locked alone: databases refuse to lock the far side of an outer join
        statement = locked(query.statement, with_for_update)
        core_options = {k: v for k, v in (execution_options or {}).items() if k not in OURS}
        with session._unit():
            connection = session.connection_for(mapper, **dict(bind_arguments or {}))
            overwrites = populate or statement is not None
            found = query.load(connection, session.identity_map, pk, overwrites, core_options or None, statement)
        if found is None or not more:
            return found
    statement = _by_key(mapper, pk, options)
    overwrite = {"populate_existing": populate or bool(with_for_update), **(execution_options or {})}
    objects = load(session, plan_for(statement), statement, None, overwrite, bind_arguments)
    return objects[0] if objects else None


def _by_key(mapper: Any, pk: Any, options: Sequence[Any]) -> Any:
    keys = zip(mapper.primary_key, (pk,) if mapper.single_pk else pk, strict=True)
    return select(mapper.class_).options(*options).where(*(column == value for column, value in keys))


def _known_version(session: Session, mapper: Any, pk: Any, token: Any) -> Any:
    """Return the version of the row as an object of the session has it, or None."""
    instance = session.identity_map.find(mapper, pk, token)
    return None if instance is None else instance.__dict__.get(mapper.key_of[mapper.version_id_col])


def _compare_version(mapper: Any, instance: Any, known: Any) -> None:
    """Raise if an object that was in the session before its row was locked is of an older version."""
    key = mapper.key_of[mapper.version_id_col]
    present = instance.__dict__.get(key)
    if present != known:
        state = moves.state_in(instance)
        moves.expire([state])
        raise StaleDataError(
            f"{state.describe()} was loaded with version {known!r}, and its row has {present!r} by now, so what was "
            f"decided from its values may be wrong. It is expired: look at it anew, or lock it with refresh() or "
            f"get(populate_existing=True), which take the new values as they are.",
            mapper,
        )


def _read_told(
    session: Session,
    mapper: Any,
    pk: Any,
    options: Sequence[Any],
    populate: bool,
    with_for_update: Any,
    execution_options: Mapping[str, Any] | None,
    bind_arguments: Mapping[str, Any] | None,
) -> Any:
    if with_for_update:
        alone = locked(_by_key(mapper, pk, [lazyload("*")]), with_for_update)
        overwriting = {**(execution_options or {}), "populate_existing": True}
        found = execute_told(session, alone, None, overwriting, bind_arguments).scalars().first()
        if found is None or not (options or loads_more(mapper)):
            return found
        populate = True
    statement = _by_key(mapper, pk, options)
    local = {**(execution_options or {}), "populate_existing": True} if populate else execution_options
    return execute_told(session, statement, None, local, bind_arguments).scalars().first()


_LOCKS = ("nowait", "read", "of", "skip_locked", "key_share")


def locked(statement: Any, with_for_update: Any) -> Any:
    """Return the statement with FOR UPDATE as asked, or None where it is not."""
    if with_for_update is None or with_for_update is False:
        return None
    if with_for_update is True:
        return statement.with_for_update()
    if isinstance(with_for_update, Mapping):
        if unknown := set(with_for_update) - set(_LOCKS):
            raise ArgumentError(
                f"with_for_update= knows no {', '.join(map(repr, unknown))}; it has {', '.join(map(repr, _LOCKS))}."
            )
        return statement.with_for_update(**with_for_update)
    try:
        wanted = {name: getattr(with_for_update, name) for name in _LOCKS}
    except AttributeError:
        raise ArgumentError(
            f"with_for_update= takes True, or options such as {{'nowait': True}}; got {with_for_update!r:.100}."
        ) from None
    return statement.with_for_update(**wanted)


def must_find(found: Any, entity: Any, ident: Any) -> Any:
    """Return what was found; NoResultFound where nothing was."""
    if found is None:
        raise NoResultFound(f"No row was found for {mapper_of(entity).class_.__name__} with the primary key {ident!r}.")
    return found


def identity_key(class_: Any, ident: Any, instance: Any, row: Any, token: Any) -> Any:
    """See :meth:`Session.identity_key`."""
    if instance is not None:
        return moves.state_in(instance).mapper.identity_key_from_instance(instance)
    if class_ is None or (ident is None and row is None):
        raise ArgumentError("identity_key() needs a class and a primary key, or instance=, or a class and row=.")
    mapper = mapper_of(class_)
    if row is not None:
        try:
            return mapper.identity_key_from_row(row, token)
        except (TypeError, KeyError, NotImplementedError):
            raise ArgumentError(
                f"identity_key(row=...) takes a row with the primary key of {mapper.class_.__name__}; got {row!r:.100}."
            ) from None
    return mapper.identity_key_from_primary_key(ident if isinstance(ident, (tuple, list)) else (ident,), token)


# -- what an object lacks ------------------------------------------------------------------


def load_attribute(session: Session, state: InstanceState, instance: Any, key: str) -> Any:
    """Load a relationship; or a column's attribute, and what is due with it, from the object's row."""
    mapper = state.mapper
    if key in mapper.relationship_props:
        if state.expired and _refreshed_with(session, state, instance, key):
            return instance.__dict__[key]
        return lazy.load_related(session, state, instance, key)
    prop = mapper.column_props[key]
    forbidden = state.extra is not None and key in state.extra.get("forbidden", ())
    if (prop.deferred_raiseload or forbidden) and not state.expired:
        raise InvalidRequestError(
            f"'{mapper.class_.__name__}.{key}' is not available due to raiseload=True, which its "
            f"{'query' if forbidden else 'mapping'} says: it is not to be loaded on demand. Ask for it in the query "
            f"with undefer({mapper.class_.__name__}.{key})."
        )
    if prop.query_expression and not (prop.has_default and state.expired):
        return None
    if state.status != PERSISTENT:
        raise InvalidRequestError(
            f"{state.describe()} is {state.status_name}: its attribute {key!r} cannot be loaded any more."
        )
    session._autoflush()
    if key in instance.__dict__:
        return instance.__dict__[key]
    keys = ondemand.due_with(state, key)
    lacking = together.lacking_too(state, instance, key)
    if state.expired and (node := refreshing.node_for(state)) is not None:
        with session._unit():
            if refreshing.load_around(session, state, lacking, node, keys):
                if key not in instance.__dict__:
                    raise ondemand.row_is_gone(state)
                return instance.__dict__[key]
    if len(lacking) > 1:
        if session._heard is not None and "do_orm_execute" in session._heard:
            fetch_together_told(session, mapper, lacking, keys)
        else:
            with session._unit():
                together.load_keys(mapper, lacking, keys, session.connection_for(mapper), session.identity_map)
        if key in instance.__dict__:
            return instance.__dict__[key]
    if not _fetch(session, state, instance, keys):
        raise ondemand.row_is_gone(state)
    return instance.__dict__.get(key)


def _refreshed_with(session: Session, state: InstanceState, instance: Any, key: str) -> bool:
    """Read an expired object anew where that loads a relationship too; return whether it is there now."""
    node = refreshing.node_for(state)
    if node is None or key not in refreshing.eager_in(node) or state.status != PERSISTENT:
        return False
    lacking = together.lacking_too(state, instance, key)
    with session._unit():
        refreshing.load_around(session, state, lacking, node, ondemand.due_columns(state))
    return key in instance.__dict__


def _fetch(
    session: Session,
    state: InstanceState,
    instance: Any,
    keys: Iterable[str],
    overwrite: bool = False,
    with_for_update: Any = None,
) -> bool:
    statement = None
    if with_for_update:
        statement = locked(ondemand.by_key(state.mapper, frozenset(keys)).statement, with_for_update)
    if session._heard is not None and "do_orm_execute" in session._heard:
        return fetch_told(session, state, instance, keys, overwrite, statement)
    with session._unit():
        connection = session.connection_for(state.mapper)
        return ondemand.load_keys(state, instance, keys, connection, overwrite, statement)


def _revive(session: Session, state: InstanceState, instance: Any) -> bool:
    """Read an expired object anew; False where its row is gone."""
    keys = [p.key for p in default_props(state.mapper) if p.key not in state.dict]
    return not keys or _fetch(session, state, instance, keys)
