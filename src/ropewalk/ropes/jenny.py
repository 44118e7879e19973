"""``SessionJenny``: hands out the session of whatever scope asks for it."""

from __future__ import annotations

import contextvars
import itertools
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType
from typing import Any, TypeVar, overload

from sqlalchemy.util import ScopedRegistry

from ..exc import InvalidRequestError, SAWarning
from ..session.read_only import make_read_only
from ..session.retrying import Retries
from . import closing, holders, watching
from .finding import find
from .frames import home_of
from .holders import OpenRope
from .options import Options, Propagation
from .owners import current_greenlet, current_task, in_event_loop
from .rope import TiedRope, refuse_async
from .roped import rope_function
from .scope import Scope
from .scoped import scoped_session
from .tying import tie

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])

_getframe = sys._getframe
_ident = threading.get_ident
_serials = itertools.count(1)

jennies: weakref.WeakSet[SessionJenny[Any]] = weakref.WeakSet()


class RopeRegistry(ScopedRegistry[Any]):
    """What ``jenny.registry`` is: the sessions of its ropes."""

    __slots__ = ("jenny",)

    def __init__(self, jenny: SessionJenny[Any], createfunc: Callable[[], Any], scopefunc: Callable[[], Any]) -> None:
        super().__init__(createfunc, scopefunc)
        self.jenny = jenny

    def __call__(self) -> Any:
        """Return the session of the present scope; where there is none, tie one to the frame that asks."""
        return self.jenny._rope_for(_getframe(1)).session

    def has(self) -> bool:
        """Whether the present scope has a session."""
        rope = find(self.jenny, _getframe(1))
        return rope is not None and rope._session is not None

    def set(self, obj: Any) -> None:
        """Make ``obj`` the session of the present scope."""
        rope = self.jenny._rope_for(_getframe(1))
        rope._session = obj
        if self.jenny._scopefunc is not None:
            self.registry[rope.token] = obj

    def clear(self) -> None:
        """Forget the session of the present scope, without closing it."""
        rope = find(self.jenny, _getframe(1))
        if rope is not None:
            rope._session = None
            self.registry.pop(rope.token, None)


