"""What a flush learns while its statements run, and what it must give back if one fails.

Keys and defaults go into the objects as soon as they are known: a later batch may need
them as foreign keys. Everything else waits until all statements have gone through (see
takeover.py). When one fails, the objects get back what they held before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .plan import Values

if TYPE_CHECKING:
    from ..state.instance import InstanceState

ABSENT: Any = object()


class Journal:
    """The notes of one flush.

    :ivar statements: how many were sent.
    :ivar updated: the states that an UPDATE was sent for → nothing.
    :ivar rekeyed: those whose primary key it changed.
    :ivar told: those whose listeners know → for how many tables.
    :ivar sources: the attributes whose values rows still to come may need as foreign keys.
    """

    def __init__(self) -> None:
        self.statements = 0
        self.updated: dict[InstanceState, None] = {}
        self.rekeyed: list[InstanceState] = []
        self.told: dict[InstanceState, int] = {}
        self.sources: frozenset[str] = frozenset()
        self._filled: list[tuple[str, Sequence[Values], Sequence[Any] | None]] = []
        self._fetched: list[tuple[str, Sequence[Values], Sequence[Any]]] = []
        self._outdated: list[tuple[Sequence[InstanceState], Sequence[Values], Sequence[str]]] = []

    def fill(self, key: str, objects: Sequence[Values], found: Iterable[Any], replaces: bool = False) -> None:
        """Give each object its value at once.

        :param replaces: the objects hold something under ``key`` that a failure must bring back;
            else they hold nothing, or None.
        """
        held = [values.get(key, ABSENT) for values in objects] if replaces else None
        self._filled.append((key, objects, held))
        for values, value in zip(objects, found, strict=False):
            values[key] = value

    def fetched(self, key: str, objects: Sequence[Values], found: Sequence[Any]) -> None:
        """Note values that the database made, to be taken over at the end."""
        self._fetched.append((key, objects, found))

    def outdated(self, states: Sequence[InstanceState], objects: Sequence[Values], keys: Sequence[str]) -> None:
        """Note attributes whose values the database has changed; they are loaded when next read."""
        if keys:
            self._outdated.append((states, objects, keys))

    def mark(self) -> tuple[int, int]:
        """Return the place of the next note."""
        return len(self._filled), len(self._fetched)

    def taken_since(self, mark: tuple[int, int], pk_keys: Sequence[str]) -> dict[int, list[str]]:
        """Give the objects now what the database has made since ``mark``, for listeners to see.

        :return: what they have got in all, save for keys: the identity of their values → attributes.
        """
        filled, fetched = mark
        late, self._fetched[fetched:] = self._fetched[fetched:], []
        for key, objects, found in late:
            self.fill(key, objects, found, replaces=True)
        given: dict[int, list[str]] = {}
        for key, objects, _ in self._filled[filled:]:
            if key not in pk_keys:
                for values in objects:
                    given.setdefault(id(values), []).append(key)
        return given

    @property
    def left_values(self) -> bool:
        """Whether some values are left to be loaded."""
        return bool(self._outdated)

    def take_over(self) -> None:
        """Bring the values that waited into the objects."""
        for key, objects, found in self._fetched:
            for values, value in zip(objects, found, strict=True):
                values[key] = value
        for states, objects, keys in self._outdated:
            for state, values in zip(states, objects, strict=True):
                state.expired = True
                for key in keys:
                    values.pop(key, None)

    def undo(self) -> None:
        """Take back what was given to the objects."""
        for key, objects, held in reversed(self._filled):
            if held is None:
                for values in objects:
                    values.pop(key, None)
                continue
            for values, value in zip(objects, held, strict=True):
                if value is ABSENT:
                    values.pop(key, None)
                else:
                    values[key] = value
