"""The names of SQLAlchemy-Rope 0.1.0, for programs that import them from there; ``ropewalk.ropes`` has them all."""

from ropewalk.ropes import SessionJenny, SessionRope

__all__ = ["SessionJenny", "SessionRope"]
__version__ = "0.1.0"
