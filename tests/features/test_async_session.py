"""AsyncSession: what a Session does, awaited."""

import contextlib

import pytest
from asynchronous import AUTHORS, BOOKS_EACH, Author, Book, asynchronous, out
from databases import count_statements
from sqlalchemy import func, text, update
from sqlalchemy.exc import ArgumentError, IntegrityError, InvalidRequestError, NoResultFound

from ropewalk import Session, inspect, select, selectinload, sessionmaker
from ropewalk.ext.asyncio import (
    AsyncConnection,
    AsyncSession,
    AsyncSessionTransaction,
    async_object_session,
    async_session,
    async_sessionmaker,
    close_all_sessions,
    create_async_engine,
    exc,
)


async def count(session, entity=Author):
    return await session.scalar(select(func.count()).select_from(entity))


# -- asking --------------------------------------------------------------------------------


@asynchronous
async def test_get_asks_the_database_once(engine):
    async with AsyncSession(engine) as session:
        with count_statements(engine.sync_engine) as sent:
            author = await session.get(Author, 1)
            assert await session.get(Author, 1) is author
        assert sent.count == 1
        assert author.name == "a1"
        assert await session.get(Author, 99) is None
        assert await session.get_one(Author, 1) is author
        with pytest.raises(NoResultFound, match="Author.*99"):
            await session.get_one(Author, 99)


@asynchronous
async def test_execute_scalars_scalar(engine):
    async with AsyncSession(engine) as session:
        rows = (await session.execute(select(Author, Author.name).order_by(Author.id).limit(2))).all()
        assert [(row[0].name, row.name) for row in rows] == [("a1", "a1"), ("a2", "a2")]
        authors = (await session.scalars(select(Author).order_by(Author.id))).all()
        assert [author.id for author in authors] == list(range(1, AUTHORS + 1))
        assert await count(session) == AUTHORS
        assert (await session.execute(text("SELECT name FROM author WHERE id = :id"), {"id": 3})).scalar_one() == "a3"
        assert (await session.execute("SELECT name FROM author WHERE id = :id", {"id": 3})).scalar_one() == "a3"
        assert await session.scalar(select(Author.id).where(Author.name == "nobody")) is None


@asynchronous
async def test_same_results_without_the_quick_road(engine):
    with count_statements(engine.sync_engine):  # who listens sends every statement through Core
        async with AsyncSession(engine, expire_on_commit=False) as session:
            author = await session.get(Author, 1, options=[selectinload(Author.books)])
            assert len(author.books) == BOOKS_EACH
            author.name = "new"
            session.add_all([Author(name=f"n{i}", books=[Book(title="t")]) for i in range(20)])
            await session.commit()
            assert await count(session) == AUTHORS + 20


@asynchronous
async def test_refresh_reads_anew_and_takes_relationships(engine):
    async with AsyncSession(engine) as session:
        author = await session.get(Author, 1)
        await session.execute(update(Author.__table__).where(Author.__table__.c.id == 1).values(name="changed"))
        assert author.name == "a1"
        await session.refresh(author)
        assert author.name == "changed"
        await session.refresh(author, ["books"])
        assert [book.title for book in author.books] == ["t1", "t2", "t3"]


@asynchronous
async def test_what_does_not_await_needs_none(engine):
    async with AsyncSession(
        engine, info={"a": 1}, autoflush=False, execution_options={"logging_token": "x"}
    ) as session:
        author, new = await session.get(Author, 1), Author(name="new")
        session.add(new)
        assert author in session and new in session and set(session) == {author, new}
        assert list(session.new) == [new] and session.identity_map.values() == [author]
        author.name = "changed"
        assert list(session.dirty) == [author] and session.is_modified(author)
        session.expire(author, ["name"])
        assert "name" not in vars(author)
        session.expunge(new)
        assert new not in session
        session.expire_all()
        session.expunge_all()
        assert list(session) == []
        assert session.info == {"a": 1} and session.sync_session.info is session.info
        assert session.is_active and session.in_transaction() and not session.in_nested_transaction()
        assert not session.autoflush
        session.autoflush = True
        with session.no_autoflush:
            assert not session.sync_session.autoflush
        assert session.execution_options == {"logging_token": "x"}
        session.execution_options = {}
        assert session.sync_session.execution_options == {}
        assert AsyncSession.identity_key(Author, 1) == Session.identity_key(Author, 1)


