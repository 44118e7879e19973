"""Finished dataclasses whose fields bear their columns: field(metadata={"sa": Column(...)})."""

import dataclasses

from sqlalchemy import Column, ForeignKey, Integer, String, select

from ropewalk import Session, inspect, registry, relationship


def test_fields_of_a_finished_dataclass_can_bear_their_columns(engine):
    mapped = registry()

    @dataclasses.dataclass
    class Stamped:
        __sa_dataclass_metadata_key__ = "sa"
        stamp: int = dataclasses.field(
            init=False, default_factory=lambda: 12, metadata={"sa": Column(Integer, nullable=False)}
        )

    @mapped.mapped
    @dataclasses.dataclass
    class Shelf(Stamped):
        __tablename__ = "embedded_shelf"
        __sa_dataclass_metadata_key__ = "sa"
        id: int = dataclasses.field(metadata={"sa": Column(Integer, primary_key=True)})
        label: str | None = dataclasses.field(default=None, metadata={"sa": Column("name", String(30))})
        jars: list["Jar"] = dataclasses.field(default_factory=list, metadata={"sa": lambda: relationship("Jar")})
        seen: int = 0

    @mapped.mapped
    @dataclasses.dataclass
    class Jar(Stamped):
        __tablename__ = "embedded_jar"
        __sa_dataclass_metadata_key__ = "sa"
        id: int = dataclasses.field(metadata={"sa": Column(Integer, primary_key=True)})
        shelf_id: int | None = dataclasses.field(default=None, metadata={"sa": Column(ForeignKey("embedded_shelf.id"))})

    mapped.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Shelf(1, "top", [Jar(1), Jar(2)]))
        session.commit()
        shelf = session.scalars(select(Shelf).where(Shelf.label == "top")).one()
        assert [jar.shelf_id for jar in shelf.jars] == [1, 1]
        assert (shelf.stamp, Shelf.__table__.c.keys()) == (12, ["id", "name", "stamp"])
        assert "seen" not in inspect(Shelf).attrs
    assert Shelf.__table__.c.stamp is not Jar.__table__.c.stamp
