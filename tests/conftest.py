"""Engines for the tests; what stands behind them is in databases.py.

``engine``          runs the test once on each database; ``@pytest.mark.databases(...)`` limits which
``sqlite_engine``   a new SQLite file; or ``sqlite_memory_engine``, ``postgresql_engine``, ``mariadb_engine``
``async_url``       runs the test once with each async driver; see asynchronous.py
``--db NAME``       (repeatable, or with commas) runs ``engine`` tests on the named databases only
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import databases
import pytest
from sqlalchemy import URL, Engine, create_engine, make_url


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db",
        action="append",
        default=[],
        metavar="NAME",
        help=f"run the tests that use 'engine' on these databases only: {', '.join(databases.NAMES)}",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "databases(*names): run on these databases only")
    unknown = set(_chosen(config)) - set(databases.NAMES)
    if unknown:
        raise pytest.UsageError(f"--db {','.join(sorted(unknown))}: choose from {', '.join(databases.NAMES)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("databases")
    allowed = marker.args if marker else databases.NAMES
    names = [name for name in _chosen(metafunc.config) if name in allowed]
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", names, indirect=True)
    if "async_url" in metafunc.fixturenames:
        drivers = [driver for driver, name in databases.ASYNC_DRIVERS.items() if name in names]
        metafunc.parametrize("async_url", drivers, indirect=True)


def _chosen(config: pytest.Config) -> list[str]:
    given: list[str] = config.getoption("--db")
    return [name for names in given for name in names.split(",")] or list(databases.NAMES)


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
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = databases.sqlite(f"sqlite:///{tmp_path / 'test.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_memory_engine() -> Iterator[Engine]:
    engine = databases.sqlite("sqlite://")
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_engine(postgresql: databases.Database) -> Iterator[Engine]:
    yield from _engine_on(postgresql)


@pytest.fixture
def mariadb_engine(mariadb: databases.Database) -> Iterator[Engine]:
    yield from _engine_on(mariadb)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.Database]:
    yield from _available(databases.postgresql)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[databases.Database]:
    yield from _available(databases.mariadb)


def _engine_on(database: databases.Database) -> Iterator[Engine]:
    # An engine for each test: no listener, pooled connection or cached statement of another one.
    engine = create_engine(database.url)
    yield engine
    engine.dispose()
    database.clear()


def _available(
    make: Callable[[], AbstractContextManager[databases.Database]],
) -> Iterator[databases.Database]:
    with ExitStack() as stack:
        try:
            database = stack.enter_context(make())
        except databases.Unavailable as reason:
            pytest.skip(str(reason))
        yield database