class SessionJenny(scoped_session[S]):
    """A ``scoped_session`` that knows when a scope ends, and closes its session there.

    ::

        jenny = SessionJenny(sessionmaker(engine))

        def rename(key, name):
            jenny.session.get(User, key).name = name   # ties a session to this call of rename()
            jenny.session.commit()                     # the same session
            # here the call ends, and its session is closed

    ``jenny.session`` is the session of the innermost scope around it. Where there is none yet, a rope is tied to the
    function, generator, coroutine or module that asks, as one of its variables. All that it calls in the same thread
    and task gets the same session. :meth:`tied` and :meth:`roped` are scopes that do not depend on who asks first.

    Everything a ``scoped_session`` offers is here too, in the session of the scope: ``jenny.add(...)``. The idea and
    the names are those of SQLAlchemy-Rope by Yamato Nagata.

    :param session_factory: makes sessions: a ``sessionmaker``, ours or SQLAlchemy's, or whatever can be called.
    :param scopefunc: returns something hashable that tells scopes apart beside all this, such as a tenant; ropes for
        which it returns the same share one session, which goes with the last of them.
    :param require_scope: refuse the session outside of ``tied()`` and ``roped``.
    :param warn_after: seconds after which a rope that is still open gives a ResourceWarning.
    :param warn_idle: seconds of disuse after which a rope that holds a connection gives a ResourceWarning. Both are
        looked at about once a second while the jenny is used, by ``ropes()`` and ``report()``, and when a rope ends.
    :param count_statements: let ``ropes()`` say how many statements each has executed, which makes them slower.
    """

    registry: RopeRegistry

    def __init__(
        self,
        session_factory: Callable[..., S],
        scopefunc: Callable[[], Any] | None = None,
        *,
        require_scope: bool = False,
        warn_after: float | None = None,
        warn_idle: float | None = None,
        count_statements: bool = False,
    ) -> None:
        super().__init__(session_factory, scopefunc)
        self.require_scope = require_scope
        self.warn_after = warn_after
        self.warn_idle = warn_idle
        self.count_statements = count_statements
        self._next_check = 0.0
        self._ropes: weakref.WeakValueDictionary[str, TiedRope] = weakref.WeakValueDictionary()
        self._name_callback: Callable[[], str] | None = None
        self._prefix = f"rope_{id(self):x}"
        self._serial = _serials.__next__
        self._open: dict[int, TiedRope] = {}
        # By id of the frame: those that `session` may hand out without a further look, and all.
        self._at_once: dict[int, TiedRope] = {}
        self._frames: dict[int, TiedRope] = {}
        self._modules: dict[int, TiedRope] = {}  # by id of the namespace
        self._by_owner: dict[Any, list[TiedRope]] = {}
        self._unwatched = 0
        self._scope: contextvars.ContextVar[TiedRope | None] = contextvars.ContextVar(self._prefix, default=None)
        self._sharing: dict[Any, int] = {}  # by what scopefunc returns, how many ropes have the session
        jennies.add(self)

    def _make_registry(self, scopefunc: Callable[[], Any] | None) -> RopeRegistry:
        self._scopefunc = scopefunc
        return RopeRegistry(self, self.session_factory, scopefunc or _no_token)

    # -- the session of the present scope -----------------------------------------------------

    @property
    def session(self) -> S:
        """The session of the innermost scope around here; where there is none, a rope is tied to who asks.

        :raises InvalidRequestError: there is no explicit scope, and the jenny requires one.
        """
        # This is used like an attribute, and must cost as little: whatever needs thought is thought of elsewhere.
        first = _getframe(1)
        explicit = self._scope.get()
        if explicit is None:
            at_once = self._at_once
            if at_once:
                rope = at_once.get(id(first))
                if rope is None:
                    frame = first.f_back
                    while frame is not None:
                        rope = at_once.get(id(frame))
                        if rope is not None:
                            if in_event_loop() and not rope.is_in_task():
                                rope = None  # it is tied around the loop, or by another task
                            break
                        frame = frame.f_back
                if rope is not None and (session := rope._session) is not None:
                    return session  # type: ignore[no-any-return]
        elif (
            not self._frames and explicit.is_plain and (session := explicit._session) is not None and explicit.is_here()
        ):
            return session  # type: ignore[no-any-return]
        return self._rope_for(first).session  # type: ignore[no-any-return]

    @property
    def rope(self) -> TiedRope:
        """The rope of the innermost scope around here; where there is none, one is tied to who asks."""
        return self._rope_for(_getframe(1))

    def set_rope(self, frame: FrameType | None = None) -> TiedRope:
        """Tie a new rope to a frame, whatever scopes there are around; one that the frame has already is closed.

        :param frame: where; without it the first one outside the jenny.
        :raises InvalidRequestError: the frame is over, or the jenny requires explicit scopes.
        """
        self._refuse_without_scope()
        home = self._home(_getframe(1)) if frame is None else frame
        return tie(self, home, inside=find(self, home) is not None)

    def create_rope_name(self) -> str:
        """Return the name for a rope tied here: what ``rope_name_callback`` returns, or one of our own.

        :raises TypeError: the callback returns no string.
        """
        if self._name_callback is not None:
            name = self._name_callback()
            if not isinstance(name, str):
                raise TypeError(
                    f"rope_name_callback must return a string, the rope's variable name; it returned {name!r}."
                )
            return name
        task, greenlet = current_task(), current_greenlet()
        name = f"{self._prefix}_{_ident()}"
        if task is not None:
            name = f"{name}_{id(task):x}"
        return name if greenlet is None else f"{name}_{id(greenlet):x}"

    @property
    def rope_name_callback(self) -> Callable[[], str] | None:
        """What names ropes, or None: something to call without arguments that returns a string.

        :raises TypeError: it cannot be called.
        """
        return self._name_callback

    @rope_name_callback.setter
    def rope_name_callback(self, callback: Callable[[], str] | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"rope_name_callback must be something to call that returns a name, and not {callback!r}.")
        self._name_callback = callback

    _rope_name_callback = rope_name_callback

    def remove(self, rope_name: str | None = None) -> None:
        """Close the session of the present scope and untie its rope; the next use ties another one.

        An explicit scope keeps its rope, and gets another session when it asks for one.

        :param rope_name: the name of the rope, instead of the one of the present scope. If another thread has tied it,
            its session is closed there, as soon as that thread comes by.
        """
        rope = find(self, _getframe(1)) if rope_name is None else self._ropes.get(rope_name)
        if rope is None:
            named = "tied here" if rope_name is None else f"named {rope_name!r}"
            warnings.warn(f"No rope is {named}, so there was no session to close.", SAWarning, stacklevel=2)
        elif rope.kind in EXPLICIT:
            rope.remove()
        elif rope.thread != _ident():
            closing.leave_to(rope.thread, rope._end_quietly)
        else:
            rope.end()

    # -- explicit scopes ----------------------------------------------------------------------------

    def tied(
        self,
        *,
        commit: bool = False,
        read_only: bool = False,
        propagation: Propagation = "required",
        shared: bool = False,
    ) -> Scope[S]:
        """Return a scope for a ``with`` or ``async with`` statement, whose session is closed at its end.

        ::

            with jenny.tied(commit=True) as session:
                session.add(user)
                helper()          # jenny.session is this session in all that is called here

        In a generator it is seen by what the generator calls, and not by who iterates over it.

        :param commit: commit at the end, unless it is left by an exception.
        :param read_only: refuse to write; on PostgreSQL, MySQL and MariaDB the database refuses too.
        :param propagation: what to do with a session that is in use around the scope: ``"required"``: work in it, or
            in a new one; ``"requires_new"``: always a new one; ``"nested"``: in a savepoint of it, or a new one;
            ``"supports"``: in it, or in a new one that is never committed; ``"mandatory"``: in it, or not at all;
            ``"never"``: only where there is none. The words are those of the Spring framework.
        :param shared: let tasks and threads that are started inside, with a copy of its context, use the session too;
            they must take turns.
        :raises ArgumentError: an option makes no sense.
        """
        return Scope(self, Options(commit, read_only, propagation, shared))

    @overload
    def roped(self, function: F) -> F: ...

    @overload
    def roped(
        self,
        *,
        commit: bool = False,
        retries: int | Retries = 0,
        read_only: bool = False,
        propagation: Propagation = "required",
        shared: bool = False,
    ) -> Callable[[F], F]: ...

    def roped(
        self,
        function: Any = None,
        *,
        commit: bool = False,
        retries: int | Retries = 0,
        read_only: bool = False,
        propagation: Propagation = "required",
        shared: bool = False,
    ) -> Any:
        """Make each call of a function a scope; of a coroutine, a generator or an async generator: its whole run.

        ::

            @jenny.roped(commit=True, retries=3)
            def rename(key, name):
                jenny.session.get(User, key).name = name

        :param retries: how often to run a function or coroutine again, each time with a new session, when the database
            asks for it: a number, or ``Retries``. A call that works in the session of a scope around it is not run
            again, since only the work of that whole scope could be.
        :param commit, read_only, propagation, shared: as in :meth:`tied`.
        :raises ArgumentError: an option makes no sense, or it is no function.
        """
        policy = Retries.of(retries) if retries else None
        options = Options(commit, read_only, propagation, shared, policy)
        if function is not None:
            return rope_function(self, options, function)
        return lambda function: rope_function(self, options, function)

    def ropes(self) -> list[OpenRope]:
        """Describe the open ropes, the oldest first: owner, line, age, connections, objects. Printable."""
        find(self, _getframe(1))  # which closes what is over
        holders.check(self)
        return holders.open_ropes(self)

    # -- what ropes ask of their jenny ------------------------------------------------------------

    def _rope_for(self, frame: FrameType) -> TiedRope:
        ident = _ident()
        if closing.has_left(ident):
            closing.do_what_is_left(ident)
        rope = find(self, frame)
        if rope is None:
            self._refuse_without_scope()
            rope = tie(self, self._home(frame))
        if self._has_limits():
            self._look_at_limits(rope)
        return rope

    def _has_limits(self) -> bool:
        return self.warn_idle is not None or self.warn_after is not None

    def _look_at_limits(self, rope: TiedRope) -> None:
        now = rope.used = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + min(1, self.warn_idle or 1, self.warn_after or 1)
            holders.check(self)

    def _home(self, frame: FrameType) -> FrameType:
        return home_of(frame, self._is_method)

    def _is_method(self, code: CodeType) -> bool:
        """Whether ``code`` is that of a method of this jenny, which a subclass may have added."""
        member = getattr(type(self), code.co_name, None)
        if isinstance(member, property):
            return any(getattr(one, "__code__", None) is code for one in (member.fget, member.fset, member.fdel))
        return getattr(member, "__code__", None) is code

    def _refuse_without_scope(self) -> None:
        if self.require_scope:
            raise InvalidRequestError(
                "This jenny gives no session outside a scope (require_scope=True): put `with jenny.tied():` around "
                "this piece of work, or @jenny.roped on its function."
            )

    def _make_session(self, rope: TiedRope, arguments: dict[str, Any]) -> Any:
        shared = self.registry.registry if self._scopefunc is not None else None
        if shared is not None and rope.token in shared and not arguments:
            self._sharing[rope.token] += 1
            return shared[rope.token]
        session: Any = self.session_factory(**arguments)
        if not rope.awaits:
            refuse_async(session, "`async with jenny.tied() as session:`, or @jenny.roped on an async function")
        if shared is not None:
            shared[rope.token] = session
            self._sharing[rope.token] = 1
        if self.count_statements:
            holders.count_statements(rope, session)
        if rope.read_only:
            make_read_only(session, f"the scope entered at {rope.where} has read_only=True")
        return session

    def _lets_go(self, rope: TiedRope, session: Any) -> bool:
        """Take a rope's session from it; whether nobody else has it."""
        if self._scopefunc is None:
            return True
        left = self._sharing.get(rope.token, 1) - 1
        if left > 0:
            self._sharing[rope.token] = left
            return False
        self._sharing.pop(rope.token, None)
        if self.registry.registry.get(rope.token) is session:
            del self.registry.registry[rope.token]
        return True

    def _remember(self, rope: TiedRope) -> None:
        """Let ``session`` find a rope at once, where nothing else has to be looked at."""
        if rope.verify is None and self._scopefunc is None and not self._unwatched and not self._has_limits():
            self._at_once[rope.frame_key] = rope

    def _look_each_time(self, more: int) -> None:
        """Count the ropes whose end nobody tells of; while there are any, nothing is found at once."""
        self._unwatched += more
        if self._unwatched:
            self._at_once.clear()

    def _untied(self, rope: TiedRope) -> None:
        """Take a rope that has ended out of wherever it can be found."""
        if rope.frame_key:
            if self._at_once.get(rope.frame_key) is rope:
                del self._at_once[rope.frame_key]
            _unlink(self._modules if rope.kind == "module" else self._frames, rope)
            if rope.watched is not None:
                watching.forget(rope.frame_key, rope.watched)
            if rope.owner_key is not None:
                _remove_from(self._by_owner, rope)
                if rope.each_time:
                    self._look_each_time(-1)
        if rope.name:
            if self._ropes.get(rope.name) is rope:
                del self._ropes[rope.name]
                if rope.displaced is not None and rope.displaced.is_open:
                    self._ropes[rope.name] = rope.displaced
            rope.displaced = None
        if self.warn_after is not None and not rope.warned and time.monotonic() - rope.since > self.warn_after:
            # Where warnings are errors, this one must not keep the session from being closed.
            closing.quietly(partial(holders.warn_of_age, rope), "a rope ended", type(rope))


