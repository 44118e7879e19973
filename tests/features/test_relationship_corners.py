"""Relationships that few programs have: joins between, composite keys in common, old values that must be known."""

import pytest
from databases import count_statements
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, String, Table, and_, event, func, text

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    select,
    selectinload,
)
from ropewalk.exc import DetachedInstanceError, InvalidRequestError, SAWarning, StaleDataError


class Base(DeclarativeBase):
    pass


class A(Base):
    __tablename__ = "rc_a"
    id: Mapped[int] = mapped_column(primary_key=True)
    b_id: Mapped[int] = mapped_column(ForeignKey("rc_b.id"))


class B(Base):
    __tablename__ = "rc_b"
    id: Mapped[int] = mapped_column(primary_key=True)
    d_id: Mapped[int] = mapped_column(ForeignKey("rc_d.id"))


class C(Base):
    __tablename__ = "rc_c"
    id: Mapped[int] = mapped_column(primary_key=True)
    a_id: Mapped[int] = mapped_column(ForeignKey("rc_a.id"))
    d_id: Mapped[int] = mapped_column(ForeignKey("rc_d.id"))


class D(Base):
    __tablename__ = "rc_d"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(10))


a, b, c, d = (class_.__table__ for class_ in (A, B, C, D))
A.d = relationship(
    D,
    secondary=b.join(d, b.c.d_id == d.c.id).join(c, c.c.d_id == d.c.id),
    primaryjoin=and_(a.c.b_id == b.c.id, a.c.id == c.c.a_id),
    secondaryjoin=d.c.id == b.c.d_id,
    uselist=False,
    viewonly=True,
)


class TestAssociationByAJoin:
    """The association is a join of three tables, one of which is the target's own."""

    @pytest.fixture
    def session(self, engine):
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([D(id=i, name=f"d{i}") for i in (1, 2, 3)])
            session.add_all([B(id=i, d_id=i) for i in (1, 2, 3)])
            session.add_all([A(id=1, b_id=2), A(id=2, b_id=1), A(id=3, b_id=3)])
            session.flush()
            session.add_all([C(id=1, a_id=1, d_id=2), C(id=2, a_id=2, d_id=1), C(id=3, a_id=3, d_id=1)])
            session.commit()
            session.expunge_all()
            yield session

    expected = {1: "d2", 2: "d1", 3: None}

    @pytest.mark.parametrize(
        "options", [[], [selectinload(A.d)], [joinedload(A.d)]], ids=["lazy", "selectin", "joined"]
    )
    @pytest.mark.filterwarnings("error")
    def test_it_is_loaded(self, session, options):
        found = session.scalars(select(A).options(*options)).all()
        assert {one.id: one.d and one.d.name for one in found} == self.expected

    @pytest.mark.filterwarnings("error")
    def test_it_is_joined(self, session):
        rows = session.execute(select(A.id, D.name).join(A.d).order_by(A.id)).all()
        assert rows == [(1, "d2"), (2, "d1")]
        far = aliased(D)
        rows = session.execute(select(A.id, far.name).join(A.d.of_type(far)).order_by(A.id)).all()
        assert rows == [(1, "d2"), (2, "d1")]

    @pytest.mark.databases("sqlite")
    def test_it_cannot_be_written(self, sqlite_memory_engine):
        class Own(DeclarativeBase):
            pass

        class Left(Own):
            __tablename__ = "rc_left"
            id: Mapped[int] = mapped_column(primary_key=True)
            rights: Mapped[list["Right"]] = relationship(secondary=lambda: one.join(two))

        class Right(Own):
            __tablename__ = "rc_right"
            id: Mapped[int] = mapped_column(primary_key=True)

        one = Table(
            "rc_one", Own.metadata, Column("left_id", ForeignKey("rc_left.id")), Column("id", Integer, primary_key=True)
        )
        two = Table(
            "rc_two", Own.metadata, Column("one_id", ForeignKey("rc_one.id")), Column("r", ForeignKey("rc_right.id"))
        )
        Own.metadata.create_all(sqlite_memory_engine)
        with Session(sqlite_memory_engine) as session:
            session.add(Left(rights=[Right()]))
            with pytest.raises(InvalidRequestError, match=r"Left\.rights cannot be written: its association is Join"):
                session.flush()

    def test_it_is_a_criterion(self, session):
        assert session.scalars(select(A.id).where(A.d.has(D.name == "d2"))).all() == [1]
        assert session.scalars(select(A.id).where(A.d == session.get(D, 1))).all() == [2]


