"""The flush."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .work import Outcome, Work

if TYPE_CHECKING:
    from ..state.instance import InstanceState


def flush(work: Work, only: set[InstanceState] | None = None) -> Outcome:
    """Write what changed to the database.

    :param only: of the modified objects, write only these.
    :raises sqlalchemy.exc.DBAPIError: what the database refused, with a note that names the object.
    """
    raise NotImplementedError
