"""Making AsyncSessions: ``async_sessionmaker``."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .bridge import AsyncBind
from .session import AsyncSession

AS = TypeVar("AS", bound=AsyncSession)


class async_sessionmaker(Generic[AS]):
    """A factory of AsyncSessions, configured once for the whole program.

    ::

        Session = async_sessionmaker(create_async_engine("postgresql+asyncpg://..."), expire_on_commit=False)

        async with Session() as session: ...
        async with Session.begin() as session: ...  # commits, or rolls back

    :param bind: the async engine of the sessions made.
    :param class_: the class of the sessions made.
    :param kw: any argument of :class:`AsyncSession` or :class:`Session`.
    """

    class_: type[AS]
    kw: dict[str, Any]

    @overload
    def __init__(self, bind: AsyncBind | None = None, *, class_: type[AS], **kw: Any) -> None: ...

    @overload
    def __init__(self: async_sessionmaker[AsyncSession], bind: AsyncBind | None = None, **kw: Any) -> None: ...

    def __init__(self, bind: AsyncBind | None = None, *, class_: Any = AsyncSession, **kw: Any) -> None:
        self.class_ = class_
        self.kw = {"bind": bind, **kw}

    def __call__(self, **local_kw: Any) -> AS:
        """Make a session; arguments given here go before those of the factory."""
        if local_kw.get("info") and self.kw.get("info"):
            local_kw["info"] = {**self.kw["info"], **local_kw["info"]}
        return self.class_(**{**self.kw, **local_kw})

    def begin(self) -> AbstractAsyncContextManager[AS]:
        """Make a session in a transaction: committed at the end of the ``async with`` block, then closed."""
        return self()._in_transaction()

    def configure(self, **new_kw: Any) -> None:
        """Change the arguments of the sessions to be made, such as ``bind`` once it is known."""
        self.kw.update(new_kw)

    if not TYPE_CHECKING:  # which is to refuse such names by itself

        def __getattr__(self, name: str) -> Any:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_") and hasattr(self.__dict__.get("class_"), name):
                message += "; the sessions that it makes have: async with Session() as session"
            raise AttributeError(message, name=name, obj=self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.kw.items())
        return f"async_sessionmaker(class_={self.class_.__name__!r}, {shown})"
