"""The ways to describe a relationship, each loaded on demand, together, and by a join, and written where it can be."""

import pytest
from databases import count_statements
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, String, Table, and_, func, text

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    eagerload,
    foreign,
    joinedload,
    mapped_column,
    registry,
    relation,
    relationship,
    remote,
    select,
    selectinload,
)


class Base(DeclarativeBase):
    pass


class Range(Base):
    __tablename__ = "de_range"
    id: Mapped[int] = mapped_column(primary_key=True)
    low: Mapped[int]
    high: Mapped[int]
    points: Mapped[list["Point"]] = relationship(
        primaryjoin=lambda: and_(Range.low <= foreign(Point.at), Range.high > foreign(Point.at)),
        viewonly=True,
        order_by=lambda: Point.at,
        info={"why": "not an equality"},
    )


class Point(Base):
    __tablename__ = "de_point"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[int]


class Word(Base):
    __tablename__ = "de_word"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    alike: Mapped[list["Word"]] = relationship(
        primaryjoin=lambda: func.lower(Word.text) == func.lower(foreign(remote(Word.text))),
        viewonly=True,
        order_by="Word.id",
    )


class City(Base):
    __tablename__ = "de_city"
    id: Mapped[int] = mapped_column(primary_key=True)
    departures: Mapped[list["Flight"]] = relationship(foreign_keys="Flight.from_id", back_populates="origin")
    arrivals: Mapped[list["Flight"]] = relationship(foreign_keys="Flight.to_id", back_populates="goal")


class Flight(Base):
    __tablename__ = "de_flight"
    id: Mapped[int] = mapped_column(primary_key=True)
    from_id: Mapped[int] = mapped_column(ForeignKey("de_city.id"))
    to_id: Mapped[int] = mapped_column(ForeignKey("de_city.id"))
    late: Mapped[bool] = mapped_column(default=False)
    origin: Mapped["City"] = relationship(foreign_keys=from_id, back_populates="departures", innerjoin=True)
    goal: Mapped["City"] = relationship(foreign_keys=[to_id], back_populates="arrivals")


class Pier(Base):
    __tablename__ = "de_pier"
    name: Mapped[str] = mapped_column(String(5), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    boats: Mapped[list["Boat"]] = relationship(back_populates="pier", order_by="Boat.id")
    red_boats: Mapped[list["Boat"]] = relationship(
        primaryjoin="and_(Pier.name == Boat.pier_name, Pier.number == Boat.pier_number, Boat.color == 'red')",
        overlaps="boats,pier",
        order_by="Boat.id",
    )


class Boat(Base):
    __tablename__ = "de_boat"
    __table_args__ = (ForeignKeyConstraint(["pier_name", "pier_number"], ["de_pier.name", "de_pier.number"]),)
    id: Mapped[int] = mapped_column(primary_key=True)
    color: Mapped[str] = mapped_column(String(10))
    pier_name: Mapped[str | None] = mapped_column(String(5))
    pier_number: Mapped[int | None]
    pier: Mapped["Pier | None"] = relationship(back_populates="boats")


class Node(Base):
    __tablename__ = "de_node"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("de_node.id"))
    favourite_id: Mapped[int | None] = mapped_column(ForeignKey("de_node.id"))
    parent: Mapped["Node | None"] = relationship(
        remote_side="Node.id", foreign_keys="Node.parent_id", back_populates="children"
    )
    children: Mapped[list["Node"]] = relationship(foreign_keys="Node.parent_id", back_populates="parent", order_by=id)
    favourite: Mapped["Node | None"] = relationship(remote_side=id, foreign_keys=favourite_id, post_update=True)


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
        session.rollback()


def each_way(session, attribute, read):
    """Load it on demand, by a second statement and by a join; the answers have to agree."""
    class_ = attribute.class_
    answers = []
    for options in ([], [selectinload(attribute)], [joinedload(attribute)]):
        session.expunge_all()
        answers.append(
            [
                read(one)
                for one in session.scalars(select(class_).order_by(*class_.__table__.primary_key).options(*options))
            ]
        )
    assert answers[0] == answers[1] == answers[2]
    return answers[0]


