"""A statement made ready for one dialect: its text, and where its parameters come from.

Core caches compiled statements too, but finds them again through an execution context
and a result object. What a session runs most (a ``get``, a ``filter_by``, a refresh) is
prepared once here and then goes to the driver as text with a tuple of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import StatementError
from sqlalchemy.sql import compiler

from .core import bind_processors_of, is_quiet, keys_of_bind, run_text

_MISSING = object()


class Prepared:
    """One statement for one dialect.

    :param statement: a Core SELECT.
    :param bindparams: the literal parameters of the statement in the order of its cache key.
        Another statement with an equal key gives its own in the same order.
    """

    __slots__ = ("_plain", "_sources", "compiled", "loaders", "positional", "quick", "statement", "text")

    def __init__(self, statement: Any, dialect: Dialect, bindparams: Sequence[Any] = ()) -> None:
        self.statement = statement
        self.loaders: dict[Any, Any] = {}
        compiled = statement.compile(dialect=dialect, linting=dialect.compiler_linting | compiler.WARN_LINTING)
        self.compiled = compiled
        self.text: str = str(compiled)
        self.positional: bool = compiled.positional
        # An IN list, or a value to be rendered literally, changes the text with each execution.
        self.quick: bool = not (compiled.post_compile_params or compiled.literal_execute_params)
        self._sources = self._find_sources(compiled, bindparams) if self.quick else ()
        self._plain = self.positional and all(source[4] is None for source in self._sources)

    @staticmethod
    def _find_sources(compiled: Any, bindparams: Sequence[Any]) -> tuple[tuple[str, str, int, Any, Any], ...]:
        places = {param.key: i for i, param in enumerate(bindparams)}
        processors = bind_processors_of(compiled)
        names = compiled.positiontup if compiled.positional else list(compiled.bind_names.values())
        escaped = compiled.escaped_bind_names or {}
        sources = []
        for name in names:
            param = compiled.binds[name]
            # a condition that was put over to an alias has a copy of the parameter, under another key
            place = next((places[key] for key in keys_of_bind(param) if key in places), -1)
            sources.append((escaped.get(name, name), param.key, place, param, processors.get(name)))
        return tuple(sources)

    @property
    def arity(self) -> int:
        """How many parameters the text has."""
        return len(self._sources)

    @property
    def binds(self) -> list[Any]:
        """Core's BindParameter for each parameter, in the order of the text."""
        return [source[3] for source in self._sources]

    def parameters(self, bindparams: Sequence[Any], given: Mapping[str, Any] | None) -> Any:
        """Return the driver's parameters, from ``given`` or else from the statement's own."""
        values = []
        for _, key, place, param, _ in self._sources:
            value = given.get(key, _MISSING) if given else _MISSING
            if value is _MISSING:
                source = bindparams[place] if place >= 0 else param
                if source.required:
                    raise StatementError(
                        f"A value is required for bind parameter {key!r}: give it with execute(statement, "
                        f"{{{key!r}: ...}}).",
                        self.text,
                        dict(given or {}),
                        None,
                    )
                value = source.effective_value
            values.append(value)
        return self.processed(values)

    def processed(self, values: Sequence[Any]) -> Any:
        """Return the driver's parameters for ``values``, which stand in the order of the text."""
        if self._plain:
            return tuple(values)
        converted = []
        try:
            for (_, _, _, _, processor), value in zip(self._sources, values, strict=True):
                converted.append(value if processor is None else processor(value))
        except Exception as err:
            raise _refused(err, self.text, values) from err
        if self.positional:
            return tuple(converted)
        return {source[0]: value for source, value in zip(self._sources, converted, strict=True)}

    def execute(
        self,
        connection: Connection,
        bindparams: Sequence[Any] = (),
        given: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        own_statement: Callable[[], Any] | None = None,
    ) -> Any:
        """Execute and return the driver's cursor, by the shortest road open.

        :param own_statement: gives what to run through Core where the text alone won't do: the same
            statement with this call's own literal values, which ``bindparams`` are.
        """
        if self.quick and not options and is_quiet(connection):
            return run_text(connection, self.text, self.parameters(bindparams, given))
        result = connection.execute(
            self.statement if own_statement is None else own_statement(),
            dict(given) if given else None,
            execution_options=options or {},
        )
        return result.cursor


def as_driver_text(
    statement: Any, names: Sequence[str], dialect: Dialect, rows: Sequence[Sequence[Any]]
) -> tuple[str, list[Any]]:
    """Return the text of an INSERT, UPDATE or DELETE, and the driver's parameters for each row.

    :param names: of the parameters, in the order of a row.
    """
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    processors = bind_processors_of(compiled)
    escaped = compiled.escaped_bind_names or {}
    parameters: list[Any] = []
    for row in rows:
        given = compiled.construct_params(dict(zip(names, row, strict=True)))
        values = {name: processors[name](value) if name in processors else value for name, value in given.items()}
        if compiled.positional:
            parameters.append(tuple(values[name] for name in compiled.positiontup))
        else:
            parameters.append({escaped.get(name, name): value for name, value in values.items()})
    return str(compiled), parameters


def _refused(err: Exception, text: str, values: Any) -> StatementError:
    return StatementError(f"A parameter cannot be converted: ({type(err).__name__}) {err}", text, values, err)
