"""A session on its way from one scope to another: to a thread, a task, a streaming response."""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any

from ..exc import InvalidRequestError
from .frames import home_of
from .options import Options
from .rope import TiedRope, refuse_async
from .scope import Scope, closed

_getframe = sys._getframe


class Handed(Scope[Any]):
    """What ``rope.transfer()`` returns: a scope that brings its session along, and can be entered once.

    A session that nobody takes is closed when this object goes, with a ResourceWarning; ``close()`` does so without.
    """

    __slots__ = ("_waiting",)

    def __init__(self, rope: TiedRope, commit: bool) -> None:
        super().__init__(rope.jenny, Options(commit=commit, propagation="requires_new"))
        session = rope.session
        self._is_async = inspect.iscoroutinefunction(getattr(type(session), "close", None))
        waiting = TiedRope(rope.jenny, "transferred", (rope.filename, rope.lineno, rope.function), rope.token)
        waiting._session, rope._session = session, None
        waiting.awaits = rope.awaits
        waiting.read_only = rope.read_only
        waiting.commits = int(commit)
        self._waiting: TiedRope | None = waiting

    def __enter__(self) -> Any:
        rope = self._take()
        refuse_async(rope._session, "`async with`")
        return rope._session

    async def __aenter__(self) -> Any:
        return self._take()._session

    def _take(self) -> TiedRope:
        rope, self._waiting = self._waiting, None
        if rope is not None and rope.carried:
            rope.refuse_in_child()
        if rope is None or not rope.is_open:
            raise InvalidRequestError("This session was taken over, or closed, before; transfer() hands it over once.")
        rope.move_here()
        rope.serial, serial = self.jenny._serial(), rope.serial  # from here on it is the innermost
        self.jenny._open[rope.serial] = self.jenny._open.pop(serial)
        self.rope = rope
        self._owns = True
        self._commits = self.options.commit
        self._make_visible(rope, home_of(_getframe(2), self.jenny._is_method), False)
        return rope

    def close(self) -> None:
        """Close the session that nobody takes.

        :raises InvalidRequestError: it is asynchronous; ``await handed.aclose()`` does it.
        """
        rope = self._waiting
        if rope is not None:
            refuse_async(rope._session, "`await handed.aclose()`")
            self._waiting = None
            rope.end()

    async def aclose(self) -> None:
        """Close the session that nobody takes."""
        rope, self._waiting = self._waiting, None
        session = None if rope is None else rope.release()
        if session is not None:
            result = closed(session)
            if inspect.isawaitable(result):
                await result

    def __del__(self) -> None:
        super().__del__()
        rope = getattr(self, "_waiting", None)
        if rope is None or not rope.is_open:
            return
        if not self._is_async:
            rope.thread = 0  # nobody's any more: whoever comes by may close it
            rope.follows = True
            rope.scope_over()
        warnings.warn(
            f"The session of the rope tied at {rope.where} was handed over by transfer(), and nobody took it: enter "
            f"what transfer() returned in a `with` statement, or call its close().",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )
