"""The table that a run prints, and the same as data."""

from collections.abc import Mapping, Sequence
from typing import Any

from .harness import DRIVER, OURS, SQLALCHEMY, Row

Cells = tuple[str, ...]


def headings(ours: str, sqlalchemy: str) -> Cells:
    return ("work", "", ours, sqlalchemy, "driver", "ratio", "bar", "met?")


def lines(rows: Sequence[Row]) -> list[Cells]:
    """The rows of one database as text."""
    by_name = {row.work.name: row for row in rows}
    return [_line(row, by_name) for row in rows]


def _line(row: Row, by_name: Mapping[str, Row]) -> Cells:
    ratio, met = judge(row, by_name)
    return (
        row.work.title,
        row.work.unit,
        *(_figure(row, contender) for contender in (OURS, SQLALCHEMY, DRIVER)),
        "" if ratio is None else f"{ratio:.2f}×",
        str(row.bar or ""),
        "" if met is None else ("yes" if met else "NO"),
    )


def _figure(row: Row, contender: str) -> str:
    if contender in row.errors:
        return "error"
    figure = row.median(contender)
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def judge(row: Row, by_name: Mapping[str, Row]) -> tuple[float | None, bool | None]:
    """Our ratio to what the bar names, or to SQLAlchemy without a bar; and whether that will do."""
    ours, bar = row.median(OURS), row.bar
    if bar is None:
        other = row.median(SQLALCHEMY)
        return (other / ours if ours and other else None), None
    if bar.against in (SQLALCHEMY, DRIVER):
        other = row.median(bar.against)
    else:
        measure = by_name.get(bar.against)
        other = measure.median(OURS) if measure else None
    if ours is None or other is None:
        return None, None
    return bar.ratio(ours, other), bar.met(ours, other)


def errors(rows: Sequence[Row]) -> list[str]:
    """What went wrong, each message once, with the works that it struck."""
    struck: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for contender, message in row.errors.items():
            struck.setdefault((contender, message), []).append(row.work.name)
    return [f"{who}: {message} ({', '.join(works)})" for (who, message), works in struck.items()]


def show(title: str, heads: Cells, rows: Sequence[Row]) -> None:
    """Print the table of one database: with rich where it is installed, else as plain text."""
    body = lines(rows)
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        _show_plain(title, heads, body)
    else:
        table = Table(title=title, title_justify="left")
        for number, head in enumerate(heads):
            table.add_column(head, justify="left" if number < 2 else "right", no_wrap=number > 0)
        for line in body:
            table.add_row(*line, style={"yes": "green", "NO": "red"}.get(line[-1]))
        console = Console()
        if not console.is_terminal:
            # A file or a pipe has no width of its own, and a cut table is of no use there.
            console = Console(width=140)
        console.print(table)
    for message in errors(rows):
        print(message)


def _show_plain(title: str, heads: Cells, body: Sequence[Cells]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)]
    print(title)
    for line in (heads, tuple("-" * width for width in widths), *body):
        cells = (
            cell.ljust(width) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def as_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Everything that was measured, for a file."""
    by_name = {row.work.name: row for row in rows}
    data = []
    for row in rows:
        ratio, met = judge(row, by_name)
        data.append(
            {
                "work": row.work.name,
                "title": row.work.title,
                "unit": row.work.unit,
                "median": {name: row.median(name) for name in (OURS, SQLALCHEMY, DRIVER)},
                "rounds": row.figures,
                "errors": row.errors,
                "bar": str(row.bar) if row.bar else None,
                "ratio": ratio,
                "met": met,
            }
        )
    return data
