"""ASGI: a scope for each request or connection, from its beginning to the end of its response and background tasks."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..ropes.jenny import SessionJenny
from ..ropes.options import Options
from ..ropes.scope import Scope, run_async
from .common import check_jenny, error_of

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class RopeMiddleware:
    """Give each request and each websocket of an ASGI application a scope.

    ::

        app = RopeMiddleware(app, jenny)                   # any ASGI application
        app.add_middleware(RopeMiddleware, jenny=jenny)    # Starlette, FastAPI

    ``jenny.session`` is the request's session in all that the application calls for it: in its task, in tasks that it
    starts, and in the threads that frameworks run plain functions in. These must take turns. Streamed responses and
    background tasks are inside.

    :param commit: commit at the end, unless an exception passes, or the status is 400 or more, as frameworks make it of
        an exception. The response has been sent by then; a handler that must know whether the commit worked commits
        itself.
    :raises ArgumentError: ``jenny`` is none.
    """

    def __init__(self, app: App, jenny: SessionJenny[Any], *, commit: bool = False) -> None:
        check_jenny(jenny, "RopeMiddleware(app, jenny)")
        self.app = app
        self.jenny = jenny
        self.options = Options(commit=commit, propagation="requires_new", shared=True)

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        ours: Scope[Any] = Scope(self.jenny, self.options, is_async=True)
        ours.open(sys._getframe(), "roped", (scope.get("path") or "/", 0, scope.get("method") or scope["type"]))
        answered: BaseException | None = None

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = error_of(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noting if self.options.commit else send)
        except BaseException as error:
            await run_async(ours.leave(error))
            raise
        await run_async(ours.leave(answered))
