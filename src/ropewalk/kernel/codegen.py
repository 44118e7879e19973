"""The one place where source text becomes a function.

Generated source is readable and deterministic, and stands in ``linecache`` under
its own file name, so that a traceback shows the line and a debugger can step
through it (the idea is attrs' and cattrs').
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable, Mapping
from typing import Any

_serial = itertools.count(1)


def compile_function(name: str, source: str, names: Mapping[str, Any], label: str) -> Callable[..., Any]:
    """Compile ``source``, which defines the function ``name``.

    :param names: what the source may refer to, beside the builtins.
    :param label: says in a traceback what the source was generated for, such as ``"load User"``.
    """
    filename = f"<ropewalk {label} #{next(_serial)}>"
    namespace: dict[str, Any] = dict(names)
    exec(compile(source, filename, "exec"), namespace)
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    function: Callable[..., Any] = namespace[name]
    function.__module__ = __name__
    return function


def source_of(function: Callable[..., Any]) -> str:
    """Return the source that a generated function was compiled from."""
    return "".join(linecache.getlines(function.__code__.co_filename))


def identifier(index: int, name: str) -> str:
    """Return a readable local variable name that no other index shares."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"v{index}_{safe}"
