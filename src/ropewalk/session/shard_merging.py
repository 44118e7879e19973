"""One result out of those of several shards: what each shard is asked, and how the answers are put together.

Rows are merged by ORDER BY, for which the shards give the values to order by as well; each gives as many
rows as LIMIT and OFFSET could want of it. Counts and sums are added up, the least of the minima taken; an
average comes as a sum and a count. Groups that several shards have are one group.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterable, Sequence
from functools import cmp_to_key
from typing import Any

from sqlalchemy import Select, func, types
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Grouping, Label, Over, UnaryExpression, WithinGroup
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Exists, ScalarSelect, SelectBase

from ..exc import InvalidRequestError
from ..kernel.core import order_of, raw_columns
from ..kernel.parts import (
    distinct_on,
    groups_of,
    has_having,
    is_distinct,
    limits_of,
    subqueries_in,
    with_columns_added,
    with_columns_replaced,
)

Row = tuple[Any, ...]
Ranker = Callable[[Any, Iterable[str], bool], dict[str, int] | None]
"""Gives the places of texts in the order that the database has for a type; None where it is Python's.

With True it is only asked which are equal, as those are that a collation folds; None where they are to Python.
"""

_ADDED = {"count", "sum"}
_CHOSEN = {"min": min, "max": max}
_KNOWN = {*_ADDED, *_CHOSEN, "avg"}
_OTHERS = frozenset(
    "group_concat string_agg array_agg json_agg jsonb_agg json_arrayagg json_group_array json_object_agg "
    "jsonb_object_agg json_objectagg json_group_object xmlagg total stddev stddev_pop stddev_samp std variance var_pop "
    "var_samp bool_and bool_or every bit_and bit_or bit_xor corr covar_pop covar_samp median mode percentile_cont "
    "percentile_disc any_value row_number rank dense_rank ntile".split()
)
"""Aggregates, and what counts rows, that cannot be put together from what each shard says."""


class OrderKey:
    """One member of ORDER BY.

    :ivar nulls_first: None where the statement does not say.
    :param selected: the SELECT list, of which it may name a label.
    """

    def __init__(self, clause: Any, selected: Sequence[Any] = ()) -> None:
        self.descending = False
        self.nulls_first: bool | None = None
        while True:
            if isinstance(clause, UnaryExpression) and clause.modifier is not None:
                if clause.modifier is operators.desc_op:
                    self.descending = True
                elif clause.modifier is operators.nulls_first_op:
                    self.nulls_first = True
                elif clause.modifier is operators.nulls_last_op:
                    self.nulls_first = False
                clause = clause.element
            elif clause.__visit_name__ == "label_reference":
                clause = clause.element
            else:
                break
        if clause.__visit_name__ == "textual_label_reference":
            named = [column for column in selected if getattr(column, "name", None) == clause.element]
            clause = named[0] if named else clause
        if clause.__visit_name__ in ("textual_label_reference", "textclause"):
            raise cannot(f"an order given as text ({getattr(clause, 'element', clause)!s}); give the column itself")
        self.expression = clause.element if isinstance(clause, Label) else clause


class Column:
    """A column of the merged result that is worked out from those of the shards.

    :ivar kind: ``count``, ``sum``, ``min``, ``max``, ``avg`` or ``any``; None for a value that groups share.
    :ivar count: where the number of values stands that an average is of.
    :ivar type: of the values.
    """

    def __init__(self, kind: str | None, count: int = -1, type_: Any = None) -> None:
        self.kind = kind
        self.count = count
        self.type = type_


class Fan:
    """How one SELECT is spread over several shards.

    :ivar statement: what each shard is asked.
    :ivar given: the SELECT list of the program.
    :ivar width: how many members a row of the merged result has; the shards give more.
    """

    def __init__(self, statement: Select[Any]) -> None:
        try:
            self.limit, self.offset = limits_of(statement)
        except ValueError as error:
            raise cannot(str(error)) from error
        if distinct_on(statement):
            raise cannot("DISTINCT ON")
        self.distinct = is_distinct(statement)
        columns = self.given = raw_columns(statement)
        self.keys = [OrderKey(clause, columns) for clause in order_of(statement)]
        self.width = len(columns)
        self.columns: list[Column] | None = None
        self._extra: list[Any] = []
        self._counted: int | None = None  # where the values stand that count(distinct ...) counts
        is_aggregating = any(aggregated(column) for column in columns)
        for subquery in subqueries_in(statement):
            if limits_of(subquery) != (None, None) or (is_aggregating and is_distinct(subquery)):
                raise cannot(
                    "a subquery in FROM with LIMIT, OFFSET or DISTINCT, of which each shard has one of its own "
                    "(Query.count() makes one)"
                )
        if is_aggregating:
            self.statement = self._aggregating(statement, columns)
        else:
            self.statement = self._plain(statement)

    # -- what each shard is asked ------------------------------------------------------------

    def _plain(self, statement: Any) -> Any:
        if has_having(statement) or any(aggregated(key.expression) for key in self.keys):
            raise cannot("HAVING, or ORDER BY of an aggregate that is not selected")
        self.places = [self._add(key.expression) for key in self.keys]
        if self.limit is not None:
            statement = statement.limit(self.limit + (self.offset or 0))
        if self.offset is not None:
            statement = statement.offset(None)
        return with_columns_added(statement, self._extra) if self._extra else statement

    def _aggregating(self, statement: Any, columns: list[Any]) -> Any:
        if has_having(statement):
            raise cannot("HAVING: each shard knows only a part of a group")
        distinct = [inner for column in columns if (inner := counted_values(column)) is not None]
        if distinct:
            return self._counting_values(statement, columns, distinct)
        self.columns = []
        asked = []
        for column in columns:
            inner = unlabelled(column)
            kind = kind_of(inner)
            if kind is None and aggregated(inner):
                raise cannot(f"{inner!s:.80}: select its parts and put them together in Python")
            if kind == "avg":
                (value,) = inner.clauses
                asked.append(func.sum(value).label(None))
                self.columns.append(Column("avg", self._add(func.count(value).label(None))))
            else:
                asked.append(column)
                self.columns.append(Column(kind, type_=type_of(inner)))
        self._group(statement)
        self.places = []
        selected = [unlabelled(column) for column in columns]
        for key in self.keys:
            same = [i for i, column in enumerate(selected) if column is key.expression or _alike(column, key)]
            self.places.append(same[0] if same else self._add(key.expression))
        found: Any = with_columns_replaced(statement.order_by(None).limit(None).offset(None), [*asked, *self._extra])
        return found

    def _counting_values(self, statement: Any, columns: list[Any], distinct: list[Any]) -> Any:
        kinds = [kind_of(unlabelled(column)) for column in columns]
        if len(distinct) != 1 or any(kind is not None for kind in kinds if kind != "count") or kinds.count("count") > 1:
            raise cannot("count(distinct ...) beside another aggregate")
        self.columns = [Column(kind, type_=type_of(distinct[0])) for kind in kinds]
        asked = [distinct[0].label(None) if kind else column for kind, column in zip(kinds, columns, strict=True)]
        self._counted = kinds.index("count")
        self._group(statement)
        selected = [unlabelled(column) for column in columns]
        self.places = []
        for key in self.keys:
            same = [i for i, column in enumerate(selected) if _alike(column, key)]
            self.places.append(same[0] if same else self._add(key.expression))
        bare: Any = statement.order_by(None).limit(None).offset(None).group_by(None)
        return with_columns_replaced(bare, [*asked, *self._extra]).distinct()

    def _group(self, statement: Any) -> None:
        groups = [unlabelled(clause) for clause in groups_of(statement)]
        self._group_places = [(self._add(clause), type_of(clause)) for clause in groups]

    def _add(self, expression: Any) -> int:
        self._extra.append(expression)
        return self.width + len(self._extra) - 1

    # -- what becomes of the answers ---------------------------------------------------------------

    def combine(self, answers: Sequence[Sequence[Row]], dialect: Any, rank: Ranker) -> list[Row]:
        """Return the rows of all shards as one result would have them.

        :param answers: the rows of each shard, in its order.
        :param dialect: of the first shard: where NULL stands in an order.
        """
        rows = [row for answer in answers for row in answer]
        if self.columns is not None:
            rows = self._grouped(rows, dialect, rank)
        if self.keys:  # sorting rows that lie in sorted runs is merging them; and shards may differ on the order
            rows.sort(key=self._sort_key(rows, dialect, rank))
        cut = [tuple(row[: self.width]) for row in rows]
        if self.distinct:
            cut = [same[0] for same in _alike_together(cut, list(enumerate(map(type_of, self.given))), rank).values()]
        start = self.offset or 0
        return cut[start:] if self.limit is None else cut[start : start + self.limit]

    def _grouped(self, rows: list[Row], dialect: Any, rank: Ranker) -> list[Row]:
        groups = list(_alike_together(rows, self._group_places, rank).values())
        assert self.columns is not None
        if not groups and self._counted is not None and not self._group_places:
            return [tuple(0 if column.kind else None for column in self.columns)]
        exact = dialect.name not in ("sqlite",)
        return [self._one(members, exact, rank) for members in groups]

    def _one(self, members: list[Row], exact: bool, rank: Ranker) -> Row:
        assert self.columns is not None
        found = list(members[0])
        for place, column in enumerate(self.columns):
            if column.kind is None:
                continue
            values = [row[place] for row in members if row[place] is not None]
            if place == self._counted:
                found[place] = len(_alike_together([(value,) for value in values], [(0, column.type)], rank))
            elif column.kind == "avg":
                found[place] = _average(values, sum(row[column.count] for row in members), exact)
            elif column.kind == "any":
                found[place] = any(values)
            elif column.kind in _CHOSEN:
                places = _ranks(column.type, values, rank)
                order = None if places is None else places.__getitem__
                found[place] = _CHOSEN[column.kind](values, key=order) if values else None
            else:
                found[place] = _sum(values) if values else (0 if column.kind == "count" else None)
        return tuple(found)

    def _sort_key(self, rows: list[Row], dialect: Any, rank: Ranker) -> Any:
        nulls_are_least = dialect.name not in ("postgresql", "oracle")
        steps = []
        for key, place in zip(self.keys, self.places, strict=True):
            ranks = _ranks(key.expression.type, [row[place] for row in rows], rank)
            first = key.nulls_first if key.nulls_first is not None else nulls_are_least != key.descending
            steps.append((place, key.descending, first, ranks))

        def compare(one: Row, other: Row) -> int:
            for place, descending, nulls_first, ranks in steps:
                a, b = one[place], other[place]
                if a is None or b is None:
                    if a is not b:
                        return -1 if (a is None) == nulls_first else 1
                    continue
                if ranks is not None:
                    a, b = ranks[a], ranks[b]
                if a != b:
                    return -1 if (a < b) != descending else 1
            return 0

        return cmp_to_key(compare)


def type_of(expression: Any) -> Any:
    """Return the type of an expression's values; None for a class."""
    return getattr(unlabelled(expression), "type", None)


