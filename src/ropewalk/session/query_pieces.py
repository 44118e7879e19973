"""What a Query has been asked for, kept as data.

Nothing here makes SQL. Each call on a Query becomes a *step*: the name of a method of Core's
Select and its arguments. ``query_select`` replays the steps on a Select when there is
something to execute; and as long as a query is ``_plain`` its steps are also the key under
which ``query_plans`` keeps a statement that was made for the same steps before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import FromClause
from sqlalchemy.sql.selectable import SelectLabelStyle

from ..exc import InvalidRequestError
from ..mapping import configuring
from .query_names import as_entities, mapped_class

if TYPE_CHECKING:
    from typing import Self

    from ..mapping.mapper import Mapper
    from .session import Session

T = TypeVar("T")

Step = tuple[str, tuple[Any, ...], tuple[Any, ...]]
"""A method of Select, its arguments, and its keywords as pairs: all to be hashed, as part of a plan's key."""

NOTHING: Mapping[str, Any] = {}


class QueryPieces(Generic[T]):
    """The pieces of a query.

    :ivar _mapper: the mapper, where the query is of one mapped class and of nothing else.
    :ivar _plain: whether all steps are ones that a prepared plan can take: ``filter_by`` with plain
        values, ``order_by`` with attributes of the class. What varies between queries of the same
        steps is in ``_values``, ``_limit`` and ``_offset``.
    :ivar _base: the subquery that stands for the entities, after ``union()`` and its like.
    """

    session: Session
    _entities: tuple[Any, ...]
    _mapper: Mapper[Any] | None = None
    _plain = False
    _steps: tuple[Step, ...] = ()
    _values: tuple[Any, ...] = ()
    _limit: Any = None
    _offset: Any = None
    _first_entities: tuple[Any, ...] | None = None  # before with_entities(), where steps need them
    _base: FromClause | None = None
    _from: tuple[Any, ...] = ()
    _joined: Any = None
    _statement: Any = None
    _loader_options: tuple[Any, ...] = ()
    _eager = True
    _execution: Mapping[str, Any] = NOTHING
    _params: Mapping[str, Any] = NOTHING
    _label_style: SelectLabelStyle | None = None
    _rows_only = False
    _assertions = True

    def __init__(self, entities: Any, session: Session | None = None) -> None:
        self.session = session  # type: ignore[assignment]
        self._set_entities(entities)
        self._plain = self._mapper is not None

    def _set_entities(self, entities: Any) -> None:
        if type(entities) is tuple and len(entities) == 1 and mapped_class(entities[0]):
            self._entities = entities  # what nearly every query is of
        else:
            self._entities = as_entities(entities)
        first = self._entities[0] if len(self._entities) == 1 else None
        self._mapper = first.__mapper__ if mapped_class(first) else None  # type: ignore[union-attr]
        if configuring.pending:  # a backref that is asked for next has to be there
            for entity in self._entities:
                if mapped_class(entity):
                    configuring.configure(entity.__mapper__)

    # -- how a query becomes another ---------------------------------------------------------

    def _copy(self, **pieces: Any) -> Self:
        """Return the same query with some pieces replaced; it is not plain any more."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__["_plain"] = False
        new.__dict__.update(pieces)
        return new

    def _step(self, name: str, *args: Any, **kw: Any) -> Self:
        """Return the same query with one more call on its Select."""
        return self._copy(_steps=(*self._steps, (name, args, tuple(kw.items()))))

    # -- what may not be asked any more ---------------------------------------------------------

    def _check_no_statement(self, method: str) -> None:
        if self._statement is not None and self._assertions:
            raise InvalidRequestError(f"{method}() cannot add to this query: from_statement() has said all of it.")

    def _check_open(self, method: str) -> None:
        """Refuse what would have to go inside a LIMIT or a complete statement."""
        if self._statement is None and self._limit is None and self._offset is None:
            return
        self._check_no_statement(method)
        if self._assertions:
            raise InvalidRequestError(
                f"{method}() comes too late for this query, which has its LIMIT or OFFSET: call it before "
                f"limit() and offset()."
            )

    def _check_no_criteria(self, method: str, *allowed: str) -> None:
        """Refuse what replaces all that was asked so far."""
        if not self._assertions:
            return
        steps = [name for name, _, _ in self._steps if name not in allowed]
        if steps or self._from or self._base is not None or self._statement is not None or self._has_rows_limited:
            raise InvalidRequestError(
                f"{method}() cannot follow what this query was told before: call it first, on session.query()."
            )

    @property
    def _has_rows_limited(self) -> bool:
        return self._limit is not None or self._offset is not None
