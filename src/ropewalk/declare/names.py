"""Finding mapped classes by name, as ``relationship("Address")`` asks for them."""

from __future__ import annotations

import difflib
import warnings
import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any

from ..exc import InvalidRequestError, SAWarning

ClassRegistry = MutableMapping[str, Any]


class SameName:
    """Several classes of one name, which only their modules tell apart."""

    __slots__ = ("__weakref__", "_classes")

    def __init__(self) -> None:
        self._classes: weakref.WeakSet[type] = weakref.WeakSet()

    def add(self, class_: type) -> None:
        self._classes.add(class_)
        _holders[class_] = self

    def discard(self, class_: type) -> None:
        self._classes.discard(class_)
        _holders.pop(class_, None)

    def __iter__(self) -> Iterator[type]:
        return iter(sorted(self._classes, key=path_of))

    def __len__(self) -> int:
        return len(self._classes)


# A class registry holds its values weakly; a SameName lives as long as one of its classes.
_holders: weakref.WeakKeyDictionary[type, SameName] = weakref.WeakKeyDictionary()


def path_of(class_: type) -> str:
    """Return the module-qualified name of a class."""
    return f"{class_.__module__}.{class_.__name__}"


def add_class(class_: type, classes: ClassRegistry) -> None:
    """Make ``class_`` known by its name.

    Two classes may share a name in different modules. In one module the newer replaces the older one, with a
    warning, since nothing could tell them apart.
    """
    name = class_.__name__
    present = [other for other in classes_named(name, classes) if other is not class_]
    for other in present:
        if other.__module__ == class_.__module__:
            warnings.warn(
                f"Two mapped classes are called {path_of(class_)!r}; the string {name!r} in a relationship() "
                "now means the newer one. Give them different names, or a registry each.",
                SAWarning,
                stacklevel=2,
            )
            remove_class(other, classes)
    present = [other for other in present if other.__module__ != class_.__module__]
    if not present:
        classes[name] = class_
        return
    same_name = classes[name]
    if not isinstance(same_name, SameName):
        same_name = SameName()
        for other in present:
            same_name.add(other)
        classes[name] = same_name
    same_name.add(class_)


def remove_class(class_: type, classes: ClassRegistry) -> None:
    """Forget ``class_``; the counterpart of :func:`add_class`."""
    known = classes.get(class_.__name__)
    if known is class_:
        del classes[class_.__name__]
    elif isinstance(known, SameName):
        known.discard(class_)
        if not known:
            del classes[class_.__name__]


def classes_named(name: str, classes: ClassRegistry) -> list[type]:
    """Return all classes of this name, however many."""
    known = classes.get(name)
    if known is None:
        return []
    return list(known) if isinstance(known, SameName) else [known]


def find_class(path: str, classes: ClassRegistry) -> type:
    """Return the class that ``path`` means: its name, or its name after its module or the end of that.

    :raises InvalidRequestError: no class answers to it, or several do.
    """
    module, _, name = path.rpartition(".")
    found = [
        class_
        for class_ in classes_named(name, classes)
        if not module or class_.__module__ == module or class_.__module__.endswith(f".{module}")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidRequestError(
            f"{path!r} may mean any of {', '.join(path_of(class_) for class_ in found)}; write the name with "
            "its module."
        )
    close = difflib.get_close_matches(name, list(classes))
    hint = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
    raise InvalidRequestError(
        f"No mapped class is called {path!r}.{hint} The module that defines it must be imported before "
        "mappers are configured, and the class must belong to the same registry."
    )
