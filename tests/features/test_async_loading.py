"""Attributes that are not loaded, in async code: how to await them, and what happens to who does not."""

import pytest
from asynchronous import AUTHORS, BOOKS_EACH, Author, Book, asynchronous
from databases import count_statements
from sqlalchemy import ForeignKey
from sqlalchemy.exc import MissingGreenlet

from ropewalk import DeclarativeBase, Mapped, joinedload, mapped_column, relationship, select, selectinload, undefer
from ropewalk.exc import DetachedInstanceError, ImplicitLoadError, InvalidRequestError
from ropewalk.ext.asyncio import AsyncAttrs, AsyncSession

# -- awaitable_attrs --------------------------------------------------------------------------


@asynchronous
async def test_awaited_collections_load_for_all_peers(engine):
    async with AsyncSession(engine) as session:
        authors = (await session.scalars(select(Author).order_by(Author.id))).all()
        with count_statements(engine.sync_engine) as sent:
            loaded = [await author.awaitable_attrs.books for author in authors]
        assert sent.count == 1
        assert [len(books) for books in loaded] == [BOOKS_EACH] * AUTHORS
        assert authors[0].books is loaded[0]  # from now on it is a plain attribute


@asynchronous
async def test_awaited_columns_load_for_all_peers(engine):
    async with AsyncSession(engine) as session:
        authors = (await session.scalars(select(Author).order_by(Author.id))).all()
        with count_statements(engine.sync_engine) as sent:
            assert [await author.awaitable_attrs.biography for author in authors[:2]] == ["b1", "b2"]
        assert sent.count == 1
        await session.commit()
        with count_statements(engine.sync_engine) as sent:
            assert [await author.awaitable_attrs.name for author in authors[:3]] == ["a1", "a2", "a3"]
        assert sent.count == 1


@asynchronous
async def test_awaited_references_and_plain_values(engine):
    async with AsyncSession(engine) as session:
        book = await session.get(Book, 4)
        assert (await book.awaitable_attrs.author).id == 2
        with count_statements(engine.sync_engine) as sent:
            assert await book.awaitable_attrs.title == "t4"
            assert (await book.awaitable_attrs.author).id == 2
        assert sent.count == 0


