"""Loader options that cannot be what was meant: of a class that is not loaded, or against one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..exc import ArgumentError, InvalidRequestError
from .options import WILDCARD, Wish
from .wishes import COLUMN_KINDS, concerns


def check_roots(options: Iterable[Any], entities: Sequence[Any]) -> None:
    """Refuse options that start at a class which the statement does not load.

    :raises ArgumentError: there is one.
    """
    for option in options:
        root = getattr(option, "root", None)
        if root is None or any(concerns(entity, root) for entity in entities):
            continue
        if all(wish.names == (WILDCARD,) and not wish.path for wish in option.wishes):
            continue  # all of its attributes, wherever they are: perhaps nowhere
        shown = ", ".join(str(getattr(e, "name", None) or e.class_.__name__) for e in entities) or "no mapped class"
        raise ArgumentError(
            f"The option {option!r} starts at {root.class_.__name__}, which this statement does not load: "
            f"it loads {shown}."
        )


def check_conflicts(wishes: Iterable[Wish]) -> None:
    """Refuse two options that say different things of one attribute.

    A wildcard may be followed by what is said of one attribute, or by another wildcard.

    :raises InvalidRequestError: there are two such options.
    """
    said: dict[Any, tuple[Any, str]] = {}
    for wish in wishes:
        for place, meaning, shown in _sayings(wish):
            before = said.setdefault(place, (meaning, shown))
            if before[0] != meaning and not _says_less(meaning, before[0]):
                raise InvalidRequestError(
                    f"The options {before[1]} and {shown} contradict each other: a statement loads an attribute in "
                    f"one way. Leave one of them out."
                )


def _sayings(wish: Wish) -> Iterator[tuple[Any, Any, str]]:
    """Yield (place, meaning, option as text) for each attribute of which a wish says something."""
    way = tuple((step.entity, step.prop, step.of_type) for step in wish.path)
    if wish.kind in COLUMN_KINDS:
        meaning = ("load" if wish.kind in ("undefer", "load_only") else wish.kind, wish.kind == "defer" and wish.detail)
        for name in wish.names if wish.kind != "undefer_group" else ():
            if name != WILDCARD:
                yield (way, wish.entity, name), meaning, f"{wish.kind}({_class_name(wish.entity)}{name})"
    elif wish.path and wish.kind and not wish.names:
        yield way, (wish.kind, wish.detail), f"{_OPTIONS.get(wish.kind, wish.kind + 'load')}({wish.path[-1].prop})"


def _says_less(one: Any, other: Any) -> bool:
    """Whether of two ``contains_eager`` one leaves to the other which alias was joined."""
    return one[0] == other[0] == "contains" and None in (one[1], other[1])


def _class_name(entity: Any) -> str:
    return "" if entity is None else f"{entity.class_.__name__}."


_OPTIONS = {
    "select": "lazyload",
    "raise": "raiseload",
    "raise_on_sql": "raiseload",
    "noload": "noload",
    "contains": "contains_eager",
}
