"""Columns fetched for objects that are there, where somebody wants to see each statement (``do_orm_execute``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Result

from ..kernel.in_lists import keys_parameter
from ..loading import ondemand, together
from ..loading.results import objects_result
from ..state.instance import InstanceState

if TYPE_CHECKING:
    from .session import Session


def fetch_told(
    session: Session, state: InstanceState, instance: Any, keys: Iterable[str], overwrite: bool, statement: Any
) -> bool:
    """Fetch some attributes of one object; return whether its row is still there."""
    mapper = state.mapper
    usual = ondemand.by_key(mapper, frozenset(keys)).statement
    found = False

    def run(
        statement: Any, parameters: Any, options: Mapping[str, Any], bind_arguments: Mapping[str, Any]
    ) -> Result[Any]:
        nonlocal found
        with session._unit():
            connection = session.connection_for(mapper)
            own = None if statement is usual and not options else statement.execution_options(**options)
            found = ondemand.load_keys(state, instance, keys, connection, overwrite, own)
        return objects_result(mapper, [instance] if found else [])

    parameters = {f"pk_{place}": value for place, value in enumerate(state.identity or ())}
    session._ask_listeners(usual if statement is None else statement, parameters, run, "column", mapper)
    return found


def fetch_together_told(session: Session, mapper: Any, lacking: Any, keys: frozenset[str]) -> None:
    """Fetch some attributes of several objects."""
    usual = together.by_keys(mapper, keys).statement

    def run(
        statement: Any, parameters: Any, options: Mapping[str, Any], bind_arguments: Mapping[str, Any]
    ) -> Result[Any]:
        own = None if statement is usual and not options else statement.execution_options(**options)
        with session._unit():
            together.load_keys(mapper, lacking, keys, session.connection_for(mapper), session.identity_map, own)
        return objects_result(mapper, [instance for _, instance in lacking])

    session._ask_listeners(usual, keys_parameter([state.pk for state, _ in lacking]), run, "column", mapper)