@asynchronous
async def test_awaiting_what_is_not_there(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        with pytest.raises(AttributeError, match="'Author' object has no attribute 'bookz'"):
            _ = author.awaitable_attrs.bookz
        assert "books" in dir(author.awaitable_attrs)
        assert await Author(name="new").awaitable_attrs.books == []
    with pytest.raises(DetachedInstanceError):
        await author.awaitable_attrs.books


# -- without await ------------------------------------------------------------------------------


@asynchronous
async def test_unloaded_collection_names_attribute_and_ways_out(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        with count_statements(engine.sync_engine) as sent, pytest.raises(ImplicitLoadError) as caught:
            _ = author.books
        assert sent.count == 0
        error = caught.value
        assert isinstance(error, MissingGreenlet)
        assert error.instance is author and error.attribute == "books"
        text = str(error)
        assert "'books' of <Author id=1>" in text
        assert "await obj.awaitable_attrs.books" in text
        assert "selectinload(Author.books)" in text
        assert "run_sync" in text
        await author.awaitable_attrs.books  # nothing was broken


@asynchronous
async def test_deferred_and_expired_columns_name_their_ways_out(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        with pytest.raises(ImplicitLoadError, match=r"undefer\(Author\.biography\)"):
            _ = author.biography
        await session.commit()
        with pytest.raises(ImplicitLoadError, match=r"'name' of <Author id=1>.*expire_on_commit=False.*refresh"):
            _ = author.name
        await session.refresh(author)
        assert author.name == "a1"


@asynchronous
async def test_refused_load_leaves_pending_changes_alone(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        new = Author(name="new")
        session.add(new)
        author.name = "changed"
        with pytest.raises(ImplicitLoadError):  # a Session would flush first
            _ = author.books
        assert session.is_active and new in session.new and author in session.dirty
        await session.commit()
        assert await session.scalar(select(Author.name).where(Author.id == 1)) == "changed"


@asynchronous
async def test_what_needs_no_statement_is_answered(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        book = await session.get(Book, 1)
        with count_statements(engine.sync_engine) as sent:
            assert book.author is author
            new = Author(name="new")
            assert new.books == [] and new.biography is None
        assert sent.count == 0


@asynchronous
async def test_eager_options_leave_nothing_to_await(engine):
    async with AsyncSession(engine) as session:
        for option in (selectinload(Author.books), joinedload(Author.books)):
            statement = select(Author).options(option, undefer(Author.biography)).order_by(Author.id)
            authors = (await session.scalars(statement)).unique().all()
            assert [len(author.books) for author in authors] == [BOOKS_EACH] * AUTHORS
            assert [author.biography for author in authors] == [f"b{author.id}" for author in authors]
            session.expunge_all()


@asynchronous
async def test_objects_outlive_the_session_without_expiry(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        author = await session.get(Author, 1)
        author.name = "changed"
        await session.commit()
    assert author.name == "changed"
    with pytest.raises(DetachedInstanceError):
        _ = author.books


@asynchronous
async def test_write_to_what_is_not_loaded_needs_no_await(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        book = await session.get(Book, 30)
        book.author = author  # the other side's collection is not loaded
        author.biography = "changed"  # nor this
        await session.commit()
        assert [b.id for b in await author.awaitable_attrs.books] == [1, 2, 3, 30]
        assert await author.awaitable_attrs.biography == "changed"


def test_class_without_async_attrs_is_told_of_it(tmp_path):
    import asyncio

    from ropewalk.ext.asyncio import create_async_engine

    class Base(DeclarativeBase):
        pass

    class Plain(Base):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str | None] = mapped_column(deferred=True)

    async def work():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
        async with AsyncSession(engine) as session:
            await (await session.connection()).run_sync(Base.metadata.create_all)
            session.add(Plain(id=1))
            await session.commit()
            session.expunge_all()
            plain = await session.get(Plain, 1)
            with pytest.raises(ImplicitLoadError, match="with AsyncAttrs among the bases of Plain"):
                _ = plain.text
        await engine.dispose()

    asyncio.run(work())


@asynchronous
async def test_raiseload_speaks_first(engine):
    from ropewalk import raiseload

    async with AsyncSession(engine) as session:
        author = (await session.scalars(select(Author).options(raiseload(Author.books)))).first()
        with pytest.raises(InvalidRequestError, match="raise") as caught:
            await author.awaitable_attrs.books
        assert not isinstance(caught.value, MissingGreenlet)


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    card: Mapped["Card | None"] = relationship(back_populates="owner")


class Card(Base):
    __tablename__ = "card"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))
    owner: Mapped["Owner | None"] = relationship(back_populates="card")


@pytest.mark.parametrize("first_read", [False, True])
def test_one_to_one_is_replaced_without_await(async_url, first_read):
    @asynchronous
    async def test(engine):
        async with AsyncSession(engine) as session:
            await (await session.connection()).run_sync(Base.metadata.create_all)
            owner = Owner(id=1, card=Card(id=1))
            session.add(owner)
            await session.commit()
            if first_read:
                await owner.awaitable_attrs.card
            owner.card = Card(id=2)  # what it replaces is not known before the flush
            await session.commit()
            cards = (await session.execute(select(Card.id, Card.owner_id).order_by(Card.id))).all()
            assert cards == [(1, None), (2, 1)]
            owner.card = None
            await session.commit()
            assert (await session.scalars(select(Card.owner_id))).all() == [None, None]
            owner.card = Card(id=3)
            await session.rollback()
            await session.commit()
            assert await session.get(Card, 3) is None

    test(async_url)
