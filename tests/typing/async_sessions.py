"""Awaited sessions: what comes back is what a Session gives."""

from collections.abc import Sequence
from typing import Any, assert_type

from sqlalchemy import ForeignKey

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Retries,
    Session,
    mapped_column,
    relationship,
    retried,
    select,
    sessionmaker,
)
from ropewalk.ext.asyncio import (
    AsyncAttrs,
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    AsyncSessionTransaction,
    async_object_session,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)


class Base(AsyncAttrs, DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))


class Team(Base):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    users: Mapped[list[User]] = relationship()


class Own(AsyncSession):
    pass


engine = create_async_engine("sqlite+aiosqlite://")
assert_type(engine, AsyncEngine)
make = async_sessionmaker(engine, expire_on_commit=False)
assert_type(make, async_sessionmaker[AsyncSession])
assert_type(async_sessionmaker(engine, class_=Own), async_sessionmaker[Own])
scoped = async_scoped_session(make, scopefunc=lambda: 1)


def names(session: Session, prefix: str) -> list[str]:
    return []


async def count(session: AsyncSession, prefix: str) -> int:
    return 0


@retried(make, retries=5)
async def counted(session: AsyncSession, prefix: str) -> int:
    return 0


@retried(sessionmaker())
def counted_at_once(session: Session, prefix: str) -> int:
    return 0


@retried(sessionmaker())  # error: arg-type
async def with_a_session_of_another_kind(session: AsyncSession) -> int:
    return 0


async def use() -> None:
    async with make() as session:
        assert_type(session, AsyncSession)
        assert_type(await session.get(User, 1), User | None)
        assert_type(await session.get_one(User, 1), User)
        assert_type((await session.scalars(select(User))).all(), Sequence[User])
        assert_type(await session.scalar(select(User)), User | None)
        assert_type(await session.scalar(select(User.name)), str | None)
        row = (await session.execute(select(User.id, User.name))).one()
        assert_type(row[1], str)
        async for user in await session.stream_scalars(select(User)):
            assert_type(user, User)
        assert_type(await session.merge(User()), User)
        assert_type(await session.connection(), AsyncConnection)
        assert_type(await session.run_sync(names, "e"), list[str])
        await session.run_sync(names, 1)  # error: arg-type
        assert_type(await session.run(count, "e", retries=Retries(5)), int)
        await session.run(names, "e")  # error: arg-type
        assert_type(await counted("e"), int)
        assert_type(counted_at_once(prefix="e"), int)
        await counted(1)  # error: arg-type
        assert_type(session.upsert(User(), on=User.name), User)
        session.query(User)  # error: attr-defined
        assert_type(await Team().awaitable_attrs.users, Any)
        assert_type(async_object_session(User()), AsyncSession | None)
        print(session.get(User, 1).name)  # error: attr-defined
    async with make.begin() as session, session.begin_nested() as savepoint:
        assert_type(savepoint, AsyncSessionTransaction)
    async with async_sessionmaker(engine, class_=Own)() as own:
        assert_type(own, Own)
    assert_type(await scoped.get(User, 1), User | None)
    assert_type(scoped(), AsyncSession)
    await scoped.remove()
