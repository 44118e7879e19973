"""Each parameter of an AsyncSession's methods, and each method that other files do not use."""

import pytest
from asynchronous import AUTHORS, BOOKS_EACH, Author, Book, asynchronous, out
from databases import count_statements
from sqlalchemy import event, func, insert, text, update
from sqlalchemy.exc import InvalidRequestError, NoResultFound

from ropewalk import PreparedTransactions, Session, inspect, select, selectinload
from ropewalk.exc import ArgumentError, StaleDataError
from ropewalk.ext.asyncio import AsyncSession, async_object_session, create_async_engine

author = Author.__table__


async def change(session, number, name):
    """Change a row behind the session's back, in its own transaction."""
    connection = await session.connection()
    await connection.execute(update(author).where(author.c.id == number).values(name=name))


# -- asking --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "get_one"])
def test_get_with_each_parameter(async_url, method):
    @asynchronous
    async def test(engine):
        async with AsyncSession(engine) as session:
            get = getattr(session, method)
            found = await get(Author, 1, options=[selectinload(Author.books)])
            assert len(found.books) == BOOKS_EACH
            await change(session, 1, "changed")
            assert (await get(Author, 1)).name == "a1"
            assert (await get(Author, 1, populate_existing=True)).name == "changed"
            with count_statements(engine.sync_engine) as sent:
                assert await get(Author, 1, with_for_update=True) is found
            locks = engine.dialect.name != "sqlite"
            assert sent.count == 1 and ("FOR UPDATE" in sent.statements[0]) == locks
            heard = []

            @event.listens_for(session.sync_session, "do_orm_execute")
            def hear(state):
                heard.append((state.execution_options.get("mine"), state.bind_arguments.get("mine")))

            await get(Author, 2, execution_options={"mine": 1})
            assert heard == [(1, None)]
            assert await get(Author, (3,)) is await get(Author, {"id": 3})

    test(async_url)


@asynchronous
async def test_get_of_what_is_not_there(engine):
    async with AsyncSession(engine) as session:
        assert await session.get(Author, 99, options=[selectinload(Author.books)]) is None
        with pytest.raises(NoResultFound, match="99"):
            await session.get_one(Author, 99, with_for_update=True)
        assert await session.get(Author, 1, bind_arguments={"bind": engine.sync_engine})


@asynchronous
async def test_bind_arguments_and_execution_options_of_each_way_to_execute(engine):
    other = create_async_engine(engine.url)
    statement = select(Author.name).order_by(Author.id)
    async with AsyncSession(engine) as session:
        for method in ("execute", "scalars", "scalar", "stream", "stream_scalars"):
            with count_statements(other.sync_engine) as there, count_statements(engine.sync_engine) as here:
                result = await getattr(session, method)(
                    statement, bind_arguments={"bind": other.sync_engine}, execution_options={"logging_token": "x"}
                )
                if method.startswith("stream"):
                    assert len(await result.all()) == AUTHORS
            assert (here.count, there.count) == (0, 1), method
        by_name = select(Author.id).where(Author.name == text(":name"))
        assert await session.scalar(by_name, {"name": "a3"}) == 3
        assert (await session.execute(by_name, {"name": "a3"})).scalar_one() == 3
        assert (await session.scalars(by_name, {"name": "a3"})).one() == 3
        assert [n async for n in await session.stream_scalars(by_name, {"name": "a3"})] == [3]
        await session.execute(insert(Author), [{"name": "n1"}, {"name": "n2"}])
        assert await session.scalar(select(func.count()).select_from(Author)) == AUTHORS + 2
    await other.dispose()


@asynchronous
async def test_refresh_with_each_parameter(engine):
    async with AsyncSession(engine) as session:
        found = await session.get(Author, 1)
        await change(session, 1, "changed")
        found.biography = "mine"
        await session.flush()
        await session.refresh(found, ["biography"])
        assert found.name == "a1"
        with count_statements(engine.sync_engine) as sent:
            await session.refresh(found, attribute_names=["name"], with_for_update={"nowait": True})
        assert found.name == "changed"
        assert ("FOR UPDATE NOWAIT" in sent.statements[0]) == (engine.dialect.name != "sqlite")
        with pytest.raises(InvalidRequestError):
            await session.refresh(Author(id=1))


# -- writing --------------------------------------------------------------------------------


@asynchronous
async def test_flush_of_single_objects(engine):
    async with AsyncSession(engine) as session:
        one, two = Author(name="one"), Author(name="two")
        session.add_all([one, two])
        await session.flush([one])
        assert list(session.new) == [two] and inspect(one).persistent


@asynchronous
async def test_merge_with_each_parameter(engine):
    async with AsyncSession(engine) as other:
        detached = await other.get(Author, 1, options=[selectinload(Author.books)])
    async with AsyncSession(engine) as session:
        with count_statements(engine.sync_engine) as sent:
            merged = await session.merge(detached, load=False)
            (again,) = await session.merge_all([detached], load=False)
        assert sent.count == 0 and merged is again and len(merged.books) == BOOKS_EACH
        assert not session.is_modified(merged)
        (loaded,) = await session.merge_all([Author(id=2, name="m2")], options=[selectinload(Author.books)])
        assert len(loaded.books) == BOOKS_EACH and session.is_modified(loaded)


@asynchronous
async def test_deleted_ones_are_known_before_the_flush(engine):
    async with AsyncSession(engine) as session:
        found = await session.get(Author, 1)
        with pytest.raises(InvalidRequestError):
            await session.delete(Author(name="new"))
        await session.delete(found)
        books = list(
            await session.scalars(select(Book).where(Book.author_id == 1), execution_options={"autoflush": False})
        )
        assert set(session.deleted) == {found, *books} and len(books) == BOOKS_EACH
        await session.flush()
        assert not session.deleted and inspect(found).deleted
        await session.rollback()
        assert inspect(found).persistent and await session.get(Author, 1) is found


