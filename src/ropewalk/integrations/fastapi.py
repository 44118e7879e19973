"""FastAPI: the session as a dependency, open until the response is sent and its background tasks are done."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..ropes.frames import place_of
from ..ropes.jenny import SessionJenny
from ..ropes.options import Options
from ..ropes.scope import Scope, run_async
from .common import check_jenny


def session_dependency(jenny: SessionJenny[Any], *, commit: bool = False) -> Callable[[], AsyncIterator[Any]]:
    """Return a dependency that gives a request its session.

    ::

        session_of = session_dependency(jenny)

        @app.get("/users/{key}")
        def user(key: int, session: Annotated[Session, Depends(session_of)]): ...

    It serves plain and asynchronous sessions, and plain and asynchronous handlers; ``jenny.session`` is the same one in
    both. Use it as it is for streaming responses: FastAPI ends a dependency after the response. (Not with
    ``Depends(..., scope="function")``, which ends it before.)

    :param commit: commit when the handler has returned without an exception.
    :raises ArgumentError: ``jenny`` is none.
    """
    check_jenny(jenny, "session_dependency(jenny)")
    options = Options(commit=commit, propagation="requires_new", shared=True)
    where = place_of(sys._getframe(1))

    async def session() -> AsyncIterator[Any]:
        scope: Scope[Any] = Scope(jenny, options, is_async=True)
        rope = scope.open(sys._getframe(), "with", where)
        try:
            yield rope.session
        except BaseException as error:
            await run_async(scope.leave(error))
            raise
        await run_async(scope.leave(None))

    return session
