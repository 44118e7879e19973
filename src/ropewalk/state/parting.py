"""When and where objects left their session: what an error can say of it afterwards.

One note serves all objects that left together, and is made only where there are some; its
text is put together when somebody asks for it.
"""

from __future__ import annotations

import os
import sys
import time

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PASSED_OVER = (_PACKAGE, os.path.abspath(os.path.dirname(os.__file__)) + os.sep + "contextlib.py")


class Parting:
    """How, when and from where objects were taken out of their session.

    :ivar how: what was done, as ``session.close()``.
    :ivar when: seconds since the epoch.
    :ivar where: file, line and function of the program's own code.
    """

    __slots__ = ("how", "when", "where")

    def __init__(self, how: str) -> None:
        self.how = how
        self.when = time.time()
        self.where = _caller()

    def __str__(self) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(self.when))
        if self.where is None:
            return f"{self.how} at {clock}"
        file, line, function = self.where
        return f"{self.how} at {clock}, {file}:{line} in {function}"


def _caller() -> tuple[str, int, str] | None:
    """Return where the program called into the package."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_PASSED_OVER) and not code.co_filename.startswith("<"):
            return code.co_filename, frame.f_lineno, code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    return None
