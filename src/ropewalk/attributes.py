"""Functions on single attributes of mapped objects, under the names of ``sqlalchemy.orm.attributes``."""

from .instrumentation.adapter import collection_adapter
from .instrumentation.attributes import InstrumentedAttribute, QueryableAttribute
from .instrumentation.handling import (
    del_attribute,
    flag_dirty,
    flag_modified,
    get_attribute,
    get_history,
    has_parent,
    init_collection,
    instance_dict,
    instance_state,
    set_attribute,
    set_committed_value,
)
from .instrumentation.told_attributes import (
    OP_APPEND,
    OP_BULK_REPLACE,
    OP_MODIFIED,
    OP_REMOVE,
    OP_REPLACE,
    AttributeEventToken,
)
from .kernel.symbols import NO_KEY, NO_VALUE, PassiveFlag
from .state.history import History

__all__ = [
    "OP_APPEND",
    "OP_BULK_REPLACE",
    "OP_MODIFIED",
    "OP_REMOVE",
    "OP_REPLACE",
    "AttributeEventToken",
    "NO_KEY",
    "NO_VALUE",
    "History",
    "InstrumentedAttribute",
    "PassiveFlag",
    "QueryableAttribute",
    "collection_adapter",
    "del_attribute",
    "flag_dirty",
    "flag_modified",
    "get_attribute",
    "get_history",
    "has_parent",
    "init_collection",
    "instance_dict",
    "instance_state",
    "set_attribute",
    "set_committed_value",
]
