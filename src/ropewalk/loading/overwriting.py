"""``populate_existing``: a known object is taken as the database has it, its relationships too."""

from __future__ import annotations

from typing import Any

from ..instrumentation.losses import take_back_losses
from ..instrumentation.pending import forget_pending
from ..mapping.relationships import QUERIED
from ..state.instance import InstanceState


def overwriting_lines(source: Any, n: int, mapper: Any) -> tuple[list[str], list[str]]:
    """Return the lines of a loader for an object that is new, and for one that is known.

    What the load itself puts into a relationship comes after the first row of an object, and stays when it has more.
    """
    if not mapper.relationship_props:
        return [], []
    source.globals["drop_relations"] = drop_relations
    source.setup.append(f"fresh{n} = set()")
    return [f"fresh{n}.add(s{n})"], [f"if s{n} not in fresh{n}: fresh{n}.add(s{n}); drop_relations(s{n}, e{n})"]


def drop_relations(state: InstanceState, instance: Any) -> None:
    """Forget what an object holds in its relationships, and what changed there since the last flush."""
    held, committed = instance.__dict__, state.committed
    keys = [key for key, prop in state.mapper.relationship_props.items() if prop.lazy not in QUERIED]
    if committed is not None:
        take_back_losses(state, keys)
    for key in keys:
        held.pop(key, None)
        if committed is not None:
            committed.pop(key, None)
        forget_pending(state, key)
