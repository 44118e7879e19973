"""Graphs of objects: saved by one add, changed, moved and deleted, on every database."""

import pytest
from databases import count_statements
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, String, Table, select, text

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column
from ropewalk.exc import BlankedKeyError, IntegrityError, SAWarning, StaleDataError
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


class Port(Base):
    __tablename__ = "g_port"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(30))
    ships: Mapped[list["Ship"]] = relationship(back_populates="port", order_by="Ship.id")
    crates: Mapped[list["Crate"]] = relationship(cascade="all, delete-orphan", order_by="Crate.id")


class Ship(Base):
    __tablename__ = "g_ship"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(30))
    port_id: Mapped[int | None] = mapped_column(ForeignKey("g_port.id"))
    port: Mapped["Port | None"] = relationship(back_populates="ships")
    sailors: Mapped[list["Sailor"]] = relationship(secondary="g_crew", back_populates="ships")


class Crate(Base):
    __tablename__ = "g_crate"

    id: Mapped[int] = mapped_column(primary_key=True)
    port_id: Mapped[int] = mapped_column(ForeignKey("g_port.id"))


class Mast(Base):
    __tablename__ = "g_mast"

    id: Mapped[int] = mapped_column(primary_key=True)
    sail: Mapped["Sail | None"] = relationship(back_populates="mast")


class Sail(Base):
    __tablename__ = "g_sail"

    id: Mapped[int] = mapped_column(primary_key=True)
    mast_id: Mapped[int | None] = mapped_column(ForeignKey("g_mast.id"))
    mast: Mapped["Mast | None"] = relationship(back_populates="sail", uselist=False)


class Sailor(Base):
    __tablename__ = "g_sailor"

    id: Mapped[int] = mapped_column(primary_key=True)
    ships: Mapped[list["Ship"]] = relationship(secondary="g_crew", back_populates="sailors")


crew = Table(
    "g_crew",
    Base.metadata,
    Column("ship_id", ForeignKey("g_ship.id"), primary_key=True),
    Column("sailor_id", ForeignKey("g_sailor.id"), primary_key=True),
)


class Berth(Base):
    __tablename__ = "g_berth"

    pier: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    moorings: Mapped[list["Mooring"]] = relationship(back_populates="berth")


class Mooring(Base):
    __tablename__ = "g_mooring"
    __table_args__ = (ForeignKeyConstraint(["pier", "number"], ["g_berth.pier", "g_berth.number"]),)

    id: Mapped[int] = mapped_column(primary_key=True)
    pier: Mapped[str | None] = mapped_column(String(10))
    number: Mapped[int | None]
    berth: Mapped["Berth | None"] = relationship(back_populates="moorings")


class Knot(Base):
    __tablename__ = "g_knot"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(30))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("g_knot.id"))
    parent: Mapped["Knot | None"] = relationship(back_populates="strands", remote_side="Knot.id")
    strands: Mapped[list["Knot"]] = relationship(back_populates="parent", order_by="Knot.id")


