"""Cascades: which of a session's moves go on from an object to those it refers to."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from ..exc import ArgumentError, SAWarning

EACH = ("save-update", "merge", "refresh-expire", "expunge", "delete")
"""What ``all`` stands for."""


class CascadeOptions(frozenset[str]):
    """The cascades of one relationship: a set of their names, with an attribute for each.

    :param value: names as a set or as a string with commas; ``all`` and ``none`` are understood.
    """

    save_update: bool
    merge: bool
    refresh_expire: bool
    expunge: bool
    delete: bool
    delete_orphan: bool

    def __new__(cls, value: Iterable[str] | str | None) -> CascadeOptions:
        if isinstance(value, str):
            value = [part for part in re.split(r"\s*,\s*", value.strip()) if part]
        names = set(value or ())
        unknown = sorted(names - {*EACH, "delete-orphan", "all", "none"})
        if unknown:
            raise ArgumentError(
                f"Invalid cascade option(s): {', '.join(map(repr, unknown))}. There are "
                f"{', '.join(EACH)}, delete-orphan, all and none."
            )
        if "all" in names:
            names.update(EACH)
        if "none" in names:
            names.clear()
        self = super().__new__(cls, names - {"all", "none"})
        for name in (*EACH, "delete-orphan"):
            setattr(self, name.replace("-", "_"), name in self)
        if self.delete_orphan and not self.delete:
            warnings.warn(
                "The cascade 'delete-orphan' without 'delete' leaves children behind when their parent is deleted; "
                'say "delete, delete-orphan", or "all, delete-orphan".',
                SAWarning,
                stacklevel=4,
            )
        return self

    def __repr__(self) -> str:
        return f"CascadeOptions({','.join(sorted(self))!r})"
