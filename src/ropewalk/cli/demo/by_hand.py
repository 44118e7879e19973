"""The same import without any ORM: what the bare driver needs is the measure."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from .importing import Imported, Record


def import_by_hand(path: Path, records: Sequence[Record]) -> Imported:
    """Insert the rows of all records into the empty tables of a file, table by table in the right order."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        start = time.perf_counter()
        countries: dict[str, str] = {}
        subdivisions: dict[tuple[str, str], None] = {}
        airports = []
        for record in records:
            country, subdivision = record["country"], record["subd"] or None
            countries.setdefault(country, record["tz"].partition("/")[0])
            if subdivision:
                subdivisions[country, subdivision] = None
            airports.append(
                (
                    record["icao"],
                    record["iata"] or None,
                    record["name"],
                    record["city"],
                    record["elevation"],
                    record["lat"],
                    record["lon"],
                    record["tz"],
                    country,
                    subdivision,
                )
            )
        connection.executemany("INSERT INTO country (code, area) VALUES (?, ?)", countries.items())
        connection.executemany("INSERT INTO subdivision (country_code, name) VALUES (?, ?)", subdivisions)
        connection.executemany(
            "INSERT INTO airport (icao, iata, name, city, elevation, latitude, longitude, timezone,"
            " country_code, subdivision_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            airports,
        )
        connection.commit()
        seconds = time.perf_counter() - start
    return Imported(len(countries) + len(subdivisions) + len(airports), seconds)


def count_rows(path: Path) -> int:
    """How many rows the three tables of a file hold, asked without the ORM."""
    with closing(sqlite3.connect(path)) as connection:
        counts = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("country", "subdivision", "airport")
        )
        return sum(counts)