def test_inequalities(session):
    session.add_all(
        [Range(id=1, low=0, high=10), Range(id=2, low=5, high=7), *(Point(id=n, at=n) for n in (1, 5, 9, 12))]
    )
    session.flush()
    assert each_way(session, Range.points, lambda one: [p.at for p in one.points]) == [[1, 5, 9], [5]]
    assert session.scalars(select(Range.id).where(Range.points.any(Point.at == 9))).all() == [1]
    assert Range.points.info == {"why": "not an equality"}


def test_functions(session):
    session.add_all([Word(id=1, text="Rope"), Word(id=2, text="ROPE"), Word(id=3, text="walk")])
    session.flush()
    assert each_way(session, Word.alike, lambda one: [w.id for w in one.alike]) == [[1, 2], [1, 2], [3]]


def test_several_paths_between_two_tables(session):
    a, b = City(id=1), City(id=2)
    flight = Flight(id=1, origin=a, goal=b)
    assert a.departures == b.arrivals == [flight] and a.arrivals == b.departures == []
    session.add(flight)
    session.flush()
    assert (flight.from_id, flight.to_id) == (1, 2)
    assert each_way(session, City.departures, lambda one: [f.id for f in one.departures]) == [[1], []]
    assert each_way(session, City.arrivals, lambda one: [f.id for f in one.arrivals]) == [[], [1]]
    assert each_way(session, Flight.origin, lambda one: one.origin.id) == [1]
    assert each_way(session, Flight.goal, lambda one: one.goal.id) == [2]


@pytest.mark.databases("sqlite")
def test_innerjoin(session):
    with count_statements(session.get_bind()) as sent:
        session.scalars(select(Flight).options(joinedload(Flight.origin), joinedload(Flight.goal))).all()
    (statement,) = sent.statements
    assert statement.count("LEFT OUTER JOIN") == 1 and statement.count("JOIN") == 2


def test_composite_keys_and_a_criterion(session):
    pier = Pier(name="A", number=1, boats=[Boat(id=1, color="red"), Boat(id=2, color="blue")])
    pier.red_boats.append(Boat(id=3, color="red"))
    session.add_all([pier, Pier(name="A", number=2)])
    session.flush()
    assert session.execute(text("SELECT pier_name, pier_number FROM de_boat WHERE id = 3")).one() == ("A", 1)
    assert each_way(session, Pier.boats, lambda one: [b.id for b in one.boats]) == [[1, 2, 3], []]
    assert each_way(session, Pier.red_boats, lambda one: [b.id for b in one.red_boats]) == [[1, 3], []]
    assert each_way(session, Boat.pier, lambda one: (one.pier.name, one.pier.number)) == [("A", 1)] * 3


def test_trees_and_rows_that_refer_to_one_another(session):
    root = Node(id=1, children=[Node(id=2), Node(id=3, children=[Node(id=4)])])
    root.favourite = root.children[1]
    session.add(root)
    session.flush()
    assert each_way(session, Node.children, lambda one: [n.id for n in one.children]) == [[2, 3], [], [4], []]
    assert each_way(session, Node.parent, lambda one: one.parent and one.parent.id) == [None, 1, 1, 3]
    assert each_way(session, Node.favourite, lambda one: one.favourite and one.favourite.id) == [3, None, None, None]
    for node in session.scalars(select(Node)).all():
        session.delete(node)
    session.flush()
    assert session.scalar(select(func.count()).select_from(Node)) == 0


@pytest.mark.databases("sqlite")
def test_imperative_mappings_and_the_names_of_0_4(sqlite_memory_engine):
    mappings = registry()
    users = Table("users", mappings.metadata, Column("id", Integer, primary_key=True))
    addresses = Table(
        "addresses",
        mappings.metadata,
        Column("id", Integer, primary_key=True),
        Column("user_id", ForeignKey("users.id")),
    )

    class User:
        pass

    class Address:
        pass

    mappings.map_imperatively(Address, addresses)
    mappings.map_imperatively(
        User, users, properties={"addresses": relation(Address, backref="user", order_by=addresses.c.id, lazy=True)}
    )
    mappings.metadata.create_all(sqlite_memory_engine)
    with Session(sqlite_memory_engine) as session:
        user = User(addresses=[Address(), Address()])
        session.add(user)
        session.commit()
        session.expunge_all()
        with count_statements(sqlite_memory_engine) as sent:
            (user,) = session.query(User).options(eagerload(User.addresses)).all()
            assert [address.user is user for address in user.addresses] == [True, True]
        assert sent.count == 1