# -- writing --------------------------------------------------------------------------------


@asynchronous
async def test_graph_goes_in_changes_and_goes(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        author = Author(name="new", books=[Book(title="x"), Book(title="y")])
        session.add(author)
        await session.commit()
        author.books[0].title = "changed"
        author.books.pop()
        await session.flush()
        titles = select(Book.title).where(Book.author_id == author.id)
        assert (await session.scalars(titles)).all() == ["changed"]
        await session.delete(author)
        await session.commit()
        assert await session.get(Author, author.id) is None
        assert await count(session, Book) == AUTHORS * BOOKS_EACH


@asynchronous
async def test_delete_loads_what_goes_with_it(engine):
    async with AsyncSession(engine) as session:
        await session.delete(await session.get(Author, 1))
        await session.delete_all(await session.scalars(select(Author).where(Author.id.in_([2, 3]))))
        await session.commit()
        assert await count(session) == AUTHORS - 3
        assert await count(session, Book) == (AUTHORS - 3) * BOOKS_EACH


@asynchronous
async def test_hundreds_of_rows_by_each_road(engine):
    async with AsyncSession(engine, expire_on_commit=False) as session:
        authors = [Author(name=f"n{i}", biography="x" * (i % 3)) for i in range(300)]
        session.add_all(authors)
        await session.commit()
        assert len({author.id for author in authors}) == 300
        for author in authors[:200]:
            author.name += "!"
        await session.commit()
        assert await session.scalar(select(func.count(Author.id)).where(Author.name.like("%!"))) == 200
        for author in authors:
            await session.delete(author)
        await session.commit()
        assert await count(session) == AUTHORS


@asynchronous
async def test_bulk_operations_run_in_run_sync(engine):
    async with AsyncSession(engine) as session:
        rows = [{"name": f"m{i}"} for i in range(50)]
        await session.run_sync(lambda sync: sync.bulk_insert_mappings(Author, rows, return_defaults=True))
        changes = [{"id": row["id"], "biography": "bulk"} for row in rows]
        await session.run_sync(lambda sync, given: sync.bulk_update_mappings(Author, given), changes)
        await session.commit()
        assert await session.scalar(select(func.count(Author.id)).where(Author.biography == "bulk")) == 50


@asynchronous
async def test_merge(engine):
    async with AsyncSession(engine) as session:
        mine = await session.get(Author, 1)
        assert await session.merge(Author(id=1, name="merged")) is mine
        assert mine.name == "merged"
        merged = await session.merge_all([Author(id=2, name="m2"), Author(id=50, name="m50")])
        await session.commit()
        assert [inspect(author).persistent for author in merged] == [True, True]
        loaded = await session.merge(Author(id=3, name="m3"), options=[selectinload(Author.books)])
        assert len(loaded.books) == BOOKS_EACH


@asynchronous
async def test_run_sync_may_load_implicitly(engine):
    def titles(session, author_id):
        return [book.title for book in session.get(Author, author_id).books]

    async with AsyncSession(engine) as session:
        assert await session.run_sync(titles, author_id=2) == ["t4", "t5", "t6"]


@asynchronous
async def test_failed_flush_names_the_object_and_the_session_goes_on(engine):
    async with AsyncSession(engine) as session:
        session.add(Author(name="a1"))
        with pytest.raises(IntegrityError) as caught:
            await session.commit()
        assert any("Author" in note for note in caught.value.__notes__)
        await session.rollback()
        session.add(Author(name="another"))
        await session.commit()
        assert await count(session) == AUTHORS + 1


# -- transactions ----------------------------------------------------------------------------


@asynchronous
async def test_begin_commits_or_rolls_back(engine):
    async with AsyncSession(engine) as session:
        async with session.begin() as transaction:
            assert isinstance(transaction, AsyncSessionTransaction) and transaction.is_active
            session.add(Author(name="kept"))
        assert not session.in_transaction()
        with pytest.raises(ZeroDivisionError):
            async with session.begin():
                session.add(Author(name="lost"))
                await session.flush()
                raise ZeroDivisionError
        assert await count(session) == AUTHORS + 1


@asynchronous
async def test_begin_awaited(engine):
    async with AsyncSession(engine) as session:
        transaction = await session.begin()
        session.add(Author(name="kept"))
        await transaction.commit()
        assert not transaction.is_active
        transaction = await session.begin()
        session.add(Author(name="lost"))
        await session.flush()
        await transaction.rollback()
        assert await count(session) == AUTHORS + 1


@asynchronous
async def test_savepoints(engine):
    async with AsyncSession(engine) as session:
        session.add(Author(name="one"))
        async with session.begin_nested() as savepoint:
            assert session.in_nested_transaction() and savepoint.nested
            assert session.get_nested_transaction() is savepoint
            session.add(Author(name="two"))
            await session.flush()
            await savepoint.rollback()
        async with session.begin_nested():
            session.add(Author(name="three"))
        await session.commit()
        names = (await session.scalars(select(Author.name).where(Author.id > AUTHORS).order_by(Author.id))).all()
        assert names == ["one", "three"]


@asynchronous
async def test_transaction_knows_its_connections(engine):
    async with AsyncSession(engine) as session:
        transaction = session.begin()
        with pytest.raises(exc.AsyncContextNotStarted, match=r"await session\.begin\(\)"):
            await transaction.commit()
        assert not transaction.is_active
        await transaction
        assert session.get_transaction() is transaction
        with pytest.raises(exc.AsyncContextAlreadyStarted):
            await transaction
        assert transaction.connections == frozenset()
        with pytest.raises(InvalidRequestError, match="has not acquired a connection"):
            transaction.bound_connection()
        connection = await session.connection()
        assert isinstance(connection, AsyncConnection)
        assert await session.connection() is connection
        assert transaction.connections == {connection}
        assert transaction.bound_connection(bind=engine) is connection
        await transaction.rollback()


@asynchronous
async def test_found_transaction_stands_for_the_one_begun(engine):
    async with AsyncSession(engine) as session:
        assert session.get_transaction() is None and session.get_nested_transaction() is None
        await session.execute(select(Author))
        found = session.get_transaction()
        assert found.sync_transaction is session.sync_session.get_transaction()
        assert found.session is session and not found.nested and session.get_transaction() is found


@asynchronous
async def test_given_connection_keeps_its_transaction(engine):
    async with engine.connect() as connection:
        outer = await connection.begin()
        async with AsyncSession(connection) as session:
            assert await session.connection() is connection
            session.add(Author(name="new"))
            await session.commit()
        assert outer.is_active
        await outer.rollback()
    async with AsyncSession(engine) as session:
        assert await count(session) == AUTHORS


@asynchronous
async def test_close_gives_the_connection_back(engine):
    session = AsyncSession(engine)
    author = await session.get(Author, 1)
    session.add(Author(name="lost"))
    await session.flush()
    assert out(engine) == 1
    await session.close()
    assert out(engine) == 0
    assert inspect(author).detached
    assert await count(session) == AUTHORS
    await session.reset()
    async with contextlib.aclosing(session):
        await session.get(Author, 1)
        assert out(engine) == 1
    assert out(engine) == 0


@asynchronous
async def test_closed_for_good(engine):
    session = AsyncSession(engine, close_resets_only=False)
    await session.get(Author, 1)
    await session.reset()
    await session.get(Author, 1)
    await session.close()
    with pytest.raises(InvalidRequestError, match="closed for good"):
        await session.get(Author, 1)


@asynchronous
async def test_invalidate_throws_the_connection_away(engine):
    async with AsyncSession(engine) as session:
        connection = await session.connection()
        raw = (await connection.get_raw_connection()).driver_connection
        await session.invalidate()
        assert connection.closed and out(engine) == 0
        raw_again = (await (await session.connection()).get_raw_connection()).driver_connection
        assert raw_again is not raw


@asynchronous
async def test_close_all_sessions(engine):
    first, second = AsyncSession(engine), AsyncSession(engine)
    await first.get(Author, 1)
    await second.get(Author, 1)
    assert out(engine) == 2
    await close_all_sessions()
    assert out(engine) == 0 and list(first) == list(second) == []
    with pytest.deprecated_call(match="close_all_sessions"):
        await AsyncSession.close_all()


# -- making sessions --------------------------------------------------------------------------


@asynchronous
async def test_async_sessionmaker(engine):
    make = async_sessionmaker(engine, info={"a": 1}, expire_on_commit=False)
    async with make.begin() as session:
        session.add(Author(name="kept"))
    assert not session.in_transaction() and list(session) == []
    with pytest.raises(ZeroDivisionError):
        async with make.begin() as session:
            session.add(Author(name="lost"))
            await session.flush()
            raise ZeroDivisionError
    async with make(info={"b": 2}) as session:
        assert session.info == {"a": 1, "b": 2} and not session.sync_session.expire_on_commit
        assert await count(session) == AUTHORS + 1
    make.configure(autoflush=False)
    assert not make().autoflush
    assert repr(make).startswith("async_sessionmaker(class_='AsyncSession', bind=")


@asynchronous
async def test_sessionmaker_of_async_sessions(engine):
    make = sessionmaker(engine, class_=AsyncSession)
    async with make.begin() as session:
        assert isinstance(session, AsyncSession)
        session.add(Author(name="kept"))
    async with make() as session:
        assert await count(session) == AUTHORS + 1


class OwnSession(Session):
    pass


class OwnAsyncSession(AsyncSession):
    sync_session_class = OwnSession


@asynchronous
async def test_own_session_classes(engine):
    assert type(AsyncSession(engine).sync_session) is Session
    assert type(OwnAsyncSession(engine).sync_session) is OwnSession
    assert type(OwnAsyncSession(engine, sync_session_class=Session).sync_session) is Session
    made = async_sessionmaker(engine, class_=OwnAsyncSession)()
    assert type(made) is OwnAsyncSession
    with pytest.raises(ArgumentError, match="sync_session_class must make"):
        AsyncSession(engine, sync_session_class=dict)


@asynchronous
async def test_object_finds_its_async_session(engine):
    session = OwnAsyncSession(engine)
    author = await session.get(Author, 1)
    assert async_object_session(author) is session is inspect(author).async_session
    assert async_session(session.sync_session) is session
    assert AsyncSession.object_session(author) is session.sync_session
    assert async_object_session(Author()) is None and inspect(Author()).async_session is None
    with Session() as sync:
        new = Author()
        sync.add(new)
        assert async_session(sync) is None and async_object_session(new) is None
    await session.close()
    assert async_object_session(author) is None


# -- which engine -----------------------------------------------------------------------------


@asynchronous
async def test_engines_by_class_and_table(engine):
    other = create_async_engine(engine.url)
    session = AsyncSession(engine, binds={Book: other})
    assert session.bind is engine
    assert session.get_bind(Author) is engine.sync_engine and session.get_async_bind(Author) is engine
    assert session.get_bind(Book) is other.sync_engine and session.get_async_bind(Book) is other
    assert session.get_async_bind(clause=select(Book.__table__)) is other
    assert session.get_async_bind(bind=other) is other
    assert dict(session.binds) == {Book: other, Book.__table__: other}
    session.bind_mapper(Author, other)
    session.bind_table(Book.__table__, engine)
    assert session.get_async_bind(Author) is other
    session.bind = other
    assert session.bind is other and session.sync_session.bind is other.sync_engine
    session.sync_session.bind = create_async_engine(engine.url).sync_engine
    with pytest.raises(InvalidRequestError, match="bind_mapper"):
        _ = session.bind
    session.bind = None
    assert session.bind is None


@asynchronous
async def test_sync_engine_is_refused(engine):
    with pytest.raises(ArgumentError, match="bound to an AsyncEngine"):
        AsyncSession(engine.sync_engine)
