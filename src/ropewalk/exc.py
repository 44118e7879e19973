"""Everything that Ropewalk raises, as one tree.

::

    sqlalchemy.exc.SQLAlchemyError
    ├── ArgumentError                  a mapping or a call that cannot mean anything
    │   └── MappedAnnotationError      a Mapped[...] annotation with no known column type
    ├── InvalidRequestError            a call that does not fit the present state
    │   ├── UnmappedError
    │   │   ├── UnmappedClassError     a class that no mapper knows
    │   │   ├── UnmappedInstanceError  an object whose class no mapper knows
    │   │   └── UnmappedColumnError    a column that no attribute stands for
    │   ├── RelatedTypeError           an object of the wrong class in a relationship
    │   ├── NoResultFound              one() met no row
    │   ├── MultipleResultsFound       one() met several
    │   ├── ObjectDeletedError         the row behind an object is gone
    │   ├── LoaderStrategyException    a loader strategy that the attribute cannot have
    │   ├── PendingRollbackError       a failed flush awaits rollback()
    │   ├── IllegalStateChangeError    a second thread or task inside a session
    │   ├── NoTwoPhaseError            a database without two-phase commit, in a session that wants it
    │   ├── ImplicitLoadError          an unloaded attribute, read in async code without await
    │   └── ResourceClosedError        a transaction that has ended
    ├── UnboundExecutionError          no engine was found for what is asked
    ├── DetachedInstanceError          an unloaded attribute of an object without a session
    ├── FlushError                     a unit of work that cannot be written
    │   └── BlankedKeyError            an object that would lose its parent's key, which is its own
    ├── StaleDataError                 a row that was to be changed did not match
    └── DBAPIError …                   what the database itself said, as Core wraps it
        └── CommitOutcomeUnknown       nobody answered a COMMIT, or only some databases obeyed it

Names that SQLAlchemy has keep its names and bases, so that ``except`` clauses
move over unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IllegalStateChangeError,
    IntegrityError,
    InvalidRequestError,
    MissingGreenlet,
    MultipleResultsFound,
    NoInspectionAvailable,
    NoResultFound,
    OperationalError,
    PendingRollbackError,
    ResourceClosedError,
    SAWarning,
    SQLAlchemyError,
    StatementError,
    UnboundExecutionError,
)

__all__ = [
    "ArgumentError",
    "BlankedKeyError",
    "CommitOutcomeUnknown",
    "ConcurrentModificationError",
    "DBAPIError",
    "DetachedInstanceError",
    "FlushError",
    "IllegalStateChangeError",
    "ImplicitLoadError",
    "IntegrityError",
    "InvalidRequestError",
    "LoaderStrategyException",
    "MappedAnnotationError",
    "MultipleResultsFound",
    "NoInspectionAvailable",
    "NoResultFound",
    "NoTwoPhaseError",
    "ObjectDeletedError",
    "ObjectDereferencedError",
    "PendingRollbackError",
    "RelatedTypeError",
    "ResourceClosedError",
    "SAWarning",
    "SQLAlchemyError",
    "StaleDataError",
    "StatementError",
    "UnboundExecutionError",
    "UnmappedClassError",
    "UnmappedColumnError",
    "UnmappedError",
    "UnmappedInstanceError",
]


class NoTwoPhaseError(InvalidRequestError, NotImplementedError):
    """A database has no two-phase commit, and was to take part in a session with ``twophase=True``."""


class MappedAnnotationError(ArgumentError):
    """A ``Mapped[...]`` annotation cannot be turned into a column."""


class UnmappedError(InvalidRequestError):
    """Something unmapped stands where something mapped is needed."""


class UnmappedClassError(UnmappedError):
    """A class that no mapper knows.

    ``class_`` is that class.
    """

    def __init__(self, class_: type | Any, msg: str | None = None) -> None:
        self.class_ = class_
        super().__init__(msg or f"{_module_name(class_)} is not mapped. {_how_to_map(class_)}")

    def __reduce__(self) -> Any:
        return type(self), (None, self.args[0])


class UnmappedInstanceError(UnmappedError):
    """An object whose class no mapper knows.

    ``instance`` is that object.
    """

    def __init__(self, instance: object, msg: str | None = None) -> None:
        self.instance = instance
        if msg is None:
            if isinstance(instance, type):
                msg = (
                    f"The class {_module_name(instance)} itself was given where one of its objects is needed; "
                    f"did you mean {instance.__name__}(...)?"
                )
            else:
                cls = type(instance)
                msg = (
                    f"{instance!r} cannot be held by a session: its class {_module_name(cls)} is not mapped. "
                    f"{_how_to_map(cls)}"
                )
        super().__init__(msg)

    def __reduce__(self) -> Any:
        return type(self), (None, self.args[0])


class UnmappedColumnError(UnmappedError):
    """No attribute of the mapper stands for that column."""


class RelatedTypeError(InvalidRequestError, TypeError, AssertionError):
    """An object was put into a relationship that leads to another class.

    ``class_`` and ``attribute`` say which relationship, ``got`` is the object. It is an
    AssertionError too, as which SQLAlchemy raises it later, when the object is added to a session.
    """

    def __init__(
        self, message: str, class_: type | None = None, attribute: str | None = None, got: object = None
    ) -> None:
        self.class_ = class_
        self.attribute = attribute
        self.got = got
        super().__init__(message)


class DetachedInstanceError(SQLAlchemyError):
    """An attribute must be loaded and the object belongs to no session.

    ``instance`` is the object, ``attribute`` the name that was asked for.
    """

    def __init__(self, message: str, instance: object = None, attribute: str | None = None) -> None:
        self.instance = instance
        self.attribute = attribute
        super().__init__(message)


class ImplicitLoadError(MissingGreenlet):
    """An attribute that is not loaded was read in async code, where loading must be awaited.

    ``instance`` is the object, ``attribute`` the name that was asked for. It is a MissingGreenlet, as which
    SQLAlchemy raises it.
    """

    def __init__(self, message: str, instance: object = None, attribute: str | None = None) -> None:
        self.instance = instance
        self.attribute = attribute
        super().__init__(message)


class ObjectDeletedError(InvalidRequestError):
    """The row behind an object is gone, so that it cannot be refreshed."""

    def __init__(self, subject: Any, msg: str | None = None) -> None:
        self.subject = subject
        super().__init__(
            msg or f"{subject} has no row in the database any more: another transaction deleted it, or its key changed."
        )

    def __reduce__(self) -> Any:
        return type(self), (None, self.args[0])


class ObjectDereferencedError(SQLAlchemyError):
    """An operation met an object that the program has dropped meanwhile."""


class FlushError(SQLAlchemyError):
    """A unit of work that cannot be written as it stands."""


class BlankedKeyError(FlushError, AssertionError):
    """An object was taken out of a relationship whose foreign key is part of its own primary key.

    ``subject`` is its state. It is an AssertionError too, as which SQLAlchemy raises it.
    """

    def __init__(self, message: str, subject: Any = None) -> None:
        self.subject = subject
        super().__init__(message)


class StaleDataError(SQLAlchemyError):
    """A row that an UPDATE or DELETE was meant for was not there.

    ``mapper`` is the mapper whose rows were missed, ``expected`` and ``matched`` the counts.
    """

    def __init__(
        self, message: str, mapper: Any = None, expected: int | None = None, matched: int | None = None
    ) -> None:
        self.mapper = mapper
        self.expected = expected
        self.matched = matched
        super().__init__(message)


ConcurrentModificationError = StaleDataError


class CommitOutcomeUnknown(OperationalError):
    """A COMMIT was sent, and it is not known that all of it took effect; nor that none did.

    The connection was lost before the answer came; or the transaction spans several databases, and one failed
    when another had committed already. It is never a reason to do the work again without looking: find out from
    the data (a row that only this transaction writes) whether it is there.

    The driver's error is ``orig``, Core's is ``__cause__``.

    :ivar committed: the engines or connections that are known to have committed.
    :ivar unknown: those of which nothing is known.
    :ivar undone: those that were rolled back.
    :ivar prepared: of a two-phase transaction, what each unknown one calls its prepared part. It waits there to be
        committed or rolled back: see :class:`ropewalk.PreparedTransactions`.
    """

    def __init__(
        self,
        message: str,
        cause: DBAPIError,
        committed: Sequence[Any] = (),
        unknown: Sequence[Any] = (),
        undone: Sequence[Any] = (),
        prepared: Mapping[Any, Any] | None = None,
    ) -> None:
        super().__init__(None, None, cause.orig or cause, connection_invalidated=cause.connection_invalidated)
        self.args = (message,)
        self.cause = cause
        self.committed = tuple(committed)
        self.unknown = tuple(unknown)
        self.undone = tuple(undone)
        self.prepared = dict(prepared or {})

    def __reduce__(self) -> Any:
        # Engines cannot be pickled; what they are called can.
        names = [[str(bind) for bind in binds] for binds in (self.committed, self.unknown, self.undone)]
        prepared = {str(bind): xid for bind, xid in self.prepared.items()}
        return type(self), (self.args[0], self.cause, *names, prepared)


class LoaderStrategyException(InvalidRequestError):
    """A loader strategy was asked of an attribute that cannot have it."""


def _module_name(cls: Any) -> str:
    if isinstance(cls, type):
        return f"{cls.__module__}.{cls.__qualname__}"
    return repr(cls)


def _how_to_map(cls: Any) -> str:
    if not isinstance(cls, type):
        return "A mapped class is needed here."
    return "Derive it from your DeclarativeBase, or map it with registry.map_imperatively(...)."
