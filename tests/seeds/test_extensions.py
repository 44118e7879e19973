"""0.4's extensions, as programs of that time define and give them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

from ropewalk import (
    EXT_CONTINUE,
    EXT_STOP,
    AttributeExtension,
    MapperExtension,
    SessionExtension,
    column_property,
    create_session,
    mapper,
    registry,
    relation,
    sessionmaker,
)
from ropewalk.exc import ArgumentError

metadata = MetaData()
users = Table("users", metadata, Column("id", Integer, primary_key=True), Column("name", String(40)))
addresses = Table(
    "addresses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id")),
    Column("email", String(40)),
)


class User:
    def __init__(self, name: str = "", id: int | None = None) -> None:
        self.name = name
        if id is not None:
            self.id = id


class Address:
    def __init__(self, email: str = "") -> None:
        self.email = email


class Log:
    """Writes down which of its methods were called."""

    def __init__(self, told: list[str], label: str = "", answer: Any = EXT_CONTINUE) -> None:
        self.told, self.label, self.answer = told, label, answer

    def note(self, name: str) -> Any:
        self.told.append(f"{self.label}{name}")
        return self.answer


class LogSession(Log, SessionExtension):
    def before_commit(self, session: Any) -> Any:
        return self.note("before_commit")

    def after_commit(self, session: Any) -> Any:
        return self.note("after_commit")

    def after_rollback(self, session: Any) -> Any:
        return self.note("after_rollback")

    def before_flush(self, session: Any, flush_context: Any, instances: Any) -> Any:
        return self.note(f"before_flush {instances}")

    def after_flush(self, session: Any, flush_context: Any) -> Any:
        return self.note(f"after_flush {len(session.new)} new")

    def after_flush_postexec(self, session: Any, flush_context: Any) -> Any:
        return self.note(f"after_flush_postexec {len(session.new)} new")

    def after_begin(self, session: Any, transaction: Any, connection: Any) -> Any:
        return self.note("after_begin")

    def after_attach(self, session: Any, instance: Any) -> Any:
        return self.note(f"after_attach {type(instance).__name__}")


class LogMapper(Log, MapperExtension):
    def instrument_class(self, mapper: Any, class_: type) -> Any:
        return self.note(f"instrument_class {class_.__name__}")

    def init_instance(
        self, mapper: Any, class_: type, oldinit: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        return self.note(f"init_instance {args}")

    def reconstruct_instance(self, mapper: Any, instance: Any) -> Any:
        return self.note(f"reconstruct_instance {instance.name}")

    def before_insert(self, mapper: Any, connection: Any, instance: Any) -> Any:
        instance.name = instance.name.lower()
        return self.note("before_insert")

    def after_insert(self, mapper: Any, connection: Any, instance: Any) -> Any:
        return self.note(f"after_insert {instance.id}")

    def before_update(self, mapper: Any, connection: Any, instance: Any) -> Any:
        return self.note("before_update")

    def before_delete(self, mapper: Any, connection: Any, instance: Any) -> Any:
        return self.note("before_delete")


@pytest.fixture
def engine() -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return engine


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> Any:
    own = registry()
    yield own
    own.dispose()


def take(told: list[str]) -> list[str]:
    taken, told[:] = list(told), []
    return taken


def test_a_session_extension(engine: Engine, own: Any) -> None:
    told: list[str] = []
    own.map_imperatively(User, users)
    session = sessionmaker(engine, extension=LogSession(told))()
    session.save(User("Ed"))
    session.commit()
    assert take(told) == [
        "after_attach User",
        "before_commit",
        "before_flush None",
        "after_begin",
        "after_flush 1 new",
        "after_flush_postexec 0 new",
        "after_commit",
    ]
    session.save(User(id=1))
    with pytest.raises(IntegrityError):
        session.flush()
    assert take(told)[-1] == "after_rollback"
    session.close()


def test_a_session_without_a_transaction(engine: Engine, own: Any) -> None:
    told: list[str] = []
    own.map_imperatively(User, users)
    session = create_session(engine, extension=LogSession(told))
    session.save(User("Ed"))
    session.flush()
    assert [name for name in told if "flush" in name] == [
        "before_flush None",
        "after_flush 1 new",
        "after_flush_postexec 0 new",
    ]


def test_several_extensions_in_order_until_one_stops(engine: Engine, own: Any) -> None:
    told: list[str] = []
    own.map_imperatively(User, users)
    extensions = [LogSession(told, "1 "), LogSession(told, "2 ", EXT_STOP), LogSession(told, "3 ")]
    session = sessionmaker(engine, extension=extensions)()
    session.commit()
    assert told == ["1 before_commit", "2 before_commit", "1 after_commit", "2 after_commit"]


def test_a_mapper_extension(engine: Engine) -> None:
    told: list[str] = []
    mapped = mapper(User, users, extension=LogMapper(told))
    try:
        assert take(told) == ["instrument_class User"]
        session = create_session(engine)
        user = User("ED")
        assert take(told) == ["init_instance ('ED',)"]
        session.save(user)
        session.flush()
        session.clear()
        user = session.query(User).one()
        assert user.name == "ed"
        user.name = "x"
        session.flush()
        session.delete(user)
        session.flush()
        assert told == [
            "before_insert",
            "after_insert 1",
            "reconstruct_instance ed",
            "before_update",
            "before_delete",
        ]
    finally:
        mapped.registry.dispose()


def test_mapper_extensions_stop_one_another(engine: Engine, own: Any) -> None:
    told: list[str] = []
    own.map_imperatively(User, users, extension=[LogMapper(told, "1 ", EXT_STOP), LogMapper(told, "2 ")])
    User("x")
    assert told == ["1 instrument_class User", "1 init_instance ('x',)"]


def test_attribute_extensions(engine: Engine, own: Any) -> None:
    told: list[Any] = []

    class Of(AttributeExtension):
        def append(self, obj: Any, value: Any, initiator: Any) -> Any:
            told.append(("append", obj, value))
            return value

        def remove(self, obj: Any, value: Any, initiator: Any) -> None:
            told.append(("remove", obj, value))

        def set(self, obj: Any, value: Any, oldvalue: Any, initiator: Any) -> Any:
            return value.strip()

    own.map_imperatively(Address, addresses, properties={"email": column_property(addresses.c.email, extension=Of())})
    own.map_imperatively(User, users, properties={"addresses": relation(Address, attributeext=Of)})
    user, address = User("ed"), Address(" x@y ")
    assert address.email == "x@y"
    user.addresses.append(address)
    user.addresses.remove(address)
    assert told == [("append", user, address), ("remove", user, address)]


def test_what_is_no_extension(own: Any) -> None:
    with pytest.raises(ArgumentError, match="SessionExtension"):
        create_session(extension=LogMapper([]))
    with pytest.raises(ArgumentError, match="MapperExtension"):
        own.map_imperatively(User, users, extension="log")

    class Rows(MapperExtension):
        def populate_instance(self, *arguments: Any) -> Any: ...

    with pytest.raises(ArgumentError, match=r"populate_instance\(\) is not called"):
        own.map_imperatively(User, users, extension=Rows())
