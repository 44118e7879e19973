"""Attributes that a class gains after it was queried: they are loaded with the rest from then on."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String

from ropewalk import DeclarativeBase, Session, column_property, mapped_column, relationship, select


@pytest.fixture
def classes(engine):
    class Base(DeclarativeBase):
        pass

    class Ship(Base):
        __tablename__ = "al_ship"
        id = mapped_column(String(10), primary_key=True)
        name = mapped_column(String(10))
        crew = relationship("Sailor", lazy="selectin")

    class Sailor(Base):
        __tablename__ = "al_sailor"
        id = mapped_column(String(10), primary_key=True)
        name = mapped_column(String(10))
        ship_id = mapped_column(ForeignKey("al_ship.id"))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Ship(id="a", name="Acushnet", crew=[Sailor(id="1", name="Herman")]))
        session.commit()
    return Ship, Sailor


def ask_everything(engine, ship):
    """Load in each way that keeps its statement; return what each loaded at once."""
    found = {}
    with Session(engine) as session:
        found["select"] = set(vars(session.scalars(select(ship)).one()))
        session.expunge_all()
        found["where"] = set(vars(session.scalars(select(ship).where(ship.name == "Acushnet")).one()))
        session.expunge_all()
        found["get"] = set(vars(one := session.get(ship, "a")))
        session.expire(one)
        assert one.name
        found["refresh"] = set(vars(one))
        session.expunge_all()
        found["query"] = set(vars(session.query(ship).filter_by(id="a").one()))
        session.expunge_all()
        found["related"] = set(vars(session.query(ship).one().crew[0]))
    return found


def test_a_column_property(engine, classes):
    ship, sailor = classes
    before = ask_everything(engine, ship)
    ship.shout = column_property(ship.__table__.c.name + "!")
    sailor.shout = column_property(sailor.__table__.c.name + "!")
    after = ask_everything(engine, ship)
    assert after == {way: keys | {"shout"} for way, keys in before.items()}
    with Session(engine) as session, count_statements(engine) as sent:
        assert session.scalars(select(ship)).one().shout == "Acushnet!"
    assert sent.count == 2


def test_a_relationship_that_is_loaded_eagerly(engine, classes):
    ship, sailor = classes
    with Session(engine) as session:
        before = set(vars(session.get(sailor, "1")))
        assert session.scalars(select(sailor)).one().name == "Herman"
    sailor.ship = relationship(ship, lazy="joined", overlaps="crew")
    for ask in (
        lambda s: s.get(sailor, "1"),
        lambda s: s.scalars(select(sailor)).one(),
        lambda s: s.query(sailor).one(),
    ):
        with Session(engine) as session:
            assert set(vars(ask(session))) == before | {"ship"}


def test_a_cascade_of_it_counts(engine, classes):
    ship, sailor = classes
    with Session(engine) as session:
        session.delete(session.get(ship, "a"))
        session.rollback()
    sailor.home = relationship(ship, cascade="all", overlaps="crew", viewonly=False)
    with Session(engine) as session:
        session.delete(session.get(sailor, "1"))
        session.commit()
        assert session.scalars(select(ship)).all() == []