class Leg(Base):
    """Its key is its parent's, in part."""

    __tablename__ = "g_leg"

    knot_id: Mapped[int] = mapped_column(ForeignKey("g_knot.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    knot: Mapped["Knot"] = relationship(backref="legs")


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


def foreign_keys(session, entity, key="port_id"):
    table = entity.__table__
    return [value for (value,) in session.execute(select(table.c[key]).order_by(table.c.id))]


# -- one-to-many, many-to-one ----------------------------------------------------------


def test_one_add_saves_the_whole_graph_with_a_statement_for_each_table(session, database):
    ports = [Port(ships=[Ship(), Ship()]) for _ in range(3)]
    session.add_all(ports)
    session.commit()
    assert foreign_keys(session, Ship) == [port.id for port in ports for _ in range(2)]


@pytest.mark.databases("sqlite", "sqlite_memory", "postgresql")
def test_statements_of_a_graph_do_not_grow_with_it(session, database):
    session.add_all([Port(ships=[Ship(), Ship()]) for _ in range(3)])
    with count_statements(database) as sent:
        session.flush()
    assert sent.count == 2


def test_child_added_alone_brings_its_parent(session):
    ship = Ship(port=Port(name="Lisbon"))
    session.add(ship)
    assert ship.port in session
    session.flush()
    assert ship.port_id == ship.port.id is not None


def test_key_given_through_a_collection_without_another_side(session):
    port = Port(crates=[Crate(), Crate()])
    session.add(port)
    session.flush()
    assert [crate.port_id for crate in port.crates] == [port.id, port.id]


def test_new_child_of_a_saved_parent(session):
    port = Port()
    session.add(port)
    session.commit()
    port.ships.append(Ship())
    session.commit()
    assert foreign_keys(session, Ship) == [port.id]


def test_removed_child_stays_without_parent(session):
    port = Port(ships=[Ship(), Ship()])
    session.add(port)
    session.commit()
    gone = port.ships.pop(0)
    assert gone in session.dirty
    session.commit()
    assert foreign_keys(session, Ship) == [None, port.id]
    assert gone.port is None


def test_moved_child_is_one_update(session, database):
    old, new = Port(ships=[Ship()]), Port(ships=[])
    session.add_all([old, new])
    session.commit()
    (ship,) = old.ships
    list(new.ships)
    new.id  # noqa: B018  loaded, so that the flush alone is counted
    with count_statements(database) as sent:
        ship.port = new
        session.flush()
    assert sent.count == 1
    assert (old.ships, new.ships) == ([], [ship])
    assert foreign_keys(session, Ship) == [new.id]


def test_replaced_collection(session):
    port = Port(ships=[Ship(name="a"), Ship(name="b")])
    session.add(port)
    session.commit()
    kept = port.ships[1]
    port.ships = [kept, Ship(name="c")]
    session.commit()
    assert foreign_keys(session, Ship) == [None, port.id, port.id]
    assert [ship.name for ship in port.ships] == ["b", "c"]


def test_reference_set_to_none(session):
    ship = Ship(port=Port())
    session.add(ship)
    session.commit()
    ship.port = None
    session.commit()
    assert ship.port_id is None


def test_far_end_of_one_to_one_set_to_none(session):
    mast, sail = Mast(id=1), Sail(id=1)
    mast.sail = sail
    session.add_all([mast, Mast(id=2, sail=None)])
    session.commit()
    mast.sail = None
    session.commit()
    assert (sail.mast_id, sail.mast, mast.sail) == (None, None, None)


def test_composite_key_is_handed_on(session):
    berth = Berth(pier="north", number=4, moorings=[Mooring(), Mooring()])
    session.add(berth)
    session.commit()
    assert [(m.pier, m.number) for m in berth.moorings] == [("north", 4)] * 2


def test_history_is_gone_after_the_flush(session):
    port = Port(ships=[Ship()])
    session.add(port)
    session.flush()
    ship = port.ships[0]
    for added, unchanged, deleted in (inspect(port).history("ships"), inspect(ship).history("port")):
        assert (added, len(unchanged), deleted) == ((), 1, ())
    port.ships.append(Ship())
    assert session.is_modified(port)
    assert not session.is_modified(port, include_collections=False)
    session.flush()
    assert not session.dirty
    assert not session.is_modified(port)


def test_child_without_parent_names_the_object(session):
    session.add(Crate(id=7))
    with pytest.raises(IntegrityError) as caught:
        session.flush()
    assert "Crate id=7" in "".join(caught.value.__notes__)


def test_object_out_of_reach_is_warned_of(session):
    port = Port(ships=[])
    session.add(port)
    session.flush()
    ship = Ship()
    port.ships.append(ship)
    session.expunge(ship)
    with pytest.warns(SAWarning, match=r"not in session, add operation along 'Port.ships' will not proceed"):
        session.flush()


def test_key_that_is_the_parents_cannot_be_taken_away(session):
    leg = Leg(place=1, knot=Knot())
    session.add(leg)
    session.commit()
    leg.knot = None
    with pytest.raises(BlankedKeyError, match=r"<Leg knot_id=1, place=1> would lose its primary key g_leg.knot_id"):
        session.flush()


# -- many-to-many ------------------------------------------------------------------------


def pairs(session):
    return sorted(tuple(row) for row in session.execute(select(crew)))


def test_pairs_are_inserted_once_whichever_side_named_them(session):
    one, two = Sailor(), Sailor()
    ship = Ship(sailors=[one, two])
    other = Ship()
    one.ships.append(other)
    session.add(ship)
    session.commit()
    assert pairs(session) == sorted([(ship.id, one.id), (ship.id, two.id), (other.id, one.id)])


def test_pairs_are_deleted(session):
    one, two = Sailor(), Sailor()
    ship = Ship(sailors=[one, two])
    session.add(ship)
    session.commit()
    ship.sailors.remove(one)
    session.commit()
    assert pairs(session) == [(ship.id, two.id)]


def test_pairs_of_deleted_objects_go(session):
    one, two = Sailor(), Sailor()
    ship = Ship(sailors=[one, two])
    session.add(ship)
    session.commit()
    session.delete(ship)
    session.commit()
    assert pairs(session) == []
    assert session.scalars(select(Sailor)).all() == [one, two]


def test_pair_that_is_gone_is_noticed(session):
    one = Sailor()
    ship = Ship(sailors=[one])
    session.add(ship)
    session.commit()
    list(ship.sailors)
    session.execute(text("DELETE FROM g_crew"))
    ship.sailors.remove(one)
    with pytest.raises(StaleDataError, match=r"'g_crew' expected to delete 1 row\(s\); Only 0 were matched.*Ship"):
        session.flush()


def test_pair_that_is_refused_is_named(session, database):
    if database.dialect.name == "sqlite":
        session.execute(text("PRAGMA foreign_keys = ON"))
    one = Sailor()
    ship = Ship()
    session.add_all([one, ship])
    session.commit()
    list(ship.sailors)
    session.execute(crew.insert(), {"ship_id": ship.id, "sailor_id": one.id})
    ship.sailors.append(one)
    with pytest.raises(IntegrityError) as caught:
        session.flush()
    assert "<Ship id=1>" in "".join(caught.value.__notes__)


# -- deletes -------------------------------------------------------------------------------


def test_deleted_parent_leaves_its_children_without(session):
    port = Port(ships=[Ship(), Ship()])
    session.add(port)
    session.commit()
    session.delete(port)
    session.commit()
    assert foreign_keys(session, Ship) == [None, None]


def test_delete_goes_on_to_the_children(session):
    port = Port(crates=[Crate(), Crate()])
    session.add(port)
    session.commit()
    session.delete(port)
    assert len(session.deleted) == 3
    session.commit()
    assert foreign_keys(session, Crate) == []


def test_orphans_are_deleted(session):
    port = Port(crates=[Crate(), Crate()])
    session.add(port)
    session.commit()
    gone, kept = port.crates
    port.crates = [kept]
    session.flush()
    assert inspect(gone).deleted
    session.commit()
    assert port.crates == [kept]


def test_orphan_that_finds_another_parent_stays(session):
    one, two = Port(crates=[Crate()]), Port()
    session.add_all([one, two])
    session.commit()
    crate = one.crates.pop()
    two.crates.append(crate)
    session.commit()
    assert foreign_keys(session, Crate) == [two.id]


# -- trees ---------------------------------------------------------------------------------


def test_tree_is_saved_from_the_top(session):
    leaves = [Knot(name=f"leaf {i}") for i in range(3)]
    root = Knot(name="root", strands=[Knot(name="middle", strands=leaves)])
    session.add(leaves[2])
    session.commit()
    assert [knot.parent.parent for knot in leaves] == [root] * 3
    assert foreign_keys(session, Knot, "parent_id").count(None) == 1


def test_tree_is_deleted_from_the_bottom(session):
    leaf = Knot()
    root = Knot(strands=[Knot(strands=[leaf])])
    session.add(root)
    session.commit()
    for knot in (root, root.strands[0], leaf):
        session.delete(knot)
    session.commit()
    assert session.scalars(select(Knot)).all() == []


def test_branch_is_moved(session):
    branch = Knot()
    one, two = Knot(strands=[branch]), Knot()
    session.add_all([one, two])
    session.commit()
    two.strands.append(branch)
    session.commit()
    assert branch.parent_id == two.id
    assert one.strands == []
