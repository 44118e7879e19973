"""A statement on several shards: each is asked, all at once, and the answers become one result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Executable, Result, Select, text, types
from sqlalchemy.exc import ObjectNotExecutableError
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.lambdas import StatementLambdaElement

from ..exc import ArgumentError
from ..kernel.core import statement_entity
from ..kernel.dml import resolved_lambda
from ..loading.from_statement import FromStatement
from ..loading.plan import has_entities, plan_for
from ..loading.results import metadata_of, result_of
from ..loading.rows import hold
from . import reading, refreshing
from .core_options import for_core
from .dml import count_result, rows_result
from .shard_merging import Fan, Ranker
from .shard_running import run_all

_WHOLE = ("yield_per", "stream_results")  # a result of several shards, or of one, comes as a whole


def mapper_in(statement: Any) -> Any:
    """Return the mapper of the first class that a statement deals with, or None."""
    entity = statement_entity(statement.columns[0] if isinstance(statement, FromStatement) else statement)
    return None if entity is None else entity.mapper


def refresh(face: Any, instance: Any, names: Iterable[str] | None, with_for_update: Any) -> None:
    """Refresh an object on its shard."""
    refreshing.refresh(face, instance, names, with_for_update)


def execute(
    session: Any,
    faces: Sequence[Any],
    statement: Any,
    params: Any,
    options: Mapping[str, Any],
    bind_arguments: Mapping[str, Any] | None,
    marks: dict[str, Any] | None,
) -> Result[Any]:
    """Execute a statement on the shards of some faces.

    :param marks: what the objects loaded shall remember.
    """
    if isinstance(statement, StatementLambdaElement):
        statement = resolved_lambda(statement)
    if not isinstance(statement, (Executable, FromStatement)):
        raise ObjectNotExecutableError(statement)
    options = {k: v for k, v in options.items() if k not in _WHOLE}
    identity_map = session.identity_map
    if any(name in statement.get_execution_options() for name in _WHOLE):
        statement = statement.execution_options(**dict.fromkeys(_WHOLE))
    if options.get("autoflush", True) and statement.get_execution_options().get("autoflush", True):
        session._autoflush()
    try:
        if len(faces) == 1:
            return reading.execute(faces[0], statement, params, options, bind_arguments)
        if isinstance(statement, UpdateBase):
            return _write(faces, statement, params, options, bind_arguments)
        if params is not None and not isinstance(params, Mapping):
            raise ArgumentError("A query of several shards takes one dictionary of parameters, not a list of them.")
        with session._unit():
            if isinstance(statement, FromStatement):
                parts = [reading.execute(face, statement, params, options, bind_arguments) for face in faces]
                rows = [tuple(row) for part in parts for row in part]
                return result_of(statement.metadata, rows, False)
            if has_entities(statement):
                return _objects(faces, statement, params, options, bind_arguments)
            return _rows(faces, statement, params, options, bind_arguments)
    finally:
        identity_map.adopt(marks)


def _write(
    faces: Sequence[Any], statement: Any, params: Any, options: Mapping[str, Any], bind_arguments: Any
) -> Result[Any]:
    """Execute an UPDATE or DELETE on one shard after the other."""
    results: list[Any] = [reading.execute(face, statement, params, options, bind_arguments) for face in faces]
    counts = [result.rowcount for result in results]
    count = -1 if any(c < 0 for c in counts) else sum(counts)
    if not results[0].returns_rows:
        return count_result(count)
    names = list(results[0].keys())
    rows = [tuple(row) for result in results for row in result]
    return rows_result(metadata_of(names, [None] * len(names)), rows, False, count)


def _objects(
    faces: Sequence[Any], statement: Any, params: Any, options: Mapping[str, Any], bind_arguments: Any
) -> Result[Any]:
    """Load objects from several shards."""
    options = {**statement.get_execution_options(), **options}
    whole = plan_for(statement).plan
    fan = Fan(statement)
    bound = plan_for(fan.statement)
    plan = bound.plan
    core_options = for_core(options)
    connections = [face.for_statement(statement, bind_arguments) for face in faces]
    for connection in connections:
        plan.prepared(connection.dialect)

    def ask(connection: Any) -> Any:
        cursor, prepared = bound.open(connection, params, core_options)
        try:
            return cursor.fetchall(), SimpleNamespace(description=cursor.description), prepared
        finally:
            cursor.close()

    answers = []
    populate = bool(options.get("populate_existing"))
    asked = run_all([(c, lambda c=c: ask(c)) for c in connections])  # type: ignore[misc]
    for face, connection, (rows, cursor, prepared) in zip(faces, connections, asked, strict=True):
        loader = plan.loader(prepared, connection.dialect, cursor, False, populate)
        peers = plan.new_peers(options.get("peers") is False, bound.values)
        owner = face.identity_map
        answers.append(loader(rows, owner, peers))
        if owner.held is not None:
            hold(owner, peers)
    found = fan.combine(answers, connections[0].dialect, _ranker(connections[0]))
    if whole.single:
        return result_of(whole.metadata, [row[0] for row in found], True)
    return result_of(whole.metadata, found, False)


def _rows(
    faces: Sequence[Any], statement: Any, params: Any, options: Mapping[str, Any], bind_arguments: Any
) -> Result[Any]:
    """Fetch plain rows from several shards."""
    fan = Fan(statement) if isinstance(statement, Select) else None
    asked = statement if fan is None else fan.statement
    connections = [face.for_statement(statement, bind_arguments) for face in faces]

    def ask(connection: Any) -> Any:
        result = connection.execute(asked, params, execution_options=dict(options))
        names = list(result.keys()) if result.returns_rows else []
        return names, [tuple(row) for row in result] if names else result.rowcount

    answers = run_all([(c, lambda c=c: ask(c)) for c in connections])  # type: ignore[misc]
    names: list[str] = answers[0][0]
    if not names:
        return count_result(sum(count for _, count in answers))
    if fan is None:
        found = [row for _, rows in answers for row in rows]
        return result_of(metadata_of(names, [None] * len(names)), found, False)
    found = fan.combine([rows for _, rows in answers], connections[0].dialect, _ranker(connections[0]))
    names = [column_name(column, name) for column, name in zip(fan.given, names, strict=False)]
    return result_of(metadata_of(names, [None] * len(names)), found, False)


def column_name(column: Any, name: str) -> str:
    """Return the name of a column in the merged result, which a shard may have been asked for in another form."""
    return str(getattr(column, "name", None) or getattr(column, "key", None) or name)


def _ranker(connection: Any) -> Ranker:
    """Return what asks a database how it orders texts, where Python cannot know."""
    name = connection.dialect.name

    def rank(type_: Any, texts: Iterable[str], alike: bool) -> dict[str, int] | None:
        collation = getattr(type_.dialect_impl(connection.dialect), "collation", None)
        if collation in ("C", "POSIX", "BINARY", "utf8mb4_bin") or not isinstance(type_, types.String):
            return None
        if isinstance(type_, types.Enum):
            return None
        if alike and name == "postgresql" and collation is None:
            return None  # the collation of a database tells all texts apart
        values = list(texts)
        if name == "sqlite":
            return None if collation is None else _places(connection, _SQLITE, values, collation)
        if name == "postgresql":
            return _places(connection, _POSTGRESQL, values, collation)
        if name in ("mysql", "mariadb"):
            return _places(connection, _MARIADB, values, collation)
        return None

    return rank


_SQLITE = "SELECT value, dense_rank() OVER (ORDER BY value{collate}) FROM json_each(:texts)"
_POSTGRESQL = (
    "SELECT v, dense_rank() OVER (ORDER BY v{collate}) FROM jsonb_array_elements_text(CAST(:texts AS jsonb)) AS t(v)"
)
_MARIADB = (
    "SELECT v, dense_rank() OVER (ORDER BY v{collate}) "
    "FROM JSON_TABLE(:texts, '$[*]' COLUMNS (v LONGTEXT PATH '$')) AS t"
)


def _places(connection: Any, query: str, values: list[str], collation: str | None) -> dict[str, int]:
    quoted = "" if collation is None else f" COLLATE {connection.dialect.identifier_preparer.quote(collation)}"
    rows = connection.execute(text(query.format(collate=quoted)), {"texts": json.dumps(values)})
    return {row[0]: row[1] for row in rows}
