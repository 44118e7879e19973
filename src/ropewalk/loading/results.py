"""Loaded objects as a Core ``Result``: ``scalars()``, ``all()``, ``one()``, ``unique()`` and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Result
from sqlalchemy.engine.result import ChunkedIteratorResult, IteratorResult, SimpleResultMetaData


def result_of(names: Sequence[str], slots: Sequence[Any], data: Iterable[Any], single: bool) -> Result[Any]:
    """Return a result over what was loaded.

    :param single: ``data`` holds the entities themselves; rows of one are made only where a row is asked for.
    """
    return IteratorResult(_metadata(names, slots), iter(data), _source_supports_scalars=single)


def streamed(
    names: Sequence[str],
    slots: Sequence[Any],
    chunks: Callable[[int | None], Iterator[Any]],
    single: bool,
    raw: Any,
) -> Result[Any]:
    """Return a result that loads one chunk at a time (``yield_per``)."""
    return ChunkedIteratorResult(
        _metadata(names, slots), chunks, source_supports_scalars=single, raw=raw, dynamic_yield_per=True
    )


def _metadata(names: Sequence[str], slots: Sequence[Any]) -> SimpleResultMetaData:
    # two objects are one only if they are the same; other values compare as they do
    filters = [id if slot is not None else _itself for slot in slots]
    return SimpleResultMetaData(list(names), _unique_filters=filters)


def _itself(value: Any) -> Any:
    return value
