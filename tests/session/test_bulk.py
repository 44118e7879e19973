"""Rows written in bulk, past the unit of work."""

import pytest
from databases import count_statements
from sqlalchemy import String, func, select

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column
from ropewalk.exc import InvalidRequestError, StaleDataError


class Base(DeclarativeBase):
    pass


class Buoy(Base):
    __tablename__ = "bulk_buoy"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column("name", String(30), default="red")
    depth: Mapped[int | None]


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


def rows(session):
    return [tuple(row) for row in session.execute(select(Buoy.id, Buoy.label, Buoy.depth).order_by(Buoy.id))]


def test_neighbours_of_one_shape_go_together(session, database):
    with count_statements(database) as statements:
        session.bulk_insert_mappings(Buoy, [{"id": 1, "depth": 3}, {"id": 2, "depth": 4}, {"id": 3}])
    assert statements.count == 2
    assert rows(session) == [(1, "red", 3), (2, "red", 4), (3, "red", None)]
    assert not session.identity_map


def test_none_is_the_default_unless_null_is_meant(session):
    session.bulk_insert_mappings(Buoy, [{"id": 1, "label": None}])
    session.bulk_insert_mappings(Buoy, [{"id": 2, "label": None}], render_nulls=True)
    assert rows(session) == [(1, "red", None), (2, None, None)]


def test_new_keys_are_told_to_who_asks(session):
    given = [{"depth": 1}, {"depth": 2}]
    session.bulk_insert_mappings(Buoy, given, return_defaults=True)
    assert [(one["id"], "red", one["depth"]) for one in given] == rows(session)


def test_rows_without_values_and_with_sql(session):
    session.bulk_insert_mappings(Buoy, [{}, {"label": func.lower("GREEN")}])
    assert [label for _, label, _ in rows(session)] == ["red", "green"]


def test_updates(session):
    session.bulk_insert_mappings(Buoy, [{"id": 1}, {"id": 2}, {"id": 3}])
    session.bulk_update_mappings(
        Buoy,
        [
            {"id": 1, "depth": 5},
            {"id": 2, "depth": 6},
            {"id": 3, "label": None, "depth": Buoy.__table__.c.id + 1},
            {"id": 3},
        ],
    )
    assert rows(session) == [(1, "red", 5), (2, "red", 6), (3, None, 4)]


def test_updates_that_cannot_be(session):
    with pytest.raises(InvalidRequestError, match="primary key of each row; id is missing"):
        session.bulk_update_mappings(Buoy, [{"depth": 5}])
    with pytest.raises(StaleDataError, match="1 rows, and 0 were matched"):
        session.bulk_update_mappings(Buoy, [{"id": 5, "depth": 5}])


def test_objects(session):
    buoy, other = Buoy(depth=1), Buoy(id=8)
    session.bulk_save_objects([buoy], return_defaults=True)
    session.bulk_save_objects([other])
    assert buoy.id is not None and buoy not in session
    session.expunge_all()
    loaded = session.get(Buoy, 8)
    session.expunge(loaded)
    loaded.depth = 9
    session.bulk_save_objects([loaded])
    assert (8, "red", 9) in rows(session)
