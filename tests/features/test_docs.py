"""The programs in docs/ run as they stand there, with what they speak of around them.

A block that nobody has set a scene for is compiled only. In a block, ``...`` stands for what a reader fills in: a scene
says what that is.
"""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import databases
import pytest
from sqlalchemy import Column, ForeignKey, Integer, Table, and_, create_engine, func

import ropewalk
from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, relationship, select, sessionmaker

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/*.md"))
BLOCKS = {
    f"{page.stem} {number}": block
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S), 1)
}
LINKS = sorted({(page.name, link) for page in PAGES for link in re.findall(r"\]\(([\w./-]+)\)", page.read_text())})


class Stage:
    """What stands around a block: classes, rows, engines, and the names that the block uses."""

    def __init__(self, folder):
        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "user_"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str | None]
            email: Mapped[str | None]
            created_by: Mapped[str | None]

        class Order(Base):
            __tablename__ = "order_"
            id: Mapped[int] = mapped_column(primary_key=True)
            region: Mapped[str | None]

        self.folder = folder
        self.Base, self.User, self.Order = Base, User, Order
        self.engine = self.database("main")
        Base.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            session.add_all([User(id=1, name="ann"), User(id=2, name="bob")])
            session.commit()
        self.names = {**vars(ropewalk), "ropewalk": ropewalk, "Base": Base, "User": User, "Order": Order}
        self.names |= {"engine": self.engine, "__name__": "a_block_of_the_docs"}

    def database(self, name):
        engine = databases.sqlite(f"sqlite:///{self.folder / name}.db")
        self.Base.metadata.create_all(engine)
        return engine

    def play(self, block, **names):
        """Run a block with these names around it; return all that it leaves."""
        self.names |= names
        code = compile(block, "docs", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, self.names))
        else:
            exec(code, self.names)  # noqa: S102
        return SimpleNamespace(**{k: v for k, v in self.names.items() if k != "__builtins__"})

    def users(self):
        with Session(self.engine) as session:
            return session.scalars(select(self.User.name).order_by(self.User.id)).all()


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


SCENES = {}


def scene(name):
    def keep(function):
        SCENES[name] = function
        return function

    return keep


@pytest.mark.parametrize("name", BLOCKS)
def test_a_program_of_the_docs_runs(stage, name):
    if name in SCENES:
        SCENES[name](stage, BLOCKS[name])
    else:
        compile(BLOCKS[name], name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_each_scene_has_its_block():
    assert set(SCENES) <= set(BLOCKS)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_what_a_page_links_to_is_there(page, link):
    assert (ROOT / "docs" / link).exists()


def test_pages_name_functions_that_are_there():
    """`session.on_commit()`, `Session.run`: what stands in code marks as a member of a session is one."""
    from ropewalk.ext.asyncio import AsyncSession
    from ropewalk.ext.horizontal_shard import ShardedSession
    from ropewalk.ext.routing import RoutingSession

    members = {*vars(AsyncSession()), *vars(RoutingSession(primary=create_engine("sqlite://")))}
    for class_ in (Session, AsyncSession, ShardedSession, RoutingSession):
        members |= {*dir(class_)}
    for page in PAGES:
        for member in re.findall(r"`(?:session|Session)\.(\w+)\b", page.read_text()):
            assert member in members, (page.name, member)


# Transactions


@scene("transactions 1")
def a_with_block(stage, block):
    stage.play(block)
    assert stage.users() == ["ann", "bob", "ed"]


def rename_both(session, one, two, amount):
    for key in (one, two):
        user = session.get_one(session.info["User"], key)
        user.name += str(amount)


@scene("transactions 2")
def run_again(stage, block):
    factory = sessionmaker(stage.engine, info={"User": stage.User})
    with factory() as session:
        found = stage.play(block, session=session, transfer=rename_both, SessionLocal=factory)
    assert stage.users() == ["ann100", "bob100"]
    assert found.transfer(1, 2, 100) is None


@scene("transactions 3")
def look_for_prepared_ones(stage, block):
    with Session(stage.engine) as session:
        session.add(stage.User(name="ed"))
        stage.play(block, session=session)
    assert stage.users() == ["ann", "bob", "ed"]


@scene("transactions 4")
def versions(stage, block):
    found = stage.play(block)
    stage.Base.metadata.create_all(stage.engine)
    with Session(stage.engine) as one, Session(stage.engine) as two:
        one.add(found.Account(id=1))
        one.commit()
        mine, theirs = one.get(found.Account, 1), two.get(found.Account, 1)
        mine.id, theirs.id = 2, 3
        one.commit()
        with pytest.raises(ropewalk.exc.StaleDataError):
            two.commit()


# Several databases


@scene("partitioning 1")
def vertical(stage, block):
    users, orders = stage.database("users"), stage.database("orders")
    found = stage.play(block, users_engine=users, orders_engine=orders)
    with found.Session() as session:
        assert (session.get_bind(stage.User), session.get_bind(stage.Order)) == (users, orders)
        assert session.twophase


@scene("partitioning 2")
def horizontal(stage, block):
    engines = {"north": stage.database("north"), "south": stage.database("south")}
    found = stage.play(block, north_engine=engines["north"], south_engine=engines["south"])
    with found.Session() as session:
        session.add_all([stage.Order(id=1, region="south"), stage.Order(id=2, region="north")])
        session.commit()
        assert [order.id for order in session.scalars(select(stage.Order).order_by(stage.Order.id))] == [1, 2]
        session.bind_shard("east", stage.database("east"))
    with Session(engines["south"]) as session:
        assert session.scalars(select(stage.Order.id)).all() == [1]


@scene("partitioning 3")
def replicas(stage, block):
    kept = {}
    stage.play(
        block.replace("Order(...)", "Order(id=1)"),
        primary_engine=stage.engine,
        one=stage.database("one"),
        two=stage.database("two"),
        request=SimpleNamespace(cookies={}),
        response=SimpleNamespace(set_cookie=kept.__setitem__),
    )
    with Session(stage.engine) as session:
        assert session.get(stage.Order, 1) is not None
    assert kept == {"seen": ""}


@scene("partitioning 4")
def awaited_over_several(stage, block):
    from ropewalk.ext.asyncio import async_sessionmaker, create_async_engine
    from ropewalk.ext.horizontal_shard import ShardedSession
    from ropewalk.ext.routing import RoutingSession

    urls = [f"sqlite+aiosqlite:///{stage.database(name).url.database}" for name in ("n", "s", "one", "two")]
    north, south, one, two = map(create_async_engine, urls)
    primary = create_async_engine(f"sqlite+aiosqlite:///{stage.engine.url.database}")
    engines = {"north": north, "south": south, "one": one, "two": two, "primary": primary}
    block += "for engine in engines: await engine.dispose()\n"
    found = stage.play(
        block,
        async_sessionmaker=async_sessionmaker,
        ShardedSession=ShardedSession,
        RoutingSession=RoutingSession,
        choosers={"shard_chooser": lambda *args, **kw: "north"},
        seen=None,
        engines=engines.values(),
        **engines,
    )
    assert isinstance(found.user, stage.User)


# Events


@scene("events 1")
def listeners(stage, block):
    class Own(Session):
        pass

    before, _, after = block.partition("event.remove")
    stage.play(before, Session=Own, current_user=lambda: "me")
    with Own(stage.engine) as session:
        session.add(stage.User(id=3, email="A@B.ORG"))
        session.commit()
        user = session.get(stage.User, 3)
        assert (user.email, user.created_by) == ("a@b.org", "me")
        stage.play("event.remove" + after)
        session.add(stage.User(id=4))
        session.commit()
        assert session.get(stage.User, 4).created_by is None


@scene("events 2")
def cached_results(stage, block):
    class Own(Session):
        pass

    found = stage.play("from sqlalchemy import event\n" + block, Session=Own, cache={})
    with Own(stage.engine) as session, databases.count_statements(stage.engine) as sent:
        for _ in range(3):
            statement = select(stage.User.name).order_by(stage.User.id)
            assert session.scalars(statement, execution_options={"cache": "all"}).all() == ["ann", "bob"]
    assert sent.count == 1
    assert list(found.cache) == ["all"]


@scene("events 3")
def callbacks(stage, block):
    sent = []
    with Session(stage.engine) as session:
        stage.play(block, session=session, order=stage.Order(id=9), send_mail=sent.append, order_number=9)
    assert sent == [9]


# Ropes


@scene("ropes 1")
def a_function_with_a_session(stage, block):
    stage.play(block).rename(1, "eve")
    assert stage.users() == ["eve", "bob"]


@scene("ropes 2")
def explicit_scopes(stage, block):
    jenny = ropewalk.SessionJenny(sessionmaker(stage.engine))
    inside = []
    stage.play(block, jenny=jenny, user=stage.User(name="ed"), helper=lambda: inside.append(jenny.session))
    assert stage.users() == ["ann", "bob", "ed"]
    assert len(inside) == 1


@scene("ropes 3")
def a_streaming_response(stage, block):
    jenny = ropewalk.SessionJenny(sessionmaker(stage.engine))
    found = stage.play(block, jenny=jenny, StreamingResponse=list)
    assert found.export() == ["ann", "bob"]
    assert jenny.ropes() == []


@scene("ropes 4")
def who_holds_what(stage, block):
    jenny = ropewalk.SessionJenny(sessionmaker(stage.engine))
    with jenny.tied() as session:
        session.get(stage.User, 1)
        stage.play(block, jenny=jenny, ropewalk=__import__("ropewalk.ropes"))


# Relationships


@scene("relationships 1")
def collections_in_the_database(stage, block):
    columns = '__tablename__ = "account"\n    id: Mapped[int] = mapped_column(primary_key=True)'
    Account = stage.play(block.replace("...", columns, 1)).Account
    many(stage, Account)
    stage.Base.metadata.create_all(stage.engine)
    with Session(stage.engine) as session:
        account = Account(id=1)
        session.add(account)
        session.commit()
        block = BLOCKS["relationships 2"].replace("update().where(...).values(...)", "update().values(amount=7)")
        stage.play(block.replace("where(...)", "where(Transaction.amount > 9)"), session=session, account=account)
        session.commit()
        assert session.scalars(account.transactions.select()).all()


def many(stage, Account):
    class Transaction(stage.Base):
        __tablename__ = "transaction_"
        id: Mapped[int] = mapped_column(primary_key=True)
        date: Mapped[int | None]
        amount: Mapped[int]
        account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
        account: Mapped[Account] = relationship(back_populates="transactions")

    class Document(stage.Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
        account: Mapped[Account] = relationship(back_populates="documents")

    stage.names |= {"Transaction": Transaction, "Document": Document}


@scene("relationships 3")
def a_join_over_several_tables(stage, block):
    def table(name, *others):
        keys = [Column(f"{other}_id", ForeignKey(f"{other}.id")) for other in others]
        return Table(name, stage.Base.metadata, Column("id", Integer, primary_key=True), *keys)

    d, b, a, c = table("d"), table("b", "d"), table("a", "b"), table("c", "d", "a")
    A = type("A", (stage.Base,), {"__table__": a})
    D = type("D", (stage.Base,), {"__table__": d})
    stage.play(block, A=A, D=D, a=a, b=b, c=c, d=d, and_=and_)
    stage.Base.metadata.create_all(stage.engine)
    with Session(stage.engine) as session:
        for table, row in ((d, {"id": 4}), (b, {"id": 2, "d_id": 4}), (a, {"id": 1, "b_id": 2})):
            session.execute(table.insert(), row)
        session.execute(c.insert(), {"id": 3, "d_id": 4, "a_id": 1})
        assert [found.id for found in session.get(A, 1).d] == [4]


# Queries


@scene("queries 1")
def pairs(stage, block):
    before, _, last = block.rstrip().rpartition("\n")
    found = stage.play(f"{before}\nstatement = {last}")
    with Session(stage.engine) as session:
        assert [(one.name, two.name) for one, two in session.execute(found.statement)] == [("bob", "ann")]


@scene("queries 2")
def a_bundle(stage, block):
    Point = stage.play(block).Point
    with Session(stage.engine) as session:
        point = Point("point", stage.User.id, func.length(stage.User.name))
        assert session.scalars(select(point).order_by(stage.User.id)).all() == [1 + 3j, 2 + 3j]


# Async


def authors(stage):
    from ropewalk.ext.asyncio import AsyncAttrs

    class Author(AsyncAttrs, stage.Base):
        __tablename__ = "author"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        books: Mapped[list["Book"]] = relationship()

    class Book(stage.Base):
        __tablename__ = "book"
        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))

    stage.Base.metadata.create_all(stage.engine)
    with Session(stage.engine) as session:
        session.add_all([Author(name="one", books=[Book()]), Author(name="two")])
        session.commit()
    return Author


@scene("async 1")
def awaited(stage, block):
    Author = authors(stage)
    url = f"sqlite+aiosqlite:///{stage.engine.url.database}"
    stage.play(block.replace("postgresql+asyncpg://...", url) + "\nawait engine.dispose()\n", Author=Author)
    with Session(stage.engine) as session:
        assert session.scalars(select(Author.name).order_by(Author.id)).all() == ["one", "two", "new"]


@scene("async 3")
def streamed(stage, block):
    from ropewalk.ext.asyncio import AsyncSession, create_async_engine

    Author = authors(stage)
    stage.names |= {"Author": Author, "AsyncSession": AsyncSession, "found": []}
    stage.names["engine"] = create_async_engine(f"sqlite+aiosqlite:///{stage.engine.url.database}")
    inside = "".join(f"    {line}\n" for line in block.replace("    ...", "    found.extend(part)").splitlines())
    found = stage.play(f"async with AsyncSession(engine) as session:\n{inside}\nawait engine.dispose()\n")
    assert len(found.found) == 2
