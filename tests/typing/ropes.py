"""Scoped sessions and jennies: what they pass on is typed as that of the session."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from sqlalchemy import Connection, create_engine

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Query,
    Session,
    SessionJenny,
    SessionTransaction,
    mapped_column,
    scoped_session,
    select,
    sessionmaker,
)
from ropewalk.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from ropewalk.integrations.fastapi import session_dependency
from ropewalk.ropes import OpenRope, TiedRope, report


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Own(Session):
    def greet(self) -> str:
        return "hello"


engine = create_engine("sqlite://")
scoped = scoped_session(sessionmaker(engine))
jenny = SessionJenny(sessionmaker(engine))
assert_type(scoped, scoped_session[Session])
assert_type(jenny, SessionJenny[Session])
assert_type(SessionJenny(sessionmaker(engine, class_=Own)).session.greet(), str)
assert_type(scoped(), Session)
assert_type(jenny.session, Session)
assert_type(jenny.rope, TiedRope)
assert_type(jenny.ropes(), list[OpenRope])
assert_type(report(), str)

for one in (scoped, jenny):
    assert_type(one.get(User, 1), User | None)
    assert_type(one.scalars(select(User)).first(), User | None)
    assert_type(one.query(User), Query[User])
    assert_type(one.begin(), SessionTransaction)
    assert_type(one.begin_nested(), SessionTransaction)
    assert_type(one.in_transaction(), bool)
    assert_type(one.connection(), Connection)
    assert_type(one.run(lambda session: 7), int)
    one.on_commit(lambda: None)
    one.add(User(name="ed"))
    one.commit()
    one.comit()  # error: attr-defined


class Queried(Base):
    __tablename__ = "queried"
    id: Mapped[int] = mapped_column(primary_key=True)
    query = scoped.query_property()


assert_type(Queried.query.all(), list[Queried])

with jenny.tied(commit=True) as session:
    assert_type(session, Session)
jenny.tied(propagation="sometimes")  # error: arg-type


@jenny.roped
def rename(key: int, name: str) -> bool:
    return True


@jenny.roped(commit=True, retries=3)
async def later(key: int) -> str:
    return ""


@jenny.roped(read_only=True)
def rows() -> Iterator[int]:
    yield 1


@jenny.roped
async def streamed() -> AsyncIterator[int]:
    yield 1


assert_type(rename(1, "ed"), bool)
assert_type(rows(), Iterator[int])
assert_type(streamed(), AsyncIterator[int])
rename("ed", "ed")  # error: arg-type
session_dependency(jenny)

asynchronous = SessionJenny(async_sessionmaker(create_async_engine("sqlite+aiosqlite://")))


async def use() -> Any:
    async with asynchronous.tied() as session:
        assert_type(session, AsyncSession)
    assert_type(await later(1), str)
    with jenny.rope.transfer() as handed:
        return handed
