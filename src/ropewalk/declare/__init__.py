"""Floor 4: how classes say what they are mapped to.

``annotations`` and ``typemap`` read ``Mapped[...]``; ``columns`` has ``mapped_column()``; ``scan`` reads a
class body, ``build`` makes a table and a mapping of it, ``dataclass`` a dataclass; ``door`` is where every
mapping passes; ``registry``, ``metaclass`` and ``base`` are what programs derive from and call.
"""

from ..instrumentation.attributes import DynamicMapped, Mapped, WriteOnlyMapped
from .base import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    MappedAsDataclass,
    as_declarative,
    declarative_base,
    mapped_as_dataclass,
    synonym_for,
    unmapped_dataclass,
)
from .columns import MappedColumn, mapped_column
from .declared import declarative_mixin, declared_attr, has_inherited_table
from .door import map_class
from .metaclass import DeclarativeAttributeIntercept, DeclarativeMeta, add_mapped_attribute
from .registry import clear_mappers, configure_mappers, mapper, registry
from .sentinel import orm_insert_sentinel

__all__ = [
    "DeclarativeAttributeIntercept",
    "DeclarativeBase",
    "DeclarativeBaseNoMeta",
    "DeclarativeMeta",
    "DynamicMapped",
    "Mapped",
    "MappedAsDataclass",
    "MappedColumn",
    "WriteOnlyMapped",
    "add_mapped_attribute",
    "as_declarative",
    "clear_mappers",
    "configure_mappers",
    "declarative_base",
    "declarative_mixin",
    "declared_attr",
    "has_inherited_table",
    "map_class",
    "mapped_as_dataclass",
    "mapped_column",
    "mapper",
    "orm_insert_sentinel",
    "registry",
    "synonym_for",
    "unmapped_dataclass",
]
