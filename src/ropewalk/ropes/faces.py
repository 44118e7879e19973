"""How a scoped session looks to a type checker: like the session that it passes everything on to.

Nothing of this exists when the program runs; ``proxies.py`` makes the real methods. It is no Session, though, and is
not accepted where one is asked for: ``registry()`` gives one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Engine
    from sqlalchemy.util import IdentitySet

    from ..session.asking import Asking
    from ..session.binds import Bind
    from ..session.session import Session
    from ..session.transacting import Transacting
    from ..session.writing import Writing
    from ..state.identity import IdentityMap

    class SessionFace(Asking, Writing, Transacting):
        """What a Session offers."""

        bind: Bind | None
        autoflush: bool
        expire_on_commit: bool
        identity_map: IdentityMap
        info: dict[Any, Any]
        execution_options: Mapping[str, Any]

        @property
        def new(self) -> IdentitySet: ...
        @property
        def dirty(self) -> IdentitySet: ...
        @property
        def deleted(self) -> IdentitySet: ...
        @property
        def is_active(self) -> bool: ...
        def __contains__(self, instance: object) -> bool: ...
        def __iter__(self) -> Iterator[Any]: ...
        def get_bind(
            self, mapper: Any = None, *, clause: Any = None, bind: Bind | None = None, **kw: Any
        ) -> Engine | Connection: ...
        def bind_mapper(self, mapper: Any, bind: Bind) -> None: ...
        def bind_table(self, table: Any, bind: Bind) -> None: ...
        def connection(
            self,
            mapper: Any = None,
            bind_arguments: Mapping[str, Any] | None = None,
            execution_options: Mapping[str, Any] | None = None,
        ) -> Connection: ...
        @classmethod
        def object_session(cls, instance: object) -> Session | None: ...
        @classmethod
        def identity_key(
            cls, class_: Any = None, ident: Any = None, *, instance: Any = None, row: Any = None
        ) -> Any: ...

else:

    class SessionFace:
        """Empty; see above."""
