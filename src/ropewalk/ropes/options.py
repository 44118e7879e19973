"""What an explicit scope was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..exc import ArgumentError
from ..session.retrying import Retries

Propagation = Literal["required", "requires_new", "nested", "supports", "never", "mandatory"]

PROPAGATIONS = get_args(Propagation)


@dataclass(frozen=True)
class Options:
    """The arguments of ``tied()`` and ``roped``."""

    commit: bool = False
    read_only: bool = False
    propagation: Propagation = "required"
    shared: bool = False
    retries: Retries | None = None

    def __post_init__(self) -> None:
        if self.propagation not in PROPAGATIONS:
            raise ArgumentError(f"propagation={self.propagation!r}: choose one of {', '.join(PROPAGATIONS)}.")
        if self.commit and self.read_only:
            raise ArgumentError("commit=True and read_only=True exclude each other: what only reads commits nothing.")
