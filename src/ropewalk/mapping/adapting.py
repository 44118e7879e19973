"""The join of a relationship as the floors above use it: over aliases, with parameters, as attribute names."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam

from ..kernel.core import marks_of, unmarked
from ..kernel.symbols import MANYTOMANY, ONETOMANY, RelationshipDirection
from .behind import attribute_of
from .marks import only_marks, replace_columns

if TYPE_CHECKING:
    from .joins import JoinCondition
    from .mapper import Mapper

_NO_MARKS: frozenset[str] = frozenset()


class LazyClause(NamedTuple):
    """What selects the objects at the other end of one object.

    :ivar criterion: over the target's table (and the association table), with parameters for this end.
    :ivar binds: parameter and the column of this end whose value it takes.
    """

    criterion: ColumnElement[bool]
    binds: list[tuple[BindParameter[Any], Any]]


class JoinHelpers:
    """What follows from a configured relationship's join; :class:`RelationshipProperty` derives from it."""

    parent: Mapper[Any]
    mapper: Mapper[Any]
    entity: Any
    target: Any
    uselist: bool
    direction: RelationshipDirection
    join: JoinCondition
    secondary: Any
    primaryjoin: Any
    secondaryjoin: Any
    local_remote_pairs: list[tuple[Any, Any]]
    synchronize_pairs: list[tuple[Any, Any]]

    def join_conditions(
        self, parent_selectable: Any = None, target_selectable: Any = None, secondary_alias: Any = None
    ) -> tuple[Any, Any, Any]:
        """Return ``(primaryjoin, secondaryjoin, secondary)`` over these aliases in place of the tables.

        Where a table refers to itself, each end of the condition goes to its own alias.
        """
        secondary = self.secondary if secondary_alias is None else secondary_alias
        far = secondary_alias if self.secondary is not None else target_selectable

        def primary(column: Any) -> Any:
            marks = marks_of(column)
            if "remote" in marks:
                return adapted(column, far)
            return adapted(column, parent_selectable if "local" in marks else None)

        tables = self._aliases(parent_selectable, target_selectable, secondary_alias)
        primaryjoin = only_marks(replace_columns(self.primaryjoin, primary, tables), _NO_MARKS)
        if self.secondaryjoin is None:
            return primaryjoin, None, None

        of_target = self.target.c.contains_column  # a table may be the target's, and in a join between as well

        def second(column: Any) -> Any:
            between = "remote" in marks_of(column) and not of_target(unmarked(column))
            return adapted(column, secondary_alias if between else target_selectable)

        return primaryjoin, only_marks(replace_columns(self.secondaryjoin, second, tables), _NO_MARKS), secondary

    def _aliases(self, parent: Any, target: Any, secondary: Any) -> dict[Any, Any]:
        """Return table → alias, for subqueries that correlate to the table; which end is meant must be plain."""
        pairs = [(self.parent.persist_selectable, parent), (self.target, target), (self.secondary, secondary)]
        if self.parent.persist_selectable is self.target:
            pairs = pairs[2:]
        return {table: alias for table, alias in pairs if table is not None and alias is not None}

    def lazy_clause(self, target_selectable: Any = None, secondary_alias: Any = None) -> LazyClause:
        """Return the criterion that selects the objects at the other end, with parameters for this end."""
        binds: dict[Any, BindParameter[Any]] = {}

        def local(column: Any) -> Any:
            if "local" not in marks_of(column):
                return None
            plain = unmarked(column)
            if plain not in binds:
                binds[plain] = bindparam(None, None, type_=plain.type, unique=True)
            return binds[plain]

        with_binds = replace_columns(self.primaryjoin, local)
        far = secondary_alias if self.secondary is not None else target_selectable
        criterion = replace_columns(
            with_binds, lambda column: adapted(column, far if "remote" in marks_of(column) else None)
        )
        criterion = only_marks(criterion, _NO_MARKS)
        if self.secondaryjoin is not None:
            criterion = and_(criterion, self.join_conditions(None, target_selectable, secondary_alias)[1])
        return LazyClause(criterion, [(bind, column) for column, bind in binds.items()])

    @cached_property
    def is_simple(self) -> bool:
        """Whether it joins by nothing but equal columns, with no association table between."""
        return self.secondary is None and self.join.is_simple

    @cached_property
    def sync_keys(self) -> list[tuple[str, str]]:
        """``synchronize_pairs`` as attribute names: of the referred-to object, and of the one with the foreign key.

        Empty where an association table is between, or a column has no attribute.
        """
        if self.direction is MANYTOMANY:
            return []
        source, destination = (self.parent, self.mapper) if self.direction is ONETOMANY else (self.mapper, self.parent)
        pairs = [(attribute_of(source, a), attribute_of(destination, b)) for a, b in self.synchronize_pairs]
        complete = [(a, b) for a, b in pairs if a is not None and b is not None]
        return complete if len(complete) == len(pairs) else []

    @cached_property
    def key_pairs(self) -> list[tuple[str, str]]:
        """The same as ``sync_keys``, where these are the whole of the join condition; otherwise empty."""
        return self.sync_keys if self.is_simple and len(self.sync_keys) == len(self.local_remote_pairs) else []

    @cached_property
    def get_keys(self) -> list[str]:
        """This end's attributes that hold the target's primary key, in its order; empty where ``use_get`` is not."""
        if self.uselist or not self.is_simple or self.entity is not self.mapper:
            return []
        local_of = {remote: local for local, remote in self.local_remote_pairs}
        if len(local_of) != len(self.local_remote_pairs) or set(local_of) != set(self.mapper.primary_key):
            return []
        keys = [self.parent.key_of.get(local_of[column]) for column in self.mapper.primary_key]
        return [key for key in keys if key is not None] if None not in keys else []

    @property
    def use_get(self) -> bool:
        """Whether this end holds the target's primary key, so that the identity map can answer."""
        return bool(self.get_keys)


def adapted(column: Any, selectable: Any) -> Any:
    """Return the column of ``selectable`` that stands for ``column``, or the column itself."""
    plain = unmarked(column)
    if selectable is None:
        return None
    found = selectable.corresponding_column(plain)
    return plain if found is None else found
