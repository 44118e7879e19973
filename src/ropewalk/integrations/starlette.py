"""Starlette: the ASGI middleware under its name, and the jenny in the application's state."""

from __future__ import annotations

from typing import Any

from ..ropes.jenny import SessionJenny
from .asgi import RopeMiddleware

__all__ = ["RopeMiddleware", "init_app"]


def init_app(app: Any, jenny: SessionJenny[Any], *, commit: bool = False) -> None:
    """Give each request of a Starlette or FastAPI application a scope; ``request.app.state.jenny`` is the jenny.

    :param commit: commit at the end of each request that no exception ends.
    """
    app.add_middleware(RopeMiddleware, jenny=jenny, commit=commit)
    app.state.jenny = jenny
