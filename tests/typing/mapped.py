"""Mapped classes, queries and factories, as a type checker sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_type, reveal_type

from sqlalchemy import Select, create_engine, func, insert, text

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, select, sessionmaker


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    fullname: Mapped[str | None]


def attributes(user: User) -> None:
    assert_type(user.id, int)
    assert_type(user.name, str)
    assert_type(user.fullname, str | None)
    user.fullname = None
    user.name = None  # error: assignment
    print(user.nickname)  # error: attr-defined


def statements() -> None:
    assert_type(select(User), Select[User])
    assert_type(select(User.id, User.fullname), Select[int, str | None])
    assert_type(select(User).where(User.name == "ed").order_by(User.id.desc()), Select[User])
    reveal_type(select(User))  # revealed: Select[User]


def results(session: Session) -> None:
    assert_type(session.get(User, 1), User | None)
    assert_type(session.get_one(User, 1), User)
    assert_type(session.scalars(select(User)).all(), Sequence[User])
    assert_type(session.scalars(select(User.fullname)).first(), str | None)
    assert_type(session.scalar(select(User)), User | None)
    assert_type(session.scalar(select(User.id, User.name)), int | None)
    assert_type(session.scalar(select(func.count()).select_from(User)), int | None)
    assert_type(session.scalar(insert(User).returning(User.id)), int | None)
    assert_type(session.scalar(text("SELECT 1")), Any)
    for id_, fullname in session.execute(select(User.id, User.fullname)):
        assert_type(id_, int)
        assert_type(fullname, str | None)
    assert_type(session.query(User).all(), list[User])
    assert_type(session.query(User).filter_by(name="ed").first(), User | None)


class OwnSession(Session):
    def greet(self) -> str:
        return "hello"


def factories() -> None:
    engine = create_engine("sqlite://")

    factory = sessionmaker(bind=engine)
    assert_type(factory, sessionmaker[Session])
    with factory() as session:
        assert_type(session, Session)
    with factory.begin() as session:
        assert_type(session, Session)

    own = sessionmaker(engine, class_=OwnSession)
    assert_type(own, sessionmaker[OwnSession])
    assert_type(own().greet(), str)
    factory().greet()  # error: attr-defined
