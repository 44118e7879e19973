"""The classes of events, under the names of ``sqlalchemy.orm.events``; docs/events.md lists what they tell.

Listeners are registered with ``sqlalchemy.event``::

    from sqlalchemy import event

    @event.listens_for(Session, "before_flush")
    def before_flush(session, flush_context, instances): ...
"""

from .declare.events import RegistryEvents
from .instrumentation.attribute_events import AttributeEvents
from .instrumentation.events import InstanceEvents, InstrumentationEvents, MapperEvents
from .session.events import SessionEvents
from .session.query_events import QueryEvents

__all__ = [
    "AttributeEvents",
    "InstanceEvents",
    "InstrumentationEvents",
    "MapperEvents",
    "QueryEvents",
    "RegistryEvents",
    "SessionEvents",
]
