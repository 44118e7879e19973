"""Starlette: the ASGI middleware under its name, and the jenny in the application's state."""

from __future__ import annotations

from typing import Any

from ..ropes.jenny import SessionJenny
from .asgi import RopeMiddleware
from .common import check_jenny

__all__ = ["RopeMiddleware", "init_app"]


def init_app(app: Any, jenny: SessionJenny[Any], *, commit: bool = False) -> None:
    """Give each request of a Starlette or FastAPI application a scope; ``request.app.state.jenny`` is the jenny.

    :param commit: commit at the end of each request that is not answered by an error (a status of 400 or more).
    :raises ArgumentError: ``jenny`` is none.
    """
    check_jenny(jenny, "starlette.init_app(app, jenny)")
    app.add_middleware(RopeMiddleware, jenny=jenny, commit=commit)
    app.state.jenny = jenny
