"""What is loaded on behalf of objects, where somebody wants to see each statement (``do_orm_execute``).

The statement, its parameters and its options may come back changed, so it goes the long way through Core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..kernel.core import raw_rows
from ..kernel.in_lists import keys_parameter
from ..kernel.options import options_of
from ..kernel.values import with_values
from ..state.instance import InstanceState
from .peers import values_of
from .plan import Plan
from .results import result_of
from .rows import compile_loader, hold
from .user_options import carried_by
from .wishes import Node, wishes_in

if TYPE_CHECKING:
    from .fetching import Fetch
    from .refreshing import Refresh


def told_rows(
    session: Any,
    fetch: Fetch,
    keys: Sequence[Any],
    overwrite: bool,
    asked_by: InstanceState | None,
    values: Mapping[str, Any] | None = None,
) -> Iterable[Any]:
    """Load a relationship for these keys; return what came, each with its row's key."""

    usual = with_values(fetch.statement, values)
    if options := carried_by(fetch.node.wishes):
        usual = usual.options(*options)

    def run(statement: Any, parameters: Any, options: Mapping[str, Any], bind_arguments: Mapping[str, Any]) -> Any:
        plan = fetch.plan if statement is usual else _changed_plan(fetch, statement)
        populate = overwrite or bool(options.get("populate_existing"))
        return result_of(plan.metadata, run_plan(session, plan, parameters, options, populate, values), False)

    return session._ask_listeners(  # type: ignore[no-any-return]
        usual, keys_parameter(keys), run, "relationship", fetch.prop.mapper, asked_by, session.options_now
    )


def refresh_told(session: Any, refresh: Refresh, states: Sequence[InstanceState]) -> None:
    """Read objects anew with what is loaded along with them."""
    values = values_of(states[0])

    def run(statement: Any, parameters: Any, options: Mapping[str, Any], bind_arguments: Mapping[str, Any]) -> Any:
        plan = refresh.plan
        if statement is not refresh.statement:
            plan = Plan(statement, (), (), plan.nodes[0])
        return result_of(plan.metadata, run_plan(session, plan, parameters, options, False, values), False)

    keys = keys_parameter([state.pk for state in states])
    session._ask_listeners(refresh.statement, keys, run, "column", refresh.mapper)


def run_plan(
    session: Any,
    plan: Plan,
    parameters: Any,
    options: Mapping[str, Any],
    populate: bool,
    values: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Execute a plan through Core and load what it gives."""
    owner = session.identity_map
    with session._unit():
        connection = session.connection_for(plan.subject, plan.statement)
        for_core = {name: value for name, value in options.items() if name not in ("populate_existing", "autoflush")}
        statement = with_values(plan.statement, values)
        result = connection.execute(statement, parameters, execution_options=for_core)
        description = result.cursor.description
        rows = raw_rows(result)
        result.close()
        loader = compile_loader(
            plan.slots, plan.types, connection.dialect, description, False, populate, plan.links, plan.groups
        )
        peers = plan.new_peers(False, values)
        before, session.options_now = session.options_now, for_core or None
        try:
            loaded = loader(rows, owner, peers)
        finally:
            session.options_now = before
        if owner.held is not None:
            hold(owner, peers)
    return loaded


def _changed_plan(fetch: Fetch, statement: Any) -> Plan:
    """Return the plan of a statement that a listener has put in place of the usual one."""
    options = options_of(statement)
    node = fetch.node
    wishes = wishes_in(options)
    if wishes:
        node = Node(node.entity, [*node.wishes, *wishes], node.trail[:-1])
    return Plan(statement, (), (), node)
