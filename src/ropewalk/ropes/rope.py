"""Ropes: what ties one session to one scope."""

from __future__ import annotations

import inspect
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry

from ..exc import ArgumentError, InvalidRequestError
from . import collected
from .closing import enlist, leave_to, quietly
from .owners import current_greenlet, current_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .handing import Handed
    from .jenny import SessionJenny

_ident = threading.get_ident
_clock = time.monotonic


class SessionRope:
    """Holds on to the session of the present scope of a registry, and closes it when it goes itself.

    ::

        def work():
            rope = SessionRope(registry)
            rope.session.add(thing)
            rope.session.commit()
            # the rope is a variable of this function, and goes with it; the session is closed

    A :class:`SessionJenny` makes and ties them by itself. The idea and the names are those of SQLAlchemy-Rope by
    Yamato Nagata.

    :param registry: a ``ScopedRegistry`` or ``ThreadLocalRegistry``, such as that of a ``scoped_session``.
    :raises ArgumentError: it is neither.
    """

    registry: ScopedRegistry[Any]

    def __init__(self, registry: ScopedRegistry[Any]) -> None:
        self._scope: Any = None
        if not isinstance(registry, ScopedRegistry):
            raise ArgumentError(
                f"SessionRope(...) takes a ScopedRegistry or ThreadLocalRegistry, such as scoped_session().registry; "
                f"this is neither: {registry!r}"
            )
        self.registry = registry
        by_thread = isinstance(registry, ThreadLocalRegistry)
        self._scope = (_ident(), None) if by_thread else (None, registry.scopefunc())
        if by_thread:
            enlist()

    @property
    def session(self) -> Any:
        """The session of the present scope, made if there is none."""
        return self.registry()

    def remove(self) -> None:
        """Close the session of the present scope, if there is one, and forget it, as ``scoped_session`` does."""
        if self.registry.has():
            self.registry().close()
        self.registry.clear()

    def __del__(self) -> None:
        if self._scope is None:
            return
        thread, key = self._scope
        if thread is None:
            # The session of the scope where this rope was made, whatever scope the finalizer runs in.
            session = self.registry.registry.pop(key, None)
            if session is not None:
                quietly(session.close, "a session was closed because its rope went", type(self))
        elif thread == _ident():
            quietly(self.remove, "a session was closed because its rope went", type(self))
        elif isinstance(self.registry, ThreadLocalRegistry):
            leave_to(thread, _Removal(self.registry))


class _Removal:
    """The work of closing what a thread has in a registry, done by that thread."""

    __slots__ = ("registry",)

    def __init__(self, registry: ScopedRegistry[Any]) -> None:
        self.registry = registry

    def __call__(self) -> None:
        if self.registry.has():
            quietly(self.registry().close, "a session was closed because its rope went", SessionRope)
        self.registry.clear()


