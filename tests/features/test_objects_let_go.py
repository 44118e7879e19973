"""What has left a collection or a reference is held by nobody once that is flushed, or taken back."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Nest(Base):
    __tablename__ = "nest"

    id: Mapped[int] = mapped_column(primary_key=True)
    birds: Mapped[list[Bird]] = relationship(back_populates="nest", order_by="Bird.id")


class Bird(Base):
    __tablename__ = "bird"

    id: Mapped[int] = mapped_column(primary_key=True)
    nest_id: Mapped[int | None] = mapped_column(ForeignKey("nest.id"))
    nest: Mapped[Nest | None] = relationship(back_populates="birds")


@pytest.fixture
def session(sqlite_engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add_all([Nest(id=n, birds=[Bird(id=10 * n), Bird(id=10 * n + 1)]) for n in (1, 2)])
        session.commit()
        session.expunge_all()
        yield session


@pytest.mark.parametrize("end", ["flush", "commit", "rollback"])
def test_an_object_that_left_a_collection(session: Session, end: str) -> None:
    nest = session.get_one(Nest, 1)
    left: Any = weakref.ref(nest.birds.pop())
    kept: Any = weakref.ref(nest.birds[0])
    assert left() is not None  # it is to be written
    getattr(session, end)()
    if end == "flush":
        assert kept() is nest.birds[0]
    gc.collect()
    assert left() is None
    if end != "flush":
        assert kept() is None
    assert [bird.id for bird in nest.birds] == ([10, 11] if end == "rollback" else [10])


@pytest.mark.parametrize("end", ["flush", "commit", "rollback"])
def test_an_object_that_was_referred_to(session: Session, end: str) -> None:
    bird = session.get_one(Bird, 10)
    former: Any = weakref.ref(bird.nest)
    bird.nest = None
    getattr(session, end)()
    gc.collect()
    assert former() is None
    assert (bird.nest_id is None) == (end != "rollback")
