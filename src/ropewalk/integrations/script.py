"""Scripts: one scope from here to the end of the program."""

from __future__ import annotations

import atexit
import sys
from typing import Any

from ..ropes.jenny import SessionJenny
from ..ropes.options import Options
from ..ropes.scope import Scope, run
from .common import check_jenny


def tie_to_process(jenny: SessionJenny[Any], *, commit: bool = False) -> Any:
    """Enter a scope that ends when the interpreter does, and return its session.

    ::

        session = tie_to_process(jenny, commit=True)

    It is that of the main thread; others have their own, as ever.

    :param commit: commit at the end, unless an exception ends the program.
    """
    check_jenny(jenny, "tie_to_process(jenny)")
    scope: Scope[Any] = Scope(jenny, Options(commit=commit, propagation="requires_new"))
    session = scope.__enter__()
    before = sys.excepthook
    failed: list[BaseException] = []

    def note(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        failed.append(error)
        before(kind, error, trace)

    def end() -> None:
        run(scope.leave(failed[0] if failed else None))

    sys.excepthook = note
    atexit.register(end)
    return session
