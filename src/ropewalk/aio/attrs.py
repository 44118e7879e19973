"""``awaitable_attrs``: any attribute of an object, to be awaited."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from .strands import spawn


class AwaitableAttrs:
    """The attributes of one object: ``await attrs.orders`` loads what is not there."""

    __slots__ = ("_instance",)

    def __init__(self, _instance: Any) -> None:
        self._instance = _instance

    def __getattr__(self, name: str) -> Coroutine[Any, Any, Any]:
        instance = self._instance
        if name in instance.__dict__:
            return _loaded(instance.__dict__[name])
        if not hasattr(type(instance), name) and not hasattr(type(instance), "__getattr__"):
            raise AttributeError(
                f"{type(instance).__name__!r} object has no attribute {name!r}", name=name, obj=instance
            )
        return spawn(getattr, instance, name)

    def __dir__(self) -> list[str]:
        return dir(self._instance)


async def _loaded(value: Any) -> Any:
    return value


class AsyncAttrs:
    """A mixin for mapped classes, whose attributes can then be awaited.

    ::

        class Base(AsyncAttrs, DeclarativeBase): ...

        for user in await session.scalars(select(User)):
            for order in await user.awaitable_attrs.orders:  # one statement for all users
                ...
    """

    @property
    def awaitable_attrs(self) -> AwaitableAttrs:
        """The attributes of this object as awaitables: what is not loaded is loaded, for its peers too.

        ::

            biography = await author.awaitable_attrs.biography

        :raises AttributeError: there is no such attribute.
        """
        return AwaitableAttrs(self)
