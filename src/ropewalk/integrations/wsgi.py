"""WSGI: a scope for each request, from its first byte to the end of its response, streamed ones included."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..ropes.jenny import SessionJenny
from ..ropes.options import Options
from ..ropes.scope import Scope, run
from .common import check_jenny, error_of

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


ERROR = "ropewalk.error"
"""Where in the environment it stands that the framework has answered an exception, so that nothing is committed."""

SCOPE = "ropewalk.scope"
"""Where in the environment the scope of the request is."""


class RopeMiddleware:
    """Give each request of a WSGI application a scope.

    ::

        application = RopeMiddleware(application, jenny)

    ``jenny.session`` is the request's session in all that the application calls. It is closed when the server has sent
    the response, or given it up; at once if the response is a list, in which nothing is left to be done.

    :param commit: commit at the end, unless an exception passes, or the status is 400 or more, as frameworks make it of
        an exception. The response may have been sent by then, if it is no list: a commit that fails is the server's to
        report, and a handler that must know commits itself.
    :raises ArgumentError: ``jenny`` is none.
    """

    def __init__(self, app: App, jenny: SessionJenny[Any], *, commit: bool = False) -> None:
        check_jenny(jenny, "RopeMiddleware(app, jenny)")
        self.app = app
        self.jenny = jenny
        self.options = Options(commit=commit, propagation="requires_new")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        scope: Scope[Any] = Scope(self.jenny, self.options)
        scope.open(sys._getframe(), "roped", (environ.get("PATH_INFO") or "/", 0, environ.get("REQUEST_METHOD") or "?"))
        environ[SCOPE] = scope

        def start(status: str, *rest: Any) -> Any:
            environ[ERROR] = environ.get(ERROR) or error_of(int(status[:3]))
            return start_response(status, *rest)

        try:
            body = self.app(environ, start if self.options.commit else start_response)
        except BaseException as error:
            run(scope.leave(error))
            raise
        if type(body) in (list, tuple):
            run(scope.leave(environ.get(ERROR)))
            return body
        return _Body(scope, body, environ)


class _Body:
    """The response's body; the scope ends with it."""

    def __init__(self, scope: Scope[Any], body: Iterable[bytes], environ: dict[str, Any]) -> None:
        self.scope = scope
        self.body = body
        self.chunks = iter(body)
        self.environ = environ
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self.chunks)
        except StopIteration:
            self._leave()
            raise
        except BaseException as error:
            self.error = error
            raise

    def close(self) -> None:
        """Called by the server when it is done with the response, whatever came of it."""
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self.error = self.error or error
            raise
        finally:
            self._leave()

    def _leave(self) -> None:
        run(self.scope.leave(self.error or self.environ.get(ERROR)))
