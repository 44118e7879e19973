"""What a type checker says of programs that use the package.

The programs are the other files of this folder. Beside ``assert_type``, a line of
theirs may say what mypy has to answer to it::

    reveal_type(user.name)  # revealed: str
    user.name = 1  # error: assignment

Everything else that mypy reports is a failure, and so is an answer that does not come.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLES = sorted(path for path in HERE.glob("*.py") if path != Path(__file__))

# Errors inside the package are the business of `make lint`.
OPTIONS = ("--strict", "--follow-imports=silent", "--no-error-summary", "--no-pretty")

EXPECTED = re.compile(r"#\s*(revealed|error): (?P<what>.+?)\s*$")
REPORTED = re.compile(r".+?:(?P<line>\d+): (?P<kind>error|note): (?P<text>.+)$")
REVEALED = re.compile(r'Revealed type is "(?P<what>.+)"$')
CODE = re.compile(r"\[(?P<what>[a-z-]+)\]$")

Answer = tuple[int, str, str]
"""Line, ``"revealed"`` or ``"error"``, and the type or the error code."""


def expected(path: Path) -> set[Answer]:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = ((number, EXPECTED.search(line)) for number, line in enumerate(lines, 1))
    return {(number, match[1], match["what"]) for number, match in found if match}


def reported(output: str) -> set[Answer]:
    answers: set[Answer] = set()
    for report in map(REPORTED.match, output.splitlines()):
        if report is None:
            continue
        number, text = int(report["line"]), report["text"]
        if revealed := REVEALED.match(text):
            answers.add((number, "revealed", _short(revealed["what"])))
        elif report["kind"] == "error":
            code = CODE.search(text)
            answers.add((number, "error", code["what"] if code else text))
    return answers


def _short(type_: str) -> str:
    """Name a type without its modules, which no user writes."""
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", type_)


@pytest.mark.skipif(sqlalchemy.__version__ < "2.1", reason="Select and Row had other parameters before 2.1")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_mypy_answers_as_the_sample_says(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *OPTIONS, str(path)],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": "src"},
        capture_output=True,
        text=True,
    )
    assert reported(done.stdout) == expected(path), done.stdout + done.stderr
