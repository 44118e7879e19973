"""Accounts on each database, and on servers that may be killed."""

import databases
import pytest
from faults.accounts import Base, fill
from sqlalchemy import create_engine


def pytest_generate_tests(metafunc):
    if "mortal" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("databases")
        allowed = marker.args if marker else ("postgresql", "mariadb")
        names = [name for name in databases.chosen(metafunc.config.getoption("--db")) if name in allowed]
        metafunc.parametrize("mortal", names, indirect=True)


@pytest.fixture
def mortal(request):
    """A server of the tests' own, that may be killed."""
    return request.getfixturevalue(f"own_{request.param}")


@pytest.fixture
def mortal_engine(mortal):
    yield from _engine_on(mortal)


@pytest.fixture
def own_engine(own_postgresql):
    """An engine on a PostgreSQL server that prepares transactions, with two accounts."""
    yield from _engine_on(own_postgresql)


def _engine_on(server):
    engine = create_engine(server.url)
    Base.metadata.drop_all(engine)
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def bank(engine):
    fill(engine)
    return engine
