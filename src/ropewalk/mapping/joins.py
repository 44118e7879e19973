"""How two tables are joined for a relationship: the condition, its two sides, its direction.

A :class:`JoinCondition` marks each place in the condition where a column stands as *foreign* (it holds a copied
value), *remote* (it is of the row at the other end) or *local*. All else follows from the marks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, FromClause
from sqlalchemy import exc as core_exc
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnClause, Grouping
from sqlalchemy.sql.util import join_condition, selectables_overlap, visit_binary_product

from ..kernel.core import marked, marks_of, unmarked
from ..kernel.symbols import MANYTOMANY, MANYTOONE, ONETOMANY, RelationshipDirection
from . import join_errors as complain
from .marks import columns_in, comparisons_in, has_mark, mark_comparisons, only_marks, replace_columns

if TYPE_CHECKING:
    from .relationships import RelationshipProperty

Pairs = list[tuple[Any, Any]]


class JoinCondition:
    """The join of one relationship.

    :param prop: the relationship; its parent and target are known.
    :param primaryjoin, secondaryjoin: the conditions as the program gave them, or None.
    :param foreign_keys, remote_side: columns that the program names, or none.
    :ivar remote_is_given: whether the program put ``remote()`` into the condition itself.
    :raises ArgumentError: the condition cannot be found or understood.
    """

    direction: RelationshipDirection
    primaryjoin: Any
    secondaryjoin: Any

    def __init__(
        self,
        prop: RelationshipProperty,
        primaryjoin: Any,
        secondaryjoin: Any,
        foreign_keys: Iterable[Any],
        remote_side: Iterable[Any],
    ) -> None:
        self.prop = prop
        self.parent_table: FromClause = prop.parent.persist_selectable
        self.child_table: FromClause = prop.target
        self.secondary: FromClause | None = prop.secondary
        self.given_foreign_keys = set(foreign_keys)
        self.given_remote_side = set(remote_side)
        if secondaryjoin is not None and self.secondary is None:
            raise complain.secondaryjoin_without_secondary(self)
        self.primaryjoin = self._found(primaryjoin, self.parent_table, prop.parent.local_table, "primaryjoin")
        self.secondaryjoin = None
        if self.secondary is not None:
            self.secondaryjoin = self._found(secondaryjoin, self.child_table, prop.mapper.local_table, "secondaryjoin")
        self.remote_is_given = has_mark(self.primaryjoin, "remote")
        self._mark_foreign()
        self._mark_remote()
        self._mark_local()
        self._find_pairs()
        self._check_foreign(self.primaryjoin, self.synchronize_pairs, "primaryjoin")
        if self.secondaryjoin is not None:
            self._check_foreign(self.secondaryjoin, self.secondary_synchronize_pairs, "secondaryjoin")
        self.direction = self._find_direction()
        if not self.local_remote_pairs:
            raise complain.no_remote_side(self)
        self._check_remote_side()

    # -- the condition ----------------------------------------------------------------

    def _found(self, given: Any, table: FromClause, local_table: FromClause, name: str) -> Any:
        """Return the condition given, over plain columns, or the one that the foreign keys tell."""
        if given is not None:
            return only_marks(given, frozenset({"foreign", "remote"}))
        other = self.child_table if self.secondary is None else self.secondary
        try:
            return join_condition(
                table,
                other,
                a_subset=local_table,
                consider_as_foreign_keys=self.given_foreign_keys or None,
            )
        except core_exc.AmbiguousForeignKeysError:
            raise complain.several_ways(self, table, other, name) from None
        except core_exc.NoForeignKeysError:
            raise complain.no_way(self, table, other, name) from None

    # -- marks ------------------------------------------------------------------------

    def _mark_foreign(self) -> None:
        if self.given_foreign_keys:
            self._mark_each("foreign", lambda column: column in self.given_foreign_keys)
        elif not has_mark(self.primaryjoin, "foreign"):
            self.primaryjoin = mark_comparisons(self.primaryjoin, self._mark_foreign_side)
            if self.secondaryjoin is not None:
                self.secondaryjoin = mark_comparisons(self.secondaryjoin, self._mark_foreign_side)

    def _mark_foreign_side(self, comparison: Any) -> None:
        left, right = comparison.left, comparison.right
        if not isinstance(left, ColumnElement) or not isinstance(right, ColumnElement):
            return
        if "foreign" in marks_of(left) or "foreign" in marks_of(right):
            return
        if self._holds_copy(left, right):
            comparison.left = marked(left, foreign=True)
        elif self._holds_copy(right, left):
            comparison.right = marked(right, foreign=True)

    def _holds_copy(self, one: Any, other: Any) -> bool:
        """Whether ``one`` refers to ``other``, by a foreign key or by being in the association table."""
        if isinstance(one, Column) and isinstance(other, Column):
            if one.references(other):
                return True
            if other.references(one):
                return False
        if self.secondary is None or not isinstance(one, ColumnClause):
            return False
        inside = self.secondary.c.contains_column
        return inside(one) and not (isinstance(other, ColumnClause) and inside(other))

    def _mark_remote(self) -> None:
        if self.remote_is_given:
            return
        if self.given_remote_side:
            if self._compares_one_table():
                self._mark_remote_sides(lambda column: column in self.given_remote_side)
            else:
                self._mark_each("remote", lambda column: column in self.given_remote_side)
        elif self.secondary is not None:
            self._mark_each("remote", self.secondary.c.contains_column)
        elif self._compares_one_table():
            self._mark_remote_sides(lambda column: "foreign" in marks_of(column))
        elif selectables_overlap(self.parent_table, self.child_table):
            self.primaryjoin = mark_comparisons(self.primaryjoin, self._mark_child_side)
        else:
            own = self.prop.parent.local_table.c.contains_column
            childs_own = self.prop.mapper.local_table.c.contains_column
            child = self.child_table.c.contains_column
            self._mark_each("remote", lambda column: child(column) and (not own(column) or childs_own(column)))

    def _compares_one_table(self) -> bool:
        """Whether some comparison is between two columns that are both in the parent's and the child's table."""
        tables = (self.parent_table, self.child_table)
        return any(
            all(
                isinstance(side, ColumnClause)
                and side.table is not None
                and all(table.is_derived_from(side.table) for table in tables)
                for side in (comparison.left, comparison.right)
            )
            for comparison in comparisons_in(self.primaryjoin)
        )

    def _mark_remote_sides(self, is_remote: Any) -> None:
        """Mark the sides of comparisons between two columns of a table that refers to itself."""

        def visit(comparison: Any) -> None:
            left, right = comparison.left, comparison.right
            if isinstance(left, ColumnClause) and isinstance(right, ColumnClause):
                if is_remote(left):
                    comparison.left = marked(left, remote=True)
                # of `node.account = node.account` one side is here and the other there
                if is_remote(right) and unmarked(left) is not unmarked(right):
                    comparison.right = marked(right, remote=True)
            elif not self.given_remote_side and not self.prop.viewonly:
                complain.warn_of_expression(self)

        self.primaryjoin = mark_comparisons(self.primaryjoin, visit)

    def _mark_child_side(self, comparison: Any) -> None:
        """Mark the child's side where the two tables have some columns in common."""
        left, right = comparison.left, comparison.right
        if not isinstance(left, ColumnClause) or not isinstance(right, ColumnClause):
            complain.warn_of_expression(self)
            return
        parent, child = self.parent_table.c.contains_column, self.child_table.c.contains_column
        if child(right) and parent(left):
            comparison.right = marked(right, remote=True)
        elif child(left) and parent(right):
            comparison.left = marked(left, remote=True)

    def _mark_local(self) -> None:
        parent = self.parent_table.c.contains_column
        self.primaryjoin = replace_columns(
            self.primaryjoin,
            lambda column: (
                marked(column, local=True) if "remote" not in marks_of(column) and parent(unmarked(column)) else None
            ),
        )

    def _mark_each(self, mark: str, wanted: Any) -> None:
        def replace(column: Any) -> Any:
            return marked(column, **{mark: True}) if wanted(column) else None

        self.primaryjoin = replace_columns(self.primaryjoin, replace)
        if self.secondaryjoin is not None:
            self.secondaryjoin = replace_columns(self.secondaryjoin, replace)

    # -- what follows from the marks ----------------------------------------------------

    def _find_pairs(self) -> None:
        self.synchronize_pairs: Pairs = []
        self.secondary_synchronize_pairs: Pairs = []
        ends: dict[tuple[Any, Any], None] = {}
        for condition, copies in (
            (self.primaryjoin, self.synchronize_pairs),
            (self.secondaryjoin, self.secondary_synchronize_pairs),
        ):
            if condition is not None:
                visit_binary_product(self._pair_reader(ends, copies), condition)
        self.local_remote_pairs: Pairs = list(ends)
        self.local_columns = {unmarked(column) for column in columns_in(self.primaryjoin, "local")}
        self.remote_columns = self._columns_with("remote")
        self.foreign_key_columns = self._columns_with("foreign")

    def _pair_reader(self, ends: dict[tuple[Any, Any], None], copies: Pairs) -> Any:
        def read(comparison: BinaryExpression[Any], left: Any, right: Any) -> None:
            of_left, of_right = marks_of(left), marks_of(right)
            if "remote" in of_right and "remote" not in of_left and self._is_mapped(left):
                ends[unmarked(left), unmarked(right)] = None
            elif "remote" in of_left and "remote" not in of_right and self._is_mapped(right):
                ends[unmarked(right), unmarked(left)] = None
            if comparison.operator is operators.eq and self._is_mapped(left) and self._is_mapped(right):
                if "foreign" in of_right:
                    copies.append((unmarked(left), unmarked(right)))
                elif "foreign" in of_left:
                    copies.append((unmarked(right), unmarked(left)))

        return read

    def _is_mapped(self, column: Any) -> bool:
        tables = [self.parent_table, self.child_table]
        if self.secondary is not None:
            tables.append(self.secondary)
        return any(table.c.contains_column(unmarked(column)) for table in tables)

    def _columns_with(self, mark: str) -> set[Any]:
        return {
            unmarked(column)
            for condition in (self.primaryjoin, self.secondaryjoin)
            for column in columns_in(condition, mark)
        }

    def _check_foreign(self, condition: Any, copies: Pairs, name: str) -> None:
        has_foreign = has_mark(condition, "foreign")
        if not has_foreign:
            raise complain.no_foreign_columns(self, condition, name)
        if not copies and not self.prop.viewonly:
            raise complain.nothing_to_copy(self, condition, name)

    def _find_direction(self) -> RelationshipDirection:
        if self.secondary is not None:
            return MANYTOMANY
        of_parent = self.parent_table.c.contains_column
        of_child = self.child_table.c.contains_column
        in_child = {column for column in self.foreign_key_columns if of_child(column)}
        in_parent = {column for column in self.foreign_key_columns if of_parent(column)}
        if in_child and in_parent:
            # one table on both sides: what counts is at which end the foreign column stands
            in_child = {unmarked(column) for column in columns_in(self.primaryjoin, "foreign", "remote")}
            in_parent = {
                unmarked(column)
                for column in columns_in(self.primaryjoin, "foreign")
                if "remote" not in marks_of(column)
            }
            if in_child and in_parent:
                # node.account_id = node.account_id tells nothing
                equated = self.remote_columns & self.local_columns
                in_child -= equated
                in_parent -= equated
            if bool(in_child) == bool(in_parent):
                raise complain.no_direction(self, both=True)
        if in_child:
            return ONETOMANY
        if in_parent:
            return MANYTOONE
        raise complain.no_direction(self, both=False)

    def _check_remote_side(self) -> None:
        for _, column in self.local_remote_pairs:
            if self.parent_table.c.contains_column(column) and not self.child_table.c.contains_column(column):
                complain.warn_of_local_remote(self, column)

    @property
    def is_simple(self) -> bool:
        """Whether the condition is nothing but columns equal to columns, one local, one remote, each."""
        return _equalities(self.primaryjoin) == len(self.local_remote_pairs)


def _equalities(condition: Any) -> int:
    """Return how many plain equalities of columns ``condition`` is made of; -1 where there is anything else."""
    while isinstance(condition, Grouping):
        condition = condition.element
    if isinstance(condition, BooleanClauseList):
        counts = [_equalities(clause) for clause in condition.clauses]
        return sum(counts) if condition.operator is operators.and_ and -1 not in counts else -1
    if (
        isinstance(condition, BinaryExpression)
        and condition.operator is operators.eq
        and isinstance(condition.left, ColumnClause)
        and isinstance(condition.right, ColumnClause)
        and {"remote", "local"} <= {*marks_of(condition.left), *marks_of(condition.right)}
    ):
        return 1
    return -1
