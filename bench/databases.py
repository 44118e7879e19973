"""Where the works run: a SQLite file, and a schema of their own on PostgreSQL.

Both make the table by hand, so that all contenders work on the very same one, and hand out bare
driver connections for the contender that does everything by hand.
"""

import getpass
import os
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url

GROUPS = 10
"""How many different values column x has, evenly spread."""

BASE = 1_000
"""The least value of x: Python keeps small numbers for ever, and they would weigh nothing in memory."""


def group(number: int) -> int:
    """The value of x in the row with this id."""
    return BASE + number % GROUPS


def content(number: int) -> tuple[str, int, float]:
    """Name, x and y of the row with this id."""
    return f"name {number}", group(number), number * 0.5


def sum_of_x(rows: int) -> int:
    """What column x adds up to in a table just filled."""
    return sum(group(number) for number in range(1, rows + 1))


class Unavailable(Exception):
    """No such database answers here."""


class Database(ABC):
    """One database with the one table `item`."""

    name: str
    version: str

    def __init__(self) -> None:
        self._filled: int | None = None

    def fill(self, rows: int) -> None:
        """See to it that the table holds exactly the rows 1 to `rows`, as `content` has them."""
        if self._filled != rows:
            self._fill(rows)
            self._filled = rows

    def spoiled(self) -> None:
        """Say that the table may have changed."""
        self._filled = None

    def totals(self) -> tuple[int, int]:
        """Number of rows and sum of x, as another connection sees them: only what was committed."""
        with self.connection() as connection:
            count, total = connection.execute("SELECT count(*), sum(x) FROM item").fetchone()
        return count, int(total or 0)

    @abstractmethod
    def _fill(self, rows: int) -> None: ...

    @abstractmethod
    def engine(self) -> Engine:
        """A new engine with the settings that Core has by itself."""

    @abstractmethod
    def connection(self) -> Any:
        """A context manager for a new connection of the bare driver."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing behind."""


class Sqlite(Database):
    """A file in a temporary folder."""

    name = "sqlite"
    version = f"SQLite {sqlite3.sqlite_version}"

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="ropewalk-bench-")
        self.path = Path(self._folder.name) / "bench.db"
        with self.connection() as connection:
            connection.execute(
                "CREATE TABLE item (id INTEGER PRIMARY KEY,"
                " name VARCHAR NOT NULL, x INTEGER NOT NULL, y FLOAT NOT NULL)"
            )

    def _fill(self, rows: int) -> None:
        with self.connection() as connection:
            connection.execute("DELETE FROM item")
            connection.executemany("INSERT INTO item (name, x, y) VALUES (?, ?, ?)", map(content, range(1, rows + 1)))
            connection.commit()

    def engine(self) -> Engine:
        return create_engine(f"sqlite:///{self.path}")

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path)) as connection:
            yield connection

    def close(self) -> None:
        self._folder.cleanup()


class Postgresql(Database):
    """A schema of its own, in the database of ROPEWALK_TEST_POSTGRESQL or in one that answers on loopback."""

    name = "postgresql"

    def __init__(self) -> None:
        super().__init__()
        try:
            import psycopg
        except ImportError:
            raise Unavailable("psycopg is not installed") from None
        self._psycopg = psycopg
        self.schema = f"ropewalk_bench_{os.getpid()}"
        self._url = self._find()
        with self.connection() as connection:
            self.version = f"PostgreSQL {connection.info.parameter_status('server_version')}"
            connection.execute(f"CREATE SCHEMA {self.schema}")
            connection.execute(
                "CREATE TABLE item (id SERIAL PRIMARY KEY, name VARCHAR NOT NULL,"
                " x INTEGER NOT NULL, y FLOAT NOT NULL) WITH (autovacuum_enabled = false)"
            )
            connection.commit()

    def _find(self) -> str:
        """The first address that lets us in, as a libpq URL."""
        given = os.environ.get("ROPEWALK_TEST_POSTGRESQL")
        users = dict.fromkeys((getpass.getuser(), "postgres"))
        addresses = [given] if given else [f"postgresql://{user}@127.0.0.1/postgres" for user in users]
        failure = ""
        for address in addresses:
            url = make_url(address).set(drivername="postgresql")
            text = url.render_as_string(hide_password=False)
            try:
                self._psycopg.connect(text, connect_timeout=3).close()
            except self._psycopg.OperationalError as error:
                failure = str(error).strip().splitlines()[0]
            else:
                return text
        raise Unavailable(failure)

    @property
    def _options(self) -> str:
        """Work in our schema; and rather fail than wait for a lock that a failed run left behind."""
        return f"-csearch_path={self.schema} -clock_timeout=5000"

    def _fill(self, rows: int) -> None:
        with self.connection() as connection:
            connection.execute("TRUNCATE item RESTART IDENTITY")
            connection.execute(
                "INSERT INTO item (name, x, y)"
                " SELECT 'name ' || i, %s + i %% %s, i * 0.5 FROM generate_series(1, %s) AS i ORDER BY i",
                (BASE, GROUPS, rows),
            )
            connection.commit()
            # A fresh table has no statistics and makes its first reader set hint bits.
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE item")

    def engine(self) -> Engine:
        url = make_url(self._url).set(drivername="postgresql+psycopg")
        return create_engine(url, connect_args={"options": self._options})

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with closing(self._psycopg.connect(self._url, options=self._options)) as connection:
            yield connection

    def close(self) -> None:
        with self.connection() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
            connection.commit()
