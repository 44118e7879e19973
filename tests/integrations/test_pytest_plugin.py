"""The fixtures for other projects' tests, in a project of that kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

CONFTEST = """
import pytest
from sqlalchemy import create_engine
from shop import Base

pytest_plugins = ["ropewalk.integrations.pytest"]

@pytest.fixture(scope="session")
def ropewalk_engine(tmp_path_factory):
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('db') / 'test.db'}")
    Base.metadata.create_all(engine)
    yield engine
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM customer").scalar() == 0
    engine.dispose()

@pytest.fixture
async def ropewalk_async_engine(ropewalk_engine):
    from ropewalk.ext.asyncio import create_async_engine
    engine = create_async_engine(ropewalk_engine.url.set(drivername="sqlite+aiosqlite"))
    yield engine
    await engine.dispose()
"""

TESTS = """
import pytest
from shop import Customer
from ropewalk import select

@pytest.mark.parametrize("number", range(6))
def test_commit(ropewalk_session, ropewalk_jenny, number):
    assert ropewalk_jenny.session is ropewalk_session
    assert ropewalk_session.scalars(select(Customer)).all() == []
    ropewalk_session.add(Customer(id=1, name="ed"))
    ropewalk_session.commit()
    ropewalk_session.add(Customer(id=2, name="jack"))
    ropewalk_session.rollback()
    assert ropewalk_session.scalars(select(Customer.id)).all() == [1]

def test_code_that_has_a_scope_of_its_own(ropewalk_jenny):
    with ropewalk_jenny.tied(commit=True, propagation="requires_new") as session:
        session.add(Customer(id=1, name="ed"))
    with ropewalk_jenny.tied(propagation="requires_new") as session:
        assert session.get(Customer, 1).name == "ed"

async def test_async(ropewalk_async_session):
    ropewalk_async_session.add(Customer(id=1, name="ed"))
    await ropewalk_async_session.commit()
    assert (await ropewalk_async_session.scalars(select(Customer.id))).all() == [1]

def test_afterwards(ropewalk_session):
    assert ropewalk_session.scalars(select(Customer)).all() == []
"""


def run_project(folder, *arguments):
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "xdist"])
def test_each_test_is_rolled_back_commits_included(tmp_path, workers):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_project.py").write_text(TESTS)
    done = run_project(tmp_path, *(["-n", str(workers)] if workers else []))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout


def test_without_an_engine_it_says_what_to_define(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["ropewalk.integrations.pytest"]')
    (tmp_path / "test_project.py").write_text("def test(ropewalk_session): pass")
    done = run_project(tmp_path)
    assert done.returncode != 0
    assert "define a fixture ropewalk_engine" in done.stdout


@pytest.mark.databases("postgresql", "mariadb")
def test_on_a_server(engine, tmp_path):
    url = engine.url.render_as_string(hide_password=False)
    source = CONFTEST[: CONFTEST.index("@pytest.fixture\nasync")]
    source = source.replace("f\"sqlite:///{tmp_path_factory.mktemp('db') / 'test.db'}\"", repr(url))
    (tmp_path / "conftest.py").write_text(source)
    (tmp_path / "test_project.py").write_text(TESTS.replace("async def test_async", "async def not_a_test"))
    done = run_project(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with create_engine(url).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM customer")) == 0