@asynchronous
async def test_upsert(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        new, there = session.upsert_all([Author(name="new"), Author(name="a2", biography="upserted")], on=Author.name)
        one = session.upsert(Author(name="a3", biography="kept"), on=Author.name, update=[])
        await session.commit()
        assert (there.id, one.id) == (2, 3) and new.id > AUTHORS
        found = await session.scalars(select(author.c.biography).where(author.c.id.in_([2, 3])).order_by(author.c.id))
        assert found.all() == ["upserted", "b3"]
        with pytest.raises(ArgumentError):
            session.upsert(Author(name="x"), on=Author.books)


# -- transactions ---------------------------------------------------------------------------


@asynchronous
async def test_connection_with_each_parameter(engine):
    other = create_async_engine(engine.url)
    async with AsyncSession(engine, binds={Book: other}) as session:
        connection = await session.connection(execution_options={"logging_token": "mine"})
        assert connection.engine.sync_engine is engine.sync_engine
        assert connection.sync_connection.get_execution_options()["logging_token"] == "mine"
        assert (await session.connection(bind_arguments={"mapper": Book})).sync_engine is other.sync_engine
    await other.dispose()


@asynchronous
async def test_a_savepoint_gives_objects_back_as_they_were(engine):
    async with AsyncSession(engine) as session:
        found = await session.get(Author, 1)
        new = Author(name="new")
        with pytest.raises(ZeroDivisionError):
            async with session.begin_nested() as savepoint:
                session.add(new)
                found.name = "changed"
                await session.delete(await session.get(Author, 2))
                async with session.begin_nested():
                    assert session.get_nested_transaction() is not savepoint
                    await session.flush()
                raise ZeroDivisionError
        assert inspect(new).transient and not savepoint.is_active
        assert await found.awaitable_attrs.name == "a1"
        assert await session.get(Author, 2) is not None
        await session.commit()


@asynchronous
async def test_a_stale_row_is_named(engine):
    async with AsyncSession(engine) as session:
        found = await session.get(Book, 1)
        connection = await session.connection()
        await connection.execute(Book.__table__.delete().where(Book.__table__.c.id == 1))
        found.title = "changed"
        with pytest.raises(StaleDataError, match="Book"):
            await session.flush()
        await session.rollback()
        assert await found.awaitable_attrs.title == "t1"


@pytest.mark.databases("mariadb")  # the tests' PostgreSQL has no prepared transactions, SQLite never has
@asynchronous
async def test_two_phases(engine):
    async with AsyncSession(engine, twophase=True) as session:
        session.add(Author(name="new"))
        await session.prepare()
        with pytest.raises(InvalidRequestError):
            await session.get(Author, 1)
        (xid,) = {entry.transaction.xid for entry in session.sync_session.get_transaction()._connections.values()}
        waiting = PreparedTransactions(engine.sync_engine)
        assert await session.run_sync(lambda _: xid in waiting)  # another program may end it, by run_sync() too
        await session.commit()
        assert not await session.run_sync(lambda _: xid in waiting)
        await session.rollback()
        assert await session.scalar(select(func.count()).select_from(Author)) == AUTHORS + 1


@asynchronous
async def test_prepare_is_refused_without_two_phases(engine):
    async with AsyncSession(engine) as session:
        with pytest.raises(InvalidRequestError, match="twophase=True"):
            await session.prepare()


@asynchronous
async def test_session_options_reach_the_session_inside(engine):
    async with AsyncSession(engine, autobegin=False) as session:
        with pytest.raises(InvalidRequestError, match="begin"):
            await session.get(Author, 1)
        async with session.begin():
            await session.get(Author, 1)
    async with AsyncSession(engine, transactional=False) as session:
        await session.get(Author, 1)
        assert out(engine) == 0
        session.add(Author(name="new"))
        await session.flush()
        assert out(engine) == 0


@pytest.mark.databases("postgresql", "mariadb")  # SQLite's driver begins no transaction by itself for a savepoint
@asynchronous
async def test_join_transaction_mode(engine):
    async with engine.connect() as connection:
        outer = await connection.begin()
        async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
            session.add(Author(name="another"))
            await session.commit()
            await session.rollback()
            assert await session.scalar(select(func.count()).select_from(Author)) == AUTHORS + 1
        await outer.rollback()
    async with AsyncSession(engine) as session:
        assert await session.scalar(select(func.count()).select_from(Author)) == AUTHORS


# -- objects and their keys -------------------------------------------------------------------


@asynchronous
async def test_keys_of_objects_rows_and_shards(engine):
    async with AsyncSession(engine) as session:
        found = await session.get(Author, 1)
        row = (await session.execute(select(author).where(author.c.id == 1))).one()
        for keyed in (AsyncSession, Session):
            assert keyed.identity_key(instance=found) == (Author, (1,), None) == keyed.identity_key(Author, row=row)
            assert keyed.identity_key(Author, 1, identity_token="north") == (Author, (1,), "north")
            with pytest.raises(ArgumentError, match="primary key"):
                keyed.identity_key(Author)
        assert async_object_session(found) is session


@asynchronous
async def test_bind_of_classes_and_expressions_by_position(engine):
    async with AsyncSession(engine) as session:
        assert session.get_async_bind(Author, select(Author), None) is engine
        assert session.get_async_bind(None, None, engine) is engine
        assert session.get_bind(Author, select(Author)) is engine.sync_engine
