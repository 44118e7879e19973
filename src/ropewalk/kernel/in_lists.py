"""A statement with ``WHERE column IN (...)`` over as many keys as there happen to be.

Core writes the list anew for each execution, at a microsecond a key. Here the text is split
once at the place of the list; what is left to do for a thousand keys is a join of strings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, tuple_
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import compiler
from sqlalchemy.types import TupleType

from .core import bind_processors_of, is_quiet, keys_of_bind, raw_rows, run_text
from .options import StatementOption, has_subquery, without_options
from .values import with_values

MOST_KEYS = 10_000
"""Keys in one statement, where the database takes so many parameters."""

_NAME = "ropewalk_keys"
_MARK = f"__[POSTCOMPILE_{_NAME}]"


def among_keys(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Return the criterion that the columns have the values of one of the keys."""
    keys: BindParameter[Any] = bindparam(_NAME, expanding=True)
    if len(columns) == 1:
        return columns[0].in_(keys)
    return tuple_(*columns).in_(keys)


def most_keys(dialect: Dialect, width: int) -> int:
    """Return how many keys, each of ``width`` values, one statement can take."""
    limit: int = getattr(dialect, "insertmanyvalues_max_parameters", 0) or 900
    return max(1, min(MOST_KEYS, (limit - 100) // width))


class KeyedStatement:
    """One statement with :func:`among_keys` in it, for one dialect."""

    __slots__ = ("_head", "_mark", "_others", "_processor", "_quick", "_tail", "_texts", "loaders", "statement")

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        # Options have done their part, except on subqueries, which look at them when they are compiled.
        self.statement = statement if has_subquery(statement) else without_options(statement, StatementOption)
        self.loaders: dict[Any, Any] = {}
        self._texts: dict[int, str] = {}
        compiled = statement.compile(dialect=dialect, linting=dialect.compiler_linting | compiler.WARN_LINTING)
        text: str = compiled.string
        self._head, _, self._tail = text.partition(_MARK)
        self._mark = {"qmark": "?", "format": "%s"}.get(dialect.paramstyle, "")
        self._processor = bind_processors_of(compiled).get(_NAME)
        # Composite keys, and other parameters that are lists, are rare; Core writes those.
        others = [bind for name, bind in compiled.binds.items() if name != _NAME]
        plain = not isinstance(compiled.binds[_NAME].type, TupleType) and all(map(_is_plain, others))
        known = bool(self._mark) or (dialect.paramstyle == "pyformat" and not any(map(_like_ours, compiled.binds)))
        self._quick = plain and known and text.count(_MARK) == 1
        self._others = _Others(compiled) if others else None

    def rows(
        self, connection: Connection, keys: Sequence[Any], options: Any = None, given: Mapping[str, Any] | None = None
    ) -> tuple[Sequence[Any], Any]:
        """Execute for these keys; return the driver's rows and the cursor's description.

        :param options: execution options for Core.
        :param given: values for other parameters, by key.
        """
        if self._quick and not options and is_quiet(connection):
            processor = self._processor
            values = keys if processor is None else [processor(key) for key in keys]
            parameters: Any
            if self._mark:
                parameters = tuple(values) if self._others is None else self._others.with_keys(values, given)
            else:
                parameters = {f"k{i}": value for i, value in enumerate(values)}
                if self._others is not None:
                    parameters.update(self._others.named(given))
            cursor = run_text(connection, self._text(len(values)), parameters)
            try:
                return cursor.fetchall(), cursor.description
            finally:
                cursor.close()
        statement = self.statement if self._others is None else with_values(self.statement, given)
        result = connection.execute(statement, {_NAME: list(keys)}, execution_options=options or {})
        assert result.cursor is not None
        description = result.cursor.description
        rows = raw_rows(result)
        result.close()
        return rows, description

    def _text(self, count: int) -> str:
        found = self._texts.get(count)
        if found is None:
            if len(self._texts) > 20:  # other lengths come and go
                self._texts.clear()
            marks = [self._mark] * count if self._mark else [f"%(k{i})s" for i in range(count)]
            found = self._texts[count] = f"{self._head}{', '.join(marks)}{self._tail}"
        return found


class _Others:
    """The parameters of a statement beside its list of keys."""

    __slots__ = ("_order", "_sources")

    def __init__(self, compiled: Any) -> None:
        processors = bind_processors_of(compiled)
        escaped = compiled.escaped_bind_names or {}
        self._order: list[str] = list(compiled.positiontup or ())
        self._sources = {
            name: (escaped.get(name, name), keys_of_bind(bind), bind, processors.get(name))
            for name, bind in compiled.binds.items()
            if name != _NAME
        }

    def named(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the driver's parameters by name."""
        return {source[0]: _value(source, given) for source in self._sources.values()}

    def with_keys(self, keys: Sequence[Any], given: Mapping[str, Any] | None) -> tuple[Any, ...]:
        """Return the driver's parameters in the order of the text."""
        found: list[Any] = []
        for name in self._order:
            if name == _NAME:
                found += keys
            else:
                found.append(_value(self._sources[name], given))
        return tuple(found)


def _value(source: tuple[str, list[str], Any, Any], given: Mapping[str, Any] | None) -> Any:
    _, keys, bind, processor = source
    key = next((key for key in keys if key in given), None) if given else None
    value = bind.effective_value if key is None else given[key]  # type: ignore[index]
    return value if processor is None else processor(value)


def _is_plain(bind: Any) -> bool:
    return not (bind.expanding or bind.literal_execute or bind.required)


def _like_ours(name: str) -> bool:
    return name[:1] == "k" and name[1:].isdigit()


def keys_parameter(keys: Sequence[Any]) -> dict[str, Any]:
    """Return the parameters of a statement with :func:`among_keys` in it, for Core."""
    return {_NAME: list(keys)}
