"""Ropewalk: sessions over SQLAlchemy Core.

Everything a program needs is here, under SQLAlchemy's own names::

    from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, select
"""

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    create_engine,
    delete,
    exists,
    func,
    insert,
    text,
    update,
)

from . import exc
from .declare import (
    DeclarativeAttributeIntercept,
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    DeclarativeMeta,
    DynamicMapped,
    Mapped,
    MappedAsDataclass,
    MappedColumn,
    WriteOnlyMapped,
    add_mapped_attribute,
    as_declarative,
    clear_mappers,
    configure_mappers,
    declarative_base,
    declarative_mixin,
    declared_attr,
    has_inherited_table,
    mapped_as_dataclass,
    mapped_column,
    mapper,
    registry,
    synonym_for,
    unmapped_dataclass,
)
from .exc import MappedAnnotationError
from .inspection import class_mapper, inspect, object_mapper
from .instrumentation.aliases import AliasedClass, aliased
from .instrumentation.attributes import InstrumentedAttribute, QueryableAttribute
from .instrumentation.manager import ClassManager
from .instrumentation.validators import reconstructor, validates
from .kernel.symbols import NO_VALUE, LoaderCallableStatus, PassiveFlag
from .loading.options import defer, load_only, undefer, undefer_group
from .loading.selecting import select
from .mapping.comparator import PropComparator
from .mapping.mapper import Mapper
from .mapping.properties import (
    ColumnProperty,
    MapperProperty,
    SynonymProperty,
    column_property,
    deferred,
    query_expression,
    synonym,
)
from .session.binds import bind_metadata
from .session.factory import create_session, sessionmaker
from .session.moves import make_transient, make_transient_to_detached, object_session, was_deleted
from .session.session import Session, close_all_sessions
from .session.transaction import SessionTransaction, SessionTransactionOrigin
from .state.history import AttributeState, History
from .state.identity import IdentityMap
from .state.instance import InstanceState

if TYPE_CHECKING:
    from .session.query import Query

Synonym = SynonymProperty

__version__ = "0.1.0"

__all__ = [
    "undefer_group",
    "undefer",
    "load_only",
    "defer",
    "AliasedClass",
    "AttributeState",
    "ClassManager",
    "ColumnProperty",
    "DeclarativeAttributeIntercept",
    "DeclarativeBase",
    "DeclarativeBaseNoMeta",
    "DeclarativeMeta",
    "DynamicMapped",
    "History",
    "IdentityMap",
    "InstanceState",
    "InstrumentedAttribute",
    "LoaderCallableStatus",
    "Mapped",
    "MappedAnnotationError",
    "MappedAsDataclass",
    "MappedColumn",
    "Mapper",
    "MapperProperty",
    "NO_VALUE",
    "PassiveFlag",
    "PropComparator",
    "Query",
    "QueryableAttribute",
    "Session",
    "SessionTransaction",
    "SessionTransactionOrigin",
    "Synonym",
    "SynonymProperty",
    "WriteOnlyMapped",
    "add_mapped_attribute",
    "aliased",
    "as_declarative",
    "bind_metadata",
    "class_mapper",
    "clear_mappers",
    "close_all_sessions",
    "column_property",
    "configure_mappers",
    "create_engine",
    "create_session",
    "declarative_base",
    "declarative_mixin",
    "declared_attr",
    "deferred",
    "delete",
    "exc",
    "exists",
    "func",
    "has_inherited_table",
    "insert",
    "inspect",
    "make_transient",
    "make_transient_to_detached",
    "mapped_as_dataclass",
    "mapped_column",
    "mapper",
    "object_mapper",
    "object_session",
    "query_expression",
    "reconstructor",
    "registry",
    "select",
    "sessionmaker",
    "synonym",
    "synonym_for",
    "text",
    "unmapped_dataclass",
    "update",
    "validates",
    "was_deleted",
]


def __getattr__(name: str) -> Any:
    # Query and its files are read by programs that use it, since every program waits for an import.
    if name == "Query":
        from .session.query import Query

        return Query
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
