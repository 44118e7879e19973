"""Write-only collections and listeners in awaited sessions."""

import pytest
from asynchronous import asynchronous
from sqlalchemy import ForeignKey, event

from ropewalk import DeclarativeBase, Mapped, WriteOnlyMapped, mapped_column, relationship
from ropewalk.ext.asyncio import AsyncAttrs, AsyncSession


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    entries: WriteOnlyMapped["Entry"] = relationship(order_by="Entry.id", cascade="all, delete-orphan")


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))


@asynchronous
async def test_write_only_collection_is_queried_and_written(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        await (await session.connection()).run_sync(Base.metadata.create_all)
        account = Account(id=1)
        account.entries.add_all([Entry(amount=amount) for amount in (1, 2, 3)])
        session.add(account)
        await session.commit()
        account = await session.get(Account, 1)
        found = (await session.scalars(account.entries.select().where(Entry.amount > 1))).all()
        assert [entry.amount for entry in found] == [2, 3]
        account.entries.remove(found[0])
        account.entries.add(Entry(amount=4))  # neither loads what is there
        await session.commit()
        assert [e.amount async for e in await session.stream_scalars(account.entries.select())] == [1, 3, 4]
        await session.execute(account.entries.insert(), [{"amount": 5}, {"amount": 6}])
        await session.execute(account.entries.update().values(amount=Entry.amount + 10).where(Entry.amount > 4))
        amounts = await session.scalars(account.entries.select().with_only_columns(Entry.amount))
        assert amounts.all() == [1, 3, 4, 15, 16]


@asynchronous
async def test_listeners_are_sync_and_may_use_the_database(engine):
    async with AsyncSession(engine) as session:
        with pytest.raises(NotImplementedError, match="sync_session"):
            event.listen(session, "before_flush", lambda *args: None)
        await (await session.connection()).run_sync(Base.metadata.create_all)

        @event.listens_for(session.sync_session, "before_commit")
        def add_account(sync):
            if sync.get(Account, 7) is None:
                sync.add(Account(id=7))

        await session.commit()
        assert (await session.get(Account, 7)).id == 7
