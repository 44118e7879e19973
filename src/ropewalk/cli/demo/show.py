"""What the demo puts on the screen, in the order in which it happens."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from ...session.session import Session
from .by_hand import count_rows, import_by_hand
from .importing import Imported, Record, import_airports, new_database, read_records
from .statements import StatementCounter
from .steps import Disproved, steps

LEFT = 43
"""Columns for the left half of a step."""


def show(path: Path, *, scratch: Path, keeps_file: bool) -> None:
    """Import into `path`, work with it, and compare; `scratch` is for files that nobody keeps."""
    console = Console(highlight=False)
    records = read_records()
    console.print(
        f"\n[bold]Ropewalk[/] takes the {len(records):,} airports of the package airportsdata as objects of"
        " three classes: a Country has subdivisions and airports, and a Subdivision has airports too. The session"
        " is given the countries and nothing else; it finds the rest, and the order, and SQLite checks it.\n"
    )
    engine = new_database(path)
    try:
        with console.status("session.add_all(countries); session.commit()"):
            imported = import_airports(engine, records)
        if (stored := count_rows(path)) != imported.rows:
            raise Disproved(f"{imported.rows:,} objects were imported, but sqlite3 finds {stored:,} rows")
        console.print(f"{imported.rows:,} objects in {imported.seconds:.2f} s; sqlite3 finds them all there.\n")
        _take_steps(console, engine, _count_import(scratch, records))
    finally:
        engine.dispose()

    _compare(console, imported, _import_by_hand(scratch, records))
    if keeps_file:
        console.print(f"The database is in {path}\n")


def _count_import(scratch: Path, records: Sequence[Record]) -> StatementCounter:
    """Import once more to count the statements, since listening to each of them takes time."""
    engine = new_database(scratch / "counted.db")
    with StatementCounter(engine) as counter:
        import_airports(engine, records)
    engine.dispose()
    return counter


def _import_by_hand(scratch: Path, records: Sequence[Record]) -> Imported:
    path = scratch / "by-hand.db"
    new_database(path).dispose()
    return import_by_hand(path, records)


def _take_steps(console: Console, engine: Engine, imported: StatementCounter) -> None:
    """Take the steps in one session, and tell of each what it sent to the database."""
    console.rule("One session at work, and the statements it takes", align="left")
    _tell(
        console,
        "Import, once more to count",
        "session.add_all(countries); commit()",
        "the same graph",
        imported,
    )
    with Session(engine) as session:
        for step in steps():
            with StatementCounter(engine) as counter:
                start = time.perf_counter()
                outcome = step.take(session)
                milliseconds = (time.perf_counter() - start) * 1_000
            _tell(console, step.title, step.code, outcome, counter, f" in {milliseconds:,.1f} ms")
    console.print()


def _tell(
    console: Console, title: str, code: str, outcome: str, statements: StatementCounter, duration: str = ""
) -> None:
    """Print one step on two lines that fit 80 columns: words and code, outcome and statements."""
    console.print(f"[bold]{title:<{LEFT}}[/]{outcome}")
    console.print(f"[dim]{escape(code):<{LEFT}}[/][cyan]{statements}[/][dim]{duration}[/]")


def _compare(console: Console, ours: Imported, bare: Imported) -> None:
    """Rows a second, beside the least that the same rows cost in Python."""
    console.rule("The same import, two ways", align="left")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("")
    for head in ("rows", "seconds", "rows a second"):
        table.add_column(head, justify="right")
    for way, done in (("Ropewalk, session.add_all", ours), ("bare sqlite3, executemany", bare)):
        table.add_row(way, f"{done.rows:,}", f"{done.seconds:.2f}", f"[bold]{done.rate:,.0f}[/]")
    console.print(table)
    console.print(
        f"\nThe bare driver is {ours.seconds / bare.seconds:.1f} times as fast: it makes no objects, tracks"
        " no changes, and was told the order by hand. Timed is the way from records to rows, commit included;"
        " reading the airports, making the tables and counting statements are not.\n",
        style="dim",
    )
