"""Association objects, and what a flush of related objects costs in statements."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


class Member(Base):
    __tablename__ = "r_member"

    id: Mapped[int] = mapped_column(primary_key=True)
    seats: Mapped[list["Seat"]] = relationship(back_populates="member", cascade="all, delete-orphan")


class Board(Base):
    __tablename__ = "r_board"

    id: Mapped[int] = mapped_column(primary_key=True)
    seats: Mapped[list["Seat"]] = relationship(back_populates="board")


class Seat(Base):
    __tablename__ = "r_seat"

    member_id: Mapped[int] = mapped_column(ForeignKey("r_member.id"), primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("r_board.id"), primary_key=True)
    office: Mapped[str | None] = mapped_column(String(20))
    member: Mapped["Member"] = relationship(back_populates="seats")
    board: Mapped["Board"] = relationship(back_populates="seats")


@pytest.fixture
def session(engine, road):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def test_association_object_has_the_keys_of_both(session):
    board = Board()
    member = Member(seats=[Seat(board=board, office="chair"), Seat(board=Board())])
    session.add(member)
    session.commit()
    assert session.get(Seat, (member.id, board.id)).office == "chair"


def test_association_object_goes_as_an_orphan(session):
    member = Member(seats=[Seat(board=Board()), Seat(board=Board())])
    session.add(member)
    session.commit()
    member.seats.pop()
    session.commit()
    assert len(member.seats) == 1


def test_association_object_is_deleted_with_its_member(session):
    member = Member(seats=[Seat(board=Board())])
    session.add(member)
    session.commit()
    session.delete(member)
    session.commit()
    assert session.query(Seat).count() == 0


def test_association_object_takes_over_the_row_of_another(session):
    board = Board()
    member = Member(seats=[Seat(board=board, office="chair")])
    session.add(member)
    session.commit()
    member.seats = [Seat(board=board, office="clerk")]
    session.commit()
    assert [seat.office for seat in member.seats] == ["clerk"]


def test_members_leave_in_one_statement(session, engine):
    board = Board()
    members = [Member(seats=[Seat(board=board)]) for _ in range(20)]
    session.add_all(members)
    session.flush()
    with count_statements(engine) as sent:
        for member in members:
            session.delete(member)
        session.flush()
    assert sent.count <= 4
