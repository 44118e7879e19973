"""What all integrations need."""

from __future__ import annotations

from typing import Any

from ..exc import ArgumentError
from ..ropes.jenny import SessionJenny


def check_jenny(jenny: Any, call: str) -> None:
    """Refuse what is no jenny where it is given, and not at the first request.

    :param call: how it should look.
    """
    if not isinstance(jenny, SessionJenny):
        raise ArgumentError(
            f"{call} needs a SessionJenny, such as SessionJenny(sessionmaker(engine)), in the place of {jenny!r}."
        )


class ErrorAnswered(Exception):
    """Stands for the exception of which a framework has made a response, where nothing else is seen of it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the response has the status {status}")


def error_of(status: int) -> ErrorAnswered | None:
    """Return what a response's status says of the request: an error from 400 on."""
    return ErrorAnswered(status) if status >= 400 else None
