"""The members of a row that are bundles: which of its columns they take, and what they make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple

from ..kernel.bundles import bundle_of, unbundled
from ..kernel.names import flattened


class Group(NamedTuple):
    """Some members of a SELECT list, columns all, that become one.

    :ivar make: is given their values as a tuple.
    """

    name: str
    start: int
    stop: int
    make: Callable[[Any], Any]


def groups_in(given: Iterable[Any], statement: Any) -> list[Group]:
    """Return what is to be put together of the members that :func:`flattened` gives.

    :param given: the SELECT list, or RETURNING clause, as it was given.
    """
    found: list[Group] = []
    position = 0
    for member in given:
        width = len(flattened([member]))
        bundle = bundle_of(member)
        if bundle is not None:
            found.append(Group(bundle.name, position, position + width, _maker(member, statement)))
        position += width
    return found


def whole_members(slots: Iterable[Any], groups: Iterable[Group]) -> list[Any]:
    """Return one slot for each member of a row, where a bundle counts as a plain column."""
    found = list(slots)
    for group in reversed(list(groups)):
        found[group.start : group.stop] = [None]
    return found


def _maker(clause: Any, statement: Any) -> Callable[[Any], Any]:
    """Return what makes a bundle's value of the values of all its columns, those of bundles in it included."""
    procs: list[Callable[[Any], Any]] = []
    position = 0
    for part in clause.clauses:
        inner = bundle_of(part)
        if inner is None:
            procs.append(itemgetter(position))
            position += 1
        else:
            width = len(list(unbundled(part)))
            procs.append(_within(_maker(part, statement), slice(position, position + width)))
            position += width
    bundle = bundle_of(clause)
    return bundle.create_row_processor(statement, procs, bundle.labels)  # type: ignore[no-any-return]


def _within(make: Callable[[Any], Any], span: slice) -> Callable[[Any], Any]:
    return lambda values: make(values[span])
