"""All kinds of events in one sequence: of sessions, mappers, objects and the database's own transaction.

Each sequence was recorded with SQLAlchemy 2.1 and written down; where ours differs, a comment says how.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, String, event
from sqlalchemy.exc import IntegrityError

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, relationship, select, selectinload


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)
    size: Mapped[int | None] = mapped_column(default=7)
    kids: Mapped[list[Kid]] = relationship(back_populates="user", cascade="all, delete-orphan", order_by="Kid.id")


class Kid(Base):
    __tablename__ = "kid"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    user: Mapped[User] = relationship(back_populates="kids")


OF_SESSIONS = """before_flush after_flush after_flush_postexec before_commit after_commit after_rollback
    after_soft_rollback after_begin after_transaction_create after_transaction_end before_attach after_attach
    transient_to_pending pending_to_transient persistent_to_transient pending_to_persistent detached_to_persistent
    loaded_as_persistent persistent_to_deleted deleted_to_persistent deleted_to_detached persistent_to_detached
    do_orm_execute""".split()
OF_ROWS = "before_insert after_insert before_update after_update before_delete after_delete".split()
OF_OBJECTS = "init load refresh refresh_flush expire".split()
OF_ENGINES = "begin commit rollback savepoint rollback_savepoint release_savepoint".split()


@pytest.fixture
def told(engine: Engine) -> Iterator[list[str]]:
    """Everything that is told, with the names of the objects that it is told of."""
    Base.metadata.create_all(engine)
    told: list[str] = []
    heard: list[Any] = []

    def listen(target: Any, name: str, label: str) -> None:
        def note(*arguments: Any) -> None:
            names = [argument.__dict__.get("name", "-") for argument in arguments if isinstance(argument, Base)]
            told.append(" ".join([label, *names]))

        event.listen(target, name, note)
        heard.append((target, name, note))

    for name in OF_SESSIONS:
        listen(Session, name, name)
    for class_ in (User, Kid):
        for name in (*OF_ROWS, *OF_OBJECTS):
            listen(class_, name, name)
    for name in OF_ENGINES:
        listen(engine, name, name.upper())
    yield told
    for registration in heard:
        event.remove(*registration)


def take(told: list[str]) -> list[str]:
    taken, told[:] = list(told), []
    return taken


def test_a_family_is_saved(engine: Engine, told: list[str]) -> None:
    with Session(engine) as session:
        user = User(name="ed")
        user.kids.append(Kid(name="kid"))
        session.add(user)
        assert take(told) == [
            "init -",
            "init -",
            "after_transaction_create",
            *("before_attach ed", "after_attach ed", "transient_to_pending ed"),
            *("before_attach kid", "after_attach kid", "transient_to_pending kid"),
        ]
        kid = user.kids[0]
        session.commit()
        assert take(told) == [
            "before_commit",
            "before_flush",
            "after_transaction_create",
            "BEGIN",
            "after_begin",
            *("before_insert ed", "refresh_flush ed", "after_insert ed"),
            *("before_insert kid", "after_insert kid"),
            "after_flush",
            "pending_to_persistent ed",
            "pending_to_persistent kid",
            "after_flush_postexec",
            "after_transaction_end",
            "COMMIT",
            "after_commit",
            *("expire -", "expire -"),
            "after_transaction_end",
        ]
        assert kid.user_id is not None


@pytest.fixture
def family(engine: Engine, told: list[str]) -> list[str]:
    with Session(engine) as session:
        session.add(User(id=1, name="ed", kids=[Kid(id=1, name="a"), Kid(id=2, name="b")]))
        session.add(User(id=2, name="jo"))
        session.commit()
    take(told)
    return told


def test_it_is_read_and_changed(engine: Engine, family: list[str]) -> None:
    with Session(engine) as session:
        statement = select(User).options(selectinload(User.kids)).where(User.id == 1)
        user = session.scalars(statement).one()
        assert take(family) == [
            "do_orm_execute",
            "after_transaction_create",
            "BEGIN",
            "after_begin",
            *("load ed", "loaded_as_persistent ed"),
            "do_orm_execute",
            *("load a", "loaded_as_persistent a", "load b", "loaded_as_persistent b"),
        ]
        user.name = "eddy"
        kept, gone = user.kids[0], user.kids.pop()
        kept.name = "aa"
        session.flush()
        assert take(family) == [
            "before_flush",
            "after_transaction_create",
            *("before_update eddy", "after_update eddy"),
            *("before_update aa", "after_update aa"),
            *("before_delete b", "after_delete b"),
            "after_flush",
            "persistent_to_deleted b",
            "after_flush_postexec",
            "after_transaction_end",
        ]
        session.rollback()
        assert gone in session
        assert take(family) == [
            "ROLLBACK",
            "after_rollback",
            "deleted_to_persistent b",
            *("expire -", "expire -", "expire -"),
            "after_transaction_end",
            "after_soft_rollback",
        ]


def test_it_is_deleted(engine: Engine, family: list[str]) -> None:
    with Session(engine) as session:
        user = session.get_one(User, 1)
        kids = list(user.kids)
        take(family)
        session.delete(user)
        session.commit()
        assert take(family) == [
            "before_commit",
            "before_flush",
            "after_transaction_create",
            *("before_delete a", "before_delete b", "after_delete a", "after_delete b"),
            *("before_delete ed", "after_delete ed"),
            "after_flush",
            # in any order there
            *("persistent_to_deleted ed", "persistent_to_deleted a", "persistent_to_deleted b"),
            "after_flush_postexec",
            "after_transaction_end",
            "COMMIT",
            "after_commit",
            *("deleted_to_detached ed", "deleted_to_detached a", "deleted_to_detached b"),
            "after_transaction_end",
        ]
        assert kids


def test_a_savepoint_fails_and_the_rest_is_committed(engine: Engine, family: list[str]) -> None:
    with Session(engine) as session:
        session.add(User(id=3, name="al"))
        with pytest.raises(IntegrityError), session.begin_nested():
            take(family)
            session.add(User(id=4, name="ed"))
        assert take(family) == [
            "init -",
            *("before_attach ed", "after_attach ed", "transient_to_pending ed"),
            "before_commit",
            "before_flush",
            "after_transaction_create",
            "SAVEPOINT",
            "after_begin",
            "before_insert ed",
            "ROLLBACK_SAVEPOINT",
            "after_rollback",
            "pending_to_transient ed",
            *("after_transaction_end", "after_soft_rollback"),
            *("after_transaction_end", "after_soft_rollback"),
        ]
        session.commit()
        assert take(family)[:3] == ["before_commit", "COMMIT", "after_commit"]
