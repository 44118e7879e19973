"""Values that mean "no value", and the flags that say how far a read may go."""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import Final


class LoaderCallableStatus(Enum):
    """What an attribute answers when it has nothing to give."""

    PASSIVE_NO_RESULT = 0
    PASSIVE_CLASS_MISMATCH = 1
    ATTR_WAS_SET = 2
    ATTR_EMPTY = 3
    NO_VALUE = 4
    DONT_SET = 5
    NEVER_SET = 4  # an alias of NO_VALUE, as in SQLAlchemy

    def __bool__(self) -> bool:
        return False


class NoArg(Enum):
    """The default of a parameter for which ``None`` means something."""

    NO_ARG = 0

    def __repr__(self) -> str:
        return "NO_ARG"


class EventConstants(Enum):
    """What a listener, or a method of an extension, returns to say how to go on."""

    EXT_CONTINUE = 1
    EXT_STOP = 2
    EXT_SKIP = 3
    NO_KEY = 4


class RelationshipDirection(Enum):
    """On which side of a relationship the foreign key stands."""

    ONETOMANY = 1
    MANYTOONE = 2
    MANYTOMANY = 3


class PassiveFlag(IntFlag):
    """How much work a read of an attribute may cause."""

    NO_CHANGE = 0
    CALLABLES_OK = 1
    SQL_OK = 2
    RELATED_OBJECT_OK = 4
    INIT_OK = 8
    NON_PERSISTENT_OK = 16
    LOAD_AGAINST_COMMITTED = 32
    NO_AUTOFLUSH = 64
    NO_RAISE = 128
    DEFERRED_HISTORY_LOAD = 256
    PASSIVE_OFF = RELATED_OBJECT_OK | NON_PERSISTENT_OK | INIT_OK | CALLABLES_OK | SQL_OK
    PASSIVE_RETURN_NO_VALUE = PASSIVE_OFF ^ INIT_OK
    PASSIVE_NO_INITIALIZE = PASSIVE_RETURN_NO_VALUE ^ CALLABLES_OK
    PASSIVE_NO_FETCH = PASSIVE_OFF ^ SQL_OK
    PASSIVE_NO_FETCH_RELATED = PASSIVE_OFF ^ RELATED_OBJECT_OK
    PASSIVE_ONLY_PERSISTENT = PASSIVE_OFF ^ NON_PERSISTENT_OK


NO_VALUE: Final = LoaderCallableStatus.NO_VALUE
PASSIVE_NO_RESULT: Final = LoaderCallableStatus.PASSIVE_NO_RESULT
NO_ARG: Final = NoArg.NO_ARG
ONETOMANY: Final = RelationshipDirection.ONETOMANY
MANYTOONE: Final = RelationshipDirection.MANYTOONE
MANYTOMANY: Final = RelationshipDirection.MANYTOMANY
EXT_CONTINUE: Final = EventConstants.EXT_CONTINUE
EXT_STOP: Final = EventConstants.EXT_STOP
EXT_SKIP: Final = EventConstants.EXT_SKIP
NO_KEY: Final = EventConstants.NO_KEY