EXPLICIT = frozenset({"with", "roped", "transferred"})
"""The kinds of ropes whose scopes end by a call."""


def _unlink(found: dict[int, TiedRope], rope: TiedRope) -> None:
    """Take a rope out of the chain of those tied to one frame."""
    first = found.get(rope.place_key)
    if first is rope:
        if rope.next is None:
            del found[rope.place_key]
        else:
            found[rope.place_key] = rope.next
        return
    while first is not None:
        if first.next is rope:
            first.next = rope.next
            return
        first = first.next


def _remove_from(by_owner: dict[Any, list[TiedRope]], rope: TiedRope) -> None:
    ropes = by_owner.get(rope.owner_key)
    if ropes is not None and rope in ropes:
        ropes.remove(rope)
        if not ropes:
            by_owner.pop(rope.owner_key, None)


def _no_token() -> None:
    return None


def _close_at_exit() -> None:
    """Close what modules and the main thread left open; other threads may still be at work."""
    for jenny in list(jennies):
        for rope in list(jenny._open.values()):
            if rope.thread == _ident():
                rope._end_quietly()


def _close_at_thread_end(ident: int) -> None:
    """Close what is tied to functions of a thread that has ended, and that something keeps; no more runs there."""
    for jenny in list(jennies):
        for rope in list(jenny._open.values()):
            if rope.thread == ident and rope.kind in ("function", "coroutine"):
                rope._end_quietly()


def _sessions_of_the_parent() -> list[Any]:
    found: list[Any] = []
    for jenny in list(jennies):
        for rope in list(jenny._open.values()):
            found += [rope._session, rope]
            rope._session = None
            rope.carried, rope.is_open, rope.is_plain = True, False, False
            jenny._untied(rope)
        jenny._open.clear()
    return found


closing.at_exit.append(_close_at_exit)
closing.at_thread_end.append(_close_at_thread_end)
closing.after_fork.append(_sessions_of_the_parent)
