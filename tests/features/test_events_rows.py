"""What mappers and objects tell: rows written, objects made, loaded, refreshed, expired; who can be listened to."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, ForeignKey, Integer, MetaData, String, Table, event, func, text

from ropewalk import (
    EXT_SKIP,
    DeclarativeBase,
    Mapped,
    Mapper,
    Query,
    Session,
    configure_mappers,
    inspect,
    joinedload,
    mapped_column,
    object_session,
    registry,
    relationship,
    select,
)
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class Money(int):
    pass


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    size: Mapped[int | None] = mapped_column(default=5, onupdate=10)
    made: Mapped[str | None] = mapped_column(String(30), server_default="database")
    kids: Mapped[list[Kid]] = relationship(back_populates="user", cascade="all, delete-orphan")


class Kid(Base):
    __tablename__ = "kid"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User] = relationship(back_populates="kids")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    Base.metadata.drop_all(engine)


@pytest.fixture
def listen() -> Iterator[Any]:
    heard: list[Any] = []

    def listen(target: Any, name: str, fn: Any, **kw: Any) -> None:
        event.listen(target, name, fn, **kw)
        heard.append((target, name, fn))

    yield listen
    for registration in heard:
        event.remove(*registration)


ROWS = [f"{when}_{what}" for what in ("insert", "update", "delete") for when in ("before", "after")]
OBJECTS = ["init", "init_failure", "load", "refresh", "refresh_flush", "expire"]


def follow(listen: Any, target: Any, told: list[str], names: list[str] = ROWS + OBJECTS, **kw: Any) -> None:
    for name in names:
        listen(target, name, lambda *arguments, name=name: told.append(name), **kw)


def take(told: list[str]) -> list[str]:
    taken, told[:] = list(told), []
    return taken


@pytest.mark.parametrize("target", [User, User.__mapper__, Mapper, Base], ids=["class", "mapper", "all", "base"])
def test_the_life_of_an_object(session: Session, listen: Any, target: Any) -> None:
    told: list[str] = []
    follow(listen, target, told, propagate=target is Base)
    user = User(name="ed")
    assert take(told) == ["init"]
    session.add(user)
    session.flush()
    assert take(told) == ["before_insert", "refresh_flush", "after_insert"]
    session.expire(user)
    assert take(told) == ["expire"]
    assert user.name == "ed"
    assert take(told) == ["refresh"]
    session.commit()
    session.expunge_all()
    take(told)
    user = session.get_one(User, 1)
    assert take(told) == ["load"]
    user.name = "changed"
    session.flush()
    assert take(told) == ["before_update", "refresh_flush", "after_update"]
    session.delete(user)
    session.flush()
    assert [name for name in take(told) if name in ROWS] == ["before_delete", "after_delete"]


def test_nothing_is_told_of_other_classes(session: Session, listen: Any) -> None:
    told: list[str] = []
    follow(listen, Kid, told)
    follow(listen, Base, told)  # without propagate, for Base itself alone
    session.add(User(name="ed"))
    session.commit()
    session.scalars(select(User)).all()
    assert told == []


def test_what_is_set_before_the_row_is_written_goes_into_it(session: Session, listen: Any) -> None:
    def before_insert(mapper: Any, connection: Connection, target: User) -> None:
        target.name = f"{target.name} inserted"

    def before_update(mapper: Any, connection: Connection, target: User) -> None:
        target.size = 77

    listen(User, "before_insert", before_insert)
    listen(User, "before_update", before_update)
    user = User(name="ed")
    session.add(user)
    session.flush()
    assert session.connection().scalar(text(f"select name from {quoted(session, 'user')}")) == "ed inserted"
    user.name = "changed"
    session.flush()
    assert session.connection().execute(text(f"select name, size from {quoted(session, 'user')}")).one() == (
        "changed",
        77,
    )
    assert not session.dirty


def quoted(session: Session, name: str) -> str:
    return session.connection().dialect.identifier_preparer.quote(name)


def test_before_insert_gives_an_object_its_key_and_children_get_it(session: Session, listen: Any) -> None:
    def give_key(mapper: Any, connection: Connection, target: User) -> None:
        target.id = 100 + len(target.name)

    listen(User, "before_insert", give_key)
    session.add_all([User(name="a", kids=[Kid(), Kid()]), User(name="bb", kids=[Kid()])])
    session.commit()
    assert sorted(session.scalars(select(Kid.user_id))) == [101, 101, 102]


def test_what_is_known_after_the_row_is_written(session: Session, listen: Any) -> None:
    seen: list[Any] = []

    def after_insert(mapper: Any, connection: Connection, target: User) -> None:
        count = connection.scalar(select(func.count()).select_from(User.__table__))
        seen.append((target.id, target.size, count, inspect(target).pending, mapper is User.__mapper__))

    listen(User, "after_insert", after_insert)
    session.add(User(name="ed"))
    session.flush()
    assert seen == [(1, 5, 1, True, True)]


def test_parents_come_before_children(session: Session, listen: Any) -> None:
    told: list[str] = []
    listen(Mapper, "before_insert", lambda mapper, connection, target: told.append(f"+{type(target).__name__}"))
    listen(Mapper, "before_delete", lambda mapper, connection, target: told.append(f"-{type(target).__name__}"))
    user = User(name="ed", kids=[Kid()])
    session.add(user)
    session.flush()
    session.delete(user)
    session.flush()
    assert told == ["+User", "+Kid", "-Kid", "-User"]


def test_an_update_is_told_even_where_no_column_changed(session: Session, listen: Any) -> None:
    told: list[str] = []
    user = User(name="ed")
    session.add(user)
    session.flush()
    follow(listen, User, told, ROWS)
    user.kids.append(Kid())
    session.flush()
    assert told == ["before_update", "after_update"]


def test_load_comes_with_values_and_refresh_with_names(session: Session, listen: Any) -> None:
    seen: list[Any] = []
    session.add(User(name="ed", kids=[Kid()]))
    session.commit()
    session.expunge_all()
    listen(User, "load", lambda target, context: seen.append((target.name, context.session is session)))
    listen(Kid, "load", lambda target, context: seen.append(target.user_id))
    listen(User, "refresh", lambda target, context, attrs: seen.append(attrs and set(attrs)))
    user = session.scalars(select(User).options(joinedload(User.kids))).unique().one()
    assert seen == [("ed", True), 1]
    seen.clear()
    session.expire(user, ["name"])
    session.scalars(select(User)).all()
    assert seen == [{"name"}]
    seen.clear()
    session.scalars(select(User), execution_options={"populate_existing": True}).all()
    assert seen == [None]
    seen.clear()
    session.scalars(select(User)).all()
    assert seen == []


def test_listeners_come_and_go_while_plans_are_kept(session: Session) -> None:
    told: list[str] = []
    session.add(User(name="ed"))
    session.commit()

    def load(target: User, context: Any) -> None:
        told.append("load")

    def again() -> list[str]:
        session.expunge_all()
        session.scalars(select(User)).all()
        session.expunge_all()
        session.get(User, 1)
        session.expunge_all()
        session.query(User).filter_by(id=1).all()
        return take(told)

    assert again() == []
    event.listen(User, "load", load)
    assert again() == ["load"] * 3
    event.remove(User, "load", load)
    assert again() == []


def test_loaded_as_persistent_is_of_its_session_alone(session: Session) -> None:
    told: list[Any] = []
    session.add(User(name="ed"))
    session.commit()
    session.expunge_all()
    event.listen(session, "loaded_as_persistent", lambda session, target: told.append(target))
    user = session.get_one(User, 1)
    assert told == [user]
    with Session(session.get_bind()) as other:
        other.get_one(User, 1)
    assert told == [user]


def test_merge_tells_of_the_copies_that_it_makes(session: Session, listen: Any) -> None:
    told: list[Any] = []
    listen(User, "load", lambda target, context: told.append(target))
    copy = session.merge(User(name="ed"))
    assert told == [copy]


def test_init_may_change_the_arguments(listen: Any) -> None:
    def init(target: User, args: Any, kwargs: dict[str, Any]) -> None:
        kwargs.setdefault("name", "nobody")

    listen(User, "init", init)
    assert User().name == "nobody"
    assert User(name="ed").name == "ed"


def test_init_failure(listen: Any) -> None:
    told: list[Any] = []
    listen(User, "init_failure", lambda target, args, kwargs: told.append(kwargs))
    User(name="ed")
    with pytest.raises(TypeError, match="invalid keyword"):
        User(nam="ed")  # type: ignore[call-arg]
    assert told == [{"nam": "ed"}]


def test_first_init_is_told_once(listen: Any) -> None:
    class First(Base):
        __tablename__ = "first"
        id: Mapped[int] = mapped_column(primary_key=True)

    told: list[Any] = []
    event.listen(First, "first_init", lambda manager, class_: told.append(class_))
    First()
    First()
    assert told == [First]
    Base.metadata.remove(First.__table__)  # type: ignore[arg-type]


def test_pickling_may_take_more_along(listen: Any) -> None:
    seen: list[Any] = []
    listen(User, "pickle", lambda target, state_dict: state_dict.update(more=target.name))
    listen(User, "unpickle", lambda target, state_dict: seen.append(state_dict["more"]))
    user = pickle.loads(pickle.dumps(User(name="ed")))
    assert (user.name, seen) == ("ed", ["ed"])


def test_raw_listeners_get_states(session: Session, listen: Any) -> None:
    seen: list[Any] = []
    listen(User, "before_insert", lambda mapper, connection, state: seen.append(state), raw=True)
    listen(User, "init", lambda state, args, kwargs: seen.append(state), raw=True)
    user = User(name="ed")
    session.add(user)
    session.flush()
    assert seen == [inspect(user)] * 2


# -- before there is a mapping -------------------------------------------------------------------


def test_listeners_wait_for_the_mapping() -> None:
    told: list[str] = []

    class Mixin:
        pass

    class Plain:
        pass

    def init(target: Any, args: Any, kwargs: Any) -> None:
        told.append(f"init {type(target).__name__}")

    def instrument(mapper: Any, class_: type) -> None:
        told.append(f"mapped {class_.__name__}")

    event.listen(Mixin, "init", init, propagate=True)
    event.listen(Mixin, "instrument_class", instrument, propagate=True)
    event.listen(Plain, "init", init)  # not for classes that derive from it

    class Own(DeclarativeBase):
        pass

    class Thing(Mixin, Own):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Other(Plain, Own):
        __tablename__ = "other"
        id: Mapped[int] = mapped_column(primary_key=True)

    Thing()
    Other()
    assert told == ["mapped Thing", "init Thing"]
    registry().map_imperatively(Plain, Table("plain", MetaData(), Column("id", Integer, primary_key=True)))
    Plain()
    assert take(told) == ["mapped Thing", "init Thing", "init Plain"]
    event.remove(Mixin, "init", init)
    assert not event.contains(Mixin, "init", init)
    Thing()
    assert told == []


def test_listeners_propagate_to_subclasses_mapped_before_and_after() -> None:
    told: list[str] = []

    class Own(DeclarativeBase):
        pass

    class Animal(Own):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Dog(Animal):
        pass

    event.listen(Animal, "init", lambda target, args, kwargs: told.append(type(target).__name__), propagate=True)
    event.listen(Animal, "init", lambda target, args, kwargs: told.append("own"))

    class Cat(Animal):
        pass

    Animal(), Dog(), Cat()
    assert told == ["Animal", "own", "Dog", "Cat"]


def test_listeners_are_gone_with_their_class_and_mapping() -> None:
    class Thing:
        pass

    told: list[str] = []
    own = registry()
    things = Table("things", MetaData(), Column("id", Integer, primary_key=True))
    own.map_imperatively(Thing, things)
    event.listen(Thing, "init", lambda target, args, kwargs: told.append("init"))
    Thing()
    own.dispose()
    Thing()
    own.map_imperatively(Thing, things)
    Thing()
    assert told == ["init"]
    own.dispose()
    reference = weakref.ref(Thing)
    del Thing
    gc.collect()
    assert reference() is None


def test_configuring_is_told(listen: Any) -> None:
    told: list[str] = []
    listen(Mapper, "before_configured", lambda: told.append("before"))
    listen(Mapper, "after_configured", lambda: told.append("after"))
    listen(Mapper, "before_mapper_configured", lambda mapper, class_: told.append(f"before {class_.__name__}"))
    listen(Mapper, "mapper_configured", lambda mapper, class_: told.append(f"done {class_.__name__}"))
    listen(Mapper, "after_mapper_constructed", lambda mapper, class_: told.append(f"made {class_.__name__}"))
    own = registry()
    event.listen(own, "before_configured", lambda registry: told.append("before own"))
    event.listen(own, "after_configured", lambda registry: told.append("after own"))

    class Thing:
        pass

    configure_mappers()
    told.clear()
    own.map_imperatively(Thing, Table("things", MetaData(), Column("id", Integer, primary_key=True)))
    assert take(told) == ["made Thing"]
    Thing()
    assert take(told) == ["before", "before own", "before Thing", "done Thing", "after own", "after"]
    configure_mappers()
    assert told == []


def test_a_mapper_can_be_left_out_of_configuring() -> None:
    own = registry()

    class Thing:
        pass

    def skip(mapper: Any, class_: type) -> Any:
        return EXT_SKIP

    event.listen(Thing, "before_mapper_configured", skip, retval=True)
    things = Table("things", MetaData(), Column("id", Integer, primary_key=True))
    own.map_imperatively(Thing, things, properties={"others": relationship(lambda: Nowhere)})  # type: ignore  # noqa
    own.configure()
    event.remove(Thing, "before_mapper_configured", skip)
    with pytest.raises(NameError):
        own.configure()
    own.dispose()


def test_types_of_annotations() -> None:
    class Own(DeclarativeBase):
        pass

    @event.listens_for(Own, "resolve_type_annotation")
    def money(resolve: Any) -> Any:
        assert resolve.cls.__name__ == "Account"
        return String(9) if resolve.resolved_type is Money else None

    class Account(Own):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        balance: Mapped[Money | None]

    column: Any = Account.__table__.c.balance
    assert (column.type.length, column.nullable) == (9, True)


def test_class_instrument() -> None:
    told: list[Any] = []

    class Thing:
        pass

    def instrument(class_: type) -> None:
        told.append(class_)

    event.listen(Thing, "class_instrument", instrument)
    event.listen(Thing, "class_uninstrument", instrument)
    own = registry()
    own.map_imperatively(Thing, Table("things", MetaData(), Column("id", Integer, primary_key=True)))
    own.dispose()
    assert told == [Thing, Thing]


def test_unknown_targets() -> None:
    import sqlalchemy.orm  # whose events are asked too, and take classes and attributes of any make

    assert sqlalchemy.orm
    wrong: list[tuple[Any, str]] = [
        (User, "before_configured"),
        (User, "set"),
        (User, "before_flush"),
        (User.name, "before_insert"),
        (User.kids, "load"),
        (User.__mapper__, "after_commit"),
        (Session, "append"),
        (Session(), "before_update"),
        (Query, "set"),
        (Base.registry, "before_insert"),
    ]
    for target, name in wrong:
        with pytest.raises(InvalidRequestError, match=f"No such event '{name}' for .*: it is told of "):
            event.listen(target, name, print)
    with pytest.raises(InvalidRequestError, match="No such event 'before_lunch'"):
        event.listen(User, "before_lunch", print)
    with pytest.raises(InvalidRequestError, match="No such event 'init'"):
        event.listen("User", "init", print)


def test_deleting_and_changing_others_while_the_flush_writes_is_for_the_next_flush(
    session: Session, listen: Any
) -> None:
    doomed, other = User(name="doomed"), User(name="other")
    session.add_all([doomed, other])
    session.commit()

    def more(mapper: Any, connection: Connection, target: User) -> None:
        if doomed not in session.deleted:
            session.delete(doomed)
            other.name = "changed"

    assert (doomed.name, other.name) == ("doomed", "other")
    listen(User, "before_insert", more)
    session.add(User(name="ed"))
    session.flush()
    assert (set(session.deleted), set(session.dirty)) == ({doomed}, {other})
    session.commit()
    assert sorted(session.scalars(select(User.name))) == ["changed", "ed"]


def test_adding_to_the_session_while_the_flush_writes_is_for_the_next_flush(session: Session, listen: Any) -> None:
    def more(mapper: Any, connection: Connection, target: User) -> None:
        if target.name == "ed":
            found: Any = object_session(target)
            found.add(User(name="late"))

    listen(User, "before_insert", more)
    session.add(User(name="ed"))
    session.flush()
    assert [user.name for user in session.new] == ["late"]
    session.commit()
    assert session.scalar(select(func.count()).select_from(User)) == 2
