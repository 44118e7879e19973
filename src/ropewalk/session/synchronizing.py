"""What the session's objects learn of an UPDATE or DELETE with criteria (``synchronize_session``).

``"evaluate"``
    the criteria are worked out in Python on the objects that the session holds
``"fetch"``
    the database names the rows: by RETURNING where it has that, else by a SELECT before
``"auto"``
    the first where it can be done, else the second
``False``
    nothing: the objects stand as they were until they are expired
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.sql import ClauseElement

from ..exc import ArgumentError, InvalidRequestError
from ..kernel.core import columns_of, result_processor
from ..kernel.dml import criteria_of, returning_of, returns_defaults, values_of, with_returning
from ..loading.evaluating import UNKNOWN, Compiler, Evaluator, UnevaluatableError
from ..loading.returning import prop_for
from ..loading.rows import put_in
from ..state.instance import PERSISTENT, InstanceState
from . import moves

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from .session import Session

STRATEGIES = ("auto", "evaluate", "fetch", False, None)
_FOLDING = frozenset({"mysql", "mariadb", "mssql"})  # their usual collations take "Ed" and "ed" for equal


def check_strategy(strategy: Any) -> None:
    """Refuse what is no strategy.

    :raises ArgumentError: it is none.
    """
    if strategy not in STRATEGIES:
        raise ArgumentError(f"synchronize_session is 'auto', 'evaluate', 'fetch' or False; got {strategy!r}.")


class Synchronizer:
    """Finds the objects that one statement means, and brings them up to date when it has been executed.

    :ivar statement: what is to be executed: the program's, or that with the keys in RETURNING.
    :ivar keys: how many columns of RETURNING, the last ones, are keys for us.
    """

    def __init__(self, session: Session, mapper: Mapper[Any], statement: Any, strategy: Any, params: Any) -> None:
        check_strategy(strategy)
        self.session = session
        self.mapper = mapper
        self.statement = statement
        self.keys = 0
        self._strategy = strategy
        self._params: Any = params
        self._entries = [s for s in session.identity_map.map_for(mapper).values() if s.mapper.isa(mapper)]
        self._sure: list[InstanceState] = []
        self._unsure: list[InstanceState] = []

    @property
    def idle(self) -> bool:
        """Whether nobody has to learn of anything."""
        return not self._strategy or not self._entries

    # -- before -------------------------------------------------------------------------

    def before(self, connection: Any) -> None:
        """Find the objects, as far as that must be done before the statement is executed."""
        if isinstance(self._params, Sequence) and self._strategy == "fetch":
            raise InvalidRequestError(
                "synchronize_session='fetch' needs to know the rows of one statement, but this one was given several "
                "sets of parameters. Use 'evaluate', or False and session.expire_all()."
            )
        if self.idle:
            return
        if isinstance(self._params, Sequence):
            self._unsure = self._entries  # each set of parameters means other rows
            return
        if self._strategy != "fetch":
            try:
                self._evaluate(self._compiler(connection).criteria(criteria_of(self.statement)))
                return
            except UnevaluatableError as error:
                if self._strategy == "evaluate":
                    raise InvalidRequestError(
                        f"synchronize_session='evaluate': the criteria cannot be worked out in Python. {error} Use "
                        f"'fetch', 'auto' or False."
                    ) from error
        self._ask(connection)

    def _compiler(self, connection: Any) -> Compiler:
        return Compiler(self.mapper, self._params, connection.dialect.name in _FOLDING and self._strategy == "auto")

    def _evaluate(self, meets: Evaluator) -> None:
        for state in self._entries:
            instance = state()
            if instance is None or state.expired and not _columns_in(state, instance):
                continue  # it knows nothing that could be out of date
            found = meets(state, instance.__dict__)
            if found is UNKNOWN:
                self._unsure.append(state)
            elif found:
                self._sure.append(state)

    def _ask(self, connection: Any) -> None:
        dialect, verb = connection.dialect, self.statement.__visit_name__
        columns = [self.mapper.column_props[key].expression for key in self.mapper.pk_keys]
        returns = getattr(dialect, f"{verb}_returning") and self.mapper.local_table.implicit_returning  # type: ignore[attr-defined]
        if returns and not getattr(dialect, f"{verb}_returning_multifrom", True):
            returns = not _several_tables(self.statement)
        if returns and not returns_defaults(self.statement):
            self.keys = len(columns)
            self.statement = with_returning(self.statement, (*returning_of(self.statement), *columns))
            return
        query: Any = select(*columns).where(*criteria_of(self.statement))
        self._take(connection.execute(query, dict(self._params) if self._params else None))

    # -- after --------------------------------------------------------------------------

    def returned(self, rows: Sequence[Sequence[Any]], connection: Any, description: Any) -> None:
        """Take the keys that RETURNING gave, as the driver has them."""
        width = self.keys
        start = len(rows[0]) - width if rows else 0
        converters = [
            result_processor(column.type, connection.dialect, None if not description else description[start + i][1])
            for i, column in enumerate(self.mapper.primary_key)
        ]
        self._take(
            [v if convert is None else convert(v) for convert, v in zip(converters, row[start:], strict=True)]
            for row in rows
        )

    def _take(self, keys: Any) -> None:
        entries = self.session.identity_map.map_for(self.mapper)
        single = self.mapper.single_pk is not None
        for key in keys:
            state = entries.get(key[0] if single else tuple(key))
            if state is not None and state.mapper.isa(self.mapper):
                self._sure.append(state)

    def updated(self, connection: Any, result: Any) -> None:
        """Bring objects up to date after an UPDATE."""
        if not self._sure and not self._unsure:
            return
        known, expired = self._new_values(connection, result)
        for state in self._unsure:
            _forget(state, [*known, *expired])
        for state in self._sure:
            instance = state()
            if instance is None or state.status != PERSISTENT:
                continue
            held = instance.__dict__
            changed = state.committed or ()
            gone = [key for key in expired if key in held or not state.expired]
            values = {}
            for key, value in known.items():
                if key not in held:
                    if not state.expired:
                        gone.append(key)
                elif key in changed or (found := value(state, held)) is UNKNOWN:
                    gone.append(key)
                else:
                    values[key] = found
            if values:
                put_in(state, instance, values)
            _forget(state, gone)

    def _new_values(self, connection: Any, result: Any) -> tuple[dict[str, Evaluator], list[str]]:
        """Return what Python can work out of the new values, and the attributes whose values only the database has."""
        compiler = Compiler(self.mapper, self._params if isinstance(self._params, Mapping) else None)
        known: dict[str, Evaluator] = {}
        expired: list[str] = []
        given = list(values_of(self.statement))
        if isinstance(self._params, Mapping):
            given += [(key, value) for key, value in self._params.items() if prop_for(self.mapper, key) is not None]
        for key, value in given:
            prop = self._prop(key)
            if prop is None:
                continue
            try:
                known[prop.key] = compiler.process(value) if isinstance(value, ClauseElement) else _fixed(value)
            except UnevaluatableError:
                expired.append(prop.key)
        made = _made_in_python(result)
        for key, prop in self.mapper.column_props.items():
            column: Any = prop.columns[0] if prop.columns else None
            if key in known or key in expired or column is None:
                continue
            if column in made:
                known[key] = _fixed(made[column])
            elif made_by_update(column) and not returns_defaults(self.statement):  # which the program reads itself
                expired.append(key)
        return known, expired

    def _prop(self, key: Any) -> Any:
        """Return the property that an item of ``values()`` sets, or None where the session knows of none."""
        prop = prop_for(self.mapper, key)
        if prop is None and isinstance(key, str):
            raise InvalidRequestError(
                f"values(): {self.mapper.class_.__name__} has no attribute {key!r}, so its objects in the session "
                f"cannot be brought up to date. Name the attribute, not the column, or set synchronize_session=False."
            )
        return prop

    def deleted(self, transaction: Any) -> None:
        """Take the objects out whose rows a DELETE has removed."""
        session = self.session
        for state in self._sure:
            if state.status == PERSISTENT:
                moves.lose(session, state)
        moves.expire(self._unsure)


def made_by_update(column: Any) -> bool:
    """Whether a column gets a value with each UPDATE that does not give it one."""
    return getattr(column, "onupdate", None) is not None or getattr(column, "server_onupdate", None) is not None


def _made_in_python(result: Any) -> dict[Any, Any]:
    """Return the values that ``onupdate`` functions gave: column → value."""
    context = getattr(result, "context", None)
    if context is None or context.executemany:
        return {}
    parameters = context.compiled_parameters[0] if context.compiled_parameters else {}
    return {column: parameters[column.key] for column in result.prefetch_cols() if column.key in parameters}


def _columns_in(state: InstanceState, instance: Any) -> bool:
    held = instance.__dict__
    return any(key in held for key in state.mapper.column_props)


def _several_tables(statement: Any) -> bool:
    tables = {getattr(column, "table", None) for column in columns_of(criteria_of(statement))}
    return len(tables - {statement.table, None}) > 0


def _fixed(value: Any) -> Evaluator:
    return lambda state, held: value


def _forget(state: InstanceState, keys: Sequence[str]) -> None:
    if keys and state() is not None and state.status == PERSISTENT:
        moves.expire_keys(state, keys)
