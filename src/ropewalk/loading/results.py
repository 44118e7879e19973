"""Loaded objects as a Core ``Result``: ``scalars()``, ``all()``, ``one()``, ``unique()`` and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Result
from sqlalchemy.engine.result import ChunkedIteratorResult, IteratorResult

from ..kernel.names import result_metadata


def metadata_of(
    names: Sequence[str | None], slots: Sequence[Any], others: Sequence[tuple[Any, ...]] | None = None
) -> Any:
    """Return what a result needs to know of its rows; a plan keeps it.

    Two objects are one for ``unique()`` only if they are the same; other values compare as they do.

    :param others: for each member the objects by which it can be had, beside its name.
    """
    return result_metadata(names, [id if slot is not None else itself for slot in slots], others)


def result_of(metadata: Any, data: Iterable[Any], single: bool) -> Result[Any]:
    """Return a result over what was loaded.

    :param single: ``data`` holds the entities themselves; rows of one are made only where a row is asked for.
    """
    return IteratorResult(metadata, iter(data), _source_supports_scalars=single)


def streamed(metadata: Any, chunks: Callable[[int | None], Iterator[Any]], single: bool, raw: Any) -> Result[Any]:
    """Return a result that loads one chunk at a time (``yield_per``)."""
    return ChunkedIteratorResult(metadata, chunks, source_supports_scalars=single, dynamic_yield_per=True, raw=raw)


def objects_result(mapper: Any, objects: Iterable[Any]) -> Result[Any]:
    """Return a result over objects of one class."""
    return result_of(metadata_of([mapper.class_.__name__], [mapper]), objects, True)


def itself(value: Any) -> Any:
    """Return what stands for a column's value when rows are compared: a JSON list is the same only as itself."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
