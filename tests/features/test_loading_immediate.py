"""``lazy="immediate"``: what it sets from the session where going on would lead in circles, and with peers off."""

import pytest
from databases import count_statements
from shop import Customer, Order
from shop import fill as fill_shop
from sqlalchemy import ForeignKey

from ropewalk import DeclarativeBase, Mapped, Session, immediateload, mapped_column, relationship, select


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    players: Mapped[list["Player"]] = relationship(back_populates="team", lazy="joined")


class Player(Base):
    __tablename__ = "player"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    team: Mapped[Team | None] = relationship(back_populates="players", lazy="immediate")


class Part(Base):
    __tablename__ = "part"
    id: Mapped[int] = mapped_column(primary_key=True)
    whole_id: Mapped[int | None] = mapped_column(ForeignKey("part.id"))
    whole: Mapped["Part | None"] = relationship(remote_side=[id], lazy="immediate")


@pytest.fixture
def filled(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Team(id=1, players=[Player(id=1), Player(id=2)]), Player(id=3)])
        session.add_all([Part(id=1), Part(id=2, whole_id=1), Part(id=3, whole_id=2)])
        session.commit()
    return engine


def test_a_reference_back_is_set_without_a_statement(filled):
    with Session(filled) as session, count_statements(filled) as sent:
        team = session.scalars(select(Team)).one()
    assert sent.count == 1
    assert [player.team for player in team.players] == [team, team]


def test_what_refers_to_its_own_table_finds_what_the_session_holds(filled):
    with Session(filled) as session:
        first = session.get(Part, 1)
        with count_statements(filled) as sent:
            second, third = session.scalars(select(Part).where(Part.id > 1).order_by(Part.id)).all()
        assert sent.count == 1
        assert (vars(second)["whole"], vars(third)["whole"]) == (first, second)


def test_what_the_session_does_not_hold_is_left_to_be_loaded_on_demand(filled):
    with Session(filled) as session:
        third = session.get(Part, 3)
        assert "whole" not in vars(third)
        assert (third.whole.id, third.whole.whole.id) == (2, 1)


def test_a_circle_of_rows_ends(filled):
    with Session(filled) as session:
        session.get(Part, 1).whole_id = 3
        session.commit()
        parts = session.scalars(select(Part).order_by(Part.id)).all()
        assert session.scalars(select(Part).order_by(Part.id)).all() == parts
        assert [vars(part)["whole"].id for part in parts] == [3, 1, 2]


@pytest.mark.parametrize(("peers", "statements"), [(True, 2), (False, 11)])
def test_with_peers_off_each_object_is_loaded_for_itself(engine, peers, statements):
    fill_shop(engine)
    query = select(Customer).options(immediateload(Customer.orders)).where(Customer.id < 11)
    with Session(engine, peers=peers) as session, count_statements(engine) as sent:
        customers = session.scalars(query).all()
    assert sent.count == statements
    assert sum(len(customer.orders) for customer in customers) == 30
    assert all(type(order) is Order for order in customers[0].orders)
