"""What an object knows of parents that it has lost, where the change that took it away is dropped."""

from __future__ import annotations

from collections.abc import Iterable

from ..state.instance import InstanceState, state_of


def take_back_losses(state: InstanceState, keys: Iterable[str]) -> None:
    """Forget that objects have lost this parent: the change that is dropped was the reason."""
    relations = state.mapper.class_manager.relations
    for key in keys:
        if key in state.mapper.relationship_props and key in (state.committed or ()):
            relation = relations[key]
            if relation.tracks_parent:
                for other in relation.history(state).deleted:
                    forget_loss(state_of(other), relation.parent_token)


def forget_loss(state: InstanceState | None, token: str | None = None) -> None:
    """Let it be open again whether an object has a parent, where it was known to have none.

    :param token: the relationship that is meant; all without it.
    """
    extra = None if state is None else state.extra
    if extra:
        for name in [token] if token else list(extra):
            if name.startswith("parent:") and extra.get(name, state) is None:
                del extra[name]
