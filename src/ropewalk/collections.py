"""Collection classes of relationships, under the names of ``sqlalchemy.orm.collections``."""

from .instrumentation.adapter import CollectionAdapter, collection_adapter
from .instrumentation.custom import collection
from .instrumentation.dicts import InstrumentedDict
from .instrumentation.keyed import (
    KeyFuncDict,
    MappedCollection,
    attribute_keyed_dict,
    attribute_mapped_collection,
    column_keyed_dict,
    column_mapped_collection,
    keyfunc_mapping,
    mapped_collection,
)
from .instrumentation.lists import InstrumentedList
from .instrumentation.sets import InstrumentedSet

__all__ = [
    "CollectionAdapter",
    "InstrumentedDict",
    "InstrumentedList",
    "InstrumentedSet",
    "KeyFuncDict",
    "MappedCollection",
    "attribute_keyed_dict",
    "attribute_mapped_collection",
    "collection",
    "collection_adapter",
    "column_keyed_dict",
    "column_mapped_collection",
    "keyfunc_mapping",
    "mapped_collection",
]
