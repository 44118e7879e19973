"""What a loader tells of the objects that it makes, or gives values to, where somebody listens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """Return the lines of a loader that tell of a new object; none where nobody listens.

    An object to which others are joined is told of when it has them, or a listener who looks at them would have
    them loaded once more.
    """
    lines = []
    joined = source.joined
    if manager.dispatch.load:
        source.globals.update({f"load{n}": manager.dispatch.load, "LoadContext": LoadContext})
        arguments = f"(e{n}, LoadContext(owner.session))"
        lines.append(f"later.append((load{n}, {arguments}))" if joined else f"load{n}{arguments}")
    if anybody.loads:
        source.globals["listeners_to_loads"] = listeners_to_loads
        if "told = listeners_to_loads(owner.session)" not in source.setup:
            source.setup.append("told = listeners_to_loads(owner.session)")
        arguments = f"(owner.session, e{n})"
        lines.append("if told is not None: " + (f"later.append((told, {arguments}))" if joined else f"told{arguments}"))
    if joined and (lines or manager.dispatch.refresh) and "later = []" not in source.setup:
        source.setup.append("later = []")
    return lines


def listeners_to_loads(session: Any) -> Any:
    """Return those who want to know of each object that a session loads, or None."""
    heard = getattr(session, "_heard", None)
    return session.dispatch.loaded_as_persistent if heard is not None and "loaded_as_persistent" in heard else None


def refill(
    state: InstanceState,
    instance: Any,
    keys: Sequence[str],
    values: Sequence[Any],
    overwrite: bool,
    owner: Any,
    names: set[str] | None = None,
    later: list[Any] | None = None,
) -> None:
    """Give a known object the values of a row, and tell of it if it got any.

    :param overwrite: all values are put in, and of these the ``names`` are told, else all.
    :param later: takes what is to be told when all rows were read.
    """
    from .rows import fill

    if not overwrite:
        held = instance.__dict__
        committed = state.committed or ()
        names = {key for key in keys if key not in held and key not in committed}
        if not names:
            return
    fill(state, instance, keys, values, overwrite)
    tell = state.mapper.class_manager.dispatch.refresh
    about = (instance, LoadContext(None if owner is None else owner.session), names)
    if later is None:
        tell(*about)
    else:
        later.append((tell, about))


def refreshed(state: InstanceState, instance: Any, keys: Iterable[str]) -> None:
    """Tell that attributes of an object have new values."""
    session = None if state.owner is None else state.owner.session
    state.mapper.class_manager.dispatch.refresh(instance, LoadContext(session), set(keys))
