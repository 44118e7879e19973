"""Keys that are handed on: natural keys that change, keys in common, one-to-one, other collections."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String, create_engine, select

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


class Country(Base):
    __tablename__ = "k_country"

    code: Mapped[str] = mapped_column(String(5), primary_key=True)
    towns: Mapped[list["Town"]] = relationship(back_populates="country", passive_updates=False, order_by="Town.id")
    capital: Mapped["Capital | None"] = relationship(back_populates="country", passive_updates=False)


class Town(Base):
    __tablename__ = "k_town"

    id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str | None] = mapped_column(String(5), ForeignKey("k_country.code"))
    country: Mapped["Country | None"] = relationship(back_populates="towns")


class Capital(Base):
    __tablename__ = "k_capital"

    country_code: Mapped[str] = mapped_column(String(5), ForeignKey("k_country.code"), primary_key=True)
    country: Mapped["Country"] = relationship(back_populates="capital")


class River(Base):
    __tablename__ = "k_river"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    bridges: Mapped[set["Bridge"]] = relationship(back_populates="river")


class Bridge(Base):
    __tablename__ = "k_bridge"

    id: Mapped[int] = mapped_column(primary_key=True)
    river_name: Mapped[str | None] = mapped_column(
        String(20), ForeignKey("k_river.name", onupdate="CASCADE", ondelete="SET NULL")
    )
    river: Mapped["River | None"] = relationship(back_populates="bridges")


@pytest.fixture
def session(road):
    """On SQLite, which does not check foreign keys unless asked to: the statements are as they would be without."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def test_changed_key_is_handed_on(session):
    country = Country(code="UK", towns=[Town(), Town()])
    session.add(country)
    session.commit()
    country.code = "GB"
    session.commit()
    assert session.scalars(select(Town.country_code)).all() == ["GB", "GB"]
    assert session.get(Country, "GB") is country


def test_changed_key_reaches_a_row_whose_key_it_is(session):
    country = Country(code="UK", capital=Capital())
    session.add(country)
    session.commit()
    capital = country.capital
    country.code = "GB"
    session.commit()
    assert capital.country_code == "GB"
    assert session.get(Capital, "GB") is capital


@pytest.mark.databases("postgresql")
def test_database_hands_a_changed_key_on(engine, road):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        river = River(name="Isis", bridges={Bridge(), Bridge()})
        session.add(river)
        session.commit()
        bridges = list(river.bridges)
        assert [bridge.river_name for bridge in bridges] == ["Isis", "Isis"]
        river.name = "Thames"
        with count_statements(engine) as sent:
            session.flush()
        assert sent.count == 1
        assert [bridge.river_name for bridge in bridges] == ["Thames", "Thames"]
        session.commit()
        assert {bridge.river for bridge in bridges} == {river}


def test_shared_key_of_one_to_one(session):
    capital = Capital(country=Country(code="FR"))
    session.add(capital)
    session.commit()
    assert capital.country_code == "FR"
    assert capital.country.capital is capital


def test_one_to_one_is_replaced(session):
    country = Country(code="DE", capital=Capital())
    session.add(country)
    session.commit()
    old = country.capital
    session.delete(old)
    country.capital = new = Capital()
    session.commit()
    assert country.capital is new
    assert inspect(old).detached


def test_sets_are_written(session):
    one, two = Bridge(), Bridge()
    river = River(name="Seine", bridges={one, two})
    session.add(river)
    session.commit()
    river.bridges.discard(one)
    session.commit()
    assert river.bridges == {two}
    assert one.river_name is None


def test_failed_flush_gives_back_what_objects_held(session):
    session.add(Country(code="IT"))
    session.commit()
    session.expunge_all()
    town = Town()
    country = Country(code="IT", towns=[town])
    session.add(country)
    with pytest.raises(Exception, match="UNIQUE"):
        session.flush()
    session.rollback()
    assert town.country_code is None
    assert inspect(town).transient
    assert country.towns == [town]
