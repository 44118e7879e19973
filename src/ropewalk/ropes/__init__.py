"""Which session a piece of a program works in, and when that session is closed: scopes, ropes and jennies.

A *scope* is a span of a program: a call, a ``with`` block, a task, a request. A *rope* ties one session to one scope
and closes it, and no other, when the scope ends. A *jenny* makes ropes.
"""

from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry

from .handing import Handed
from .holders import OpenRope, report
from .jenny import SessionJenny
from .rope import SessionRope, TiedRope
from .scope import Scope
from .scoped import QueryPropertyDescriptor, scoped_session

__all__ = [
    "Handed",
    "OpenRope",
    "Scope",
    "report",
    "QueryPropertyDescriptor",
    "ScopedRegistry",
    "SessionJenny",
    "SessionRope",
    "ThreadLocalRegistry",
    "TiedRope",
    "scoped_session",
]
