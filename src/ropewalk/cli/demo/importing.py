"""The import: a graph of objects, of which a session is given the top; the rest it finds, and the order as well."""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import airportsdata
from sqlalchemy import Engine, create_engine, event

from ...session.session import Session
from .models import Airport, Base, Country, Subdivision

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


def graph_of(records: Iterable[Record]) -> list[Country]:
    """The countries of all records, with their subdivisions and airports hanging on them."""
    countries: dict[str, Country] = {}
    subdivisions: dict[tuple[str, str], Subdivision] = {}
    for record in records:
        code, name = record["country"], record["subd"]
        airport = Airport(
            icao=record["icao"],
            iata=record["iata"] or None,
            name=record["name"],
            city=record["city"],
            elevation=record["elevation"],
            latitude=record["lat"],
            longitude=record["lon"],
            timezone=record["tz"],
        )
        country = countries.get(code)
        if country is None:
            country = countries[code] = Country(code=code, area=record["tz"].partition("/")[0])
        country.airports.append(airport)
        if name:
            subdivision = subdivisions.get((code, name))
            if subdivision is None:
                subdivision = subdivisions[code, name] = Subdivision(name=name, country=country)
            subdivision.airports.append(airport)
    return list(countries.values())


def import_airports(engine: Engine, records: Iterable[Record]) -> Imported:
    """Save the graph of all records from the top; the time includes making the objects, and the commit."""
    start = time.perf_counter()
    with Session(engine) as session:
        session.add_all(graph_of(records))
        rows = len(session.new)
        session.commit()
    return Imported(rows, time.perf_counter() - start)
