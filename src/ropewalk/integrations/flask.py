"""Flask: a scope for each request, to the end of its response."""

from __future__ import annotations

from typing import Any

from ..ropes.jenny import SessionJenny
from ..ropes.scope import run
from .common import check_jenny, error_of
from .wsgi import ERROR, SCOPE, RopeMiddleware

WHOLE = "ropewalk.whole"
"""Where in the environment it stands that the response is there as a whole, so that nothing more is to be done."""


def init_app(app: Any, jenny: SessionJenny[Any], *, commit: bool = False) -> None:
    """Give each request of a Flask application a scope.

    ::

        init_app(app, jenny)

        @app.get("/users/<int:key>")
        def user(key):
            return jenny.session.get(User, key).name

    Streamed responses are inside. Call it before other extensions, so that what they do after a request is inside too.

    :param commit: commit at the end of each request, unless an exception ended it, whatever Flask answers to that, or
        the status is 400 or more. It is done before the response is sent, so that a commit that fails is answered like
        any other error; a streamed response is committed at its end.
    :raises ArgumentError: ``jenny`` is none.
    """
    check_jenny(jenny, "flask.init_app(app, jenny)")
    from flask import got_request_exception, request

    answer = app.handle_user_exception

    def handle_user_exception(error: Exception) -> Any:
        request.environ[ERROR] = error  # Flask makes a response of it, so that nobody above sees it
        return answer(error)

    def note(sender: Any, exception: BaseException, **_: Any) -> None:
        request.environ[ERROR] = exception

    def finish(response: Any) -> Any:
        environ = request.environ
        error = environ.setdefault(ERROR, error_of(response.status_code))
        if error is not None and not response.direct_passthrough:
            response.make_sequence()  # what Flask makes of abort() looks streamed
        environ[WHOLE] = not response.is_streamed
        if error is None and environ[WHOLE]:
            run(environ[SCOPE].settle())
        return response

    def leave(error: BaseException | None) -> None:
        environ = request.environ
        error = error or environ.get(ERROR)
        if error is not None or environ.get(WHOLE):  # the body may never be fetched: a test's client need not
            run(environ[SCOPE].leave(error))

    app.handle_user_exception = handle_user_exception
    got_request_exception.connect(note, app, weak=False)
    app.after_request(finish)
    app.teardown_request(leave)
    app.wsgi_app = RopeMiddleware(app.wsgi_app, jenny, commit=commit)
