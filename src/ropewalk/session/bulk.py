"""Rows written in bulk, past the unit of work: no objects, no relationships, no identity map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, insert, update
from sqlalchemy.sql import ClauseElement

from ..exc import InvalidRequestError, StaleDataError
from ..state.instance import state_of
from . import moves
from .arguments import as_mapping, as_several
from .bulk_dml import given_version
from .read_only import refuse_to_write

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from .session import Session

Values = Mapping[str, Any]


def insert_mappings(
    session: Session, mapper: Mapper[Any], mappings: Iterable[Values], return_defaults: bool, render_nulls: bool
) -> None:
    """INSERT a row for each mapping; neighbours with the same attributes go together.

    :param return_defaults: put the new primary keys into the mappings, which takes a statement for each row.
    :param render_nulls: write NULL for None, in place of what the column has as its default.
    :raises InvalidRequestError: the session only reads.
    """
    if session._reads_because:
        refuse_to_write("A bulk INSERT", session._reads_because)
    table: Any = mapper.local_table
    given_rows = as_several(mappings, "bulk_insert_mappings()", "one row is [{'name': 'ed'}]")
    rows = [(given, _row(mapper, _one(given), render_nulls)) for given in given_rows]
    if (version := mapper.version_id_col) is not None and mapper.version_id_generator:
        for _, row in rows:
            row[version.key] = mapper.version_id_generator(None)
    with session._guard("bulk insert"), session._unit():
        connection = session.connection_for(mapper)
        for names, group in groupby(rows, key=lambda pair: tuple(pair[1])):
            together = list(group)
            if names and not return_defaults and not any(_has_sql(row) for _, row in together):
                connection.execute(insert(table), [row for _, row in together])
                continue
            for given, row in together:
                result = connection.execute(insert(table).values(row) if row else insert(table))
                if return_defaults:
                    made: Any = result.inserted_primary_key
                    given.update(zip(mapper.pk_keys, made, strict=True))


def update_mappings(session: Session, mapper: Mapper[Any], mappings: Iterable[Values]) -> None:
    """UPDATE a row for each mapping, which holds its primary key and what is to change.

    :raises InvalidRequestError: a mapping has no primary key, or the session only reads.
    :raises StaleDataError: a row is not there.
    """
    if session._reads_because:
        refuse_to_write("A bulk UPDATE", session._reads_because)
    table: Any = mapper.local_table
    keys = [mapper.column_props[key].columns[0] for key in mapper.pk_keys]
    parameters = [f"_key_{i}" for i in range(len(keys))]
    where = and_(*(c == bindparam(name, type_=c.type) for c, name in zip(keys, parameters, strict=True)))
    version = mapper.version_id_col
    if version is not None:
        keys.append(version)
        parameters.append("_version")
        where = and_(where, version == bindparam("_version", type_=version.type))
    given_rows = as_several(mappings, "bulk_update_mappings()", "one row is [{'id': 7, 'name': 'ed'}]")
    rows = [_change(mapper, _one(given), parameters) for given in given_rows]
    with session._guard("bulk update"), session._unit():
        connection = session.connection_for(mapper)
        for names, group in groupby(rows, key=tuple):
            together = list(group)
            columns = names[len(keys) :]
            if not columns:
                continue
            batches = [[row] for row in together] if any(map(_has_sql, together)) else [together]
            for batch in batches:
                sql = {name: value for name, value in batch[0].items() if isinstance(value, ClauseElement)}
                new = {name: sql.get(name, bindparam(f"_new_{name}", type_=table.c[name].type)) for name in columns}
                sent = [
                    {name if name in parameters else f"_new_{name}": row[name] for name in names if name not in sql}
                    for row in batch
                ]
                found = connection.execute(update(table).where(where).values(new), sent)
                if connection.dialect.supports_sane_multi_rowcount or len(batch) == 1:
                    _all_found(mapper, found.rowcount, len(batch))


def save_objects(session: Session, objects: Iterable[object], return_defaults: bool, changed_only: bool) -> None:
    """INSERT the objects that have no row, UPDATE the others; none of them comes into the session."""

    def kind(pair: tuple[Any, Any]) -> tuple[Any, bool]:
        return pair[0].mapper, pair[0].pk is None

    objects = as_several(objects, "bulk_save_objects()", "one object is [obj]")
    states = [(moves.state_in(instance), instance) for instance in objects]
    for (mapper, is_new), group in groupby(states, key=kind):
        if is_new:
            together = [(instance, dict(instance.__dict__)) for _, instance in group]
            insert_mappings(session, mapper, [values for _, values in together], return_defaults, False)
            if return_defaults:
                for instance, values in together:
                    instance.__dict__.update({key: values[key] for key in mapper.pk_keys})
                    moves.has_row_now(moves.state_in(instance))
        else:
            update_mappings(session, mapper, [_changes(instance, changed_only) for _, instance in group])


def _changes(instance: Any, changed_only: bool) -> dict[str, Any]:
    state: Any = state_of(instance)
    keys = {key for key in state.mapper.column_props if not changed_only or state.history(key).has_changes()}
    keys.update(state.mapper.pk_keys)
    if state.mapper.version_id_col is not None:
        keys.add(state.mapper.key_of[state.mapper.version_id_col])
    return {key: value for key, value in instance.__dict__.items() if key in keys}


def _one(given: Any) -> Values:
    return as_mapping(given, "A row that is written in bulk", "{'name': 'ed'}")


def _row(mapper: Mapper[Any], given: Values, render_nulls: bool) -> dict[str, Any]:
    row = {}
    for key, prop in mapper.column_props.items():
        if key in given:
            column: Any = prop.columns[0]
            if given[key] is not None or render_nulls or column.type.should_evaluate_none:
                row[column.key] = given[key]
    return row


def _change(mapper: Mapper[Any], given: Values, parameters: list[str]) -> dict[str, Any]:
    missing = [key for key in mapper.pk_keys if given.get(key) is None]
    if missing:
        raise InvalidRequestError(
            f"A bulk update of {mapper.class_.__name__} needs the primary key of each row; {', '.join(missing)} is "
            f"missing in {dict(given)!r:.80}."
        )
    row = {name: given[key] for name, key in zip(parameters, mapper.pk_keys, strict=False)}
    version = None if mapper.version_id_col is None else mapper.key_of[mapper.version_id_col]
    if version is not None:
        row["_version"] = given_version(mapper, given, version)
    for key, prop in mapper.column_props.items():
        if key in given and key not in mapper.pk_keys and key != version:
            row[prop.columns[0].key] = given[key]  # type: ignore[index]
    if version is not None and mapper.version_id_generator:
        row[mapper.version_id_col.key] = mapper.version_id_generator(given[version])
    return row


def _has_sql(row: Values) -> bool:
    return any(isinstance(value, ClauseElement) for value in row.values())


def _all_found(mapper: Mapper[Any], found: int, wanted: int) -> None:
    if found != wanted:
        raise StaleDataError(
            f"A bulk update of {mapper.class_.__name__} was for {wanted} rows, and {found} were matched: the others "
            f"are not there, or not any more."
        )
