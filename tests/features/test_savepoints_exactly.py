"""A savepoint's rollback leaves nothing behind of what came after it, also where nobody wrote to the object."""

import gc

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, func

from ropewalk import DeclarativeBase, Mapped, Session, column_property, inspect, mapped_column, relationship, select


class Base(DeclarativeBase):
    pass


worn = Table(
    "worn",
    Base.metadata,
    Column("coat_id", ForeignKey("coat.id"), primary_key=True),
    Column("badge_id", ForeignKey("badge.id"), primary_key=True),
)


class Coat(Base):
    __tablename__ = "coat"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(20))
    hook_id: Mapped[int | None] = mapped_column(ForeignKey("hook.id", onupdate="CASCADE"))
    hook: Mapped["Hook | None"] = relationship(back_populates="coats")
    badges: Mapped[list["Badge"]] = relationship(secondary=worn, back_populates="coats")


class Hook(Base):
    __tablename__ = "hook"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coats: Mapped[list["Coat"]] = relationship(back_populates="hook", order_by="Coat.id")
    taken: Mapped[int] = column_property(select(func.count(Coat.id)).where(Coat.hook_id == id).scalar_subquery())


class Badge(Base):
    __tablename__ = "badge"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coats: Mapped[list["Coat"]] = relationship(secondary=worn, back_populates="badges", order_by="Coat.id")


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Hook(id=1), Hook(id=2), Badge(id=1)])
        session.add_all([Coat(id=1, name="red", hook_id=1), Coat(id=2, name="blue")])
        session.commit()
        yield session


# What was loaded inside, of objects that nobody touched


def test_a_collection_loaded_inside_has_a_deleted_member_again(session):
    hook, coat = session.get(Hook, 1), session.get(Coat, 1)
    savepoint = session.begin_nested()
    session.delete(coat)
    session.flush()
    assert hook.coats == []
    savepoint.rollback()
    assert hook.coats == [coat]


def test_a_collection_loaded_inside_has_a_new_member_no_more(session):
    hook = session.get(Hook, 2)
    savepoint = session.begin_nested()
    session.add(Coat(id=3, hook_id=2))
    assert [coat.id for coat in hook.coats] == [3]
    savepoint.rollback()
    assert hook.coats == []


def test_a_collection_loaded_inside_has_a_member_again_that_another_key_took_away(session):
    one, two, coat = session.get(Hook, 1), session.get(Hook, 2), session.get(Coat, 1)
    savepoint = session.begin_nested()
    coat.hook_id = 2
    assert (one.coats, two.coats) == ([], [coat])
    savepoint.rollback()
    assert (one.coats, two.coats) == ([coat], [])


def test_a_many_to_many_collection_loaded_inside(session):
    badge, coat = session.get(Badge, 1), session.get(Coat, 1)
    savepoint = session.begin_nested()
    coat.badges.append(badge)
    session.flush()
    session.expire(badge)
    assert badge.coats == [coat]
    savepoint.rollback()
    assert badge.coats == []
    assert coat.badges == []


def test_a_count_in_a_subquery_loaded_inside(session):
    hook = session.get(Hook, 1)
    assert hook.taken == 1
    savepoint = session.begin_nested()
    session.add(Coat(id=3, hook_id=1))
    session.flush()
    session.refresh(hook)
    assert hook.taken == 2
    savepoint.rollback()
    assert hook.taken == 1


def test_a_foreign_key_that_the_database_followed_up(session):
    hook, coat = session.get(Hook, 1), session.get(Coat, 1)
    savepoint = session.begin_nested()
    hook.id = 9
    session.flush()
    session.refresh(coat)
    assert coat.hook_id == 9
    savepoint.rollback()
    assert (hook.id, coat.hook_id, coat.hook) == (1, 1, hook)


def test_what_has_nothing_to_do_with_it_stays_loaded(session):
    hook, badge, coat = session.get(Hook, 1), session.get(Badge, 1), session.get(Coat, 1)
    hook.coats, badge.coats  # noqa: B018
    savepoint = session.begin_nested()
    badge.id = 5
    session.flush()
    savepoint.rollback()
    assert "coats" in vars(hook)
    assert "name" in vars(coat)


# Objects that were let go of, and loaded again


def test_a_new_row_loaded_again_is_transient_too(session):
    savepoint = session.begin_nested()
    session.add(Coat(id=3, name="green"))
    session.flush()
    gc.collect()
    again = session.get(Coat, 3)
    savepoint.rollback()
    assert inspect(again).transient
    assert session.get(Coat, 3) is None


def test_a_changed_row_loaded_again_has_its_value_back(session):
    savepoint = session.begin_nested()
    session.get(Coat, 1).name = "black"
    session.flush()
    gc.collect()
    again = session.get(Coat, 1)
    assert again.name == "black"
    savepoint.rollback()
    assert again.name == "red"


def test_a_row_with_another_key_loaded_again_has_its_key_back(session):
    savepoint = session.begin_nested()
    session.get(Coat, 2).id = 7
    session.flush()
    gc.collect()
    again = session.get(Coat, 7)
    savepoint.rollback()
    assert again.id == 2
    assert session.get(Coat, 2) is again
    assert session.get(Coat, 7) is None


# Several things done to one object


def test_given_another_key_and_deleted(session):
    coat = session.get(Coat, 2)
    savepoint = session.begin_nested()
    coat.id = 7
    session.flush()
    session.delete(coat)
    session.flush()
    savepoint.rollback()
    assert inspect(coat).persistent
    assert session.get(Coat, 2) is coat
    assert (coat.id, coat.name) == (2, "blue")


def test_expired_inside(session):
    coat = session.get(Coat, 1)
    coat.name = "before"
    savepoint = session.begin_nested()
    coat.name = "inside"
    session.flush()
    session.expire(coat)
    savepoint.rollback()
    assert coat.name == "before"


def test_made_in_an_inner_savepoint_that_was_released(session):
    outer = session.begin_nested()
    hook = session.get(Hook, 2)
    with session.begin_nested():
        session.add(coat := Coat(id=3, hook=hook))
    assert hook.coats == [coat]
    outer.rollback()
    assert inspect(coat).transient
    assert hook.coats == []


def test_a_new_object_keeps_its_values_when_all_is_rolled_back(session):
    coat = Coat(id=3, name="green")
    session.add(coat)
    session.begin_nested()
    coat.name = "grey"
    session.flush()
    session.rollback()
    assert inspect(coat).transient
    assert (coat.id, coat.name) == (3, "grey")
    session.add(coat)
    session.commit()
    assert session.get(Coat, 3).name == "grey"


# In the database


def test_a_released_savepoint_is_undone_with_the_transaction(session, engine):
    with session.begin_nested():
        session.add(Coat(id=3))
    session.rollback()
    assert session.get(Coat, 3) is None
    with engine.connect() as connection:
        assert connection.scalar(select(func.count(Coat.id))) == 2


def test_a_session_in_a_savepoint_of_its_own_leaves_nothing_behind(session, engine):
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as joined:
            joined.add(Coat(id=3))
            joined.commit()
        outer.rollback()
    assert session.get(Coat, 3) is None
