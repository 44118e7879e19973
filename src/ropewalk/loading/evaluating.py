"""SQL criteria and values worked out in Python, on objects of the session.

After ``UPDATE ... WHERE name = 'ed'`` the session has to know which of its objects were meant. Where
Python can tell, no further statement is needed. SQL's logic has three values: a comparison with NULL
is neither true nor false, which is None here; and an attribute that is not loaded, or that holds
a change not flushed yet, makes the answer :data:`UNKNOWN`.
"""

from __future__ import annotations

import operator as python
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import types
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseList,
    ColumnClause,
    ExpressionClauseList,
    False_,
    Grouping,
    Null,
    True_,
    Tuple,
    UnaryExpression,
)

from ..exc import InvalidRequestError
from ..kernel.core import attribute_key_of, entity_of
from ..mapping.mapper import Mapper


class UnevaluatableError(InvalidRequestError):
    """A SQL expression that only the database can work out."""


class _Unknown:
    """The value of what depends on an attribute that the session does not know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()

Evaluator = Callable[[Any, Any], Any]
"""Takes a state and the values of its object."""

_COMPARISONS = {
    operators.eq: python.eq,
    operators.ne: python.ne,
    operators.lt: python.lt,
    operators.le: python.le,
    operators.gt: python.gt,
    operators.ge: python.ge,
}
_EXACT = (types.Integer, types.Float, types.DateTime, types.Date, types.Interval, types.NullType)
_ARITHMETIC = {operators.add: python.add, operators.sub: python.sub, operators.mul: python.mul}


class Compiler:
    """Turns expressions on one mapped class into functions.

    :param given: the values of the statement's parameters.
    :param folds_case: the database takes texts for equal that differ in upper and lower case only.
    """

    def __init__(self, mapper: Mapper[Any], given: Mapping[str, Any] | None = None, folds_case: bool = False) -> None:
        self.mapper = mapper
        self.given = given or {}
        self.folds_case = folds_case

    def criteria(self, clauses: tuple[Any, ...]) -> Evaluator:
        """Return what tells whether an object meets all of several criteria.

        :raises UnevaluatableError: only the database can tell.
        """
        parts = [self.process(clause) for clause in clauses]
        return _every(parts)

    def process(self, clause: Any) -> Evaluator:
        """Return what gives the value of an expression.

        :raises UnevaluatableError: only the database can tell.
        """
        for kind, make in _MAKERS:
            if isinstance(clause, kind):
                return make(self, clause)
        raise UnevaluatableError(f"Python cannot work out {type(clause).__name__} expressions such as {clause!s:.80}.")

    def _column(self, clause: Any) -> Evaluator:
        entity = entity_of(clause)
        if entity is not None:
            if entity.is_aliased_class or not (self.mapper.isa(entity.mapper) or entity.mapper.isa(self.mapper)):
                raise UnevaluatableError(f"{clause} is of another class than {self.mapper.class_.__name__}.")
            key = attribute_key_of(clause)
        else:
            key = self.mapper.key_of.get(clause)
            if key is None:
                raise UnevaluatableError(f"{clause} is no mapped column of {self.mapper.class_.__name__}.")
        prop: Any = self.mapper.column_props.get(key)  # type: ignore[arg-type]
        if prop is None or not prop.writable:
            raise UnevaluatableError(f"{self.mapper.class_.__name__}.{key} is computed by the database.")

        def value(state: Any, held: Any) -> Any:
            if key not in held or (state.first_key is not None and key in state.committed):
                return UNKNOWN
            return held[key]

        return value

    def _parameter(self, clause: Any) -> Evaluator:
        if clause.key in self.given:
            fixed = self.given[clause.key]
        elif clause.required and clause.callable is None:
            raise UnevaluatableError(f"The parameter {clause.key!r} has no value, or one for each of several rows.")
        else:
            fixed = clause.effective_value
        return lambda state, held: fixed

    def _grouping(self, clause: Any) -> Evaluator:
        return self.process(clause.element)

    def _list(self, clause: Any) -> Evaluator:
        if clause.operator is operators.and_:
            return _every([self.process(part) for part in clause.clauses])
        if clause.operator is operators.or_:
            return _any([self.process(part) for part in clause.clauses])
        if clause.operator in _ARITHMETIC and len(clause.clauses) > 1:
            found = self.process(clause.clauses[0])
            for part in clause.clauses[1:]:
                found = self._calculated(clause, found, self.process(part))
            return found
        raise UnevaluatableError(f"Python cannot work out {clause!s:.80}.")

    def _values(self, clause: Any) -> Evaluator:
        parts = [self.process(part) for part in clause.clauses]

        def row(state: Any, held: Any) -> Any:
            values = [part(state, held) for part in parts]
            if UNKNOWN in values:
                return UNKNOWN
            return None if None in values else tuple(values)

        return row

    def _unary(self, clause: Any) -> Evaluator:
        inner = self.process(clause.element)
        if clause.operator in (operators.inv, operators.is_false):
            return _known(python.not_, inner)
        if clause.operator is operators.is_true:
            return _known(bool, inner)
        if clause.operator is operators.neg:
            return _known(python.neg, inner)
        raise UnevaluatableError(f"Python cannot work out {clause!s:.80}.")

    def _binary(self, clause: Any) -> Evaluator:
        used = clause.operator
        left, right = self.process(clause.left), self.process(clause.right)
        if used in (operators.is_, operators.is_not):
            wanted = used is operators.is_
            return _compared(lambda a, b: (a == b) is wanted, left, right, nulls=True)
        if not self._alike(clause.left, clause.right):
            raise UnevaluatableError(f"How the database compares the two sides of {clause!s:.80} is its own matter.")
        if used in _COMPARISONS:
            return _compared(_COMPARISONS[used], left, right)
        if used in _ARITHMETIC:
            return self._calculated(clause, left, right)
        if used is operators.in_op:
            return _compared(_among, left, right)
        if used is operators.not_in_op:
            return _compared(lambda a, b: None if (found := _among(a, b)) is None else not found, left, right)
        raise UnevaluatableError(f"Python cannot work out {clause!s:.80}.")

    def _calculated(self, clause: Any, left: Evaluator, right: Evaluator) -> Evaluator:
        if not isinstance(clause.type, _EXACT) and not self._adds_whole_numbers(clause):
            raise UnevaluatableError(f"The database may round the value of {clause!s:.80}, or put it together its way.")
        used = _ARITHMETIC[clause.operator]
        return _compared(used, left, right)

    def _adds_whole_numbers(self, clause: Any) -> bool:
        """Whether a sum has no more digits after the point than its column can hold."""
        if not isinstance(clause.type, types.Numeric) or clause.operator not in (operators.add, operators.sub):
            return False
        return all(not isinstance(part, BindParameter) or isinstance(part.value, int) for part in clause.get_children())

    def _alike(self, *sides: Any) -> bool:
        """Whether values of these types compare in Python as they do in the database."""
        for side in sides:
            type_ = getattr(side, "type", None)
            if isinstance(type_, (types.JSON, types.ARRAY)):
                return False
            if self.folds_case and isinstance(type_, types.String):
                return False
        return True


_MAKERS: tuple[tuple[type[Any], Callable[[Compiler, Any], Evaluator]], ...] = (
    (BindParameter, Compiler._parameter),
    (ColumnClause, Compiler._column),
    (Grouping, Compiler._grouping),
    (Tuple, Compiler._values),
    (BooleanClauseList, Compiler._list),
    (ExpressionClauseList, Compiler._list),
    (ClauseList, Compiler._list),
    (BinaryExpression, Compiler._binary),
    (UnaryExpression, Compiler._unary),
    (Null, lambda compiler, clause: lambda state, held: None),
    (True_, lambda compiler, clause: lambda state, held: True),
    (False_, lambda compiler, clause: lambda state, held: False),
)


def _among(value: Any, values: Any) -> bool | None:
    if value in values:
        return True
    return None if None in values else False


def _known(change: Callable[[Any], Any], inner: Evaluator) -> Evaluator:
    def value(state: Any, held: Any) -> Any:
        found = inner(state, held)
        return found if found is None or found is UNKNOWN else change(found)

    return value


def _compared(compare: Callable[[Any, Any], Any], left: Evaluator, right: Evaluator, nulls: bool = False) -> Evaluator:
    def value(state: Any, held: Any) -> Any:
        a, b = left(state, held), right(state, held)
        if a is UNKNOWN or b is UNKNOWN:
            return UNKNOWN
        if not nulls and (a is None or b is None):
            return None
        try:
            return compare(a, b)
        except TypeError:  # values that Python does not compare, the database may
            return UNKNOWN

    return value


def _every(parts: list[Evaluator]) -> Evaluator:
    return _decided_by(False, parts)


def _any(parts: list[Evaluator]) -> Evaluator:
    return _decided_by(True, parts)


def _decided_by(outcome: bool, parts: list[Evaluator]) -> Evaluator:
    """Make AND or OR of ``parts``, which one of them decides by coming out so."""

    def value(state: Any, held: Any) -> Any:
        found: Any = not outcome
        for part in parts:
            one = part(state, held)
            if one is UNKNOWN:
                found = UNKNOWN
            elif one is None:
                found = found if found is UNKNOWN else None
            elif bool(one) is outcome:
                return outcome
        return found

    return value
