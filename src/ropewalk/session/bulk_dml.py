"""Rows in bulk by an INSERT or UPDATE statement of a mapped class: what each set of parameters becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam
from sqlalchemy.sql import ClauseElement

from ..exc import InvalidRequestError, StaleDataError
from ..kernel.dml import criteria_of, has_ordered_values, parameter_names, returning_of, sorts_rows, values_of
from ..loading.returning import prop_for
from ..loading.rows import put_in
from ..state.instance import PERSISTENT
from . import moves
from .synchronizing import made_by_update

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from .session import Session

Values = Mapping[str, Any]
_VERSION = "_version"  # the parameter that finds a row


# -- INSERT ------------------------------------------------------------------------------


def check_returning(statement: Any, mapper: Mapper[Any], dialect: Any) -> None:
    """Refuse a bulk INSERT whose rows the database cannot give back.

    :raises InvalidRequestError: it cannot.
    """
    sort = sorts_rows(statement)
    wanted = "insert_executemany_returning" + ("_sort_by_parameter_order" if sort else "")
    table: Any = mapper.local_table
    if not getattr(dialect, wanted, False) or not table.implicit_returning and not dialect.insert_returning:
        raise InvalidRequestError(
            f"A bulk INSERT with RETURNING{' in the order of the parameters' if sort else ''} is more than "
            f"{dialect.name} can do here. Insert row by row, or add objects to the session and flush it."
        )


def insert_groups(mapper: Mapper[Any], statement: Any, rows: Iterable[Values], render_nulls: bool) -> list[Any]:
    """Return the parameters of the INSERTs: neighbours with the same columns together, in their order."""
    own = parameter_names(statement) | {getattr(key, "key", key) for key, _ in values_of(statement)}
    identity = _discriminator(mapper)
    made = [_insert_row(mapper, given, own, identity, render_nulls) for given in rows]
    groups: list[Any] = []
    for names, group in groupby(made, key=tuple):
        together = list(group)
        if names:
            groups.append(together)
        else:
            groups += [None] * len(together)  # all is left to the database, which takes no list of nothing
    return groups


def _insert_row(
    mapper: Mapper[Any], given: Values, own: set[Any], identity: tuple[str, Any] | None, render_nulls: bool
) -> dict[str, Any]:
    row = {} if identity is None else {identity[0]: identity[1]}
    for key, prop in mapper.column_props.items():
        if key in given and prop.writable:
            column: Any = prop.columns[0]
            value = given[key]
            if value is not None or render_nulls or column.type.should_evaluate_none:
                row[column.key] = value
    for key, value in given.items():
        if key not in mapper.column_props:
            synonym = prop_for(mapper, key)
            if synonym is not None:
                row[synonym.columns[0].key] = value
            elif key in own:
                row[key] = value
    version = mapper.version_id_col
    if version is not None and mapper.version_id_generator and version.key not in own and row.get(version.key) is None:
        row[version.key] = mapper.version_id_generator(None)
    return row


def _discriminator(mapper: Mapper[Any]) -> tuple[str, Any] | None:
    """Return the column that tells the classes of a hierarchy apart, and its value for this one."""
    value = mapper.polymorphic_identity
    base: Any = mapper
    while base is not None and base.polymorphic_on is None:
        base = base.inherits
    if base is None or value is None:
        return None
    column: Any = base.polymorphic_on
    if isinstance(column, str):
        prop = mapper.column_props.get(column)
        column = None if prop is None else prop.columns[0]
    key = getattr(column, "key", None)
    table: Any = mapper.local_table
    return (key, value) if key is not None and key in table.c else None


# -- UPDATE by primary key ---------------------------------------------------------------


def check_bulk_update(
    statement: Any, mapper: Mapper[Any], dialect: Any, options: Mapping[str, Any], count: int
) -> None:
    """Refuse a bulk UPDATE by primary key that cannot be.

    :raises InvalidRequestError: it is given ``ordered_values()``, RETURNING or ``synchronize_session="fetch"``.
    """
    if has_ordered_values(statement):
        raise InvalidRequestError(
            f"A bulk UPDATE of {mapper.class_.__name__} by primary key cannot have ordered_values(): the columns come "
            f"from the rows. Use values()."
        )
    if options.get("synchronize_session", "auto") == "fetch":
        raise InvalidRequestError(
            "synchronize_session='fetch' is not for a bulk UPDATE by primary key: the rows are known already. Use "
            "'auto', 'evaluate' or False."
        )
    if returning_of(statement) and not dialect.update_executemany_returning and count:
        raise InvalidRequestError(
            f"A bulk UPDATE of {mapper.class_.__name__} by primary key cannot have RETURNING: {dialect.name} gives "
            f"nothing back for several rows. Load the objects afterwards with select(), or update them one by one."
        )


def update_rows(
    session: Session,
    mapper: Mapper[Any],
    statement: Any,
    params: Iterable[Values],
    connection: Any,
    options: Mapping[str, Any],
) -> int:
    """UPDATE a row for each set of parameters, and bring the objects in the session up to date.

    :return: how many rows matched; -1 where the driver does not count.
    :raises InvalidRequestError: a row has no primary key.
    :raises StaleDataError: a row is not there.
    """
    keys = [mapper.column_props[key].columns[0] for key in mapper.pk_keys]
    names = [f"_key_{i}" for i in range(len(keys))]
    version = mapper.version_id_col
    if version is not None:
        keys.append(version)
        names.append(_VERSION)
    computed = values_of(statement)
    narrowed = bool(criteria_of(statement))
    found = statement.where(*(c == bindparam(n, type_=c.type) for c, n in zip(keys, names, strict=True)))
    own = parameter_names(statement)
    rows = []
    for given in params:
        row = _update_row(mapper, given, names, own)
        if version is not None:
            given = {**given, mapper.key_of[version]: row.get(version.key, given[mapper.key_of[version]])}
        rows.append((given, row))
    matched = 0
    for shape, group in groupby(rows, key=lambda pair: tuple(pair[1])):
        together = [row for _, row in group]
        changed = [name for name in shape if name not in names and name not in own]
        if not changed and not computed:
            continue
        sql = any(isinstance(value, ClauseElement) for row in together for value in row.values())
        for batch in [[row] for row in together] if sql else [together]:
            count = _send(mapper, found, batch, changed, connection, options)
            expected = len(batch)
            if not narrowed and (connection.dialect.supports_sane_multi_rowcount or expected == 1):
                if count != expected:
                    raise missing_rows(mapper, count, expected)
            matched = -1 if matched < 0 or count < 0 else matched + count
    if options.get("synchronize_session", "auto"):
        _tell(session, mapper, [given for given, _ in rows], computed, narrowed)
    return matched


def _send(
    mapper: Mapper[Any], statement: Any, batch: list[Any], changed: list[str], connection: Any, options: Any
) -> int:
    table: Any = mapper.local_table
    sql = {name: value for name, value in batch[0].items() if isinstance(value, ClauseElement)}
    new = {
        table.c[name]: sql.get(name, bindparam(f"_new_{name}", type_=table.c[name].type))
        for name in changed
        if name in table.c
    }
    parameters = [
        {f"_new_{n}" if n in changed else n: value for n, value in row.items() if n not in sql} for row in batch
    ]
    result = connection.execute(statement.values(new) if new else statement, parameters, execution_options=options)
    return int(result.rowcount)


def _update_row(mapper: Mapper[Any], given: Values, names: list[str], own: set[str]) -> dict[str, Any]:
    missing = [key for key in mapper.pk_keys if given.get(key) is None]
    if missing:
        raise InvalidRequestError(
            f"A bulk update of {mapper.class_.__name__} needs the primary key of each row; {', '.join(missing)} is "
            f"missing in {dict(given)!r:.80}."
        )
    row = dict(zip(names, (given[key] for key in mapper.pk_keys), strict=False))
    version = None if mapper.version_id_col is None else mapper.key_of[mapper.version_id_col]
    for key, prop in mapper.column_props.items():
        if key in given and key not in mapper.pk_keys and key not in own and key != version and prop.writable:
            row[str(prop.columns[0].key)] = given[key]
    if version is not None:
        last = row[_VERSION] = given_version(mapper, given, version)
        if mapper.version_id_generator:
            row[mapper.version_id_col.key] = mapper.version_id_generator(last)
    for key in own:
        if key in given:
            row[key] = given[key]
    return row


def given_version(mapper: Mapper[Any], given: Values, key: str) -> Any:
    """Return the version that a row is to have before it is changed.

    :raises InvalidRequestError: it is not said.
    """
    if given.get(key) is None:
        raise InvalidRequestError(
            f"A bulk update of {mapper.class_.__name__} needs the version of each row; {key} is missing in "
            f"{dict(given)!r:.80}."
        )
    return given[key]


def missing_rows(mapper: Mapper[Any], found: int, wanted: int) -> StaleDataError:
    """The error for rows that an UPDATE by primary key did not find."""
    return StaleDataError(
        f"A bulk update of {mapper.class_.__name__} was for {wanted} rows, and {found} were matched: the others "
        f"are not there, or not any more" + (", or of another version." if mapper.version_id_col is not None else ".")
    )


def _tell(session: Session, mapper: Mapper[Any], rows: list[Values], computed: Any, narrowed: bool) -> None:
    """Give the objects in the session the values that their rows have now.

    :param narrowed: the statement has criteria of its own, so that a row may have stayed as it was.
    """
    entries = session.identity_map.map_for(mapper)
    if not entries:
        return
    single = mapper.single_pk
    unknown = [prop.key for key, _ in computed if (prop := prop_for(mapper, key)) is not None]
    unknown += [k for k, p in mapper.column_props.items() if p.columns and made_by_update(p.columns[0])]
    for given in rows:
        state = entries.get(given[single] if single is not None else tuple(given[key] for key in mapper.pk_keys))
        instance = None if state is None else state()
        if state is None or instance is None or state.status != PERSISTENT:
            continue
        held = instance.__dict__
        new = {k: given[k] for k in mapper.column_props if k in given and k not in mapper.pk_keys and k not in unknown}
        gone = list(unknown)
        if narrowed:
            gone += new
            new = {}
        for key in [key for key, value in new.items() if isinstance(value, ClauseElement)]:
            gone.append(key)
            del new[key]
        new = {key: value for key, value in new.items() if key in held}
        put_in(state, instance, new)
        gone = [key for key in gone if key in held]
        if gone:
            moves.expire_keys(state, gone)
