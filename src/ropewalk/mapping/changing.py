"""What is worked out of a mapping and kept has to go when a mapped class gains an attribute.

The floors above keep such things with the mapper, under the names below, or in places of their own, which
they tell of with :func:`forget_with`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

KEPT = ("_by_key", "_by_keys", "_cascades", "_loads_more", "_query_plans", "_select", "_whole_node", "_write_plan")

number = 0
"""How often a mapping has changed: who keeps something beside it can tell whether that is still good."""

_forgetters: list[Callable[[], None]] = []


def forget_with(forget: Callable[[], None]) -> Callable[[], None]:
    """Have a function called when a mapping has changed; for use as a decorator."""
    _forgetters.append(forget)
    return forget


def changed(mappers: Iterable[Any]) -> None:
    """Forget what was worked out of these mappers."""
    global number
    number += 1
    for mapper in mappers:
        for name in KEPT:
            mapper.__dict__.pop(name, None)
    for forget in _forgetters:
        forget()
