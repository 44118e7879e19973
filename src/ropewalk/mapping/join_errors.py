"""What is said of a relationship whose tables cannot be joined as it stands."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import AmbiguousForeignKeysError, NoForeignKeysError

from ..exc import ArgumentError, SAWarning

if TYPE_CHECKING:
    from .joins import JoinCondition


def no_way(join: JoinCondition, one: Any, other: Any, name: str) -> NoForeignKeysError:
    if join.given_foreign_keys:
        reason = "the columns in foreign_keys refer from neither table to the other"
    else:
        reason = "no foreign key links them"
    return NoForeignKeysError(
        f"{_who(join)}: the tables {_name(one)} and {_name(other)} cannot be joined, {reason}. Give one of them a "
        f"ForeignKey to the other, or say how to join them with {name}=..., with foreign() around the columns that "
        "hold the copied values."
    )


def several_ways(join: JoinCondition, one: Any, other: Any, name: str) -> AmbiguousForeignKeysError:
    links = sorted(
        f"{key.parent} -> {key.column}"
        for a, b in ((one, other), (other, one))
        for key in a.foreign_keys
        if b.c.contains_column(key.column)
    )
    remedy = f"Name the columns that hold the copied values with foreign_keys=[...], or say {name}=..."
    if join.secondary is not None:
        remedy = "Write the conditions out with primaryjoin=... and secondaryjoin=..."
    return AmbiguousForeignKeysError(
        f"{_who(join)}: the tables {_name(one)} and {_name(other)} can be joined in several ways: "
        f"{', '.join(dict.fromkeys(links))}. {remedy}."
    )


def secondaryjoin_without_secondary(join: JoinCondition) -> ArgumentError:
    return ArgumentError(
        f"{_who(join)} has a secondaryjoin but no secondary table; name the association table with secondary=..., "
        "or leave secondaryjoin out."
    )


def no_foreign_columns(join: JoinCondition, condition: Any, name: str) -> ArgumentError:
    return ArgumentError(
        f"{_who(join)}: in its {name} ({condition}) no column is known to be a foreign key between "
        f"{_name(join.parent_table)} and {_name(join.child_table)}. Declare a ForeignKey, name the columns with "
        "foreign_keys=[...], or put foreign() around them in the condition."
    )


def nothing_to_copy(join: JoinCondition, condition: Any, name: str) -> ArgumentError:
    return ArgumentError(
        f"{_who(join)}: its {name} ({condition}) has no plain equality with a mapped foreign key column, so that it "
        "cannot be known what to write there. If it is only to be read, say viewonly=True; otherwise mark the "
        "column that is written with foreign() in a comparison with ==."
    )


def no_direction(join: JoinCondition, *, both: bool) -> ArgumentError:
    if both:
        return ArgumentError(
            f"{_who(join)}: foreign key columns stand on both sides of its condition ({join.primaryjoin}), which "
            "leaves open on which side the many are. Mark only the columns that hold the copied values, with "
            "foreign_keys=[...] or foreign(); in a table that refers to itself, remote_side=[...] says which "
            "column is the other row's."
        )
    columns = ", ".join(sorted(map(str, join.foreign_key_columns)))
    return ArgumentError(
        f"{_who(join)}: its foreign key columns ({columns}) are neither in {_name(join.parent_table)} nor in "
        f"{_name(join.child_table)}. Name columns of one of these two; if a third table lies between, give it as "
        "secondary=...."
    )


def no_remote_side(join: JoinCondition) -> ArgumentError:
    return ArgumentError(
        f"{_who(join)}: its condition ({join.primaryjoin}) does not tell which columns belong to the row at the other "
        "end. Put remote() around these in primaryjoin=..., or name them with remote_side=[...]."
    )


def warn_of_expression(join: JoinCondition) -> None:
    warnings.warn(
        f"{_who(join)}: its primaryjoin compares more than plain columns; put remote() around the columns of the row "
        "at the other end.",
        SAWarning,
        stacklevel=2,
    )


def warn_of_local_remote(join: JoinCondition, column: Any) -> None:
    warnings.warn(
        f"{_who(join)}: {column} is said to be remote, but it is a column of {_name(join.parent_table)}, which is "
        f"{join.prop.parent.class_.__name__}'s own. remote_side and remote() are needed where a table refers to "
        "itself, and name the columns of the other row.",
        SAWarning,
        stacklevel=2,
    )


def _who(join: JoinCondition) -> str:
    return f"relationship {join.prop} ({join.prop.parent.class_.__name__} to {join.prop.mapper.class_.__name__})"


def _name(selectable: Any) -> str:
    return repr(str(getattr(selectable, "fullname", None) or selectable.description))
