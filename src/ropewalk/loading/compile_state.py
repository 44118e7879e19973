"""How Core compiles a SELECT that names mapped classes, wherever it stands.

Core asks the plugin named in a statement's first entity. Ours replaces entities by
their columns, so that a subquery, a UNION or ``str(select(User))`` has the mapped
columns: no deferred ones, and column properties included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..kernel.core import PLUGIN, CompileState
from ..kernel.joins import NamedByEntity
from ..kernel.names import members_of
from ..kernel.options import enclosing_options, is_outermost, options_of
from .along import spelled_out
from .criteria import criteria_in
from .describing import described
from .entities import entity_in
from .filtering import filtered
from .from_statement import FromStatement
from .joining import Assembled, expand
from .plan import nodes_of
from .wishes import Node, wishes_in


@CompileState.plugin_for(PLUGIN, "select")
class EntitySelectState(NamedByEntity):
    """The compile state of a SELECT with entities in it."""

    def __init__(self, statement: Any, compiler: Any, **kw: Any) -> None:
        options = options_of(statement)
        if is_outermost(compiler):  # what is executed, or shown: with the joins by which relationships are loaded
            wishes = wishes_in(options)
            statement = Assembled(statement, nodes_of(statement, wishes)).statement
            super().__init__(statement, compiler, **kw)
            return
        spelled = spelled_out(statement)
        criteria = criteria_in(options, enclosing_options(compiler))
        super().__init__(expand(filtered(spelled, criteria) if criteria else spelled, options), compiler, **kw)

    @classmethod
    def from_statement(cls, statement: Any, from_statement: Any) -> Any:
        """``select(User).from_statement(text(...))``: the entities of one, the rows of the other."""
        return FromStatement(statement, from_statement)

    @classmethod
    def all_selected_columns(cls, statement: Any) -> Iterator[Any]:
        """The columns that a subquery of the statement offers."""
        for column in members_of(statement):
            entity = entity_in(column)
            if entity is None:
                yield column
            else:
                for prop in Node(entity, wishes_in(options_of(statement))).columns:
                    yield getattr(entity.entity, prop.key).expression

    @classmethod
    def get_column_descriptions(cls, statement: Any) -> list[dict[str, Any]]:
        """What ``select.column_descriptions`` shows."""
        return described(statement)
