"""Collections that are only written, under the names of ``sqlalchemy.orm.writeonly``."""

from .session.writeonly import WriteOnlyCollection

__all__ = ["WriteOnlyCollection"]
