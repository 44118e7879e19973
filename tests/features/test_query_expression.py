"""Attributes whose SQL expression each query gives: query_expression() and with_expression()."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, exists, literal, null
from sqlalchemy.exc import ArgumentError

from ropewalk import (
    DeclarativeBase,
    Load,
    Mapped,
    Session,
    aliased,
    joinedload,
    load_only,
    mapped_column,
    query_expression,
    relationship,
    select,
    selectinload,
    undefer,
    with_expression,
)


class Base(DeclarativeBase):
    pass


class Crate(Base):
    __tablename__ = "crate"
    id: Mapped[int] = mapped_column(primary_key=True)
    width: Mapped[int]
    depth: Mapped[int]
    area: Mapped[int] = query_expression()
    stock: Mapped[int] = query_expression(literal(7))
    parts: Mapped[list["Part"]] = relationship(order_by="Part.id")


class Part(Base):
    __tablename__ = "part"
    id: Mapped[int] = mapped_column(primary_key=True)
    crate_id: Mapped[int] = mapped_column(ForeignKey("crate.id"))
    weight: Mapped[int]
    load: Mapped[int] = query_expression()


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            [
                Crate(id=1, width=2, depth=3, parts=[Part(id=1, weight=5), Part(id=2, weight=6)]),
                Crate(id=2, width=4, depth=5, parts=[Part(id=3, weight=7)]),
            ]
        )
        session.commit()
        session.expunge_all()
        yield session


AREA = with_expression(Crate.area, Crate.width * Crate.depth)


def test_the_expression_is_loaded_with_the_object(session, engine):
    with count_statements(engine) as sent:
        found = session.scalars(select(Crate).options(AREA).order_by(Crate.id)).all()
        assert [crate.area for crate in found] == [6, 20]
    assert sent.count == 1


def test_with_query(session):
    found = session.query(Crate).options(AREA).filter(Crate.id == 2).one()
    assert found.area == 20


def test_without_the_option_it_is_none_and_costs_no_statement(session, engine):
    crate = session.get(Crate, 1)
    with count_statements(engine) as sent:
        assert crate.area is None
    assert sent.count == 0


def test_the_default_is_loaded_where_nothing_is_given(session):
    assert session.get(Crate, 1).stock == 7
    session.expunge_all()
    assert session.scalars(select(Crate).options(with_expression(Crate.stock, Crate.width))).first().stock == 2


def test_the_default_comes_back_after_expiring(session):
    crate = session.scalars(select(Crate).options(with_expression(Crate.stock, Crate.width), AREA)).first()
    session.expire(crate)
    assert (crate.stock, crate.area) == (7, None)


def test_an_object_in_the_session_keeps_what_it_has(session):
    crate = session.scalars(select(Crate).options(with_expression(Crate.area, null()))).first()
    assert session.scalars(select(Crate).options(AREA)).first().area is None
    again = session.scalars(select(Crate).options(AREA).execution_options(populate_existing=True)).first()
    assert again is crate and crate.area == 6


def test_what_was_expired_is_filled_in_again(session):
    crate = session.scalars(select(Crate).options(AREA)).first()
    session.expire(crate, ["area"])
    assert crate.area is None
    session.scalars(select(Crate).options(AREA)).all()
    assert crate.area == 6


def test_each_value_in_an_expression_is_its_own(session):
    for factor in (1, 2, 3, 2, 1):
        session.expunge_all()
        option = with_expression(Crate.area, Crate.width * factor)
        assert session.scalars(select(Crate).options(option).order_by(Crate.id)).first().area == 2 * factor


@pytest.mark.parametrize("way", [selectinload, joinedload])
def test_each_value_in_an_expression_of_a_relationship_is_its_own(session, way):
    for factor in (1, 2, 3, 2, 1):
        session.expunge_all()
        option = way(Crate.parts).with_expression(Part.load, Part.weight * factor)
        crate = session.scalars(select(Crate).options(option).order_by(Crate.id)).first()
        assert [part.load for part in crate.parts] == [5 * factor, 6 * factor]


def test_an_expression_over_both_ends_of_a_join(session):
    option = joinedload(Crate.parts).with_expression(Part.load, Part.weight * Crate.width)
    found = session.scalars(select(Crate).options(option).order_by(Crate.id)).all()
    assert [[part.load for part in crate.parts] for crate in found] == [[10, 12], [28]]


def test_a_relationship_loaded_on_demand(session):
    option = Load(Crate).lazyload(Crate.parts).with_expression(Part.load, Part.weight + 1)
    crate = session.scalars(select(Crate).options(option).order_by(Crate.id)).first()
    assert [part.load for part in crate.parts] == [6, 7]


def test_an_expression_with_a_subquery(session):
    heavy = exists(select(Part.id).where(Part.crate_id == Crate.id, Part.weight > 6))
    found = session.scalars(select(Crate).options(with_expression(Crate.area, heavy)).order_by(Crate.id)).all()
    assert [crate.area for crate in found] == [False, True]


def test_an_alias(session):
    crate = aliased(Crate)
    option = with_expression(crate.area, crate.width + crate.depth)
    assert [c.area for c in session.scalars(select(crate).options(option).order_by(crate.id))] == [5, 9]


def test_a_column_of_a_subquery(session):
    inner = select(Crate, (Crate.width + 100).label("more")).subquery()
    crate = aliased(Crate, inner)
    found = session.scalars(select(crate).options(with_expression(crate.area, inner.c.more)).order_by(crate.id)).all()
    assert [c.area for c in found] == [102, 104]


def test_a_column_of_a_statement_written_by_hand(session):
    inner = select(Crate.__table__, (Crate.width + 100).label("more")).order_by(Crate.id)
    option = with_expression(Crate.area, inner.selected_columns.more)
    found = session.scalars(select(Crate).options(option).from_statement(inner)).all()
    assert [c.area for c in found] == [102, 104]


def test_load_only_leaves_it_in(session):
    crate = session.scalars(select(Crate).options(load_only(Crate.width), AREA).order_by(Crate.id)).first()
    assert crate.area == 6 and "depth" not in vars(crate)


@pytest.mark.parametrize("key", [Crate.width, Crate.parts, "area"], ids=str)
def test_an_attribute_of_another_kind(key):
    with pytest.raises(ArgumentError, match=r"takes an attribute that is mapped with query_expression\(\); got"):
        with_expression(key, Crate.width)


def test_what_is_no_expression():
    with pytest.raises(ArgumentError):
        with_expression(Crate.area, object())


def test_undefer_of_it_is_none(session):
    assert session.scalars(select(Crate).options(undefer(Crate.area))).first().area is None
