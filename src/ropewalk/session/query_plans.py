"""Prepared statements for plain queries: found again by what was asked, before any SQL is made.

``session.query(User).filter_by(x=5).order_by(User.name).limit(20).all()`` costs Core 100 µs
in expressions, statement, cache key and result; the text that goes to the database is the
same each time. So the first such query leaves a plan behind, under its steps as a key:

    ((("filter_by", (User, "x"), (int,)), ("order_by", (User.name,), ())), limit: yes, offset: no)

and the next one only puts its values, ``(5, 20)``, in the order of the text's parameters.
A query that is not plain (see ``query_pieces``) never comes here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Integer, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators

from ..instrumentation.attributes import InstrumentedAttribute
from ..kernel.collector import paused_for
from ..kernel.core import is_quiet, run_text
from ..kernel.statements import Prepared
from ..loading.plan import Bound, Plan
from ..loading.rows import hold
from ..state.instance import InstanceState
from .query_select import TABLE_AND_COLUMN, select_of

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from .session import Session

MOST = 500
"""Plans kept for one mapper; a program that makes up ever new shapes must not fill the memory."""


def plan_of(query: Any) -> QueryPlan | None:
    """Return the plan of a plain query, made now if need be; None where it can have none."""
    mapper: Mapper[Any] = query._mapper
    plans: dict[Any, QueryPlan | None] = mapper.__dict__.setdefault("_query_plans", {})
    key = (query._steps, query._limit is None, query._offset is None)
    try:
        return plans[key]
    except KeyError:
        pass
    if len(plans) >= MOST:
        plans.clear()
    plan = plans[key] = _make(query, mapper)
    return plan


def values_of(query: Any) -> tuple[Any, ...]:
    """Return what varies between queries of one plan, in the order of the plan's ``names``."""
    values: tuple[Any, ...] = query._values
    if query._limit is not None:
        values += (query._limit,)
    if query._offset is not None:
        values += (query._offset,)
    return values


class QueryPlan:
    """One shape of query: its statement with a parameter for each value."""

    __slots__ = ("_ready", "mapper", "names", "plan")

    def __init__(self, mapper: Mapper[Any], plan: Plan, names: tuple[str, ...]) -> None:
        self.mapper = mapper
        self.plan = plan
        self.names = names
        self._ready: dict[Dialect, tuple[Prepared, Any]] = {}

    def load(self, session: Session, values: tuple[Any, ...]) -> list[Any]:
        """Execute with these values and return the objects."""
        with session._guard("query"):
            session._autoflush()
            with session._unit():
                connection = session.connection_for(self.mapper, self.plan.statement)
                owner: Any = session.identity_map
                dialect = connection.dialect
                ready = self._ready.get(dialect) or self._make_ready(dialect)
                prepared, arrange = ready
                if not (prepared.quick and is_quiet(connection)):
                    given = dict(zip(self.names, values, strict=True))
                    return Bound(self.plan, (), None).load_all(connection, owner, given, None, True)
                cursor = run_text(connection, prepared.text, prepared.processed(arrange(values)))
                rows = cursor.fetchall()
                loader = self.plan.loader(prepared, dialect, cursor, True, False)
                cursor.close()
                peers: list[InstanceState] = []
                with paused_for(len(rows)):
                    found = loader(rows, owner, peers)
                if owner.held is not None:
                    hold(owner, peers)
                return found

    def _make_ready(self, dialect: Dialect) -> tuple[Prepared, Any]:
        prepared = self.plan.prepared(dialect)
        ready = self._ready[dialect] = prepared, _arranger(self.names, prepared.binds)
        return ready


def _arranger(names: tuple[str, ...], binds: list[Any]) -> Callable[[tuple[Any, ...]], Sequence[Any]]:
    """Return what puts values, given in the order of ``names``, into the order of a text's parameters.

    The dialect may have added parameters with values of their own: SQLite's ``LIMIT ? OFFSET ?`` always has both.
    """
    places = {name: i for i, name in enumerate(names)}
    order = [places.get(bind.key) for bind in binds]
    constants = tuple(bind.effective_value for bind, place in zip(binds, order, strict=True) if place is None)
    extra = itertools.count(len(names))
    final = [next(extra) if place is None else place for place in order]
    if final == list(range(len(final))):
        return (lambda values: values + constants) if constants else (lambda values: values)
    return lambda values: [(values + constants)[i] for i in final]


def _make(query: Any, mapper: Mapper[Any]) -> QueryPlan | None:
    """Make the plan from the first query of its kind, with a parameter in place of each value."""
    parameters: list[Any] = []
    values = iter(query._values)
    for name, args, _ in query._steps:
        if name != "filter_by":
            continue
        for key in args[1:]:
            parameter = _parameter_for(getattr(mapper.class_, key), next(values), f"value_{len(parameters)}")
            if parameter is None:
                return None
            parameters.append(parameter)
    template = query._copy(_values=tuple(parameters))
    names = [parameter.key for parameter in parameters]
    for name in ("limit", "offset"):
        if getattr(query, f"_{name}") is not None:
            names.append(name)
            setattr(template, f"_{name}", bindparam(name, type_=Integer()))
    return QueryPlan(mapper, Plan(select_of(template, TABLE_AND_COLUMN), ()), tuple(names))


def _parameter_for(attribute: Any, value: Any, name: str) -> Any:
    """Return a parameter of the type that Core would give this value; None where it makes no mere ``=`` of it."""
    if type(attribute) is not InstrumentedAttribute:
        return None
    comparison = attribute == value
    right = getattr(comparison, "right", None)
    if getattr(comparison, "operator", None) is not operators.eq or type(right) is not BindParameter:
        return None
    if getattr(attribute.prop, "comparator_factory", None) is not None or right.value is not value:
        return None
    return bindparam(name, type_=right.type)
