"""Listeners to SQLAlchemy's own ORM, in a process that uses both: each ORM tells of its own classes."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import event

from ropewalk import DeclarativeBase, Mapped, Mapper, Session, mapped_column


class Ours(DeclarativeBase):
    pass


class Theirs(sqlalchemy.orm.DeclarativeBase):
    pass


class Our(Ours):
    __tablename__ = "our"
    id: Mapped[int] = mapped_column(primary_key=True)


class Their(Theirs):
    __tablename__ = "their"
    id: sqlalchemy.orm.Mapped[int] = sqlalchemy.orm.mapped_column(primary_key=True)


def lives(engine: Any) -> None:
    Ours.metadata.create_all(engine)
    Theirs.metadata.create_all(engine)
    sqlalchemy.orm.configure_mappers()
    for session_class, class_ in ((Session, Our), (sqlalchemy.orm.Session, Their)):
        with session_class(engine) as session:
            session.add(class_(id=1))
            session.commit()
            session.expunge_all()
            assert session.get(class_, 1)


OURS: list[tuple[Any, str]] = [
    (Our, "before_insert"),
    (Our, "load"),
    (Our.id, "set"),
    (Mapper, "after_insert"),
    (Mapper, "load"),
    (Session, "before_flush"),
]
THEIRS: list[tuple[Any, str]] = [
    (Their, "before_insert"),
    (Their, "load"),
    (Their.id, "set"),
    (sqlalchemy.orm.Mapper, "after_insert"),
    (sqlalchemy.orm.Mapper, "load"),
    (sqlalchemy.orm.Session, "before_flush"),
]


CASES = [(target, name, True) for target, name in OURS] + [(target, name, False) for target, name in THEIRS]


@pytest.mark.parametrize(("target", "name", "is_ours"), CASES, ids=[f"{target} {name}" for target, name, _ in CASES])
def test_each_tells_of_its_own(sqlite_engine: Any, target: Any, name: str, is_ours: bool) -> None:
    told: list[Any] = []

    def listener(*arguments: Any) -> None:
        told.append(arguments)

    event.listen(target, name, listener)
    assert event.contains(target, name, listener)
    lives(sqlite_engine)
    assert len(told) == 1
    makers = {type(argument).__module__.partition(".")[0] for argument in told[0]}
    assert ("ropewalk" in makers) <= is_ours
    objects = [argument for argument in told[0] if isinstance(argument, (Our, Their))]
    assert all(isinstance(one, Our) == is_ours for one in objects)
    event.remove(target, name, listener)
    assert not event.contains(target, name, listener)


@pytest.mark.parametrize(("name", "target"), [("before_insert", "before"), ("load", "load")])
def test_a_mixin_tells_of_both(sqlite_engine: Any, name: str, target: str) -> None:
    class Mixin:
        pass

    told: list[str] = []
    event.listen(
        Mixin,
        name,
        lambda *arguments: told.append(type(arguments[0 if name == "load" else 2]).__name__),
        propagate=True,
    )

    class OurOther(Mixin, Ours):
        __tablename__ = f"our_{target}"
        id: Mapped[int] = mapped_column(primary_key=True)

    class TheirOther(Mixin, Theirs):
        __tablename__ = f"their_{target}"
        id: sqlalchemy.orm.Mapped[int] = sqlalchemy.orm.mapped_column(primary_key=True)

    Ours.metadata.create_all(sqlite_engine)
    Theirs.metadata.create_all(sqlite_engine)
    for session_class, class_ in ((Session, OurOther), (sqlalchemy.orm.Session, TheirOther)):
        with session_class(sqlite_engine) as session:
            session.add(class_(id=1))
            session.commit()
            session.expunge_all()
            session.get(class_, 1)
    assert told == ["OurOther", "TheirOther"]
