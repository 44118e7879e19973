"""What a flush knows at once of values that the database makes: ``eager_defaults`` in its three values."""

from __future__ import annotations

from typing import Any

import pytest
from databases import count_statements
from sqlalchemy import Column, Computed, Engine, FetchedValue, Integer, MetaData, String, Table, event, func

from ropewalk import Session, registry


def mapped(engine: Engine, eager: Any, **options: Any) -> Any:
    table = Table(
        "thing",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("x", Integer),
        Column("twice", Integer, Computed("x * 2", persisted=True)),
        Column("grade", String(10), server_default="b"),
        Column("touched", String(10), onupdate=func.lower("YES")),
        Column("counted", Integer, server_default=FetchedValue(), server_onupdate=FetchedValue()),
        **options,
    )
    table.metadata.create_all(engine)

    class Thing:
        def __init__(self, **values: Any) -> None:
            for key, value in values.items():
                setattr(self, key, value)

    registry().map_imperatively(Thing, table, eager_defaults=eager)
    return Thing


MADE = ("twice", "grade", "touched", "counted")


def known(thing: Any) -> dict[str, Any]:
    return {key: thing.__dict__[key] for key in MADE if key in thing.__dict__}


@pytest.mark.parametrize("returning", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_all_is_known_after_an_insert(engine: Engine, returning: bool, count: int) -> None:
    """By RETURNING, or by a SELECT where the table goes without; before listeners to after_insert are told."""
    thing = mapped(engine, True, implicit_returning=returning)
    told: list[Any] = []
    event.listen(thing, "after_insert", lambda mapper, connection, target: told.append(known(target)))
    expected = [{"twice": 2 * n, "grade": "b", "touched": None, "counted": None} for n in range(count)]
    with Session(engine) as session:
        things = [thing(x=n, touched=None) for n in range(count)]
        session.add_all(things)
        session.flush()
        assert told == expected
        with count_statements(engine) as sent:
            assert [known(one) for one in things] == expected
            assert [one.grade for one in things] == ["b"] * count
        assert sent.count == 0


@pytest.mark.parametrize("count", [1, 3])
def test_all_is_known_after_an_update(engine: Engine, count: int) -> None:
    thing = mapped(engine, True)
    told: list[Any] = []
    event.listen(thing, "after_update", lambda mapper, connection, target: told.append(known(target)))
    with Session(engine) as session:
        things = [thing(x=n) for n in range(count)]
        session.add_all(things)
        session.commit()
        for one in things:
            one.x += 10
        session.flush()
        expected = [{"twice": 2 * (n + 10), "grade": "b", "touched": "yes", "counted": None} for n in range(count)]
        assert told == [known(one) for one in things] == expected
        told.clear()
        with count_statements(engine) as sent:
            things[0].x = func.abs(-7)
            session.flush()
            written = sent.count
            assert (things[0].x, things[0].twice) == (7, 14)
            assert sent.count == written
        session.rollback()
        assert [(one.x, one.twice, one.touched) for one in things] == [(n, 2 * n, None) for n in range(count)]


def test_a_failed_flush_takes_them_back(engine: Engine) -> None:
    thing = mapped(engine, True, implicit_returning=False)
    with Session(engine) as session:
        session.add(thing(id=1, x=1))
        session.commit()
        one, clash = session.get_one(thing, 1), thing(id=1, x=2)
        one.x = 5
        session.add(clash)
        session.expunge(one)
        with pytest.raises(Exception, match="(?i)unique|duplicate"):
            session.flush()
        session.rollback()
        assert known(clash) == {}


def test_auto_takes_what_costs_nothing_and_leaves_the_rest(engine: Engine) -> None:
    thing = mapped(engine, "auto")
    with Session(engine) as session:
        one = thing(x=1)
        session.add(one)
        session.flush()
        assert {"twice", "grade"} <= known(one).keys()
        one.x = 2
        session.flush()
        assert "twice" not in known(one)
        assert (one.twice, one.touched) == (4, "yes")


def test_never(engine: Engine) -> None:
    thing = mapped(engine, False)
    with Session(engine) as session:
        one = thing(x=1)
        session.add(one)
        session.flush()
        assert known(one) == {"touched": None}  # which was inserted
        assert (one.twice, one.grade) == (2, "b")
