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
    orm_insert_sentinel,
    registry,
    synonym_for,
    unmapped_dataclass,
)
from .declare.resolving import TypeResolve
from .declare.unmapped import Unmapped, unmapped_column
from .events import (
    AttributeEvents,
    InstanceEvents,
    InstrumentationEvents,
    MapperEvents,
    QueryEvents,
    RegistryEvents,
    SessionEvents,
)
from .exc import MappedAnnotationError
from .inspection import class_mapper, inspect, object_mapper
from .instrumentation.aliases import AliasedClass, aliased
from .instrumentation.attributes import InstrumentedAttribute, QueryableAttribute
from .instrumentation.bundles import Bundle, DictBundle
from .instrumentation.extensions import AttributeExtension, MapperExtension
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
from .instrumentation.manager import ClassManager
from .instrumentation.parents import with_parent
from .instrumentation.validators import reconstructor, validates
from .kernel.symbols import (
    EXT_CONTINUE,
    EXT_SKIP,
    EXT_STOP,
    MANYTOMANY,
    MANYTOONE,
    NO_VALUE,
    ONETOMANY,
    LoaderCallableStatus,
    PassiveFlag,
    RelationshipDirection,
)
from .loading.criteria import LoaderCriteria as LoaderCriteriaOption
from .loading.criteria import with_loader_criteria
from .loading.entity_join import join, outerjoin
from .loading.options import (
    Load,
    contains_eager,
    defaultload,
    defer,
    eagerload,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    noload,
    raiseload,
    selectinload,
    subqueryload,
    undefer,
    undefer_group,
    with_expression,
)
from .loading.selecting import select
from .loading.user_options import UserDefinedOption
from .mapping.cascades import CascadeOptions
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
from .mapping.relationships import (
    RelationshipProperty,
    backref,
    dynamic_loader,
    foreign,
    relation,
    relationship,
    remote,
)
from .session.binds import bind_metadata
from .session.extensions import SessionExtension
from .session.factory import create_session, sessionmaker
from .session.moves import make_transient, make_transient_to_detached, object_session, was_deleted
from .session.orm_execute import ORMExecuteState
from .session.recovery import PreparedTransactions
from .session.retrying import Retries, retried, transient_reason
from .session.session import Session, close_all_sessions
from .session.transaction import SessionTransaction, SessionTransactionOrigin
from .session.writeonly import WriteOnlyCollection
from .state.history import AttributeState, History
from .state.identity import IdentityMap
from .state.instance import InstanceState

if TYPE_CHECKING:
    from .ext.associationproxy import AssociationProxy, association_proxy
    from .ropes.jenny import SessionJenny
    from .ropes.rope import SessionRope
    from .ropes.scoped import QueryPropertyDescriptor, scoped_session
    from .session.dynamic import AppenderMixin, AppenderQuery
    from .session.query import Query

identity_key = Session.identity_key
Synonym = SynonymProperty
Relationship = RelationshipProperty

__version__ = "0.1.0"

__all__ = [
    "AttributeExtension",
    "MapperExtension",
    "SessionExtension",
    "AttributeEvents",
    "EXT_CONTINUE",
    "EXT_SKIP",
    "EXT_STOP",
    "InstanceEvents",
    "InstrumentationEvents",
    "MapperEvents",
    "RegistryEvents",
    "TypeResolve",
    "AliasedClass",
    "AppenderMixin",
    "AppenderQuery",
    "AssociationProxy",
    "AttributeState",
    "Bundle",
    "CascadeOptions",
    "ClassManager",
    "ColumnProperty",
    "DeclarativeAttributeIntercept",
    "DeclarativeBase",
    "DeclarativeBaseNoMeta",
    "DeclarativeMeta",
    "DictBundle",
    "DynamicMapped",
    "History",
    "IdentityMap",
    "InstanceState",
    "InstrumentedAttribute",
    "KeyFuncDict",
    "Load",
    "LoaderCallableStatus",
    "LoaderCriteriaOption",
    "MANYTOMANY",
    "MANYTOONE",
    "Mapped",
    "MappedAnnotationError",
    "MappedAsDataclass",
    "MappedCollection",
    "MappedColumn",
    "Mapper",
    "MapperProperty",
    "NO_VALUE",
    "ONETOMANY",
    "PassiveFlag",
    "PreparedTransactions",
    "PropComparator",
    "Query",
    "QueryEvents",
    "ORMExecuteState",
    "QueryPropertyDescriptor",
    "QueryableAttribute",
    "Relationship",
    "RelationshipDirection",
    "RelationshipProperty",
    "Retries",
    "Session",
    "SessionEvents",
    "SessionJenny",
    "SessionRope",
    "SessionTransaction",
    "SessionTransactionOrigin",
    "Synonym",
    "SynonymProperty",
    "Unmapped",
    "UserDefinedOption",
    "WriteOnlyCollection",
    "WriteOnlyMapped",
    "add_mapped_attribute",
    "aliased",
    "as_declarative",
    "association_proxy",
    "attribute_keyed_dict",
    "attribute_mapped_collection",
    "backref",
    "bind_metadata",
    "class_mapper",
    "clear_mappers",
    "close_all_sessions",
    "column_keyed_dict",
    "column_mapped_collection",
    "column_property",
    "configure_mappers",
    "contains_eager",
    "create_engine",
    "create_session",
    "declarative_base",
    "declarative_mixin",
    "declared_attr",
    "defaultload",
    "defer",
    "deferred",
    "delete",
    "dynamic_loader",
    "eagerload",
    "exc",
    "exists",
    "foreign",
    "func",
    "has_inherited_table",
    "identity_key",
    "immediateload",
    "insert",
    "inspect",
    "join",
    "joinedload",
    "keyfunc_mapping",
    "lazyload",
    "load_only",
    "make_transient",
    "make_transient_to_detached",
    "mapped_as_dataclass",
    "mapped_collection",
    "mapped_column",
    "mapper",
    "noload",
    "object_mapper",
    "object_session",
    "orm_insert_sentinel",
    "outerjoin",
    "query_expression",
    "raiseload",
    "reconstructor",
    "registry",
    "relation",
    "relationship",
    "remote",
    "retried",
    "scoped_session",
    "select",
    "selectinload",
    "sessionmaker",
    "subqueryload",
    "synonym",
    "synonym_for",
    "text",
    "transient_reason",
    "undefer",
    "undefer_group",
    "unmapped_column",
    "unmapped_dataclass",
    "update",
    "validates",
    "was_deleted",
    "with_expression",
    "with_loader_criteria",
    "with_parent",
]


def __getattr__(name: str) -> Any:
    # These and their files are read by programs that use them, since every program waits for an import.
    if name == "Query":
        from .session.query import Query

        return Query
    if name in ("AppenderMixin", "AppenderQuery"):
        from .session import dynamic

        return getattr(dynamic, name)
    if name in ("AssociationProxy", "association_proxy"):
        from .ext import associationproxy

        return getattr(associationproxy, name)
    if name in ("QueryPropertyDescriptor", "SessionJenny", "SessionRope", "scoped_session"):
        from . import ropes

        return getattr(ropes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
