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
    deferred = prop is not None and prop.is_column and prop.deferred
    awaited = (
        f"await obj.awaitable_attrs.{key}"
        if hasattr(type(instance), "awaitable_attrs")
        else f"await obj.awaitable_attrs.{key}, with AsyncAttrs among the bases of {class_name}"
    )
    ahead = (
        f"options(selectinload({name})) in the query"
        if prop is not None and prop.is_relationship
        else f"options(undefer({name})) in the query"
        if deferred
        else "async_sessionmaker(expire_on_commit=False) if a commit expired it, or await session.refresh(obj)"
    )
    return ImplicitLoadError(
        f"Attribute {key!r} of {state.describe()} is not loaded, and to load it takes a statement, which async code "
        f"must await. Either: {awaited}; or load it ahead: {ahead}; or read it inside "
        f"await session.run_sync(lambda session: obj.{key}).",
        instance,
        key,
    )
