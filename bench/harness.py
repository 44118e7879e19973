"""Works, rounds and clocks: how a figure is got.

A work is a function that prepares, does its business inside ``run.timed()``, and checks the outcome.
Every round lets each contender do it once, in turn; a figure is the median of the rounds.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine

from .contenders import Orm
from .databases import Database

OURS, SQLALCHEMY, DRIVER = "ours", "sqlalchemy", "driver"

NANOSECONDS_IN = {"ns": 1, "µs": 1_000, "ms": 1_000_000}

SMOKE = 400
"""Things and rows at most, where it only must be shown that a work works."""


class WrongResult(Exception):
    """A workload was done, but not right: its time would say nothing."""


def expect(actual: object, expected: object, what: str) -> None:
    """Refuse a figure whose work has a wrong outcome."""
    if actual != expected:
        raise WrongResult(f"{what}: {actual!r} instead of {expected!r}")


@dataclass(frozen=True)
class Bar:
    """What our figure is held against: so many times faster, or so many times as large at most."""

    limit: float
    at_most: bool = False
    against: str = SQLALCHEMY
    """A contender; or another work's name, whose figure by ourselves is then the measure."""

    def __str__(self) -> str:
        against = {SQLALCHEMY: "", DRIVER: " driver"}.get(self.against, f" {self.against}")
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}×{against}"

    def ratio(self, ours: float, other: float) -> float:
        return ours / other if self.at_most else other / ours

    def met(self, ours: float, other: float) -> bool:
        ratio = self.ratio(ours, other)
        return ratio <= self.limit if self.at_most else ratio >= self.limit


@dataclass(frozen=True)
class Work:
    """One line of the table."""

    name: str
    title: str
    orm: Callable[["Run"], None]
    driver: Callable[["Run"], None] | None
    count: int
    """How many things one run handles; its time is divided by it."""
    rows: int = 0
    """How many rows the table holds before each run."""
    writes: bool = False
    """The table must be filled anew for the next run."""
    bars: Mapping[str, Bar] = field(default_factory=dict)
    """By database; a database without a bar is measured all the same."""
    only_on: str | None = None
    unit: str = "µs"
    rounds: int | None = None
    """Fewer rounds than usual, for what takes long."""

    def shrunk(self) -> "Work":
        """The same work, small enough to show only that it works; too small to be judged."""
        return replace(self, count=min(self.count, SMOKE), rows=min(self.rows, SMOKE), bars={})


@dataclass
class Run:
    """One contender doing one work once."""

    work: Work
    database: Database
    orm: Orm | None
    engine: Engine | None
    figure: float | None = None

    @property
    def count(self) -> int:
        return self.work.count

    @property
    def item(self) -> Any:
        """The class mapped by the ORM under test."""
        assert self.orm is not None
        return self.orm.item

    @property
    def select(self) -> Any:
        assert self.orm is not None
        return self.orm.select

    @contextmanager
    def session(self) -> Iterator[Any]:
        assert self.orm is not None and self.engine is not None
        with self.orm.session(self.engine) as session:
            yield session

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the block, garbage collector included, starting with none of the old garbage."""
        gc.collect()
        start = time.perf_counter_ns()
        yield
        nanoseconds = time.perf_counter_ns() - start
        self.record(nanoseconds / self.count / NANOSECONDS_IN[self.work.unit])

    def record(self, figure: float) -> None:
        """Set the figure of this run, in the work's unit."""
        self.figure = figure


@dataclass
class Row:
    """What was found out about one work on one database."""

    work: Work
    database: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def median(self, contender: str) -> float | None:
        figures = self.figures.get(contender)
        return statistics.median(figures) if figures and contender not in self.errors else None

    @property
    def bar(self) -> Bar | None:
        return self.work.bars.get(self.database)


def measure(work: Work, database: Database, orms: Mapping[str, Orm], rounds: int) -> Row:
    """Let all contenders take turns at one work.

    The first round warms up and is not counted, unless there is only one: what takes so long that
    once is enough does not feel a cold start.
    """
    row = Row(work, database.name)
    engines = {name: database.engine() for name in orms}
    contenders = [*orms, *([DRIVER] if work.driver else [])]
    try:
        for number in range(0 if rounds > 1 else 1, 1 + rounds):
            for name in contenders:
                if name in row.errors:
                    continue
                run = Run(work, database, orms.get(name), engines.get(name))
                try:
                    database.fill(work.rows)
                    _do(run)
                except Exception as error:
                    row.errors[name] = describe(error)
                    # What the traceback held may hold a connection with a lock.
                    error.__traceback__ = None
                    if name in engines:
                        engines[name].dispose()
                if number and run.figure is not None:
                    row.figures.setdefault(name, []).append(run.figure)
    finally:
        for engine in engines.values():
            engine.dispose()
    return row


def _do(run: Run) -> None:
    """Do the work, and see to it that the next run finds the table as it must be."""
    work = run.work.orm if run.orm else run.work.driver
    assert work is not None
    try:
        work(run)
    finally:
        if run.work.writes:
            run.database.spoiled()
    if run.figure is None:
        raise WrongResult("the work recorded no figure")


def describe(error: BaseException) -> str:
    """The error on one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
