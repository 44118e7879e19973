"""What the demo maps: three classes with natural and composite keys, and the relationships between them."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index

from ...declare.base import DeclarativeBase
from ...declare.columns import mapped_column
from ...instrumentation.attributes import Mapped
from ...mapping.relationships import relationship


class Base(DeclarativeBase):
    """The classes of the demo share one MetaData."""


class Country(Base):
    """A country by its ISO code, with the area of the world that its clocks name."""

    __tablename__ = "country"

    code: Mapped[str] = mapped_column(primary_key=True)
    area: Mapped[str]
    subdivisions: Mapped[list["Subdivision"]] = relationship(back_populates="country", cascade="all")
    airports: Mapped[list["Airport"]] = relationship(back_populates="country", cascade="all")


class Subdivision(Base):
    """A state, province or county; its name is unique within its country only."""

    __tablename__ = "subdivision"

    country_code: Mapped[str] = mapped_column(ForeignKey("country.code"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    country: Mapped["Country"] = relationship(back_populates="subdivisions")
    airports: Mapped[list["Airport"]] = relationship(
        back_populates="subdivision",
        cascade="all",
        overlaps="country,airports",  # an airport's country is that of its subdivision
    )


class Airport(Base):
    """An airport by its ICAO code; not each has an IATA code or belongs to a subdivision."""

    __tablename__ = "airport"
    __table_args__ = (
        ForeignKeyConstraint(["country_code", "subdivision_name"], ["subdivision.country_code", "subdivision.name"]),
        Index("airport_subdivision", "country_code", "subdivision_name"),
    )

    icao: Mapped[str] = mapped_column(primary_key=True)
    iata: Mapped[str | None]
    name: Mapped[str]
    city: Mapped[str]
    elevation: Mapped[float]
    latitude: Mapped[float]
    longitude: Mapped[float]
    timezone: Mapped[str]
    country_code: Mapped[str] = mapped_column(ForeignKey("country.code"))
    subdivision_name: Mapped[str | None]
    country: Mapped["Country"] = relationship(back_populates="airports")
    subdivision: Mapped["Subdivision | None"] = relationship(back_populates="airports", overlaps="country,airports")
