"""What a scoped session passes on to the session of the present scope: all that a Session offers.

The methods are generated, since each does nothing but pass on what it was given: so it serves sessions of any class,
whatever the signatures are there. What they look like to a type checker stands in ``faces.py``.
"""

from __future__ import annotations

import dis
import functools
import inspect
import types
from typing import Any

from ..kernel.codegen import compile_function
from ..session.session import Session

SPECIAL = ("__contains__", "__iter__")

METHOD = """\
    def {name}(self{required}):
        return self.registry().{name}({given})
"""

# Passing on "whatever else was given" takes as long as many a call does, so it is done only where something was.
METHOD_WITH_MORE = """\
    def {name}(self{required}, *args, **kw):
        if args or kw:
            return self.registry().{name}({given}*args, **kw)
        return self.registry().{name}({given})
"""

ATTRIBUTE = """\
    def _read(self):
        return self.registry().{name}
    def _write(self, value):
        self.registry().{name} = value
    {name} = property(_read, _write)
"""


def passed_on(taken: frozenset[str]) -> dict[str, Any]:
    """Make the methods and attributes of a scoped session, without those that it has itself.

    They are called on something that has a ``registry``.
    """
    lines = ["def make():\n"]
    # What each session sets for itself does not stand in the class, but in the code that sets it.
    stores = (step.argval for step in dis.get_instructions(Session.__init__) if step.opname == "STORE_ATTR")
    found: dict[str, Any] = {name: None for name in stores if not name.startswith("_")}
    for name in [*dir(Session), *SPECIAL]:
        if name.startswith("_") and name not in SPECIAL:
            continue
        found[name] = _in_class(name)
    kept = {name: what for name, what in found.items() if name not in taken}
    members: dict[str, Any] = {}
    for name, what in kept.items():
        if isinstance(what, classmethod | staticmethod):
            members[name] = staticmethod(getattr(Session, name))
        elif isinstance(what, types.FunctionType):
            lines.append(_method(name, what.__code__, len(what.__defaults__ or ())))
        else:
            lines.append(ATTRIBUTE.format(name=name))
    lines.append("    return locals()\n")
    made = compile_function("make", "".join(lines), {"__name__": __name__}, "scoped session")()
    for name, what in kept.items():
        if name in members:
            continue
        member = members[name] = made[name]
        if isinstance(what, types.FunctionType):
            functools.update_wrapper(member, what)
        elif what is not None:
            member.__doc__ = what.__doc__
    return members


def _method(name: str, code: types.CodeType, defaults: int) -> str:
    """Write the method for one whose required parameters, and whether it has others, ``code`` tells."""
    required = code.co_varnames[1 : code.co_argcount - defaults]
    given = "".join(f"{one}, " for one in required)
    variable = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    template = METHOD_WITH_MORE if defaults or code.co_kwonlyargcount or variable else METHOD
    return template.format(name=name, required="".join(f", {one}" for one in required), given=given)


def _in_class(name: str) -> Any:
    return next(vars(base)[name] for base in Session.__mro__ if name in vars(base))
