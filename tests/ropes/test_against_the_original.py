"""Where SQLAlchemy-Rope 0.1.0 is wrong: each case shown there, if it can be installed, and here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rope_scenarios import SCENARIOS

SCRIPT = Path(__file__).parents[1] / "rope_scenarios.py"
RIGHT_THERE_TOO = {"an_abandoned_generator"}


def outcomes(path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(path)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here():
    return outcomes(SCRIPT.parents[1] / "src")


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "sqlalchemy-rope==0.1.0"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        pytest.skip(f"SQLAlchemy-Rope cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return outcomes(folder)


@pytest.mark.xdist_group("original")
@pytest.mark.parametrize("name", SCENARIOS)
def test_here(name, here):
    assert here[name] == ""


@pytest.mark.xdist_group("original")
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in RIGHT_THERE_TOO])
def test_there(name, there):
    assert there[name] != ""
