"""Finding the rope of the present scope."""

from __future__ import annotations

import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from .owners import current_greenlet, current_task

if TYPE_CHECKING:
    from .jenny import SessionJenny
    from .rope import TiedRope

_ident = threading.get_ident


def find(jenny: SessionJenny[Any], frame: FrameType) -> TiedRope | None:
    """Return the rope of the innermost scope around ``frame``, or None.

    A scope is around it if its function is on the stack, in the same task; or if it was opened by ``tied()`` in this
    thread, task and greenlet, and is not closed yet.
    """
    token = None if jenny._scopefunc is None else jenny._scopefunc()
    explicit = jenny._scope.get()
    while explicit is not None:
        if explicit.is_open and explicit.token == token and (explicit.shared or explicit.is_here()):
            break
        explicit = explicit.outer
    if not jenny._frames and not jenny._modules:
        return explicit
    found = _on_stack(jenny, frame, token)
    if jenny._by_owner:
        _look_for_ended(jenny, frame, found)
    if found is None or (explicit is not None and explicit.serial > found.serial):
        return explicit
    return found


def _on_stack(jenny: SessionJenny[Any], first: FrameType, token: Any) -> TiedRope | None:
    frames, modules = jenny._frames, jenny._modules
    task = current_task()
    frame: FrameType | None = first
    while frame is not None:
        rope = frames.get(id(frame))
        if rope is None and modules and frame.f_code.co_name == "<module>":
            rope = modules.get(id(frame.f_globals))
        while rope is not None:
            if rope.is_open and rope.token == token and _fits(rope, frame, task):
                if rope.follows:
                    rope.thread = _ident()
                elif frame is first and rope.kind != "module":
                    jenny._remember(rope)
                return rope
            rope = rope.next
        frame = frame.f_back
    return None


def _fits(rope: TiedRope, frame: FrameType, task: Any) -> bool:
    """Whether a rope found by the id of a frame is that frame's, and not one of a scope around the event loop."""
    if rope.verify is not None and not rope.verify(frame):
        return False
    if rope.any_task:
        return True  # whoever runs it now is inside
    return (None if rope.task is None else rope.task()) is task  # as is_in_task() says, but asked once


def _look_for_ended(jenny: SessionJenny[Any], frame: FrameType | None, found: TiedRope | None) -> None:
    """Close what was tied here to frames that are over, since the interpreter does not tell of them."""
    by_owner = jenny._by_owner
    owned = [*by_owner.get(thread_key(), ()), *by_owner.get(owner_key(), ())]
    candidates = [rope for rope in owned if rope is not found]
    if not candidates:
        return
    on_stack = set()
    while frame is not None:
        on_stack.add(id(frame))
        frame = frame.f_back
    for rope in candidates:
        if rope.generator is not None:
            if not rope.generator.has_ended():
                continue  # it waits for its next step
        elif rope.stays or rope.frame_key in on_stack:
            continue
        rope.scope_over()


def thread_key() -> tuple[int, int, int]:
    """Return a key for the present thread, whatever task or greenlet runs."""
    return _ident(), -1, -1


def owner_key() -> tuple[int, int, int]:
    """Return a key for the present thread, task and greenlet."""
    return _ident(), id(current_task()), id(current_greenlet())
