"""How far a primary has written, and how far its replicas have followed.

A *token* says up to where: PostgreSQL's log sequence number, MariaDB's global transaction ID. It is a short
text that a program may hand on, in a cookie for instance, to a session that must see what another has written.
"""

from __future__ import annotations

import re
import time
from typing import Any, Protocol

from sqlalchemy import Connection, text

from ..exc import ArgumentError
from .awaiting import pause


class Positions(Protocol):
    """What a :class:`RoutingSession` asks of the databases; write one for others than these.

    :ivar pattern: what a token looks like: it may come from outside.
    """

    pattern: re.Pattern[str]

    def written(self, primary: Connection) -> str | None:
        """Return the token of what has been committed so far, or None where there is none."""

    def has_followed(self, replica: Connection, token: str, wait: float) -> bool:
        """Whether a replica has all that the token stands for; wait so many seconds for it at most."""

    def lag(self, replica: Connection) -> float | None:
        """Return by how many seconds a replica is behind; None where it does not know."""


class PostgreSQLPositions:
    """Log sequence numbers, such as ``0/16B3748``."""

    pattern = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")

    _WRITTEN = text("SELECT CAST(pg_current_wal_lsn() AS text)")
    # The inner cast is for asyncpg, which would want a number for a parameter of type pg_lsn.
    _FOLLOWED = text(
        "SELECT coalesce(pg_last_wal_replay_lsn() >= CAST(CAST(:token AS text) AS pg_lsn), not pg_is_in_recovery())"
    )
    _LAG = text(
        "SELECT CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 "
        "ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END"
    )

    def written(self, primary: Connection) -> str | None:
        found: str | None = primary.scalar(self._WRITTEN)
        return found

    def has_followed(self, replica: Connection, token: str, wait: float) -> bool:
        end = time.monotonic() + wait
        longest = 0.002
        while not replica.scalar(self._FOLLOWED, {"token": token}):
            left = end - time.monotonic()
            if left <= 0:
                return False
            pause(min(longest, left))
            longest = min(longest * 2, 0.05)
        return True

    def lag(self, replica: Connection) -> float | None:
        found = replica.scalar(self._LAG)
        return None if found is None else float(found)


class MariaDBPositions:
    """Global transaction IDs, such as ``0-1-42``, one for each replication domain."""

    pattern = re.compile(r"\d+-\d+-\d+(,\d+-\d+-\d+)*")

    _WRITTEN = text("SELECT @@gtid_binlog_pos")
    _FOLLOWED = text("SELECT MASTER_GTID_WAIT(:token, :wait)")

    def written(self, primary: Connection) -> str | None:
        return primary.scalar(self._WRITTEN) or None  # empty where there is no binary log

    def has_followed(self, replica: Connection, token: str, wait: float) -> bool:
        return bool(replica.scalar(self._FOLLOWED, {"token": token, "wait": wait}) == 0)

    def lag(self, replica: Connection) -> float | None:
        row = replica.execute(text("SHOW SLAVE STATUS")).mappings().first()
        found = None if row is None else row["Seconds_Behind_Master"]
        return None if found is None else float(found)


def positions_for(dialect: Any) -> Positions | None:
    """Return what knows the positions of a kind of database, or None."""
    if dialect.name == "postgresql":
        return PostgreSQLPositions()
    if dialect.name == "mariadb" or getattr(dialect, "is_mariadb", False):
        return MariaDBPositions()
    return None


def check_token(token: str | None, positions: Positions | None) -> str | None:
    """Return a token that may have come from outside, if it looks like one.

    :raises ArgumentError: it does not.
    """
    if token is None or token == "":
        return None
    if positions is None:
        raise ArgumentError(f"token={token!r:.60}: this kind of database has no positions; give positions=.")
    if not isinstance(token, str) or len(token) > 1_000 or not positions.pattern.fullmatch(token):
        raise ArgumentError(f"token={token!r:.60} is no position such as session.token gives for this database.")
    return token