class TiedRope(SessionRope):
    """A rope that a jenny has tied; its session is made when it is first asked for.

    :ivar name: the variable that it is, in the frame that it is tied to.
    :ivar kind: ``"function"``, ``"generator"``, ``"module"``, or what tied it explicitly.
    :ivar filename, lineno, function: where it was tied.
    """

    __slots__ = (
        "_session",
        "any_task",
        "awaits",
        "carried",
        "commits",
        "displaced",
        "doomed",
        "each_time",
        "filename",
        "follows",
        "frame_key",
        "function",
        "generator",
        "greenlet",
        "is_open",
        "is_plain",
        "jenny",
        "kind",
        "lineno",
        "name",
        "next",
        "outer",
        "owner_key",
        "place_key",
        "read_only",
        "serial",
        "shared",
        "since",
        "statements",
        "stays",
        "task",
        "thread",
        "token",
        "used",
        "verify",
        "warned",
        "watched",
    )

    def __init__(self, jenny: SessionJenny[Any], kind: str, where: tuple[str, int, str], token: Any = None) -> None:
        self.jenny = jenny
        self.kind = kind
        self.token = token
        self.name = ""
        self.serial = jenny._serial()
        self._session: Any = None
        self.is_open = True
        self.is_plain = token is None and not jenny._has_limits()  # found without a further look
        self.each_time = False  # something has to be looked at while it is open
        self.any_task = self.follows = self.shared = self.read_only = False
        self.awaits = False  # at its end, as asynchronous sessions need it
        self.carried = False  # by a fork, from the parent process
        self.commits = self.statements = 0
        self.warned = False
        self.doomed: BaseException | None = None
        self.next: TiedRope | None = None
        self.outer: TiedRope | None = None
        self.displaced: TiedRope | None = None
        self.generator: Any = None
        self.frame_key = self.place_key = 0
        self.owner_key: tuple[int, int, int] | None = None
        self.stays = False
        self.verify: Callable[[FrameType], bool] | None = None
        self.watched: Callable[[], None] | None = None
        self.since = self.used = _clock()
        self.filename, self.lineno, self.function = where
        self.move_here()
        jenny._open[self.serial] = self

    @property
    def registry(self) -> ScopedRegistry[Any]:  # type: ignore[override]
        """The jenny's registry."""
        return self.jenny.registry

    @property
    def session(self) -> Any:
        """The session of this rope, made at the first use.

        :raises InvalidRequestError: the scope is over.
        """
        session = self._session
        return self.make_session() if session is None else session

    def make_session(self, **arguments: Any) -> Any:
        """Make the session."""
        if self.carried:
            self.refuse_in_child()
        if not self.is_open:
            raise InvalidRequestError(
                f"The rope tied at {self.where} has no session any more: its scope has ended. Use the jenny's session, "
                f"or rope.transfer() to take a session along where a scope ends."
            )
        self._session = session = self.jenny._make_session(self, arguments)
        return session

    def refuse_in_child(self) -> NoReturn:
        """Say that the session is that of another process."""
        raise InvalidRequestError(
            f"The rope tied at {self.where} came here by a fork: its session is the parent process's, and on their "
            f"connection two cannot speak at once. Use the jenny's session, which is a new one here."
        )

    def is_here(self) -> bool:
        """Whether the thread, task and greenlet that tied it run now."""
        return self.thread == _ident() and self.is_in_task() and self._is_in_greenlet()

    def is_in_task(self) -> bool:
        """Whether the task that tied it runs now, or none does and none did."""
        task = self.task
        return current_task() is (None if task is None else task())

    def _is_in_greenlet(self) -> bool:
        now, mine = current_greenlet(), self.greenlet
        return now is None if mine is None else now is not None and mine() is now

    @property
    def where(self) -> str:
        """The line that tied it, for messages."""
        return f"{self.filename}:{self.lineno} in {self.function}"

    def remove(self) -> None:
        """Close the session; the rope stays tied, and the next use makes another one.

        :raises InvalidRequestError: the session is asynchronous.
        """
        refuse_async(self._session, "`await session.close()`, after which the same session can be used again")
        session, self._session = self._session, None
        if session is not None and self.jenny._lets_go(self, session):
            session.close()

    def frame_over(self) -> None:
        """Take note that what it is tied to has ended, or is being taken apart."""
        found = collected.is_found(self)
        self.scope_over()
        if found:
            collected.warn(self)

    def scope_over(self) -> None:
        """Take note that the scope has ended by itself: close the session, here or in its own thread."""
        if self.serial not in self.jenny._open:
            return
        if self.thread != _ident() and not self.follows:
            leave_to(self.thread, self._end_quietly)
        else:
            self._end_quietly()

    def end(self) -> None:
        """Close the session and untie the rope; the second time nothing happens.

        :raises Exception: whatever the session's ``close()`` does.
        """
        session = self.release()
        if session is not None:
            session.close()

    def release(self) -> Any:
        """Untie the rope, and return its session if there is one that is now to be closed, which happens only once."""
        if self.jenny._open.pop(self.serial, None) is None:  # of two threads, one gets it
            return None
        self.is_open = self.is_plain = False
        self.jenny._untied(self)
        session, self._session = self._session, None
        return session if session is not None and self.jenny._lets_go(self, session) else None

    def transfer(self, *, commit: bool = False) -> Handed:
        """Take the session out of this scope, so that it is not closed at its end, and hand it over.

        What is returned is for a ``with`` or ``async with`` statement elsewhere: in a thread, a task, a generator that
        streams a response. The session is closed at its end. Here the next use makes another session. ::

            handed = jenny.rope.transfer()
            thread = Thread(target=export, args=[handed])

            def export(handed):
                with handed as session: ...

        :param commit: commit at the end of that block.
        :raises InvalidRequestError: the scope is over.
        """
        from .handing import Handed

        return Handed(self, commit)

    def move_here(self) -> None:
        """Make the thread, task and greenlet that run now those of this rope."""
        self.thread = _ident()
        task = current_task()
        self.task = None if task is None else weakref.ref(task)
        greenlet = current_greenlet()
        self.greenlet = None if greenlet is None else weakref.ref(greenlet)

    def bind_to(self, frame: FrameType) -> None:
        """Let the rope be found inside the calls of this frame, and nowhere else."""
        jenny = self.jenny
        self.frame_key = self.place_key = id(frame)
        self.follows = True
        self.any_task = bool(frame.f_code.co_flags & inspect.CO_ASYNC_GENERATOR)
        self.next = jenny._frames.get(self.place_key)
        jenny._frames[self.place_key] = self
        jenny._remember(self)

    def _end_quietly(self) -> None:
        quietly(self.end, f"the session of the rope tied at {self.where} was closed", type(self))

    def __del__(self) -> None:
        pass  # whoever knows when the scope ends has called end()

    def __repr__(self) -> str:
        state = "open" if self.is_open else "ended"
        return f"<{type(self).__name__} {self.kind} {self.where}, {state}>"


class Knot:
    """A variable beside the rope's own, which nobody else has: when it goes, the frame has gone."""

    __slots__ = ("rope",)

    def __init__(self, rope: TiedRope) -> None:
        self.rope = rope

    def __del__(self) -> None:
        if quietly is not None:  # else the interpreter is being taken apart, after at_exit has closed what was open
            self.rope.frame_over()


def refuse_async(session: Any, instead: str) -> None:
    """Refuse a session whose ``close()`` must be awaited, where nothing can be awaited."""
    if inspect.iscoroutinefunction(getattr(type(session), "close", None)):
        raise InvalidRequestError(
            f"{type(session).__name__} is asynchronous: it must be awaited to be closed, which cannot be done here. "
            f"Use {instead}."
        )
