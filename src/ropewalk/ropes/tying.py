"""Tying a rope to a frame, and arranging to learn when that frame is over."""

from __future__ import annotations

import functools
import inspect
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..exc import InvalidRequestError
from . import collected, watching
from .closing import enlist
from .collected import SUSPENDED
from .finding import owner_key, thread_key
from .frames import GENERATOR, GeneratorOf, closing_is_told, is_importing, is_module, is_over, keeps_locals, place_of
from .owners import in_greenlet
from .rope import Knot, TiedRope

if TYPE_CHECKING:
    from .jenny import SessionJenny


def tie(jenny: SessionJenny[Any], frame: FrameType, inside: bool = False) -> TiedRope:
    """Tie a new rope to ``frame``, as one of its variables.

    :param inside: whether there is a scope around it already.
    """
    if is_over(frame):
        raise InvalidRequestError(
            f"A rope cannot be tied to the frame of {frame.f_code.co_qualname}(), which has ended: nothing would ever "
            f"close the session."
        )
    enlist()
    collected.listen()
    token = None if jenny._scopefunc is None else jenny._scopefunc()
    rope = TiedRope(jenny, _kind_of(frame), place_of(frame), token)
    rope.name = jenny.create_rope_name()
    rope.frame_key = id(frame)
    rope.stays = rope.kind == "module" and not is_importing(frame)
    rope.follows = rope.kind in ("generator", "async generator")
    rope.any_task = rope.kind == "async generator"
    knot_name = f"__{jenny._prefix}_knot" if token is None else f"__{jenny._prefix}_knot_{rope.serial}"
    if rope.kind == "module":
        place = jenny._modules
        rope.place_key = id(frame.f_globals)
        rope.verify = functools.partial(_is_in_namespace, knot_name, rope.serial)
    else:
        place = jenny._frames
        rope.place_key = rope.frame_key
        if keeps_locals(frame.f_code):
            rope.verify = functools.partial(_is_in_locals, knot_name, rope.serial)
    rope.next = place.get(rope.place_key) if token is not None else None
    place[rope.place_key] = rope
    _arrange_for_the_end(jenny, rope, frame, inside)
    _name(jenny, rope)
    variables = frame.f_locals
    variables[rope.name] = rope
    variables[knot_name] = Knot(rope)  # in place of an older one, whose rope ends by that
    if rope.kind != "module":
        jenny._remember(rope)
    return rope


def _kind_of(frame: FrameType) -> str:
    flags = frame.f_code.co_flags
    if flags & inspect.CO_COROUTINE:
        return "coroutine"
    if flags & inspect.CO_ASYNC_GENERATOR:
        return "async generator"
    if flags & GENERATOR:
        return "generator"
    return "module" if is_module(frame) else "function"


def _name(jenny: SessionJenny[Any], rope: TiedRope) -> None:
    displaced = jenny._ropes.get(rope.name)
    if displaced is not None and displaced.is_open:
        rope.displaced = displaced
    jenny._ropes[rope.name] = rope


def _arrange_for_the_end(jenny: SessionJenny[Any], rope: TiedRope, frame: FrameType, inside: bool) -> None:
    if rope.stays:
        return  # a script or a prompt: the namespace is the scope
    if watching.available():
        rope.watched = rope.frame_over
        watching.watch(frame, rope.watched)
        if rope.kind != "generator" or closing_is_told():
            return
    can_wait = rope.kind in SUSPENDED
    # What cannot be told of a function in a greenlet is whether it only waits, while others run in the thread.
    rope.owner_key = thread_key() if can_wait or not in_greenlet() else owner_key()
    jenny._by_owner.setdefault(rope.owner_key, []).append(rope)
    if can_wait:
        rope.generator = GeneratorOf(frame)
    rope.each_time = can_wait or inside
    if rope.each_time:
        jenny._look_each_time(+1)
    task: Any = None if rope.task is None else rope.task()
    if hasattr(task, "add_done_callback"):
        task.add_done_callback(functools.partial(_task_is_done, weakref.ref(rope)))


def _task_is_done(reference: weakref.ref[TiedRope], task: Any) -> None:
    rope = reference()
    if rope is not None:
        rope.scope_over()


def _is_in_namespace(knot_name: str, serial: int, frame: FrameType) -> bool:
    return _is_knot_of(frame.f_globals.get(knot_name), serial)


def _is_in_locals(knot_name: str, serial: int, frame: FrameType) -> bool:
    return _is_knot_of(frame.f_locals.get(knot_name), serial)


def _is_knot_of(found: Any, serial: int) -> bool:
    return isinstance(found, Knot) and found.rope.serial == serial
