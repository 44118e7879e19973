"""A statement with ``WHERE column IN (...)`` over as many keys as there happen to be.

Core writes the list anew for each execution, at a microsecond a key. Here the text is split
once at the place of the list; what is left to do for a thousand keys is a join of strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, tuple_
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import compiler
from sqlalchemy.types import TupleType

from .core import bind_processors_of, is_quiet, raw_rows, run_text

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

    __slots__ = ("_head", "_mark", "_processor", "_quick", "_tail", "_texts", "loaders", "statement")

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        self.statement = statement
        self.loaders: dict[Any, Any] = {}
        self._texts: dict[int, str] = {}
        compiled = statement.compile(dialect=dialect, linting=dialect.compiler_linting | compiler.WARN_LINTING)
        text: str = compiled.string
        self._head, _, self._tail = text.partition(_MARK)
        self._mark = {"qmark": "?", "format": "%s"}.get(dialect.paramstyle, "")
        self._processor = bind_processors_of(compiled).get(_NAME)
        # Composite keys and other parameters (literal values of a criterion) are rare; Core writes those.
        plain = list(compiled.binds) == [_NAME] and not isinstance(compiled.binds[_NAME].type, TupleType)
        known = bool(self._mark) or dialect.paramstyle == "pyformat"
        self._quick = plain and known and text.count(_MARK) == 1

    def rows(self, connection: Connection, keys: Sequence[Any], options: Any = None) -> tuple[Sequence[Any], Any]:
        """Execute for these keys; return the driver's rows and the cursor's description.

        :param options: execution options for Core.
        """
        if self._quick and not options and is_quiet(connection):
            processor = self._processor
            values = keys if processor is None else [processor(key) for key in keys]
            parameters: Any
            if self._mark:
                parameters = tuple(values)
            else:
                parameters = {f"k{i}": value for i, value in enumerate(values)}
            cursor = run_text(connection, self._text(len(values)), parameters)
            try:
                return cursor.fetchall(), cursor.description
            finally:
                cursor.close()
        result = connection.execute(self.statement, {_NAME: list(keys)}, execution_options=options or {})
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


def keys_parameter(keys: Sequence[Any]) -> dict[str, Any]:
    """Return the parameters of a statement with :func:`among_keys` in it, for Core."""
    return {_NAME: list(keys)}
