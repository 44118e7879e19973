"""Telling of objects that are made: ``first_init``, ``init``, ``init_failure``.

A class gets an ``__init__`` that does so when somebody listens, and not before.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import Any

from .manager import ClassManager


def tell_of_making(manager: ClassManager) -> None:
    """Have the ``__init__`` of a class tell its listeners."""
    class_: Any = manager.class_
    original = class_.__init__
    if getattr(class_.__dict__.get("__init__"), "__ropewalk_tells__", False):
        return
    manager.put("__init__", _telling(original))


def _telling(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            self._sa_instance_state  # noqa: B018
        except AttributeError:
            pass
        else:  # the __init__ of a subclass has told already
            original(self, *args, **kwargs)
            return
        class_: Any = type(self)
        manager: Any = class_.__mapper__.class_manager
        class_.__ropewalk_state__(self)
        dispatch = manager.dispatch
        if not manager.has_made and dispatch.first_init:
            manager.has_made = True
            dispatch.first_init(manager, class_)
        dispatch.init(self, args, kwargs)
        try:
            original(self, *args, **kwargs)
        except BaseException as err:
            try:
                dispatch.init_failure(self, args, kwargs)
            except Exception as other:
                err.add_note(f"A listener to init_failure failed too: {other!r}")
            raise

    __init__.__ropewalk_tells__ = True  # type: ignore[attr-defined]
    with contextlib.suppress(ValueError, TypeError):
        __init__.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return __init__