class Company(Base):
    __tablename__ = "rc_company"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(10))


class TestCompositeKeyOfATree:
    def mapped(self, **more):
        class Own(DeclarativeBase):
            pass

        class Firm(Own):
            __tablename__ = "rc_firm"
            id: Mapped[int] = mapped_column(primary_key=True)
            staff: Mapped[list["Worker"]] = relationship(back_populates="firm")

        class Worker(Own):
            __tablename__ = "rc_worker"
            firm_id: Mapped[int] = mapped_column(ForeignKey("rc_firm.id"), primary_key=True)
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            boss_id: Mapped[int | None]
            __table_args__ = (ForeignKeyConstraint(["firm_id", "boss_id"], ["rc_worker.firm_id", "rc_worker.id"]),)
            firm: Mapped["Firm"] = relationship(back_populates="staff")
            boss: Mapped["Worker | None"] = relationship(back_populates="team", **more)
            team: Mapped[list["Worker"]] = relationship(back_populates="boss", overlaps="firm,staff")

        return Own, Firm, Worker

    def test_two_relationships_write_a_column_of_the_key(self):
        own, _, _ = self.mapped(remote_side="[Worker.firm_id, Worker.id]")
        message = (
            r"Worker\.boss writes rc_worker\.firm_id, with the value of rc_worker\.firm_id, and so does.*overlaps="
        )
        with pytest.warns(SAWarning, match=message):
            own.registry.configure()

    @pytest.mark.filterwarnings("error")
    def test_it_works_when_that_is_meant(self, engine):
        own, Firm, Worker = self.mapped(remote_side="[Worker.firm_id, Worker.id]", overlaps="firm,staff")
        own.metadata.create_all(engine)
        with Session(engine) as session:
            firm = Firm(id=1)
            chief = Worker(id=1, firm=firm)
            session.add(Worker(id=2, firm=firm, boss=chief))
            session.commit()
            (one,) = chief.team
            assert (one.id, one.firm_id, one.boss_id, one.boss) == (2, 1, 1, chief)
            assert session.scalar(select(func.count()).where(Worker.boss == chief)) == 1


class TestActiveHistory:
    """``active_history=True`` asks for the old value to be known; what cannot load it says so."""

    class Own(DeclarativeBase):
        pass

    class Owner(Own):
        __tablename__ = "rc_owner"
        id: Mapped[int] = mapped_column(primary_key=True)
        pets: Mapped[list["TestActiveHistory.Pet"]] = relationship("Pet", back_populates="owner")

    class Pet(Own):
        __tablename__ = "rc_pet"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int | None] = mapped_column(ForeignKey("rc_owner.id"))
        owner: Mapped["TestActiveHistory.Owner | None"] = relationship(
            "Owner", back_populates="pets", active_history=True, lazy="raise"
        )
        keeper: Mapped["TestActiveHistory.Owner | None"] = relationship(
            "Owner", active_history=True, overlaps="owner,pets"
        )

    @pytest.fixture
    def session(self, sqlite_memory_engine):
        self.Own.metadata.create_all(sqlite_memory_engine)
        with Session(sqlite_memory_engine) as session:
            session.add(self.Owner(pets=[self.Pet()]))
            session.commit()
            yield session

    def test_a_detached_object_cannot_load_it(self, session):
        pet = session.scalars(select(self.Pet)).one()
        session.expunge(pet)
        with pytest.raises(DetachedInstanceError, match="keeper"):
            pet.keeper = None
        with pytest.raises(DetachedInstanceError, match="keeper"):
            del pet.keeper

    def test_raiseload_forbids_it_from_either_side(self, session):
        owner = session.scalars(select(self.Owner)).one()
        (pet,) = owner.pets
        with pytest.raises(InvalidRequestError, match=r"'Pet\.owner' is not available due to lazy='raise'"):
            pet.owner = None
        with pytest.raises(InvalidRequestError, match=r"'Pet\.owner' is not available due to lazy='raise'"):
            owner.pets = []


