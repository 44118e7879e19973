"""A change of an attribute begins the session's transaction, at no cost to the changes that follow.

What was written to is entered into ``identity_map.modified``. While the session is in no transaction, a
:class:`FirstChange` stands in that place, which begins one when something is put into it and leaves the place
to a plain dictionary. So a write never asks whether there is a transaction.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..state.instance import InstanceState
    from .session import Session


class FirstChange(dict[Any, Any]):
    """Always empty: the first state that is put into it begins a transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)

    def __setitem__(self, state: InstanceState, instance: Any) -> None:
        session = self._session()
        if session is None:
            return  # nothing will be flushed any more
        if session._transaction is None:
            try:
                session._need_transaction()
            except BaseException:
                state.committed = None  # the write that brought us here has not taken place
                raise
        if session.identity_map.modified is self:
            session.identity_map.modified = {}
        session.identity_map.modified[state] = instance
