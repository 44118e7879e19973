"""Flask: a scope for each request, to the end of its response."""

from __future__ import annotations

from typing import Any

from ..ropes.jenny import SessionJenny
from .wsgi import ERROR, RopeMiddleware


def init_app(app: Any, jenny: SessionJenny[Any], *, commit: bool = False) -> None:
    """Give each request of a Flask application a scope.

    ::

        init_app(app, jenny)

        @app.get("/users/<int:key>")
        def user(key):
            return jenny.session.get(User, key).name

    Streamed responses are inside.

    :param commit: commit at the end of each request that no exception ended, one that Flask answered included.
    """
    from flask import request

    def note(error: BaseException | None) -> None:
        if error is not None:
            request.environ[ERROR] = error  # Flask makes a response of it, so that nobody above sees it

    app.teardown_request(note)
    app.wsgi_app = RopeMiddleware(app.wsgi_app, jenny, commit=commit)
