"""What a loader tells of the objects that it makes, or gives values to, where somebody listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..kernel.listening import anybody
from ..state.instance import InstanceState


class LoadContext:
    """What listeners to ``load`` and ``refresh`` are given as the ``context``.

    :ivar session: the session that loads.
    :ivar bind_arguments: with the ``shard_id``, in a session over several shards.
    """

    __slots__ = ("bind_arguments", "session")

    def __init__(self, session: Any) -> None:
        shard_id = getattr(session, "shard_id", None)
        self.session = session if shard_id is None else session.session  # what loads is one shard of it
        self.bind_arguments = {} if shard_id is None else {"shard_id": shard_id}


def tell_loaded(source: Any, n: int, manager: Any) -> list[str]:
    """Return the lines of a loader that tell of a new object; none where nobody listens."""
    lines = []
    if manager.dispatch.load:
        source.globals.update({f"load{n}": manager.dispatch.load, "LoadContext": LoadContext})
        lines.append(f"load{n}(e{n}, LoadContext(owner.session))")
    if anybody.loads:
        source.globals["listeners_to_loads"] = listeners_to_loads
        if "told = listeners_to_loads(owner.session)" not in source.setup:
            source.setup.append("told = listeners_to_loads(owner.session)")
        lines.append(f"if told is not None: told(owner.session, e{n})")
    return lines


def listeners_to_loads(session: Any) -> Any:
    """Return those who want to know of each object that a session loads, or None."""
    heard = getattr(session, "_heard", None)
    return session.dispatch.loaded_as_persistent if heard is not None and "loaded_as_persistent" in heard else None


def refill(
    state: InstanceState, instance: Any, keys: Sequence[str], values: Sequence[Any], overwrite: bool, owner: Any
) -> None:
    """Give a known object the values of a row, and tell of it if it got any."""
    from .rows import fill

    held = instance.__dict__
    committed = state.committed or ()
    lacking = {key for key in keys if key not in held and key not in committed}
    if not (lacking or overwrite):
        return
    fill(state, instance, keys, values, overwrite)
    state.mapper.class_manager.dispatch.refresh(instance, LoadContext(owner.session), None if overwrite else lacking)


def refreshed(state: InstanceState, instance: Any, keys: Sequence[str]) -> None:
    """Tell that attributes of an object that is there were loaded."""
    session = None if state.owner is None else state.owner.session
    state.mapper.class_manager.dispatch.refresh(instance, LoadContext(session), set(keys))
