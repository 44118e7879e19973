"""Facts about frames: which one a rope is tied to, and whether it is over.

A rope must not hold its frame: the frame's variables hold the rope, and a frame in such a circle outlives its
function. So frames are known by ``id()`` for as long as something that dies with them is alive.
"""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import types
import weakref
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR

# Before Python 3.12 these have frames of their own; since then they are part of the function around them.
COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})

OURS = __name__.rpartition(".")[0]
INSIDE = (f"{OURS}.", f"{OURS.rpartition('.')[0]}.integrations")

# Who runs a generator only to have something done before and after a block: what it ties is meant for the block.
BLOCK_DRIVERS = frozenset({"contextlib", "_pytest.fixtures", "pytest_asyncio.plugin", "anyio.pytest_plugin"})


def place_of(frame: FrameType) -> tuple[str, int, str]:
    """Return file, line and function of a frame."""
    code = frame.f_code
    return code.co_filename, frame.f_lineno, code.co_qualname


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is part of how ropes work, and no scope of the program's."""
    name = frame.f_globals.get("__name__")
    return isinstance(name, str) and (name.startswith(INSIDE) or name == OURS)


def is_module(frame: FrameType) -> bool:
    """Whether a frame runs the body of a module, or statements at a prompt."""
    return frame.f_code.co_name == "<module>"


def is_function(frame: FrameType) -> bool:
    """Whether a frame is one of a function of whatever kind, and not a class body or a comprehension."""
    code = frame.f_code
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and code.co_name not in COMPREHENSIONS


def home_of(frame: FrameType | None, is_method: Callable[[types.CodeType], bool]) -> FrameType:
    """Return the first frame that can have a rope: a function's or a module's, outside the jenny.

    :param is_method: tells the code of the jenny's own methods, those of a subclass included.
    """
    while frame is not None:
        if not is_ours(frame) and not is_method(frame.f_code) and (is_function(frame) or is_module(frame)):
            return frame
        frame = frame.f_back
    raise RuntimeError("A rope needs a frame outside the jenny to be tied to, and there is none: use jenny.tied().")


def is_over(frame: FrameType) -> bool:
    """Whether a frame has run to its end, and is kept only by whoever looks at it, such as a traceback.

    A frame that runs, or a generator that waits, belongs to the interpreter, which shows the collector nothing of it.
    """
    code = frame.f_code
    return any(one is code for one in gc.get_referents(frame))


def is_importing(frame: FrameType) -> bool:
    """Whether a module's frame is that of an import under way."""
    return bool(getattr(frame.f_globals.get("__spec__"), "_initializing", False))


def keeps_locals(code: types.CodeType) -> bool:
    """Whether a function asks for its own variables as a dictionary, which may then outlive it, and with it a rope."""
    return "locals" in code.co_names or "vars" in code.co_names


def serves_a_block(frame: FrameType) -> bool:
    """Whether the generator of this frame is run as a context manager or a fixture."""
    driver = frame.f_back
    return driver is not None and driver.f_globals.get("__name__") in BLOCK_DRIVERS


class GeneratorOf:
    """The generator or coroutine that runs in a frame, to be asked later whether it has ended.

    Only where the interpreter does not say when one is over. Nothing leads from a frame to its generator, so it is
    looked for: at once among the youngest objects, where it mostly is, and among all of them when it is first asked, if
    it comes to that.
    """

    __slots__ = ("_code", "_found", "_frame_id", "_hidden")

    def __init__(self, frame: FrameType) -> None:
        self._code = frame.f_code
        self._frame_id = id(frame)
        self._hidden = False
        self._found = self._look_among(gc.get_objects(0))

    def has_ended(self) -> bool:
        """Whether it has, as far as can be known; to be called while the frame is there."""
        if self._found is None and not self._hidden:
            self._found = self._look_among(gc.get_referrers(self._code))
            self._hidden = self._found is None and bool(gc.get_freeze_count())  # what is frozen is not looked at
        if self._found is None:
            return not self._hidden
        generator = self._found()
        return generator is None or getattr(generator, _FACTS[type(generator)][0]) is None

    def _look_among(self, objects: list[Any]) -> weakref.ref[Any] | None:
        for one in objects:
            facts = _FACTS.get(type(one))
            if facts is not None:
                frame, code = facts
                if getattr(one, code) is self._code and id(getattr(one, frame)) == self._frame_id:
                    return weakref.ref(one)
        return None


_FACTS: dict[type, tuple[str, str]] = {
    types.GeneratorType: ("gi_frame", "gi_code"),
    types.AsyncGeneratorType: ("ag_frame", "ag_code"),
    types.CoroutineType: ("cr_frame", "cr_code"),
}
"""What generators of all kinds call their frame and their code."""


@functools.cache
def closing_is_told() -> bool:
    """Whether ``close()`` of a generator ends its frame in the way of an exception, which can be told of.

    Python 3.13 spares that where no ``try`` or ``with`` is around the ``yield``. It empties the variables then, and not
    what was put beside them, such as a rope.
    """

    def generator(mark: object) -> Generator[None, None, None]:
        sys._getframe().f_locals["beside"] = mark
        yield

    class Mark:
        pass

    mark = Mark()
    gone = weakref.ref(mark)
    running = generator(mark)
    next(running)
    del mark
    running.close()
    return gone() is None
