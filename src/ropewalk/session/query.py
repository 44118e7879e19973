"""The Query object (being written)."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Query(Generic[T]):
    def __init__(self, entities: Any, session: Any = None) -> None:
        self.entities = entities
        self.session = session
