"""References that would cross from one shard to another are refused: over there nobody finds the row.

The foreign key would be written all the same, and be that of some other object, which has the same key on this shard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..exc import InvalidRequestError
from ..state.instance import state_of

if TYPE_CHECKING:
    from ..state.instance import InstanceState


def refuse_crossing(session: Any, pairs: Iterable[tuple[InstanceState, Any]]) -> None:
    """Refuse objects to be written whose relationships have got an object of another shard.

    :param session: a sharded session, in which relationships are looked for on the shard of their object.
    """
    for state, instance in pairs:
        for key, prop in state.mapper.relationship_props.items():
            if prop.viewonly or (state.pk is not None and key not in (state.committed or ())):
                continue
            for other in state.history(key).added or ():
                related = None if other is None else state_of(other)
                if related is None or related.owner is not session.identity_map:
                    continue
                here, there = session.shard_of(state, instance), session.shard_of(related, other)
                if here != there:
                    raise InvalidRequestError(
                        f"{state.describe()} is of shard {here!r}, and {state.mapper.class_.__name__}.{key} has got "
                        f"{related.describe()} of shard {there!r}: the key of one means another row, or none, to the "
                        f"other. Have both on one shard; or use ShardedSession(lazy_loads_stay=False), whose "
                        f"execute_chooser says where related rows are."
                    )
