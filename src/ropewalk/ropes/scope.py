"""Explicit scopes: they begin and end by a call, and so at a known place.

The same steps serve ``with`` and ``async with``: they are written once as a generator, which hands out whatever may
have to be awaited. A scope that joins the session of another one leaves its end to that one.
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Generator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..exc import InvalidRequestError
from .finding import find
from .frames import GENERATOR, home_of, place_of, serves_a_block
from .options import Options
from .rope import TiedRope, refuse_async

if TYPE_CHECKING:
    from .jenny import SessionJenny

S = TypeVar("S")
Steps = Generator[Any, Any, None]

_getframe = sys._getframe


class Scope(Generic[S]):
    """What ``jenny.tied()`` returns, for a ``with`` or ``async with`` statement; it can be used again after its end."""

    __slots__ = ("_commits", "_is_async", "_owns", "_savepoint", "jenny", "options", "rope")

    def __init__(self, jenny: SessionJenny[S], options: Options, is_async: bool = False) -> None:
        self.jenny = jenny
        self.options = options
        self.rope: TiedRope | None = None
        self._savepoint: Any = None
        self._is_async = is_async

    # -- with --------------------------------------------------------------------------------

    def __enter__(self) -> S:
        self._is_async = False
        frame = home_of(_getframe(1), self.jenny._is_method)
        rope = self.open(frame, "with")
        try:
            session = rope.session
            refuse_async(session, "`async with`")  # one that it joins
            run(self._begin(rope))
        except BaseException:
            self._give_up(rope)
            raise
        return session  # type: ignore[no-any-return]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run(self.leave(error))

    # -- async with ----------------------------------------------------------------------------

    async def __aenter__(self) -> S:
        self._is_async = True
        frame = home_of(_getframe(1), self.jenny._is_method)
        rope = self.open(frame, "with")
        try:
            session = rope.session
            await run_async(self._begin(rope))
        except BaseException:
            self._give_up(rope)
            raise
        return session  # type: ignore[no-any-return]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await run_async(self.leave(error))

    # -- the beginning ---------------------------------------------------------------------------

    def open(
        self, frame: FrameType, kind: str, where: tuple[str, int, str] | None = None, *, bound: bool = False
    ) -> TiedRope:
        """Find the rope to join, or tie one.

        :param frame: whose scope it is.
        :param where: file, line and function, instead of those of the frame.
        :param bound: the rope is to be found inside the frame only; so it is in a generator's anyway.
        :raises InvalidRequestError: there is a session here and must not be, or there is none and must be.
        """
        if self.rope is not None:
            raise InvalidRequestError("This scope is open already; each `with` statement needs a tied() of its own.")
        jenny, options = self.jenny, self.options
        outer = find(jenny, frame)
        propagation = options.propagation
        if outer is None:
            if propagation == "mandatory":
                raise InvalidRequestError(
                    "There is no session here to work in, and propagation='mandatory' makes none: enter a scope with "
                    "jenny.tied() around this one."
                )
        elif propagation == "never":
            raise InvalidRequestError(
                f"There must be no session here (propagation='never'), and there is one, tied at {outer.where}."
            )
        elif propagation != "requires_new":
            return self._join(outer)
        rope = TiedRope(jenny, kind, where or place_of(frame), None if jenny._scopefunc is None else jenny._scopefunc())
        self.rope = rope
        self._owns = True
        # "supports" and "never" work without a transaction of this scope's.
        self._commits = options.commit and propagation not in ("supports", "never")
        rope.commits = int(self._commits)
        rope.awaits = self._is_async
        rope.shared = options.shared
        rope.read_only = options.read_only
        self._make_visible(rope, frame, bound)
        return rope

    def _join(self, rope: TiedRope) -> TiedRope:
        self.rope = rope
        self._owns = False
        self._commits = False
        if self.options.propagation != "nested" and self.options.commit:
            # Only the outermost scope that commits does so; a scope around it that does not could lose the work.
            self._commits = not rope.commits
            rope.commits += 1
        return rope

    def _make_visible(self, rope: TiedRope, frame: FrameType, bound: bool) -> None:
        """Let ``jenny.session`` find the rope: inside the frame of a generator, and else wherever this context goes.

        Between two steps of a generator its caller runs in the same context, and is not inside.
        """
        jenny = self.jenny
        if bound or (frame.f_code.co_flags & GENERATOR and not serves_a_block(frame)):
            rope.bind_to(frame)
        else:
            rope.outer = jenny._scope.get()
            jenny._scope.set(rope)

    def _begin(self, rope: TiedRope) -> Steps:
        """Do what needs the session at the beginning."""
        if self.options.propagation == "nested" and not self._owns:
            savepoint = rope.session.begin_nested()
            yield savepoint
            self._savepoint = savepoint

    def _give_up(self, rope: TiedRope) -> None:
        """Undo :meth:`open` where the scope could not be entered; nothing was done in the session yet."""
        self.rope = None
        if self._owns:
            rope.release()
            self._hide(rope)
        elif self.options.commit and self.options.propagation != "nested":
            rope.commits -= 1

    # -- the end -----------------------------------------------------------------------------------

    def leave(self, error: BaseException | None) -> Steps:
        """End the scope, after ``error`` if that is what it is left by; the second time nothing happens."""
        rope, self.rope = self.rope, None
        if rope is None:
            return
        if self._owns:
            try:
                yield from self._finish(rope, error)
            finally:
                self._hide(rope)
        elif self.options.propagation == "nested":
            savepoint, self._savepoint = self._savepoint, None
            yield from _finish_nested(savepoint, error)
        elif self.options.commit:
            yield from self._finish_joined(rope, error)

    def settle(self) -> Steps:
        """Commit now what would be committed at the end, while somebody can still be told that it failed."""
        if self.rope is not None and self._owns:
            yield from self._commit(self.rope)

    def _commit(self, rope: TiedRope) -> Steps:
        if self._commits and rope._session is not None:
            _refuse_doomed(rope)
            yield rope._session.commit()

    def _hide(self, rope: TiedRope) -> None:
        scope = self.jenny._scope
        if scope.get() is rope:
            outer = rope.outer
            while outer is not None and not outer.is_open:
                outer = outer.outer
            scope.set(outer)

    def _finish(self, rope: TiedRope, error: BaseException | None) -> Steps:
        try:
            if error is None:
                yield from self._commit(rope)
        except BaseException as failure:
            error = failure
            raise
        finally:
            session = rope.release()
            if session is not None:
                yield from _noting(error, functools.partial(closed, session), "the session was closed")

    def _finish_joined(self, rope: TiedRope, error: BaseException | None) -> Steps:
        rope.commits -= 1
        session = rope._session
        if error is not None:
            if not self._commits:
                rope.doomed = rope.doomed or error
            elif session is not None:
                rope.doomed = None
                yield from _noting(error, session.rollback, "the session was rolled back")
        elif self._commits and session is not None:
            try:
                _refuse_doomed(rope)
            except InvalidRequestError as refusal:
                rope.doomed = None
                yield from _noting(refusal, session.rollback, "the session was rolled back")
                raise
            yield session.commit()

    def __del__(self) -> None:
        rope = getattr(self, "rope", None)
        if rope is None or not self._owns or not rope.is_open:
            return
        if not self._is_async:
            rope.scope_over()
        warnings.warn(
            f"The scope entered at {rope.where} was never left, and its session is closed only now that nobody refers "
            f"to it: use a `with` statement.",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )


def _refuse_doomed(rope: TiedRope) -> None:
    if rope.doomed is not None:
        raise InvalidRequestError(
            f"Nothing was committed: a scope within this one was left by an error, {rope.doomed!r}, which was caught, "
            f"and half of its work may be in this session. Give that scope propagation='nested' or 'requires_new', so "
            f"that its work can be undone by itself."
        ) from rope.doomed


def _finish_nested(savepoint: Any, error: BaseException | None) -> Steps:
    if savepoint is None or not savepoint.is_active:
        if savepoint is not None and error is not None:
            yield from _noting(error, savepoint.rollback, "the savepoint was rolled back")
        return
    if error is None:
        yield savepoint.commit()
    else:
        yield from _noting(error, savepoint.rollback, "the savepoint was rolled back")


def _noting(error: BaseException | None, clean_up: Any, what: str) -> Steps:
    """Clean up; where that fails while ``error`` is on its way, note it there, and do not put it in its place."""
    try:
        yield clean_up()
    except BaseException as failure:
        if error is None:
            raise
        error.add_note(f"A second error came when {what}: {failure!r}")


def run(steps: Steps) -> None:
    """Do the steps of a scope that is not asynchronous."""
    for result in steps:
        if inspect.iscoroutine(result):
            result.close()
            raise InvalidRequestError("This session is asynchronous: use `async with jenny.tied()`.")


def closed(session: Any) -> Any:
    """Close a session; if that must be awaited, return an awaitable that a cancellation does not stop half-way."""
    result = session.close()
    if not inspect.iscoroutine(result) or getattr(session, "_closes_to_its_end", False):
        return result
    return _to_its_end(result)


async def _to_its_end(closing: Any) -> None:
    import asyncio  # whoever runs this has it already

    task = asyncio.ensure_future(closing)
    cancelled: BaseException | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:
            break
    task.result()
    if cancelled is not None:
        raise cancelled


async def run_async(steps: Steps) -> None:
    """Do the steps of a scope, and await what must be awaited."""
    try:
        result = next(steps)
        while True:
            if inspect.isawaitable(result):
                try:
                    result = await result
                except BaseException as error:
                    result = steps.throw(error)
                    continue
            result = steps.send(result)
    except StopIteration:
        return
