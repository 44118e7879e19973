#!/usr/bin/env python3
"""Account for a run of the conformance tests: what passed, what waits for another part, what fails and why.

    account.py build/conformance.json [--files test_merge ...]

``reasons/NAME.toml`` (NAME as in ``test_merge`` or ``ext/test_hybrid``) groups the tests that do not pass::

    [[apart]]                    # only the query language or inheritance stops these
    why = "inheritance"
    tests = ["MergeTest::test_*poly*"]

    [[fails]]                    # all others, with the reason
    why = "wants SQLAlchemy's wording of the error"
    tests = ["MergeTest::test_no_load_with_backrefs[[]0]"]

Patterns are those of ``fnmatch`` on the test's name without its file. A failing test that no pattern names is listed
and makes the exit status 1; so does a pattern that no failing test matches, for a list must not outlive its reasons.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import json
import pathlib
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
BAD = ("failed", "error", "missing", "timeout", "crash")


class File:
    """One test file of a run beside its list of reasons."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.passed = 0
        self.bad: list[str] = []
        self.apart: collections.Counter[str] = collections.Counter()
        self.fails: collections.Counter[str] = collections.Counter()
        self.unexplained: list[str] = []
        self.stale: list[str] = []

    def explain(self) -> None:
        path = HERE / "reasons" / f"{self.name}.toml"
        groups = tomllib.loads(path.read_text()) if path.exists() else {}
        left = set(self.bad)
        for kind, counter in (("apart", self.apart), ("fails", self.fails)):
            for group in groups.get(kind, ()):
                for pattern in group["tests"]:
                    hit = {test for test in left if fnmatch.fnmatchcase(test, pattern)}
                    if not hit:
                        self.stale.append(pattern)
                    left -= hit
                    counter[group["why"]] += len(hit)
        self.unexplained = sorted(left)

    @property
    def share(self) -> float:
        of = self.passed + len(self.bad) - self.apart.total()
        return 100 * self.passed / of if of else 100.0

    def row(self) -> str:
        text = [f"{count} {why}" for why, count in self.fails.most_common() if count]
        waits = [f"{count} {why}" for why, count in self.apart.most_common() if count]
        of = self.passed + len(self.bad)
        return f"| {self.name} | {self.passed} / {of} | {'; '.join(waits)} | {self.share:.1f} % | {'; '.join(text)} |"


def read(result: str, wanted: list[str]) -> list[File]:
    files: dict[str, File] = {}
    for test, outcome in json.loads(pathlib.Path(result).read_text())["tests"].items():
        path, _, name = test.partition("::")
        short = path.removeprefix("test/orm/").removeprefix("test/").removesuffix(".py")
        if wanted and short not in wanted:
            continue
        file = files.setdefault(short, File(short))
        if outcome["outcome"] == "passed":
            file.passed += 1
        elif outcome["outcome"] in BAD:
            file.bad.append(name)
    for file in files.values():
        file.explain()
    return sorted(files.values(), key=lambda file: file.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result")
    parser.add_argument("--files", nargs="*", default=[], help="names as in test_merge, dml/test_bulk_statements")
    options = parser.parse_args()
    files = read(options.result, options.files)
    print("| file | passed | waits for | share of the rest | fails |\n|---|---|---|---|---|")
    for file in files:
        print(file.row())
    listed = [file for file in files if (HERE / "reasons" / f"{file.name}.toml").exists()]
    for file in listed:
        for test in file.unexplained:
            print(f"no reason given: {file.name}::{test}", file=sys.stderr)
        for pattern in file.stale:
            print(f"matches no failing test: {file.name}: {pattern}", file=sys.stderr)
    sys.exit(any(file.unexplained or file.stale for file in listed))


if __name__ == "__main__":
    main()
