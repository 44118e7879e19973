"""Accounts, and what must hold of them whatever happens."""

from sqlalchemy import String, select

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column
from ropewalk import select as entities


class Base(DeclarativeBase):
    pass


TRAPS = []
"""What is to happen, each once, when a flush computes the default of a column."""


def spring():
    while TRAPS:
        TRAPS.pop()()
    return "open"


class Account(Base):
    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column()
    owner: Mapped[int | None] = mapped_column(unique=True)
    kind: Mapped[str | None] = mapped_column(String(10), default=spring)


def fill(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(Account.__table__.insert(), [{"id": i, "balance": 100} for i in (1, 2)])


def transfer(session, amount=30):
    """Move an amount from account 1 to account 2, and open account 3; nothing is flushed."""
    one, two = session.get_one(Account, 1), session.get_one(Account, 2)
    one.balance -= amount
    two.balance += amount
    session.add(Account(id=3, balance=0))
    return one, two


def balances(engine):
    with engine.connect() as connection:
        rows = connection.execute(select(Account.__table__.c.id, Account.__table__.c.balance)).all()
    return dict(sorted(tuple(row) for row in rows))


BEFORE = {1: 100, 2: 100}
AFTER = {1: 70, 2: 130, 3: 0}


def assert_nothing_is_left(engine, session):
    """The session gives all back and is usable, or says that it is closed."""
    session.rollback()
    assert engine.pool.checkedout() == 0
    assert not session.in_transaction()
    assert not session.new
    assert not session.dirty
    assert not session.deleted
    for account in session:
        assert inspect(account).persistent


def assert_all_or_nothing(engine, session=None):
    found = balances(engine)
    assert found in (BEFORE, AFTER)
    if session is not None:
        assert {a.id: a.balance for a in session.scalars(entities(Account))} == found
        session.rollback()
    assert engine.pool.checkedout() == 0
    return "all" if found == AFTER else "nothing"


def assert_usable(engine, session):
    """Do the transfer in the session that met the fault."""
    if balances(engine) == BEFORE:
        transfer(session)
        session.commit()
    assert balances(engine) == AFTER
    session.close()
    with Session(engine) as another:
        assert {account.id: account.balance for account in another.scalars(entities(Account))} == AFTER
    assert engine.pool.checkedout() == 0
