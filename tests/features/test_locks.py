"""Rows are locked as with_for_update says: another connection is kept out, refused, or led past them."""

import pytest
from sqlalchemy import ForeignKey, String, event, text
from sqlalchemy.exc import DBAPIError

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    inspect,
    lazyload,
    mapped_column,
    relationship,
    select,
    selectinload,
)
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    owner: Mapped["Person | None"] = relationship(lazy="joined")


class Person(Base):
    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    accounts: Mapped[list[Account]] = relationship(viewonly=True, order_by=Account.id)


@pytest.fixture
def database(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Person(id=1), Account(id=1, name="a", owner_id=1), Account(id=2, name="b", owner_id=1)])
        session.commit()
    return engine


@pytest.fixture
def one(database):
    with Session(database) as session:
        yield session


@pytest.fixture
def two(database):
    with Session(database) as session:
        if database.dialect.name == "postgresql":
            session.execute(text("SET lock_timeout = '20s'"))
        yield session


LOCKING = pytest.mark.databases("postgresql", "mariadb")

ALONE = lazyload(Account.owner)  # a SELECT locks what it joins, and PostgreSQL refuses to lock what may be absent
ONE = select(Account).where(Account.id == 1).options(ALONE)

WAYS = {
    "select": lambda s, lock: s.scalars(ONE.with_for_update(**lock)).first(),
    "query": lambda s, lock: s.query(Account).filter_by(id=1).options(ALONE).with_for_update(**lock).first(),
    "get": lambda s, lock: s.get(Account, 1, with_for_update=lock or True),
    "refresh": lambda s, lock: s.refresh(s.get(Account, 1), with_for_update=lock or True),
    "refresh of one attribute": lambda s, lock: s.refresh(s.get(Account, 1), ["name"], with_for_update=lock or True),
}


@LOCKING
@pytest.mark.parametrize("way", WAYS)
def test_who_will_not_wait_is_refused(one, two, way):
    WAYS[way](one, {})
    with pytest.raises(DBAPIError):
        WAYS[way](two, {"nowait": True})
    two.rollback()
    one.commit()
    WAYS[way](two, {"nowait": True})


@LOCKING
@pytest.mark.parametrize("way", ["select", "query", "get"])
def test_locked_rows_are_passed_over(one, two, way):
    WAYS[way](one, {})
    known = two.get(Account, 1) if way == "get" else None
    assert WAYS[way](two, {"skip_locked": True}) is None
    assert two.scalars(select(Account.id).with_for_update(skip_locked=True)).all() == [2]
    if known is not None:  # it has a row all the same
        assert inspect(known).persistent
        assert two.get(Account, 1) is known
    one.rollback()
    assert WAYS[way](two, {"skip_locked": True}).id == 1


@LOCKING
def test_refresh_of_a_row_that_was_passed_over_says_so(one, two):
    WAYS["get"](one, {})
    account = two.get(Account, 1)
    with pytest.raises(InvalidRequestError, match="locked"):
        two.refresh(account, with_for_update={"skip_locked": True})
    assert account.name == "a"


@LOCKING
@pytest.mark.parametrize("way", WAYS)
def test_who_locks_to_read_shares_the_row_with_other_readers_alone(one, two, way):
    WAYS[way](one, {"read": True})
    WAYS[way](two, {"read": True, "nowait": True})
    two.rollback()
    with pytest.raises(DBAPIError):
        WAYS[way](two, {"nowait": True})


@pytest.mark.databases("postgresql")
def test_of_locks_one_table_of_several(one, two):
    one.execute(select(Account, Person).join(Person).with_for_update(of=Account)).all()
    assert two.get(Person, 1, with_for_update={"nowait": True}) is not None
    with pytest.raises(DBAPIError):
        two.get(Account, 1, with_for_update={"nowait": True})


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("way", ["get", "refresh"])
def test_of_with_a_reference_that_is_joined(one, two, way):
    WAYS[way](one, {"of": Account})
    with pytest.raises(DBAPIError):
        WAYS[way](two, {"of": [Account], "nowait": True})


@pytest.mark.databases("postgresql")
def test_a_lock_that_leaves_the_key_alone_lets_others_refer_to_it(one, two):
    one.get(Person, 1, with_for_update={"key_share": True})
    two.add(Account(id=3, name="c", owner_id=1))
    two.commit()
    one.rollback()
    one.get(Person, 1, with_for_update=True)
    two.execute(text("SET lock_timeout = '1ms'"))
    two.add(Account(id=4, name="d", owner_id=1))
    with pytest.raises(DBAPIError):
        two.flush()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lock", [{}, {"nowait": True}, {"skip_locked": True}, {"read": True}, {"of": Account}])
def test_a_database_that_locks_as_a_whole_is_asked_without(one, way, lock):
    WAYS[way](one, lock)
    assert one.get(Account, 1).name == "a"


# What else is loaded with the row


@pytest.mark.parametrize("heard", [False, True], ids=["", "with a listener"])
def test_get_with_a_lock_loads_what_is_joined_after_it(one, heard):
    if heard:
        event.listen(one, "do_orm_execute", lambda state: None)
    account = one.get(Account, 1, with_for_update=True)
    assert vars(account)["owner"].id == 1
    one.execute(text("UPDATE account SET name = 'z', owner_id = NULL"))
    assert one.get(Account, 1, with_for_update={"nowait": True}) is account
    assert (account.name, vars(account)["owner"]) == ("z", None)
    assert one.get(Account, 7, with_for_update=True) is None


def test_get_with_a_lock_and_an_option(one):
    person = one.get(Person, 1, options=[selectinload(Person.accounts)], with_for_update=True)
    assert [account.id for account in vars(person)["accounts"]] == [1, 2]
