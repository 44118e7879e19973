"""Different classes on different databases, in one unit of work: SQLite, PostgreSQL and MariaDB at once."""

import pytest
from databases import count_statements
from sqlalchemy import String, create_engine, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    orders: Mapped[list["Order"]] = relationship(
        primaryjoin="User.id == foreign(Order.user_id)", back_populates="user", order_by="Order.id"
    )


class Order(Base):
    __tablename__ = "customer_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    amount: Mapped[int]
    user: Mapped[User] = relationship(primaryjoin="User.id == foreign(Order.user_id)", back_populates="orders")


class Audited:
    """A mixin, which may be named in ``binds`` too."""


class Entry(Audited, Base):
    __tablename__ = "audit_entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(40))


@pytest.fixture
def engines(request):
    if chosen := request.config.getoption("--db"):
        if len({name for names in chosen for name in names.split(",")}) < 3:
            pytest.skip("needs all three databases")
    found = {name: request.getfixturevalue(f"{name}_engine") for name in ("sqlite", "postgresql", "mariadb")}
    User.__table__.create(found["postgresql"])
    Order.__table__.create(found["mariadb"])
    Entry.__table__.create(found["sqlite"])
    return found


@pytest.fixture
def binds(engines):
    return {User: engines["postgresql"], Order.__table__: engines["mariadb"], Audited: engines["sqlite"]}


@pytest.fixture
def session(binds):
    with Session(binds=binds) as session:
        yield session


def stored(engine, table):
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(table)))


def test_one_commit_writes_all_three(session, engines):
    ann = User(name="ann", orders=[Order(amount=1), Order(amount=2)])
    session.add_all([ann, Entry(text="new user")])
    session.commit()
    assert stored(engines["postgresql"], User.__table__) == [(ann.id, "ann")]
    assert [row[1:] for row in stored(engines["mariadb"], Order.__table__)] == [(ann.id, 1), (ann.id, 2)]
    assert [row[1] for row in stored(engines["sqlite"], Entry.__table__)] == ["new user"]
    for name, tables in (
        ("postgresql", ["user_account"]),
        ("mariadb", ["customer_order"]),
        ("sqlite", ["audit_entry"]),
    ):
        assert inspect(engines[name]).get_table_names() == tables


def test_each_query_goes_to_its_database_and_relationships_cross_over(session, engines):
    session.add_all([User(name=f"u{i}", orders=[Order(amount=i), Order(amount=i * 10)]) for i in range(1, 6)])
    session.commit()
    session.expunge_all()
    with count_statements(engines["postgresql"]) as users, count_statements(engines["mariadb"]) as orders:
        found = session.scalars(select(User).order_by(User.id)).all()
        assert [[o.amount for o in u.orders] for u in found] == [[i, i * 10] for i in range(1, 6)]
        assert found[0].orders[0].user is found[0]
    assert (users.count, orders.count) == (1, 1)
    assert session.scalar(select(func.sum(Order.amount))) == 165
    session.execute(update(Order).where(Order.amount > 30).values(amount=0))
    assert found[3].orders[1].amount == 0
    session.execute(insert(Entry), [{"text": "a"}, {"text": "b"}])
    assert session.query(Entry).count() == 2


def test_what_one_database_refuses_is_undone_in_all(session, engines):
    session.add(Entry(id=1, text="first"))
    session.commit()
    session.add_all([User(name="bob"), Order(user_id=1, amount=1)])
    session.flush()
    session.add(Entry(id=1, text="again"))
    with pytest.raises(DBAPIError):
        session.commit()
    session.rollback()
    for name, table in (("postgresql", User.__table__), ("mariadb", Order.__table__)):
        assert stored(engines[name], table) == []
    assert len(stored(engines["sqlite"], Entry.__table__)) == 1
    assert all(engine.pool.checkedout() == 0 for engine in engines.values())


def test_savepoints_are_set_in_all(session, engines):
    session.add(User(name="ann"))
    session.flush()
    nested = session.begin_nested()
    session.add_all([User(name="bob"), Order(user_id=1, amount=1)])
    session.flush()
    nested.rollback()
    session.add(Order(user_id=2, amount=2))
    session.commit()
    assert [name for _, name in stored(engines["postgresql"], User.__table__)] == ["ann"]
    assert [row[1:] for row in stored(engines["mariadb"], Order.__table__)] == [(2, 2)]


@pytest.fixture
def preparing(engines, own_postgresql):
    """The engines, of which PostgreSQL's is on a server that prepares transactions: the usual one may not."""
    engine = create_engine(own_postgresql.url)
    User.__table__.create(engine)
    yield {**engines, "postgresql": engine}
    User.__table__.drop(engine)
    engine.dispose()


def test_two_phases_commit_or_undo_both(preparing):
    engines = preparing
    binds = {User: engines["postgresql"], Order: engines["mariadb"]}
    with Session(binds=binds, twophase=True) as session:
        session.add(User(name="ann", orders=[Order(amount=1)]))
        session.commit()
        assert len(stored(engines["postgresql"], User.__table__)) == 1
        assert len(stored(engines["mariadb"], Order.__table__)) == 1
        session.add(User(name="bob", orders=[Order(amount=2)]))
        session.flush()
        session.prepare()
        session.rollback()
    assert len(stored(engines["postgresql"], User.__table__)) == 1
    assert len(stored(engines["mariadb"], Order.__table__)) == 1
