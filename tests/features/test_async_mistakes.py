"""Mistakes that are easily made with async sessions, and what is said of them."""

import pytest
from asynchronous import Author, Book, asynchronous, out
from sqlalchemy.exc import MissingGreenlet, TimeoutError

from ropewalk import Session, select
from ropewalk.exc import ImplicitLoadError
from ropewalk.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine


@asynchronous
async def test_an_object_that_is_used_after_the_commit(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        await session.commit()
        with pytest.raises(ImplicitLoadError) as caught:
            _ = author.name
        said = str(caught.value)
        assert "'name' of <Author id=1> has expired" in said
        assert said.index("expire_on_commit=False") < said.index("await session.refresh(obj)")
        assert said.index("refresh") < said.index("await obj.awaitable_attrs.name") < said.index("run_sync")
        await session.refresh(author)
        assert author.name == "a1"


@asynchronous
async def test_a_relationship_that_nobody_has_loaded(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        for use in (lambda: author.books, lambda: author.books.append(Book(title="new"))):
            with pytest.raises(ImplicitLoadError) as caught:
                use()
            said = str(caught.value)
            assert "'books' of <Author id=1> is not loaded" in said
            assert said.index("options(selectinload(Author.books))") < said.index("await obj.awaitable_attrs.books")
        with pytest.raises(ImplicitLoadError, match=r"options\(undefer\(Author\.biography\)\)"):
            _ = author.biography


@asynchronous
async def test_methods_that_only_a_session_has(engine):
    session = AsyncSession(engine)
    with pytest.raises(AttributeError, match=r"'query'; a Session has\. Write await session\.scalars.*session\.query"):
        session.query(Author)
    with pytest.raises(AttributeError, match=r"await session\.run_sync\(lambda session: session\.bulk_save_objects"):
        session.bulk_save_objects([])
    with pytest.raises(AttributeError, match=r"^'AsyncSession' object has no attribute 'nothing'$"):
        _ = session.nothing
    assert not hasattr(session, "query") and not hasattr(session, "__deepcopy__")


@asynchronous
async def test_a_property_that_fails_says_why(engine):
    class Own(AsyncSession):
        @property
        def tenant(self):
            return self.info.tenant

    with pytest.raises(AttributeError, match="'dict' object has no attribute 'tenant'"):
        _ = Own(engine).tenant


@asynchronous
async def test_the_factory_taken_for_a_session(engine):
    make = async_sessionmaker(engine)
    with pytest.raises(AttributeError, match=r"'get'; the sessions that it makes have: async with Session\(\)"):
        await make.get(Author, 1)
    with pytest.raises(AttributeError, match="^'async_sessionmaker' object has no attribute 'nothing'$"):
        _ = make.nothing


@asynchronous
async def test_sync_code_with_an_async_engine(engine):
    with Session(engine.sync_engine) as session:
        for use in (lambda: session.get(Author, 1), lambda: session.execute(select(Author)), session.connection):
            with pytest.raises(
                MissingGreenlet, match=r"The engine is async.*AsyncSession\(engine\).*create_engine\(\)"
            ):
                use()
            session.rollback()
    async with AsyncSession(engine) as outer:
        with pytest.raises(MissingGreenlet, match=r"run_sync\(\)"):
            outer.sync_session.get(Author, 1)
        assert await outer.run_sync(lambda session: session.get(Author, 1).name) == "a1"
    assert out(engine) == 0


@asynchronous
async def test_a_pool_that_is_exhausted_names_the_line_that_holds_on(engine):
    small = create_async_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0)

    async def hold(session):
        return await session.get(Author, 1)

    async with AsyncSession(small) as session, AsyncSession(small) as other:
        await hold(session)
        with pytest.raises(TimeoutError) as caught:
            await other.get(Author, 2)
        (note,) = caught.value.__notes__
        assert f"taken in hold ({__file__}:{hold.__code__.co_firstlineno + 1})" in note
    await small.dispose()