def unlabelled(column: Any) -> Any:
    """Return an expression without its label."""
    return column.element if isinstance(column, Label) else column


def kind_of(expression: Any) -> str | None:
    """Return how the values that shards have for an expression become one; None where that is no question."""
    if isinstance(expression, Exists):
        return "any"
    while isinstance(expression, Grouping):
        expression = expression.element
    if isinstance(expression, FunctionElement) and (name := getattr(expression, "name", "").lower()) in _KNOWN:
        return name
    return None


def counted_values(column: Any) -> Any:
    """Return what ``count(distinct ...)`` counts; None for anything else."""
    inner = unlabelled(column)
    kind = kind_of(inner)
    if kind is None or not isinstance(inner, FunctionElement):
        return None
    argument, *more = [*inner.clauses] or [None]
    if isinstance(argument, UnaryExpression) and argument.operator is operators.distinct_op:
        if kind in _CHOSEN:
            return None  # it makes no difference to them
        if kind != "count" or more:
            raise cannot(f"{kind}(distinct ...)")
        return argument.element
    return None


def aggregated(expression: Any) -> bool:
    """Whether an expression has an aggregate in it, other than in a SELECT of its own."""
    inner = unlabelled(expression)
    if kind_of(inner) is not None or isinstance(inner, (Over, WithinGroup)):
        return True
    if isinstance(inner, FunctionElement) and getattr(inner, "name", "").lower() in _OTHERS:
        return True
    if isinstance(expression, (SelectBase, ScalarSelect)) or getattr(expression, "is_selectable", False):
        return False
    return any(aggregated(part) for part in expression.get_children())


