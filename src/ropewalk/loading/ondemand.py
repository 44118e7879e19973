"""What is loaded when somebody asks for it: a row by key, an expired or deferred attribute.

The statements are built once for each mapper and set of attributes, with the key as a
bind parameter, and kept on the mapper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.engine import Dialect

from ..exc import InvalidRequestError, ObjectDeletedError
from ..kernel.core import is_quiet, raw_rows, result_processor, run_text
from ..kernel.listening import anybody
from ..kernel.parts import with_joins_from
from ..kernel.statements import Prepared
from ..mapping.mapper import Mapper
from ..state.instance import InstanceState
from .entities import EntityColumns, default_props
from .rows import compile_loader, fill, hold
from .telling import refill


class ByKey:
    """``SELECT attributes FROM table WHERE primary key = ?``, prepared.

    :param keys: the attributes to fetch, beside the primary key; all that are not deferred where None.
    """

    __slots__ = ("_converters", "_loaders", "_prepared", "mapper", "slot", "statement")

    def __init__(self, mapper: Mapper[Any], keys: frozenset[str] | None = None) -> None:
        self.mapper = mapper
        if keys is None:
            props = default_props(mapper)
        else:
            wanted = keys.union(mapper.pk_keys)
            props = [p for p in mapper.column_props.values() if p.key in wanted]
        self.slot = EntityColumns(mapper, props)
        statement = select(*self.slot.expressions).where(
            *(column == bindparam(f"pk_{i}", type_=column.type) for i, column in enumerate(mapper.primary_key))
        )
        self.statement = with_joins_from(statement, [mapper])
        self._prepared: dict[Dialect, Prepared] = {}
        self._loaders: dict[tuple[Dialect, bool], Any] = {}
        self._converters: dict[Dialect, list[Any]] = {}

    def rows(
        self, connection: Connection, pk: Any, options: Any = None, statement: Any = None, describe: bool = True
    ) -> tuple[Any, Any]:
        """Execute for one key; return the rows and the cursor's description.

        :param describe: whether that is needed; some drivers take long to make it.
        """
        dialect = connection.dialect
        values = (pk,) if self.mapper.single_pk is not None else pk
        if not options and statement is None and is_quiet(connection):
            prepared = self._prepared.get(dialect)
            if prepared is None:
                prepared = self._prepared[dialect] = Prepared(self.statement, dialect)
            if prepared.quick:
                if prepared.arity == len(values):
                    parameters = prepared.processed(values)
                else:  # a column property has literal values of its own
                    parameters = prepared.parameters((), _named(values))
                cursor = run_text(connection, prepared.text, parameters)
                rows = cursor.fetchall()
                description = cursor.description if describe else None
                cursor.close()
                return rows, description
        result = connection.execute(
            self.statement if statement is None else statement, _named(values), execution_options=options or {}
        )
        description = None if result.cursor is None else result.cursor.description
        rows = raw_rows(result)
        result.close()
        return rows, description

    def load(
        self,
        connection: Connection,
        owner: Any,
        pk: Any,
        populate: bool = False,
        options: Any = None,
        statement: Any = None,
    ) -> Any:
        """Return the object with that key, from the database, or None."""
        dialect = connection.dialect
        loader = self._loaders.get((dialect, populate))
        rows, description = self.rows(connection, pk, options, statement, loader is None)
        if not rows:
            return None
        if loader is None:
            loader = self._loaders[dialect, populate] = compile_loader(
                [self.slot], [e.type for e in self.slot.expressions], dialect, description, True, populate
            )
        peers: list[InstanceState] = []
        found = loader(rows, owner, peers)[0]
        if owner.held is not None:
            hold(owner, peers)
        return found

    def convert(self, row: Sequence[Any], dialect: Dialect, description: Any) -> list[Any]:
        """Apply the types' converters to one row."""
        converters = self._converters.get(dialect)
        if converters is None:
            converters = self._converters[dialect] = [
                result_processor(e.type, dialect, description[i][1]) for i, e in enumerate(self.slot.expressions)
            ]
        return [v if p is None else p(v) for p, v in zip(converters, row, strict=True)]


def _named(values: Sequence[Any]) -> dict[str, Any]:
    return {f"pk_{i}": value for i, value in enumerate(values)}


