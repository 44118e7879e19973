"""What is not loaded, read in async code outside any greenlet: an error that names the attribute and the ways out.

A driver that must be awaited cannot be asked by ``user.orders``. What needs no SQL (a reference whose
object the session holds) is answered all the same; before the first statement would be sent the read is
refused, with the session as it was: no flush was begun, and no transaction broken.
"""

from __future__ import annotations

from typing import Any

from ..exc import ImplicitLoadError
from ..session.session import Session
from ..state.instance import InstanceState
from .bridge import in_greenlet


def load_attribute(state: InstanceState, instance: Any, key: str) -> Any:
    """Load an attribute that an object lacks, inside a greenlet; stands in the place of the session's method.

    :raises ImplicitLoadError: outside a greenlet, if it takes SQL.
    """
    session: Session = state.session
    load = type(session).load_attribute
    if in_greenlet():
        return load(session, state, instance, key)

    def refuse(*args: Any, **kw: Any) -> Any:
        raise _error(state, instance, key)

    # For the time of this call the session has no way to the database.
    refusals = {"_unit": refuse, "connection_for": refuse, "_autoflush": _nothing}
    own = session.__dict__
    own.update(refusals)
    try:
        return load(session, state, instance, key)
    finally:
        for name in refusals:
            del own[name]


def _nothing() -> None:
    """Flush nothing: where that would matter the statement after it is refused."""


def _error(state: InstanceState, instance: Any, key: str) -> ImplicitLoadError:
    class_name = state.mapper.class_.__name__
    name = f"{class_name}.{key}"
    prop: Any = state.mapper.props.get(key)
    if prop is not None and prop.is_column and state.expired:
        what = "has expired, as a commit or rollback has it"
        ahead = "make sessions with async_sessionmaker(expire_on_commit=False), or await session.refresh(obj) first"
    else:
        what = "is not loaded"
        option = "selectinload" if prop is not None and prop.is_relationship else "undefer"
        ahead = f"load it ahead, with options({option}({name})) in the query"
    awaited = f"await obj.awaitable_attrs.{key}"
    if not hasattr(type(instance), "awaitable_attrs"):
        awaited += f", with AsyncAttrs among the bases of {class_name}"
    return ImplicitLoadError(
        f"Attribute {key!r} of {state.describe()} {what}, and to load it takes a statement, which async code must "
        f"await. Either {ahead}; or {awaited}; or read it inside await session.run_sync(lambda session: obj.{key}).",
        instance,
        key,
    )
