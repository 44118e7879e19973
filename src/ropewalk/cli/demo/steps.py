"""The steps that the demo takes with the airports once they are there.

Each is a function that gets a session and says in one line what came of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from ...session.session import Session
from .models import Airport, Country

HEATHROW = "EGLL"
RAISED = "NL"
DROPPED = "IS"


class Disproved(Exception):
    """Something that the demo is there to show did not happen."""


@dataclass(frozen=True)
class Step:
    """One line of the demo."""

    title: str
    code: str
    """The call that matters, as one would write it."""
    take: Callable[[Any], str]


def steps() -> Iterator[Step]:
    """The steps in their order; they share one session."""
    heathrow: list[Airport] = []

    def get(session: Session) -> str:
        heathrow.append(session.get_one(Airport, HEATHROW))
        return f"{heathrow[0].name}, {heathrow[0].elevation:.0f} ft"

    def get_again(session: Session) -> str:
        return _same(session.get(Airport, HEATHROW), heathrow[0])

    def query(session: Session) -> str:
        found = session.scalars(select(Airport).where(Airport.iata == "LHR")).one()
        return _same(found, heathrow[0])

    yield Step("Find by key", "session.get(Airport, 'EGLL')", get)
    yield Step("Find it again", "session.get(Airport, 'EGLL')", get_again)
    yield Step("Find it by a query", "select(Airport).where(iata == 'LHR')", query)
    yield Step("The three highest", "….order_by(elevation.desc()).limit(3)", highest)
    yield Step("Change and change back", "airport.name = …; session.flush()", change_back)
    yield Step("Raise a country", "airport.elevation += 1; session.commit()", raise_country)
    yield Step("Delete a country", "session.delete(country); commit()", delete_country)
    yield Step("Think better of it", "session.delete(airport); rollback()", think_better)
    yield Step("Walk from the top", "country.subdivisions; subdivision.airports", walk)
    yield Step("Walk once more, one by one", "Session(engine, peers=False)", walk_one_by_one)
    yield Step("Count what is left", "select(func.count()).select_from(Airport)", count)


def _same(one: object, other: object) -> str:
    if one is not other:
        raise Disproved(f"the identity map gave {one!r} and {other!r} for one row")
    return "the very same object"


def walk(session: Session) -> str:
    """Nothing is asked for beforehand: what one object lacks is loaded for all that came with it."""
    session.expunge_all()
    parents, airports = _walk(session)
    return f"{airports:,} airports, not by {parents + 1:,} SELECT"


def walk_one_by_one(session: Session) -> str:
    """The same in a session that loads what is touched, and nothing besides, as others do."""
    with Session(session.get_bind(), peers=False) as alone:
        _, airports = _walk(alone)
    return f"{airports:,} airports again"


def _walk(session: Session) -> tuple[int, int]:
    """Go from the countries to their airports; return how many collections were touched, and what they gave."""
    touched = airports = 0
    for country in session.scalars(select(Country)).all():
        touched += 1
        for subdivision in country.subdivisions:
            touched += 1
            airports += len(subdivision.airports)
    return touched, airports


def highest(session: Session) -> str:
    found = session.scalars(select(Airport).order_by(Airport.elevation.desc()).limit(3))
    return ", ".join(f"{airport.elevation:,.0f}" for airport in found) + " ft"


def change_back(session: Session) -> str:
    airport = session.get_one(Airport, HEATHROW)
    name = airport.name
    airport.name = "London Airport"
    airport.name = name
    session.flush()
    return "no change, so no UPDATE"


def raise_country(session: Session) -> str:
    airports = session.get_one(Country, RAISED).airports
    for airport in airports:
        airport.elevation += 1
    session.commit()
    return f"{len(airports)} airports of {RAISED} one foot higher"


def delete_country(session: Session) -> str:
    """What hangs on the country goes with it, and before it."""
    session.delete(session.get_one(Country, DROPPED))
    deleted = len(session.deleted)
    session.commit()
    return f"{deleted} objects of {DROPPED} gone, it the last"


def think_better(session: Session) -> str:
    airport = session.get_one(Airport, HEATHROW)
    session.delete(airport)
    session.flush()
    session.rollback()
    if airport not in session:
        raise Disproved(f"a rollback did not bring back {HEATHROW}")
    return f"{airport.name} is back"


def count(session: Session) -> str:
    left = session.scalar(select(func.count()).select_from(Airport))
    return f"{left:,} airports"
