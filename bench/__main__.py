"""``python -m bench``: choose works and databases, run them, print the tables."""

import argparse
import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from . import (
    attributes,
    awaited,
    get,
    graphs,
    load,
    memory,
    query,
    report,
    ropes,
    scaling,
    shards,
    startup,
    transactions,
    write,
)
from .contenders import Orm
from .databases import Database, Postgresql, Sqlite, Unavailable
from .harness import OURS, SMOKE, SQLALCHEMY, Row, Work, describe, measure

GROUPS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        load,
        write,
        get,
        query,
        attributes,
        memory,
        startup,
        graphs,
        transactions,
        awaited,
        shards,
        scaling,
        ropes,
    )
}
DATABASES: dict[str, type[Database]] = {kind.name: kind for kind in (Sqlite, Postgresql)}

ON_REQUEST = {"scaling"}
"""Groups that take minutes, and so run only when named."""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--db", choices=DATABASES, help="one database; without it, each that answers")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help=f"a work or a group ({', '.join(GROUPS)}); may be given again",
    )
    parser.add_argument("--smoke", action="store_true", help="everything tiny, only to show that it works")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--ours", default="ropewalk", metavar="MODULE", help="ORM in our column")
    options = parser.parse_args(argv)
    options.works = chosen(options.only, smoke=options.smoke)
    if not options.works:
        parser.error(f"no work or group is named {' or '.join(options.only)}")
    return options


def chosen(names: list[str] | None, *, smoke: bool) -> list[Work]:
    """The works asked for, in the order of the table."""
    works = [
        work
        for group, module in GROUPS.items()
        for work in module.works()
        if (names is None and group not in ON_REQUEST) or (names and {group, work.name} & {*names})
    ]
    return [work.shrunk() for work in works] if smoke else works


def run_all(database: Database, works: list[Work], orms: dict[str, Orm], rounds: int) -> list[Row]:
    """Measure one work after the other, telling a person at a terminal which it is."""
    rows = []
    tell = sys.stderr.isatty()
    for work in works:
        if work.only_on not in (None, database.name):
            continue
        if tell:
            print(f"{database.name}: {work.name} …", end="\033[K\r", file=sys.stderr)
        rows.append(measure(work, database, orms, min(rounds, work.rounds or rounds)))
    if tell:
        print("\033[K", end="", file=sys.stderr)
    return rows


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    orms = {OURS: Orm(options.ours), SQLALCHEMY: Orm("sqlalchemy.orm")}
    try:
        orms[OURS].item  # noqa: B018 - say at once what would otherwise be an error in each row
    except Exception as error:
        print(f"{options.ours} cannot be measured: {describe(error)}")
    heads = report.headings(options.ours, f"SQLAlchemy {metadata.version('sqlalchemy')}")
    data: dict[str, Any] = {"python": platform.python_version(), "sqlalchemy": metadata.version("sqlalchemy")}
    failed = False
    for kind in [DATABASES[options.db]] if options.db else DATABASES.values():
        try:
            database = kind()
        except Unavailable as error:
            print(f"{kind.name} is left out: {error}")
            continue
        try:
            rows = run_all(database, options.works, orms, 1 if options.smoke else options.rounds)
        finally:
            database.close()
        if rows:
            figures = f"one tiny round of {SMOKE} things, no figures" if options.smoke else "medians, per thing"
            title = f"{database.version}, Python {platform.python_version()}: {figures}"
            report.show(title, heads, rows)
        data[database.name] = {"version": database.version, "works": report.as_data(rows)}
        failed = failed or any(row.errors for row in rows)
    if options.json:
        options.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
