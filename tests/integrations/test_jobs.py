"""Jobs and scripts as scopes: a real Celery worker, and interpreters that end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from integrations_app import Shop

from ropewalk.integrations.celery import roped_task


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.check_nothing_is_open()
    made.engine.dispose()


def test_runs_of_a_celery_task(shop):
    celery = pytest.importorskip("celery")
    from celery.contrib.testing.worker import start_worker

    app = celery.Celery(
        "jobs",
        broker="memory://",
        backend="cache+memory://",
        task_cls=roped_task(shop.jenny, commit=True),
        broker_connection_retry_on_startup=True,
    )

    @app.task
    def save(key):
        shop.save(key)
        assert shop.jenny.session is shop.sessions[-1]
        return key

    @app.task
    def fail(key):
        shop.save(key)
        raise LookupError

    with start_worker(app, pool="threads", concurrency=2, perform_ping_check=False, shutdown_timeout=30):
        results = [save.delay(key) for key in range(5)]
        failed = fail.delay(100)
        assert [one.get(timeout=20) for one in results] == list(range(5))
        with pytest.raises(LookupError):
            failed.get(timeout=20)
    assert shop.stored() == list(range(5))
    assert len(set(shop.sessions)) == 6


SCRIPT = """
import sys
from shop import Base, Customer
from sqlalchemy import create_engine
from ropewalk import SessionJenny, sessionmaker
from ropewalk.integrations.script import tie_to_process

jenny = SessionJenny(sessionmaker(create_engine(sys.argv[1])))
session = tie_to_process(jenny, commit=True)

def work(key):
    assert jenny.session is session
    jenny.session.add(Customer(id=key, name="ed"))

work(int(sys.argv[2]))
if len(sys.argv) > 3:
    raise LookupError("the script fails")
"""


@pytest.mark.parametrize("fails", [False, True], ids=["ends", "fails"])
def test_a_script_is_a_scope_to_its_end(shop, fails, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", shop.url, "7", *["fail"] * fails],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == int(fails), done.stderr
    assert ("LookupError: the script fails" in done.stderr) is fails
    assert shop.stored() == ([] if fails else [7])
