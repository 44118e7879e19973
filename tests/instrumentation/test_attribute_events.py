"""What attributes tell of changes. Where nothing else is said, what is expected was seen with SQLAlchemy 2.1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine, event
from sqlalchemy.pool import StaticPool

from ropewalk import (
    NO_VALUE,
    DeclarativeBase,
    Mapped,
    QueryableAttribute,
    Session,
    attribute_keyed_dict,
    inspect,
    mapped_column,
    relationship,
    synonym,
    validates,
)
from ropewalk.attributes import OP_APPEND, OP_REPLACE, flag_modified
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    nick: Mapped[str | None]
    size: Mapped[int | None]
    kids: Mapped[list[Kid]] = relationship(back_populates="user")
    tags: Mapped[set[Tag]] = relationship()
    pals: Mapped[dict[str, Pal]] = relationship(collection_class=attribute_keyed_dict("key"))
    called = synonym("name")

    @validates("nick")
    def check(self, key: str, value: str) -> str:
        return f"valid {value}"


class Kid(Base):
    __tablename__ = "kid"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User | None] = relationship(back_populates="kids")


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Pal(Base):
    __tablename__ = "pal"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


NAMES = ("append", "append_wo_mutation", "bulk_replace", "remove", "set", "init_collection", "dispose_collection")


def shown(thing: Any) -> str:
    if isinstance(thing, Base):
        return f"{type(thing).__name__}({thing.__dict__.get('id')})"
    if isinstance(thing, (list, set)):
        return f"[{' '.join(sorted(map(shown, thing)))}]"
    if thing is NO_VALUE:
        return "NO_VALUE"
    key = getattr(thing, "key", None)
    return f"<{key}>" if key and type(thing).__name__ == "AttributeEventToken" else repr(thing)


@pytest.fixture
def listen() -> Iterator[Any]:
    heard: list[Any] = []

    def listen(target: Any, name: str, fn: Any, **kw: Any) -> None:
        event.listen(target, name, fn, **kw)
        heard.append((target, name, fn))

    yield listen
    for registration in heard:
        if event.contains(*registration):
            event.remove(*registration)


@pytest.fixture
def told(listen: Any) -> list[str]:
    told: list[str] = []

    def note(name: str, key: str) -> Any:
        def listener(*arguments: Any) -> None:
            told.append(" ".join([name, key, *map(shown, arguments)]))

        return listener

    for attribute in (User.name, User.kids, User.tags, User.pals, Kid.user):
        for name in NAMES[:5]:
            listen(attribute, name, note(name, attribute.key))
    return told


def take(told: list[str]) -> list[str]:
    taken, told[:] = list(told), []
    return taken


def test_columns(told: list[str]) -> None:
    user = User(id=1)
    user.name = "a"
    user.name = "a"
    del user.name
    assert told == [
        "set name User(1) 'a' NO_VALUE <name>",
        "set name User(1) 'a' 'a' <name>",
        "remove name User(1) 'a' <name>",
    ]


def test_the_constructor_and_synonyms_set_attributes(told: list[str]) -> None:
    user = User(id=1, name="a")
    user.called = "b"
    assert told == ["set name User(1) 'a' NO_VALUE <name>", "set name User(1) 'b' 'a' <name>"]


def test_lists_and_references(told: list[str]) -> None:
    user, first, second = User(id=1), Kid(id=1), Kid(id=2)
    user.kids.append(first)
    assert take(told) == ["set user Kid(1) User(1) NO_VALUE <kids>", "append kids User(1) Kid(1) <kids>"]
    second.user = user
    assert sorted(take(told)) == ["append kids User(1) Kid(2) <user>", "set user Kid(2) User(1) NO_VALUE <user>"]
    second.user = user
    assert take(told) == ["set user Kid(2) User(1) User(1) <user>"]
    second.user = None
    assert sorted(take(told)) == ["remove kids User(1) Kid(2) <user>", "set user Kid(2) None User(1) <user>"]
    user.kids.remove(first)
    assert take(told) == ["set user Kid(1) None User(1) <kids>", "remove kids User(1) Kid(1) <kids>"]
    assert user.kids == []


def test_a_collection_replaced(told: list[str]) -> None:
    user, first, second, third = User(id=1), Kid(id=1), Kid(id=2), Kid(id=3)
    user.kids = [first, second]
    take(told)
    user.kids = [second, third]
    assert take(told) == [
        "bulk_replace kids User(1) [Kid(2) Kid(3)] <kids>",
        "set user Kid(3) User(1) NO_VALUE <kids>",
        "append kids User(1) Kid(3) <kids>",
        "set user Kid(1) None User(1) <kids>",
        "remove kids User(1) Kid(1) <kids>",
        "append_wo_mutation kids User(1) Kid(2) <kids>",
    ]
    user.kids[0] = first
    assert take(told) == [
        "set user Kid(2) None User(1) <kids>",
        "remove kids User(1) Kid(2) <kids>",
        "set user Kid(1) User(1) None <kids>",
        "append kids User(1) Kid(1) <kids>",
    ]


def test_an_object_that_moves(told: list[str]) -> None:
    first, second, kid = User(id=1), User(id=2), Kid(id=1)
    kid.user = first
    take(told)
    second.kids.append(kid)
    assert sorted(take(told)) == [
        "append kids User(2) Kid(1) <kids>",
        "remove kids User(1) Kid(1) <user>",
        "set user Kid(1) User(2) User(1) <kids>",
    ]


def test_a_reference_deleted(told: list[str]) -> None:
    user, kid = User(id=1), Kid(id=1)
    kid.user = user
    take(told)
    del kid.user
    assert sorted(take(told)) == ["remove kids User(1) Kid(1) <user>", "remove user Kid(1) User(1) <user>"]


def test_sets_and_dictionaries(told: list[str]) -> None:
    user, tag, pal = User(id=1), Tag(id=1), Pal(id=1, key="x")
    user.tags.add(tag)
    user.tags.add(tag)
    user.tags.discard(tag)
    user.tags = {tag}
    assert take(told) == [
        "append tags User(1) Tag(1) <tags>",
        "append_wo_mutation tags User(1) Tag(1) <tags>",
        "remove tags User(1) Tag(1) <tags>",
        "bulk_replace tags User(1) [Tag(1)] <tags>",
        "append tags User(1) Tag(1) <tags>",
    ]
    user.pals["x"] = pal
    user.pals["x"] = Pal(id=2, key="x")
    user.pals.pop("x")
    assert take(told) == [
        "append pals User(1) Pal(1) <pals>",
        "remove pals User(1) Pal(1) <pals>",
        "append pals User(1) Pal(2) <pals>",
        "remove pals User(1) Pal(2) <pals>",
    ]


def test_collections_made_and_given_up(listen: Any) -> None:
    told: list[Any] = []
    listen(User.kids, "init_collection", lambda target, kids, adapter: told.append(("init", kids, adapter)))
    listen(User.kids, "dispose_collection", lambda target, kids, adapter: told.append(("dispose", kids, adapter)))
    user = User()
    first = user.kids
    user.kids = [Kid()]
    (_, made, adapter), (_, second, _), (_, given_up, _) = told
    assert made is first is given_up
    assert second is user.kids
    assert adapter.owner_state is inspect(user)


# -- values that listeners return ----------------------------------------------------------------


def test_a_returned_value_is_set(listen: Any) -> None:
    listen(User.name, "set", lambda target, value, old, initiator: value.strip(), retval=True)
    listen(User.name, "set", lambda target, value, old, initiator: "ignored")
    listen(User.name, "set", lambda target, value, old, initiator: value.title(), retval=True)
    assert User(name=" ed ").name == "Ed"


def test_returned_objects_come_in_place_of_others_on_both_sides(listen: Any) -> None:
    other = Kid(id=7)
    listen(User.kids, "append", lambda target, value, initiator: other, retval=True)
    user, kid = User(id=1), Kid(id=1)
    user.kids.append(kid)
    assert (user.kids, other.user, kid.user) == ([other], user, None)


def test_a_returned_reference(listen: Any) -> None:
    other = User(id=7)
    listen(Kid.user, "set", lambda target, value, old, initiator: other, retval=True)
    user, kid = User(id=1), Kid(id=1)
    kid.user = user
    assert (kid.user, other.kids, user.kids) == (other, [kid], [])


def test_what_bulk_replace_leaves_is_put_in(listen: Any) -> None:
    def only_new(target: Any, values: list[Any], initiator: Any) -> None:
        values[:] = [value for value in values if value.id > 1]

    listen(User.kids, "bulk_replace", only_new)
    user = User(kids=[Kid(id=1), Kid(id=2)])
    assert [kid.id for kid in user.kids] == [2]


def test_an_error_leaves_the_old_value(listen: Any) -> None:
    def refuse(target: Any, value: Any, *_: Any) -> None:
        if value == "bad" or getattr(value, "id", 0) == 13:
            raise ValueError(value)

    listen(User.name, "set", refuse)
    listen(Kid.user, "set", refuse)
    user, kid = User(name="good"), Kid()
    with pytest.raises(ValueError, match="bad"):
        user.name = "bad"
    assert user.name == "good"
    kid.user = user
    with pytest.raises(ValueError):
        kid.user = User(id=13)
    assert kid.user is user


def test_validators_come_first(listen: Any) -> None:
    seen: list[str] = []
    listen(User.nick, "set", lambda target, value, old, initiator: seen.append(value))
    assert User(nick="x").nick == "valid x"
    assert seen == ["valid x"]


def test_init_scalar(listen: Any) -> None:
    listen(User.size, "init_scalar", lambda target, value, dict_: 5, retval=True)
    user = User()
    assert user.size == 5
    assert "size" not in user.__dict__

    def keep(target: Any, value: Any, dict_: dict[str, Any]) -> Any:
        dict_["size"] = 6
        return 6

    listen(User.size, "init_scalar", keep, retval=True)
    assert user.size == 6
    assert user.__dict__["size"] == 6
    assert str(User.size == 3) == '"user".size = :size_1'


def test_modified(listen: Any) -> None:
    told: list[Any] = []
    listen(User.name, "modified", lambda target, initiator: told.append((target, initiator.key)))
    user = User(name="x")
    flag_modified(user, "name")
    assert told == [(user, "name")]


# -- how it is listened ---------------------------------------------------------------------------


def test_initiators(listen: Any) -> None:
    seen: list[Any] = []
    listen(User.name, "set", lambda target, value, old, initiator: seen.append((initiator.op, initiator.key)))
    listen(User.kids, "append", lambda target, value, initiator: seen.append((initiator.op, initiator.key)))
    user = User(name="x")
    user.kids.append(Kid())
    assert seen == [(OP_REPLACE, "name"), (OP_APPEND, "kids")]


def test_raw_named_and_remove(listen: Any) -> None:
    seen: list[Any] = []
    user = User()

    def raw(state: Any, value: Any, old: Any, initiator: Any) -> None:
        seen.append(state)

    listen(User.name, "set", raw, raw=True)
    listen(User.name, "set", lambda **kw: seen.append(set(kw)), named=True)
    user.name = "x"
    assert seen == [inspect(user), {"target", "value", "oldvalue", "initiator"}]
    event.remove(User.name, "set", raw)
    seen.clear()
    user.name = "y"
    assert len(seen) == 1


def test_active_history_loads_the_old_value(listen: Any) -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    seen: list[Any] = []
    with Session(engine) as session:
        user = User(name="old", size=1, kids=[kid := Kid()])
        session.add(user)
        session.commit()
        listen(User.size, "set", lambda target, value, old, initiator: seen.append(old))
        user.size = 2
        assert seen == [NO_VALUE]
        session.rollback()
        listen(User.name, "set", lambda target, value, old, initiator: seen.append(old), active_history=True)
        listen(Kid.user, "set", lambda target, value, old, initiator: seen.append(old), active_history=True)
        user.name = "new"
        session.expire(kid)
        kid.user = None
        assert seen == [NO_VALUE, "old", user]
        session.commit()
        assert user.kids == []
    engine.dispose()
    User.name.needs_history = Kid.user.needs_history = User.size.needs_history = False  # type: ignore[attr-defined]


def test_listeners_propagate_to_subclasses() -> None:
    class Own(DeclarativeBase):
        pass

    class Animal(Own):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    class Dog(Animal):
        pass

    seen: list[str] = []
    event.listen(Animal.name, "set", lambda target, *_: seen.append(type(target).__name__), propagate=True)
    event.listen(Animal.name, "set", lambda target, *_: seen.append("own"))

    class Cat(Animal):
        pass

    Animal(name="a"), Dog(name="b"), Cat(name="c")
    assert seen == ["Animal", "own", "Dog", "Cat"]


def test_all_attributes(listen: Any) -> None:
    seen: list[str] = []
    listen(QueryableAttribute, "set", lambda target, value, old, initiator: seen.append(initiator.key))
    User(name="x").size = 3
    Kid(user=User(nick="y"))

    class Own(DeclarativeBase):
        pass

    class Later(Own):
        __tablename__ = "later"
        id: Mapped[int] = mapped_column(primary_key=True)

    Later(id=5)
    assert seen == ["name", "size", "nick", "user", "id"]


def test_attributes_without_listeners_are_written_as_before() -> None:
    class Own(DeclarativeBase):
        pass

    class Thing(Own):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        heard: Mapped[str]
        other: Mapped[str]

    manager: Any = inspect(Thing).class_manager
    assert {"heard", "other"} <= manager.plain
    event.listen(Thing.heard, "set", lambda *_: None)
    assert "heard" not in manager.plain
    assert "other" in manager.plain


@pytest.mark.parametrize("name", ["bulk_replace", "dispose_collection"])
def test_a_collection_that_was_assigned_before_tells_of_the_next_assignment(name: str) -> None:
    class Own(DeclarativeBase):
        pass

    class Part(Own):
        __tablename__ = "part"
        id: Mapped[int] = mapped_column(primary_key=True)
        whole_id: Mapped[int] = mapped_column(ForeignKey("whole.id"))

    class Whole(Own):
        __tablename__ = "whole"
        id: Mapped[int] = mapped_column(primary_key=True)
        parts: Mapped[list[Part]] = relationship(Part)

    whole, seen = Whole(parts=[Part()]), []
    event.listen(Whole.parts, name, lambda target, *_, **kw: seen.append(target))
    whole.parts = [Part()]
    assert seen == [whole]


def test_validators_see_all_of_a_collection_that_is_replaced() -> None:
    seen: list[Any] = []

    class Own(DeclarativeBase):
        pass

    class Part(Own):
        __tablename__ = "part"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        whole_id: Mapped[int] = mapped_column(ForeignKey("whole.id"))

    class Whole(Own):
        __tablename__ = "whole"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        parts: Mapped[list[Part]] = relationship()

        @validates("parts", "name", include_removes=True)
        def check(self, key: str, value: Any, is_remove: bool) -> Any:
            seen.append((value if isinstance(value, str) else value.name, is_remove))
            return Part(name=value) if key == "parts" and isinstance(value, str) else value

    whole = Whole(name="x")
    del whole.name
    whole.parts = ["a", "b"]  # type: ignore[list-item]
    kept = whole.parts[1]
    whole.parts = [kept, "c"]  # type: ignore[list-item]
    assert [part.name for part in whole.parts] == ["b", "c"]
    assert whole.parts[0] is kept
    assert seen == [
        ("x", False),
        ("x", True),
        ("a", False),
        ("b", False),
        ("b", False),
        ("c", False),
        ("a", True),
    ]


def test_an_attribute_takes_one_validator() -> None:
    class Own(DeclarativeBase):
        pass

    class Mixin:
        @validates("name")
        def check(self, key: str, value: str) -> str:
            return "mixin"

    class Good(Mixin, Own):
        __tablename__ = "good"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

        @validates("name")
        def check(self, key: str, value: str) -> str:
            return "own"

    assert Good(name="x").name == "own"
    with pytest.raises(InvalidRequestError, match=r"Bad.name has two validators, check\(\) and other\(\)"):

        class Bad(Mixin, Own):
            __tablename__ = "bad"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

            @validates("name")
            def other(self, key: str, value: str) -> str:
                return value
