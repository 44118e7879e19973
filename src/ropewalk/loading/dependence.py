"""A callable as it is now: with the values that it refers to, whatever becomes of the variables.

``lambda cls: cls.tenant_id == tenant`` makes the same SQL for a class as long as ``tenant`` holds the same. That is
so of plain values, of mapped classes and of what SQLAlchemy and Ropewalk offer. Of anything else, such as a function
of the program or a context variable, nothing is known: such a callable has to be asked each time.
"""

from __future__ import annotations

import builtins
import datetime
import dis
import enum
from decimal import Decimal
from functools import lru_cache
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple
from uuid import UUID

_VALUES = (int, str, bytes, float, Decimal, UUID, datetime.date, datetime.time, datetime.timedelta, enum.Enum)
_PLAIN = frozenset({*_VALUES, bool, type(None), datetime.datetime})
_STEADY = frozenset({"getattr", "hasattr", "isinstance", "issubclass", "type", "len", "str", "int", "bool", "tuple"})


class Frozen(NamedTuple):
    """A callable that goes on answering as it would have done when it was frozen.

    :ivar key: tells its answers from those of others; to be hashed.
    """

    function: Any
    key: tuple[Any, ...]


def frozen(function: Any) -> Frozen | None:
    """Return ``function`` with its variables replaced by their values; None where that does not tell its answer."""
    if type(function) is not FunctionType:
        return None
    code = function.__code__
    if function.__kwdefaults__ or any(isinstance(constant, CodeType) for constant in code.co_consts):
        return None
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # a variable that has no value yet
        return None
    defaults = function.__defaults__ or ()
    names: dict[str, Any] = {}
    for name in _globals_of(code):
        if name in function.__globals__:
            names[name] = function.__globals__[name]
        elif name not in _STEADY:
            return None
    held = [_known(value) for value in (*cells, *defaults, *names.values())]
    if None in held:
        return None
    names["__builtins__"] = builtins
    closure = tuple(CellType(value) for value in cells)
    return Frozen(FunctionType(code, names, function.__name__, defaults, closure), (code, *held))


@lru_cache(maxsize=1000)
def _globals_of(code: CodeType) -> tuple[str, ...]:
    """Return the names that a function looks up outside itself; ``co_names`` has those of attributes too."""
    loads = (step for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    return tuple(dict.fromkeys(step.argval for step in loads))


def _known(value: Any) -> Any:
    """Return what tells a value from others; None for what may answer differently each time."""
    if type(value) in _PLAIN or isinstance(value, enum.Enum):
        return (type(value), value)
    if type(value) in (tuple, frozenset):
        members = [_known(member) for member in value]
        return None if None in members else (type(value), *members)
    if isinstance(value, type):
        return value if "__mapper__" in value.__dict__ else None
    if isinstance(value, ModuleType):
        return value if value.__name__.partition(".")[0] in _OFFERED else None
    if type(value).__name__ == "AliasedClass" and hasattr(value, "_aliased_insp"):
        return value._aliased_insp
    if isinstance(value, FunctionType) and value.__module__.partition(".")[0] in _OFFERED:
        return value
    if type(value).__module__.startswith("sqlalchemy.sql.functions"):  # func
        return type(value)
    return None


_OFFERED = frozenset({"sqlalchemy", "ropewalk"})
