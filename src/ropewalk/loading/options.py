"""Loader options on columns: what one query fetches more, or less, than the mapping says."""

from __future__ import annotations

from typing import Any

from ..exc import ArgumentError
from ..kernel.core import StatementOption
from ..mapping.mapper import Mapper

WILDCARD = "*"


class ColumnOption(StatementOption):
    """One of ``defer``, ``undefer``, ``undefer_group`` and ``load_only``, for one mapped class.

    :ivar kind: which of them.
    :ivar mapper: of the class whose attributes are meant; None with names alone.
    :ivar names: the attributes, or the group.
    """

    def __init__(self, kind: str, mapper: Mapper[Any] | None, names: tuple[str, ...], raiseload: bool = False) -> None:
        self.kind = kind
        self.mapper = mapper
        self.names = names
        self.raiseload = raiseload

    def cache_key_parts(self) -> tuple[Any, ...]:
        return (self.kind, self.mapper, self.names, self.raiseload)

    def choose_columns(self, mapper: Mapper[Any], fetched: set[str]) -> set[str]:
        """Return the attributes to fetch for ``mapper``, of those that were to be."""
        if self.mapper is not None and not (mapper.isa(self.mapper) or self.mapper.isa(mapper)):
            return fetched
        names = {p.key for p in mapper.column_props.values() if self._means(p)}
        if self.kind == "defer":
            return fetched - names
        if self.kind == "load_only":
            return {key for key in fetched if mapper.column_props[key].query_expression} | names
        return fetched | names

    def _means(self, prop: Any) -> bool:
        if self.kind == "undefer_group":
            return prop.deferred_group in self.names
        return prop.key in self.names or WILDCARD in self.names


def _option(kind: str, attributes: tuple[Any, ...], raiseload: bool = False) -> ColumnOption:
    mapper: Mapper[Any] | None = None
    names = []
    for attribute in attributes:
        if attribute == WILDCARD if isinstance(attribute, str) else False:
            names.append(WILDCARD)
            continue
        prop = getattr(attribute, "prop", None)
        if prop is not None and prop.is_synonym:
            prop = attribute.property
        if prop is None or not prop.is_column:
            raise ArgumentError(
                f"{kind}() takes mapped column attributes, such as {kind}(User.name); got {attribute!r}."
            )
        mapper = prop.parent
        names.append(prop.key)
    return ColumnOption(kind, mapper, tuple(names), raiseload)


def defer(key: Any, *, raiseload: bool = False) -> ColumnOption:
    """Leave a column out of the SELECT; it is loaded when it is read.

    :param key: a mapped attribute, or ``"*"`` for all.
    """
    return _option("defer", (key,), raiseload)


def undefer(key: Any) -> ColumnOption:
    """Fetch a deferred column with the rest.

    :param key: a mapped attribute, or ``"*"`` for all.
    """
    return _option("undefer", (key,))


def undefer_group(name: str) -> ColumnOption:
    """Fetch the deferred columns of a group with the rest."""
    return ColumnOption("undefer_group", None, (name,))


def load_only(*attributes: Any, raiseload: bool = False) -> ColumnOption:
    """Fetch these columns, and the primary key, alone."""
    return _option("load_only", attributes, raiseload)
