"""Relationships in SQL: asked of a database, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, Integer, String, Table, create_engine, select
from sqlalchemy.schema import Column

from ropewalk import DeclarativeBase, Session, aliased, mapped_column
from ropewalk.exc import ArgumentError, InvalidRequestError, SAWarning
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


Table(
    "user_tag",
    Base.metadata,
    Column("user_id", ForeignKey("user.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class User(Base):
    __tablename__ = "user"
    id = mapped_column(Integer, primary_key=True)
    name = mapped_column(String)
    boss_id = mapped_column(ForeignKey("user.id"))
    addresses = relationship("Address", back_populates="user")
    card = relationship("Card", uselist=False)
    tags = relationship("Tag", secondary="user_tag", back_populates="users")
    boss = relationship("User", remote_side=[id], back_populates="team")
    team = relationship("User", back_populates="boss")


class Address(Base):
    __tablename__ = "address"
    id = mapped_column(Integer, primary_key=True)
    email = mapped_column(String)
    user_id = mapped_column(ForeignKey("user.id"))
    user = relationship("User", back_populates="addresses")


class Card(Base):
    __tablename__ = "card"
    id = mapped_column(Integer, primary_key=True)
    user_id = mapped_column(ForeignKey("user.id"))


class Tag(Base):
    __tablename__ = "tag"
    id = mapped_column(Integer, primary_key=True)
    name = mapped_column(String)
    users = relationship("User", secondary="user_tag", back_populates="tags")


other_address = aliased(Address)
boss = aliased(User)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(id=1, name="ed"), User(id=2, name="jo", boss_id=1), User(id=3, name="al", boss_id=2)])
        session.flush()
        session.add_all([Address(id=1, email="ed@x", user_id=1), Address(id=2, email="y")])
        session.add_all([Card(id=1, user_id=3), Tag(id=1, name="a"), Tag(id=2, name="b")])
        session.flush()
        session.execute(Base.metadata.tables["user_tag"].insert(), [{"user_id": 2, "tag_id": 1}])
        yield session
    engine.dispose()


CONDITIONS: list[tuple[Any, Any, list[int]]] = [
    (User, lambda s: User.addresses.any(), [1]),
    (User, lambda s: User.addresses.any(Address.email == "ed@x"), [1]),
    (User, lambda s: User.addresses.any(email="none"), []),
    (User, lambda s: ~User.addresses.any(), [2, 3]),
    (User, lambda s: User.addresses == None, [2, 3]),  # noqa: E711
    (User, lambda s: User.addresses != None, [1]),  # noqa: E711
    (User, lambda s: User.addresses.contains(s.get(Address, 1)), [1]),
    (User, lambda s: ~User.addresses.contains(s.get(Address, 1)), [2, 3]),
    (User, lambda s: User.addresses.of_type(other_address).any(other_address.email == "ed@x"), [1]),
    (User, lambda s: User.addresses.and_(Address.email == "none").any(), []),
    (User, lambda s: User.card.has(), [3]),
    (User, lambda s: User.card == s.get(Card, 1), [3]),
    (User, lambda s: User.card != s.get(Card, 1), [1, 2]),
    (User, lambda s: User.card == None, [1, 2]),  # noqa: E711
    (User, lambda s: User.card != None, [3]),  # noqa: E711
    (Address, lambda s: Address.user == s.get(User, 1), [1]),
    (Address, lambda s: Address.user != s.get(User, 1), [2]),
    (Address, lambda s: Address.user != s.get(User, 2), [1, 2]),
    (Address, lambda s: Address.user == None, [2]),  # noqa: E711
    (Address, lambda s: Address.user != None, [1]),  # noqa: E711
    (Address, lambda s: Address.user.has(name="ed"), [1]),
    (Address, lambda s: Address.user.has(User.team.any(name="jo")), [1]),
    (User, lambda s: User.tags.any(), [2]),
    (User, lambda s: User.tags.any(Tag.name == "b"), []),
    (User, lambda s: User.tags.contains(s.get(Tag, 1)), [2]),
    (User, lambda s: ~User.tags.contains(s.get(Tag, 1)), [1, 3]),
    (Tag, lambda s: Tag.users.any(User.boss.has(name="ed")), [1]),
    (User, lambda s: User.boss == s.get(User, 1), [2]),
    (User, lambda s: User.boss != s.get(User, 1), [1, 3]),
    (User, lambda s: User.boss.has(User.name == "ed"), [2]),
    (User, lambda s: User.team.any(User.name == "al"), [2]),
    (User, lambda s: User.team.any(name="al"), [2]),
    (User, lambda s: User.team.contains(s.get(User, 3)), [2]),
    (User, lambda s: User.boss.of_type(boss).has(boss.name == "ed"), [2]),
]


@pytest.mark.parametrize(("entity", "condition", "wanted"), CONDITIONS)
def test_a_condition(session: Session, entity: Any, condition: Any, wanted: list[int]) -> None:
    assert session.scalars(select(entity.id).where(condition(session)).order_by(entity.id)).all() == wanted
    found = session.scalars(select(entity).where(condition(session)).order_by(entity.id)).all()
    assert [one.id for one in found] == wanted


ALIASED: list[tuple[Any, list[int]]] = [
    (lambda s, a: a.addresses.any(Address.email == "ed@x"), [1]),
    (lambda s, a: a.boss == s.get(User, 1), [2]),
    (lambda s, a: a.boss == None, [1]),  # noqa: E711
    (lambda s, a: a.team.contains(s.get(User, 3)), [2]),
    (lambda s, a: a.team.any(User.name == "jo"), [1]),
    (lambda s, a: a.tags.contains(s.get(Tag, 1)), [2]),
]


@pytest.mark.parametrize(("condition", "wanted"), ALIASED)
def test_a_condition_on_an_alias(session: Session, condition: Any, wanted: list[int]) -> None:
    alias = aliased(User)
    assert session.scalars(select(alias.id).where(condition(session, alias))).all() == wanted


def test_another_object_of_the_same_statement(session: Session) -> None:
    for number, wanted in ((1, [2]), (2, [3]), (3, [])):
        statement = select(User).where(User.boss == session.get(User, number))
        assert [user.id for user in session.scalars(statement)] == wanted


def test_the_join_condition() -> None:
    alias = aliased(User, name="u")
    assert str(User.addresses.__clause_element__()) == '"user".id = address.user_id'
    assert str(alias.addresses.__clause_element__()) == "u.id = address.user_id"
    assert str(User.boss.of_type(alias).__clause_element__()) == 'u.id = "user".boss_id'
    more = User.addresses.and_(Address.email == "x").__clause_element__()
    assert str(more) == '"user".id = address.user_id AND address.email = :email_1'


def test_what_it_is() -> None:
    assert User.addresses.mapper is Address.__mapper__
    assert User.addresses.entity is Address.__mapper__
    assert User.addresses.property is User.__mapper__.props["addresses"]
    assert User.addresses.of_type(other_address).entity is other_address._aliased_insp
    assert str(User.addresses) == "User.addresses"


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: User.addresses == Address(), InvalidRequestError, "contains"),
    (lambda: User.addresses != [], InvalidRequestError, "contains"),
    (lambda: User.addresses.has(), InvalidRequestError, "any"),
    (lambda: Address.user.any(), InvalidRequestError, "has"),
    (lambda: Address.user.contains(User()), InvalidRequestError, "=="),
    (lambda: Address.user == Tag(), ArgumentError, r"Address\.user .* User"),
    (lambda: Address.user == 1, ArgumentError, r"Address\.user .* User"),
    (lambda: User.addresses.contains(None), ArgumentError, r"User\.addresses"),
    (lambda: Address.user.in_([User()]), NotImplementedError, "foreign key"),
    (lambda: Address.user.not_in([User()]), NotImplementedError, "foreign key"),
    (lambda: User.addresses < 3, NotImplementedError, r"User\.addresses"),
    (lambda: User.addresses.like("x"), NotImplementedError, r"User\.addresses"),
    (lambda: User.addresses.of_type(Tag), ArgumentError, r"User\.addresses\.of_type"),
    (lambda: User.addresses.any(nonsense=1), AttributeError, "nonsense"),
]


@pytest.mark.parametrize(("expression", "error", "says"), REFUSED)
def test_what_makes_no_sense(expression: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        expression()


def test_an_object_without_a_key_is_equal_to_no_row(session: Session) -> None:
    with pytest.warns(SAWarning, match="no value for 'id'"):
        assert session.scalars(select(Address).where(Address.user == User(name="new"))).all() == []


def test_an_object_may_get_its_key_later(session: Session) -> None:
    new = User(name="later")
    statement = select(Address.id).where(Address.user == new)
    session.add(new)
    session.flush()
    assert session.scalars(statement).all() == []
