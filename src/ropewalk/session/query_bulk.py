"""``query.update()`` and ``query.delete()``: rows changed by the database, and what the session knows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, update

from ..exc import ArgumentError, InvalidRequestError
from ..kernel.core import attribute_key_of
from ..state.instance import DELETED, PERSISTENT, InstanceState
from . import moves
from .query_names import unknown_name
from .query_select import select_of

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper

STRATEGIES = ("auto", "evaluate", "fetch", False)


def update_rows(query: Any, values: Any, synchronize: Any, arguments: Mapping[str, Any] | None) -> int:
    """See :meth:`Query.update`."""
    mapper, table = _target(query, synchronize)
    pairs = values.items() if isinstance(values, Mapping) else values
    changes = [(_key_for(mapper, key), value) for key, value in pairs]
    columns = [(mapper.column_props[key].columns[0], value) for key, value in changes]
    given = dict(arguments or {})
    statement: Any = update(table).where(*_criteria(query))
    if given.pop("preserve_parameter_order", False):
        statement = statement.ordered_values(*columns)
    else:
        statement = statement.values(dict(columns))
    states = _matching(query, mapper, synchronize)
    count = _run(query, mapper, statement.with_dialect_options(**given))
    changed = {key for key, _ in changes}
    changed.update(key for key, prop in mapper.column_props.items() if _made_by_update(prop.columns[0]))
    for state in states:
        if state.status == PERSISTENT:
            moves.expire_keys(state, changed)
    return count


def delete_rows(query: Any, synchronize: Any, arguments: Mapping[str, Any] | None) -> int:
    """See :meth:`Query.delete`."""
    mapper, table = _target(query, synchronize)
    statement: Any = delete(table).where(*_criteria(query)).with_dialect_options(**dict(arguments or {}))
    states = _matching(query, mapper, synchronize)
    return _run(query, mapper, statement, states)


def _target(query: Any, synchronize: Any) -> tuple[Mapper[Any], Table]:
    """Return what is changed, after a look at whether the query can be an UPDATE or DELETE at all."""
    if synchronize not in STRATEGIES:
        raise ArgumentError(f"synchronize_session is one of {', '.join(map(repr, STRATEGIES))}; got {synchronize!r}.")
    steps = {f"{name}()" for name, _, _ in query._steps if name not in ("where", "filter_by")}
    if query._has_rows_limited:
        steps.add("limit() or offset()")
    if query._from or query._base is not None:
        steps.add("select_from()")
    if query._statement is not None:
        steps.add("from_statement()")
    if steps:
        raise InvalidRequestError(
            f"An UPDATE or DELETE has criteria and nothing else, but this query was also given "
            f"{', '.join(sorted(steps))}."
        )
    mapper = query._mapper
    if mapper is None or not isinstance(mapper.local_table, Table):
        raise ArgumentError("Query.update() and Query.delete() need a query of one class that is mapped to a table.")
    return mapper, mapper.local_table


def _criteria(query: Any) -> Iterable[Any]:
    clause = select_of(query).whereclause
    return () if clause is None else (clause,)


def _key_for(mapper: Mapper[Any], key: Any) -> str:
    """Return the attribute that a key of ``values`` means: a name, an attribute or a column."""
    name: Any = key
    if not isinstance(key, str):
        clause = key.__clause_element__() if hasattr(key, "__clause_element__") else key
        name = attribute_key_of(clause) or mapper.key_of.get(clause)
    prop: Any = mapper.props.get(name)
    if prop is not None and prop.is_synonym:
        name, prop = prop.name, mapper.props.get(prop.name)
    if prop is None or not prop.is_column or not prop.writable:
        problem = f"update() was given {str(key)!r}, which {mapper.class_.__name__} has no column for"
        raise unknown_name(str(key), problem, mapper.column_props)
    return name  # type: ignore[no-any-return]


def _made_by_update(column: Any) -> bool:
    return getattr(column, "onupdate", None) is not None or getattr(column, "server_onupdate", None) is not None


def _matching(query: Any, mapper: Mapper[Any], synchronize: Any) -> list[InstanceState]:
    """Return the states of those objects in the session whose rows meet the criteria.

    The database decides, by one SELECT of keys; it is spared where the session holds no such object.
    """
    session = query.session
    with session._guard("query"):
        if query._execution.get("autoflush", True):
            session._autoflush()
    entries = session.identity_map.map_for(mapper)
    if not synchronize or not entries:
        return []
    keys = [getattr(mapper.class_, key) for key in mapper.pk_keys]
    rows = query.with_entities(*keys).all()
    found = (entries.get(row[0] if mapper.single_pk is not None else tuple(row)) for row in rows)
    return [state for state in found if state is not None]


def _run(query: Any, mapper: Mapper[Any], statement: Any, gone: Iterable[InstanceState] = ()) -> int:
    """Execute; the states in ``gone`` have lost their rows by it."""
    session = query.session
    options = {k: v for k, v in query._execution.items() if k not in ("autoflush", "populate_existing", "yield_per")}
    with session._guard("query"), session._unit() as transaction:
        connection = session.connection_for(mapper, statement)
        result = connection.execute(statement, dict(query._params) or None, execution_options=options)
        count: int = result.rowcount
        result.close()
        for state in gone:
            session._deleted.pop(state, None)
            if state.status == PERSISTENT:
                session.identity_map.remove(state)
                state.status = DELETED
                transaction.deleted[state] = None
        return count
