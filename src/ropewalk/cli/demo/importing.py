"""The import: one object for each record, given to a session that finds the right order itself."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import airportsdata
from sqlalchemy import Engine, create_engine, event

from ...session.session import Session
from .models import Airport, Base, Country, Subdivision

CHUNK = 2_000
"""Airports between two flushes. One commit at the end would do; this way the progress bar is true."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Imported:
    """What an import did, whoever did it."""

    rows: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def read_records() -> list[Record]:
    """All airports as the package has them, one dictionary each."""
    return [dict(record) for record in airportsdata.load("ICAO").values()]


def new_database(path: Path) -> Engine:
    """A SQLite file with empty tables, whose foreign keys SQLite checks, which by itself it does not."""
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _check_foreign_keys)
    Base.metadata.create_all(engine)
    return engine


def _check_foreign_keys(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def objects(record: Record, known: set[object]) -> Iterator[Base]:
    """The airport of a record, and its subdivision and country if they are new.

    They come in the wrong order on purpose: what the others refer to comes last.
    """
    country, subdivision = record["country"], record["subd"] or None
    yield Airport(
        icao=record["icao"],
        iata=record["iata"] or None,
        name=record["name"],
        city=record["city"],
        elevation=record["elevation"],
        latitude=record["lat"],
        longitude=record["lon"],
        timezone=record["tz"],
        country_code=country,
        subdivision=subdivision,
    )
    if subdivision and (country, subdivision) not in known:
        known.add((country, subdivision))
        yield Subdivision(country_code=country, name=subdivision)
    if country not in known:
        known.add(country)
        yield Country(code=country, area=record["tz"].partition("/")[0])


def import_airports(
    engine: Engine, records: Iterable[Record], advance: Callable[[int], object] = lambda airports: None
) -> Imported:
    """Import all records in one transaction; the time includes making the objects, and the commit."""
    start = time.perf_counter()
    known: set[object] = set()
    rows = waiting = 0
    with Session(engine) as session:
        for record in records:
            for new in objects(record, known):
                session.add(new)
                rows += 1
            waiting += 1
            if waiting == CHUNK:
                session.flush()
                advance(waiting)
                waiting = 0
        session.commit()
        advance(waiting)
    return Imported(rows, time.perf_counter() - start)