def by_key(mapper: Mapper[Any], keys: frozenset[str] | None = None) -> ByKey:
    """Return the prepared statement, building it on the first call."""
    cache: dict[Any, ByKey] = mapper.__dict__.setdefault("_by_key", {})
    found = cache.get(keys)
    if found is None:
        found = cache[keys] = ByKey(mapper, keys)
    return found


_SIMPLE = frozenset({int, str, bytes, UUID})


def identity_of(mapper: Mapper[Any], ident: Any) -> Any:
    """Return a primary key as the identity map has it: bare for one column, else a tuple.

    :param ident: a value, a tuple or list in the order of the key's columns, or a dictionary by attribute name.
    :raises InvalidRequestError: the number of values, or a name, is wrong.
    """
    if mapper.single_pk is not None and type(ident) in _SIMPLE:
        return ident
    keys = mapper.pk_keys
    if isinstance(ident, dict):
        if set(ident) != set(keys):
            ident = {_first_name(mapper, key): value for key, value in ident.items()}
        if set(ident) != set(keys):
            raise InvalidRequestError(
                f"The primary key of {mapper.class_.__name__} is given by the attributes {', '.join(keys)}; "
                f"got {', '.join(map(repr, ident)) or 'none'}."
            )
        values = tuple(ident[key] for key in keys)
    elif isinstance(ident, (tuple, list)) or (
        not isinstance(ident, (str, bytes)) and hasattr(ident, "_mapping") and hasattr(ident, "__iter__")
    ):
        values = tuple(ident)
    else:
        values = (ident,)
    if len(values) != len(keys):
        raise InvalidRequestError(
            f"Incorrect number of values for the primary key of {mapper.class_.__name__}: it consists of "
            f"{', '.join(map(str, mapper.primary_key))}, so get() needs {len(keys)} "
            f"{'value' if len(keys) == 1 else 'values as a tuple'}; got {len(values)}: {ident!r}."
        )
    return values[0] if len(keys) == 1 else values


def _first_name(mapper: Mapper[Any], key: Any) -> Any:
    """Return the attribute that a synonym is another name of; any other key as it is."""
    prop: Any = mapper.props.get(key)
    while prop is not None and prop.is_synonym:
        key = prop.name
        prop = mapper.props.get(key)
    return key


def due_with(state: InstanceState, key: str) -> frozenset[str]:
    """Return the attributes to be loaded when ``key`` is asked for."""
    mapper = state.mapper
    held = state.dict
    prop = mapper.column_props[key]
    keys = {key}
    if prop.deferred:
        keys |= {
            p.key
            for p in mapper.column_props.values()
            if prop.deferred_group is not None and p.deferred_group == prop.deferred_group and p.key not in held
        }
    if state.expired or not prop.deferred:
        keys |= due_columns(state)
    committed = state.committed or {}
    return frozenset(k for k in keys if k == key or (k not in held and k not in committed))


def due_columns(state: InstanceState) -> set[str]:
    """Return the columns that an object lacks, of those that its mapping does not defer."""
    held, committed = state.dict, state.committed or {}
    return {p.key for p in default_props(state.mapper) if p.key not in held and p.key not in committed}


def load_keys(
    state: InstanceState,
    instance: Any,
    keys: Iterable[str],
    connection: Connection,
    overwrite: bool = False,
    statement: Any = None,
) -> bool:
    """Fetch some attributes of one object; return whether its row is still there."""
    query = by_key(state.mapper, frozenset(keys))
    rows, description = query.rows(connection, state.pk, None, statement)
    if not rows:
        return False
    values = query.convert(rows[0], connection.dialect, description)
    if not anybody.refresh or not keys:
        fill(state, instance, query.slot.keys, values, overwrite)
    else:
        names = None if overwrite and query.slot.complete else set(keys)
        refill(state, instance, query.slot.keys, values, overwrite, state.owner, names)
    return True


def row_is_gone(state: InstanceState) -> ObjectDeletedError:
    """The error for an object whose row has been deleted behind our back."""
    return ObjectDeletedError(
        state.describe(),
        f"{state.describe()} has no row in the database any more: another transaction deleted it, or its key "
        f"changed. Take it out with session.expunge(obj), or read it again with session.get().",
    )