def _alike(column: Any, key: OrderKey) -> bool:
    return bool(column.compare(key.expression)) if hasattr(column, "compare") else False


def cannot(what: str) -> InvalidRequestError:
    """The error for what the answers of several shards cannot be put together for."""
    return InvalidRequestError(
        f"This query goes to several shards, whose rows cannot be put together for {what}. Ask one shard, with "
        f"options(set_shard_id(...)) or bind_arguments={{'shard_id': ...}}, or ask for something simpler."
    )


def _sum(values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _average(sums: list[Any], count: int, exact: bool) -> Any:
    if not sums or not count:
        return None
    total = _sum(sums)
    if exact and isinstance(total, int):
        total = decimal.Decimal(total)
    return total / count


def _identity(value: Any) -> Any:
    """Return what stands for a value where values are compared: an object is the same only as itself."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _ranks(type_: Any, values: Iterable[Any], rank: Ranker, alike: bool = False) -> dict[str, int] | None:
    if not isinstance(type_, types.String):
        return None
    texts = {value for value in values if value is not None}
    return rank(type_, texts, alike) if len(texts) > 1 else None


def _alike_together(rows: Sequence[Row], places: Sequence[tuple[int, Any]], rank: Ranker) -> dict[Row, list[Row]]:
    """Put the rows together that have the same values in these places, as the database sees them."""
    folded = [(place, _ranks(type_, [row[place] for row in rows], rank, True) or {}) for place, type_ in places]
    groups: dict[Row, list[Row]] = {}
    for row in rows:
        values = [_identity(row[place]) for place, _ in folded]
        key = tuple(ranks.get(value, value) for value, (_, ranks) in zip(values, folded, strict=True))
        groups.setdefault(key, []).append(row)
    return groups
