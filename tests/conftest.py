"""Engines for the tests; what stands behind them is in databases.py.

``engine``          runs the test once on each database; ``@pytest.mark.databases(...)`` limits which
``sqlite_engine``   a new SQLite file; or ``sqlite_memory_engine``, ``postgresql_engine``, ``mariadb_engine``
``async_url``       runs the test once with each async driver; see asynchronous.py
``quick_collector`` for tests that call ``gc.collect()`` often
``--db NAME``       (repeatable, or with commas) runs ``engine`` tests on the named databases only; with
                    ``sqlite_memory``, which is not among the usual ones, but not ``sqlite``, ``sqlite_engine`` is
                    in memory too
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

import databases
import pytest
from faults import servers
from sqlalchemy import URL, Engine, create_engine, make_url

T = TypeVar("T")

_KNOWN = databases.NAMES + databases.ON_REQUEST


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db",
        action="append",
        default=[],
        metavar="NAME",
        help=f"run the tests that use 'engine' on these databases only: {', '.join(_KNOWN)}",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "databases(*names): run on these databases only")
    config.addinivalue_line("markers", "lasting: not in memory, where no database outlives its one connection")
    unknown = set(_chosen(config)) - set(_KNOWN)
    if unknown:
        raise pytest.UsageError(f"--db {','.join(sorted(unknown))}: choose from {', '.join(_KNOWN)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("databases")
    allowed = marker.args if marker else databases.NAMES
    names = [name for name in _chosen(metafunc.config) if name.removesuffix("_memory") in allowed]
    if metafunc.definition.get_closest_marker("lasting"):
        names = [name for name in names if name not in databases.ON_REQUEST]
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", names, indirect=True)
    if "async_url" in metafunc.fixturenames:
        drivers = [driver for driver, name in databases.ASYNC_DRIVERS.items() if name in names]
        metafunc.parametrize("async_url", drivers, indirect=True)


def _chosen(config: pytest.Config) -> list[str]:
    return databases.chosen(config.getoption("--db"))


def _in_memory(config: pytest.Config) -> bool:
    chosen = _chosen(config)
    return "sqlite_memory" in chosen and "sqlite" not in chosen


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.getfixturevalue(f"{request.param}_engine")
    return chosen


@pytest.fixture
def async_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    name = databases.ASYNC_DRIVERS[request.param]
    pytest.importorskip(request.param, reason=f"the async driver {request.param} is not installed")
    if name == "sqlite":
        yield make_url(f"sqlite+{request.param}:///{tmp_path / 'test.db'}")
        return
    database: databases.Database = request.getfixturevalue(name)
    yield database.url.set(drivername=f"{database.url.get_backend_name()}+{request.param}")
    database.clear()


@pytest.fixture
def sqlite_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if not _in_memory(request.config):
        engine = databases.sqlite(f"sqlite:///{tmp_path / 'test.db'}")
    elif request.node.get_closest_marker("lasting"):
        pytest.skip("needs a database that outlives its connections")
    else:
        engine = databases.sqlite_memory()
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_memory_engine() -> Iterator[Engine]:
    engine = databases.sqlite_memory()
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_engine(postgresql: databases.Database) -> Iterator[Engine]:
    yield from _engine_on(postgresql)


@pytest.fixture
def mariadb_engine(mariadb: databases.Database) -> Iterator[Engine]:
    yield from _engine_on(mariadb)


@pytest.fixture
def quick_collector() -> Iterator[None]:
    """The collector leaves alone what is there before the test: to walk all of that takes a thousand times as long."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.Database]:
    yield from _available(databases.postgresql)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[databases.Database]:
    yield from _available(databases.mariadb)


@pytest.fixture(scope="session")
def own_postgresql() -> Iterator[servers.Mortal]:
    """A server of the tests' own, which prepares transactions and may be killed."""
    yield from _available(servers.own_postgresql)


@pytest.fixture(scope="session")
def own_mariadb() -> Iterator[servers.Mortal]:
    """A server of the tests' own, which undoes all after a lock wait and may be killed."""
    yield from _available(servers.own_mariadb)


def _engine_on(database: databases.Database) -> Iterator[Engine]:
    # An engine for each test: no listener, pooled connection or cached statement of another one.
    engine = create_engine(database.url)
    yield engine
    engine.dispose()
    database.clear()


def _available(make: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    with ExitStack() as stack:
        try:
            database = stack.enter_context(make())
        except databases.Unavailable as reason:
            pytest.skip(str(reason))
        yield database
