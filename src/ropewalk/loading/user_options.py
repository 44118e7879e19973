"""Options of a program's own making, for its own listeners."""

from __future__ import annotations

from typing import Any

from ..kernel.options import PlainOption
from .options import Wish

CARRIED = "carried"
"""The kind of wish that is for listeners, and nothing to loading itself."""


class UserDefinedOption(PlainOption):
    """The base of options that a program gives to ``statement.options()`` for its ``do_orm_execute`` listeners. ::

        class Shard(UserDefinedOption):
            propagate_to_loaders = True

        @event.listens_for(Session, "do_orm_execute")
        def choose(state):
            for option in state.user_defined_options:
                if isinstance(option, Shard):
                    state.update_execution_options(shard=option.payload)

        session.scalars(select(User).options(Shard("north")))

    :param payload: whatever the listeners need.
    :cvar propagate_to_loaders: whether statements that load relationships of the objects have the option too.
    """

    propagate_to_loaders = False
    _is_user_defined = True

    def __init__(self, payload: Any = None) -> None:
        self.payload = payload

    @property
    def wishes(self) -> tuple[Wish, ...]:
        return (Wish((), CARRIED, None, (), self),) if self.propagate_to_loaders else ()


def carried_by(wishes: Any) -> list[UserDefinedOption]:
    """Return the options that go along to further statements."""
    return [wish.detail for wish in wishes if wish.kind == CARRIED]
