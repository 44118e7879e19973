"""``async_scoped_session``: one AsyncSession for each scope, such as a task, behind one name."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy.util import ScopedRegistry

from ..exc import InvalidRequestError, SAWarning
from .session import AsyncSession

AS = TypeVar("AS", bound=AsyncSession)

# To a type checker it is an AsyncSession; when the program runs it asks that of the scope for everything.
if TYPE_CHECKING:
    _Face = AsyncSession
else:

    class _Face: ...


class async_scoped_session(_Face, Generic[AS]):
    """The AsyncSession of the current scope, made when first used; it has all that an AsyncSession has.

    ::

        Session = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)

        async def work():
            Session.add(User(name="ed"))
            await Session.commit()
            await Session.remove()  # or it lives as long as the registry: see docs/async.md

    :param session_factory: makes the sessions.
    :param scopefunc: names the current scope by something hashable.
    """

    session_factory: Callable[..., AS]
    registry: ScopedRegistry[AS]

    def __init__(self, session_factory: Callable[..., AS], scopefunc: Callable[[], Any]) -> None:
        self.session_factory = session_factory
        self.registry = ScopedRegistry(session_factory, scopefunc)

    def __call__(self, **kw: Any) -> AS:
        """Return the session of this scope.

        :param kw: arguments for a session that is made now.
        :raises InvalidRequestError: arguments are given and there is a session already.
        """
        if not kw:
            return self.registry()
        if self.registry.has():
            raise InvalidRequestError(
                f"This scope has its session already, which cannot be given {', '.join(kw)} any more: await "
                f"{type(self).__name__}.remove() first."
            )
        made = self.session_factory(**kw)
        self.registry.set(made)
        return made

    def configure(self, **kw: Any) -> None:
        """Change the arguments of the sessions to be made; warns if this scope has one already."""
        if self.registry.has():
            warnings.warn(
                "This scope has its session already; what configure() says holds for those made later.",
                SAWarning,
                stacklevel=2,
            )
        self.session_factory.configure(**kw)  # type: ignore[attr-defined]

    async def remove(self) -> None:
        """Close the session of this scope, if there is one, and forget it."""
        if self.registry.has():
            try:
                await self.registry().close()
            finally:
                self.registry.clear()


def _method(name: str, what: Callable[..., Any]) -> Any:
    def call(self: Any, *args: Any, **kw: Any) -> Any:
        return getattr(self.registry(), name)(*args, **kw)

    async def call_and_await(self: Any, *args: Any, **kw: Any) -> Any:
        return await getattr(self.registry(), name)(*args, **kw)

    chosen = call_and_await if inspect.iscoroutinefunction(what) else call
    vars(chosen)["__wrapped__"] = what  # for its signature
    return _named(chosen, name)


def _attribute(name: str, settable: bool) -> Any:
    def read(self: Any) -> Any:
        return getattr(self.registry(), name)

    def write(self: Any, value: Any) -> None:
        setattr(self.registry(), name, value)

    return property(_named(read, name), write if settable else None, doc=getattr(AsyncSession, name).__doc__)


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    function.__qualname__ = f"async_scoped_session.{name}"
    function.__doc__ = getattr(AsyncSession, name).__doc__
    return function


def _take_over() -> None:
    """Give the scoped session each public name of AsyncSession that it has not itself."""
    for class_ in AsyncSession.__mro__[:-1]:
        for name, what in vars(class_).items():
            public = not name.startswith("_") or name in ("__contains__", "__iter__")
            if not public or name in vars(async_scoped_session):
                continue
            if isinstance(what, classmethod):
                setattr(async_scoped_session, name, staticmethod(getattr(AsyncSession, name)))
            elif isinstance(what, property):
                setattr(async_scoped_session, name, _attribute(name, what.fset is not None))
            elif callable(what) and name != "sync_session_class":
                setattr(async_scoped_session, name, _method(name, what))
    async_scoped_session.sync_session = _plain("sync_session")


def _plain(name: str) -> Any:
    return property(lambda self: getattr(self.registry(), name))


_take_over()
