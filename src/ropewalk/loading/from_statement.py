"""Entities taken from the rows of a statement that was written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from ..kernel.core import raw_columns
from ..kernel.names import members_of
from ..kernel.options import options_of
from ..kernel.parts import places_in
from ..state.instance import InstanceState
from .entities import entity_in
from .grouping import groups_in
from .matching import Matched
from .naming import RowNames
from .peers import Peers
from .results import metadata_of
from .rows import compile_loader, hold


class FromStatement:
    """What ``select(User).from_statement(text("SELECT ..."))`` gives.

    ``matching`` tells which column is which attribute's; an attribute whose column is missing stays unloaded.
    """

    def __init__(self, wanted: Any, element: Any) -> None:
        """Take what ``wanted``, a SELECT, asks for out of the rows of ``element``."""
        self.columns = members_of(wanted)
        self.element = element
        self.with_options = options_of(wanted)
        self._wanted = wanted
        self.execution: dict[str, Any] = {}
        self.values: dict[str, Any] = {}

    def options(self, *options: Any) -> FromStatement:
        """Return the same with more loader options."""
        return self._copy(with_options=self.with_options + options)

    def execution_options(self, **options: Any) -> FromStatement:
        """Return the same with more execution options."""
        return self._copy(execution={**self.execution, **options})

    def params(self, params: Mapping[str, Any] | None = None, /, **values: Any) -> FromStatement:
        """Return the same with values for its parameters; they go before those that the statement was given."""
        return self._copy(values={**self.values, **(params or {}), **values})

    def _copy(self, **pieces: Any) -> FromStatement:
        new = object.__new__(FromStatement)
        new.__dict__.update(self.__dict__, **pieces)
        return new

    def get_execution_options(self) -> dict[str, Any]:
        return self.execution

    @property
    def entities(self) -> list[Any]:
        return [entity for column in self.columns if (entity := entity_in(column)) is not None]

    @property
    def single(self) -> bool:
        return len(members_of(self._wanted, whole=True)) == 1

    @property
    def metadata(self) -> Any:
        """What a result needs to know of the rows."""
        names = RowNames(self._wanted)
        slots = [entity_in(column) for column in members_of(self._wanted, whole=True)]
        return metadata_of(names.names, slots, names.others)

    def load_all(
        self,
        connection: Connection,
        owner: Any,
        given: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        single: bool = False,
        populate: bool = False,
        alone: bool = False,
    ) -> list[Any]:
        """Execute and return all objects (``single``) or tuples; see :meth:`Bound.load_all`."""
        if self.values:
            given = {**self.values, **(given or {})}
        result = connection.execute(self.element, given, execution_options=options or {})
        found = Matched(self.columns, self.with_options, list(result.keys()), places_in(result))
        groups = groups_in(raw_columns(self._wanted), self._wanted)
        cursor = result.cursor
        assert cursor is not None
        description = [cursor.description[i] for i in found.order]
        rows = [tuple(row[i] for i in found.order) for row in cursor.fetchall()]
        result.close()
        loader = compile_loader(
            found.slots, found.types, connection.dialect, description, single, populate, found.links, groups
        )
        peers: list[InstanceState] = Peers(alone=True) if alone else []
        loaded = loader(rows, owner, peers)
        if owner.held is not None:
            hold(owner, peers)
        return loaded
