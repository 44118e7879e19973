"""Collections that are queries, under the names of ``sqlalchemy.orm.dynamic``."""

from .session.dynamic import AppenderMixin, AppenderQuery

__all__ = ["AppenderMixin", "AppenderQuery"]