@pytest.mark.databases("sqlite")
def test_who_listens_for_statements_sees_the_insert_of_one_object(engine):
    Base.metadata.create_all(engine)
    seen = []
    event.listen(engine, "before_execute", lambda connection, statement, *_: seen.append(statement.table.name))
    with Session(engine) as session:
        session.add(Company(name="x"))
        session.flush()
    assert seen == ["rc_company"]


class TestNaturalKeysOfManyToMany:
    """``passive_updates=False``: the database does not change association rows with their keys, so the flush does."""

    def mapped(self, lazy):
        class Own(DeclarativeBase):
            pass

        def key(target):
            return ForeignKey(target, deferrable=True, initially="DEFERRED")

        Table(
            "rc_ticket",
            Own.metadata,
            Column("guest", key("rc_guest.name"), primary_key=True),
            Column("show", key("rc_show.title"), primary_key=True),
        )

        class Guest(Own):
            __tablename__ = "rc_guest"
            name: Mapped[str] = mapped_column(String(20), primary_key=True)
            shows: Mapped[list["Show"]] = relationship(
                secondary="rc_ticket", passive_updates=False, lazy=lazy, order_by="Show.title", back_populates="guests"
            )

        class Show(Own):
            __tablename__ = "rc_show"
            title: Mapped[str] = mapped_column(String(20), primary_key=True)
            guests: Mapped[list["Guest"]] = relationship(
                secondary="rc_ticket", passive_updates=False, back_populates="shows"
            )

        return Own, Guest, Show

    @pytest.fixture(params=["select", "dynamic"])
    def graph(self, request, engine):
        own, Guest, Show = self.mapped(request.param)
        own.metadata.create_all(engine)
        with Session(engine) as session:
            x, y = Show(title="x"), Show(title="y")
            session.add_all([Guest(name="ann", shows=[x, y]), Guest(name="bob", shows=[x])])
            session.commit()
            yield session, Guest, Show

    def tickets(self, session):
        return sorted(map(tuple, session.execute(text("SELECT guest, show FROM rc_ticket"))))

    @pytest.mark.databases("sqlite", "postgresql")  # MariaDB has no constraints that wait for the COMMIT
    def test_rows_follow_one_key(self, graph):
        session, Guest, Show = graph
        session.get(Guest, "ann").name = "anna"
        with count_statements(session.get_bind()) as sent:
            session.flush()
        assert [s.split()[0] for s in sent.statements if "rc_ticket" in s][-1] == "UPDATE"
        session.commit()
        assert self.tickets(session) == [("anna", "x"), ("anna", "y"), ("bob", "x")]
        assert [show.title for show in session.get(Guest, "anna").shows] == ["x", "y"]

    @pytest.mark.databases("sqlite", "postgresql")
    def test_rows_follow_both_keys_and_come_and_go_besides(self, graph):
        session, Guest, Show = graph
        ann, x, y = session.get(Guest, "ann"), session.get(Show, "x"), session.get(Show, "y")
        ann.name, x.title = "anna", "xx"
        ann.shows.remove(y)
        ann.shows.append(Show(title="z"))
        session.commit()
        assert self.tickets(session) == [("anna", "xx"), ("anna", "z"), ("bob", "xx")]

    @pytest.mark.databases("sqlite", "postgresql")
    def test_a_row_that_is_gone_is_noticed(self, graph):
        session, Guest, Show = graph
        bob = session.get(Guest, "bob")
        assert list(bob.shows)
        session.execute(text("DELETE FROM rc_ticket WHERE guest = 'bob'"))
        bob.name = "rob"
        if Guest.shows.property.lazy == "dynamic":  # it looks once more
            session.commit()
            assert self.tickets(session) == [("ann", "x"), ("ann", "y")]
            return
        with pytest.raises(StaleDataError, match=r"UPDATE .*'rc_ticket'.*1 row.*Guest\.shows.*bob"):
            session.flush()
