"""Columns and relationships inside the fields of a finished dataclass: ``field(metadata={"sa": Column(...)})``."""

from __future__ import annotations

from typing import Any

from .annotations import annotations_of

_KEY = "__sa_dataclass_metadata_key__"


def embedded_in(base: type, name: str) -> Any:
    """Return what a field of ``base`` itself has in its metadata under the key that the class names; or None.

    A function there is called for each class, as a mixin needs it for its relationships.
    """
    key = getattr(base, _KEY, None)
    if key is None:
        return None
    field = base.__dict__.get("__dataclass_fields__", {}).get(name)
    if field is None or name not in annotations_of(base):
        return None
    found = field.metadata.get(key)
    return found() if callable(found) and not hasattr(found, "__clause_element__") else found
