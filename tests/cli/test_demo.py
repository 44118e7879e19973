"""The demo, as a stranger starts it: ``python -m ropewalk demo``."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys

import pytest


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ropewalk", *arguments], capture_output=True, text=True, env=env)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    pytest.importorskip("airportsdata", reason="the demo's data: pip install 'ropewalk[demo]'")
    file = tmp_path_factory.mktemp("demo") / "airports.db"
    done = run("demo", "--file", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout, file


def test_every_airport_is_in_the_file(demo):
    import airportsdata

    connection = sqlite3.connect(demo[1])
    (count,) = connection.execute("SELECT count(*) FROM airport").fetchone()
    connection.close()
    # the demo deletes a few at its end
    assert len(airportsdata.load("ICAO")) - 1_000 < count <= len(airportsdata.load("ICAO"))


def test_it_shows_rows_a_second_beside_the_bare_driver(demo):
    assert re.search(r"rows/s|rows a second", demo[0])
    assert "sqlite3" in demo[0]


def test_it_shows_the_identity_map_and_counts_statements(demo):
    assert "same object" in demo[0]
    assert re.search(r"none in [\d.]+ ms", demo[0])


def test_it_walks_the_world_in_three_statements(demo):
    after = demo[0].partition("country.subdivisions; subdivision.airports")[2]
    assert after.lstrip().startswith("3 SELECT")


def test_the_number_of_statements_saved_is_what_walking_one_by_one_takes(demo):
    claimed = re.search(r"airports, not by ([\d,]+) SELECT", demo[0])
    measured = re.search(r"Session\(engine, peers=False\)\s+(\d+) SELECT", demo[0])
    assert claimed and measured
    assert int(claimed[1].replace(",", "")) == int(measured[1])


def test_the_graph_is_saved_from_the_top_by_three_statements(demo):
    assert re.search(r"session\.add_all\(countries\); commit\(\)\s+3 INSERT\n", demo[0])


def test_a_country_takes_with_it_what_hangs_on_it(demo):
    connection = sqlite3.connect(demo[1])
    left = connection.execute("SELECT count(*) FROM airport WHERE country_code = 'IS'").fetchone()
    connection.close()
    assert left == (0,)
    assert re.search(r"session\.delete\(country\); commit\(\)\s+\d+ SELECT \+ 3 DELETE", demo[0])


def test_a_file_that_exists_is_not_overwritten(demo):
    done = run("demo", "--file", str(demo[1]))
    assert done.returncode == 2
    assert str(demo[1]) in done.stderr + done.stdout


def test_help_names_the_commands():
    done = run("--help")
    assert done.returncode == 0
    assert "demo" in done.stdout


def test_an_unknown_command_is_refused():
    done = run("demolish")
    assert done.returncode == 2
    assert "demolish" in done.stderr
