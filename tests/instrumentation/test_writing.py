"""Writing an attribute: the value goes into the dictionary, what it replaced is remembered once."""

import copy

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, select

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.instrumentation.validators import validates
from ropewalk.instrumentation.writing import set_committed_value, set_value
from ropewalk.kernel.symbols import NO_VALUE
from ropewalk.mapping.properties import column_property
from ropewalk.session.session import Session
from ropewalk.state.identity import IdentityMap
from ropewalk.state.instance import PERSISTENT, state_of
from ropewalk.state.mutable import watch


class Base(DeclarativeBase):
    pass


class Pot(Base):
    __tablename__ = "pot"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    tags: Mapped[list | None] = mapped_column(JSON)
    lid: Mapped[str | None] = column_property(Column(String), active_history=True)


class Pan:
    pass


registry().map_imperatively(
    Pan,
    Table(
        "pan",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("name", String(20)),
        Column("tags", JSON),
    ),
)

each_class = pytest.mark.parametrize("cls", [Pot, Pan])


class Loader:
    def load_attribute(self, state, instance, key):
        return vars(instance).setdefault(key, f"loaded {key}")


@pytest.fixture
def owner():
    loader = Loader()
    owner = IdentityMap(loader)
    owner.kept = loader  # which nobody else holds
    return owner


def loaded(cls, owner, **values):
    thing = cls.__new__(cls)
    state = cls.__ropewalk_state__(thing)
    state.pk, state.status, state.owner = 1, PERSISTENT, owner
    vars(thing).update(values)
    owner.put(state, thing)
    return thing


# Recording


@each_class
def test_the_first_write_remembers_what_it_replaces(cls, owner):
    pot = loaded(cls, owner, name="old")
    pot.name = "new"
    assert state_of(pot).committed == {"name": "old"}


@each_class
def test_the_next_write_remembers_nothing_more(cls, owner):
    pot = loaded(cls, owner, name="old")
    pot.name = "new"
    pot.name = "newer"
    assert state_of(pot).committed == {"name": "old"}
    assert pot.name == "newer"


@each_class
def test_writes_to_several_attributes_are_remembered_each(cls, owner):
    pot = loaded(cls, owner, name="old", id=1)
    pot.name = "new"
    pot.id = 2
    assert state_of(pot).committed == {"name": "old", "id": 1}


@each_class
def test_a_write_of_what_was_not_loaded_remembers_that_and_loads_nothing(cls, owner):
    pot = loaded(cls, owner)
    pot.name = "new"
    assert state_of(pot).committed == {"name": NO_VALUE}
    assert vars(pot)["name"] == "new"


@each_class
def test_the_first_write_puts_the_object_among_the_modified(cls, owner):
    pot = loaded(cls, owner, name="old")
    assert owner.modified == {}
    pot.name = "new"
    assert owner.modified == {state_of(pot): pot}


@each_class
def test_a_write_to_a_new_object_remembers_nothing(cls):
    pot = cls()
    pot.name = "new"
    assert state_of(pot).committed is None


@each_class
def test_a_write_to_a_detached_object_is_remembered(cls, owner):
    pot = loaded(cls, owner, name="old")
    state_of(pot).owner = None
    pot.name = "new"
    assert state_of(pot).committed == {"name": "old"}
    assert owner.modified == {}


@each_class
def test_a_watched_value_is_remembered_by_its_copy(cls, owner):
    pot = loaded(cls, owner, tags=["a"])
    watch(state_of(pot), "tags", pot.tags)
    pot.tags.append("b")
    pot.tags = ["c"]
    assert state_of(pot).committed == {"tags": ["a"]}


def test_setattr_and_the_statement_are_the_same(owner):
    pot = loaded(Pot, owner, name="old")
    setattr(pot, "name", "new")  # noqa: B010
    assert state_of(pot).committed == {"name": "old"}


def test_object_setattr_goes_past_us_by_intent(owner):
    pot = loaded(Pot, owner, name="old")
    object.__setattr__(pot, "name", "new")
    assert pot.name == "new"
    assert state_of(pot).committed is None


def test_active_history_loads_what_a_write_replaces(owner):
    pot = loaded(Pot, owner)
    pot.lid = "new"
    assert state_of(pot).committed == {"lid": "loaded lid"}


def test_set_value_records_and_asks_no_validator(owner):
    class Strict(Base):
        __tablename__ = "strict"
        id: Mapped[int] = mapped_column(primary_key=True)

        @validates("id")
        def refuse(self, key, value):
            raise ValueError(value)

    thing = loaded(Strict, owner, id=1)
    set_value(thing, "id", 2)
    assert thing.id == 2
    assert state_of(thing).committed == {"id": 1}


def test_set_committed_value_is_no_change(owner):
    pot = loaded(Pot, owner, name="old", id=1)
    pot.name = "new"
    set_committed_value(pot, "name", "newer")
    set_committed_value(pot, "id", 5)
    assert (pot.name, pot.id) == ("newer", 5)
    assert not state_of(pot).history("name").has_changes()
    assert not state_of(pot).history("id").has_changes()


# Deleting


@each_class
def test_a_deleted_value_is_remembered_and_reads_as_none(cls, owner):
    pot = loaded(cls, owner, name="old")
    del pot.name
    assert state_of(pot).committed == {"name": "old"}
    assert pot.name is None
    assert "name" not in vars(pot)


@each_class
def test_deleting_what_was_not_loaded_loads_it_first(cls, owner):
    pot = loaded(cls, owner)
    del pot.name
    assert state_of(pot).committed == {"name": "loaded name"}


@each_class
def test_deleting_twice_is_an_error(cls, owner):
    pot = loaded(cls, owner, name="old")
    del pot.name
    with pytest.raises(AttributeError, match="does not have a value for attribute 'name'"):
        del pot.name


@each_class
def test_deleting_what_a_new_object_never_had_is_an_error(cls):
    with pytest.raises(AttributeError, match="does not have a value for attribute 'name'"):
        del cls().name


@each_class
def test_a_deleted_value_may_be_set_again(cls, owner):
    pot = loaded(cls, owner, name="old")
    del pot.name
    pot.name = "new"
    assert state_of(pot).history("name") == (["new"], (), ["old"])


@each_class
def test_deleting_an_unknown_name_is_pythons_error(cls):
    with pytest.raises(AttributeError, match="nom"):
        del cls().nom


# A class's own methods


def test_an_own_setattr_is_called_and_its_writes_are_remembered(owner):
    class Loud(Base):
        __tablename__ = "loud"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

        def __setattr__(self, name, value):
            object.__setattr__(self, name, value.upper() if isinstance(value, str) else value)

    thing = loaded(Loud, owner, name="OLD")
    thing.name = "new"
    thing.other = "x"
    assert (thing.name, thing.other) == ("NEW", "X")
    assert state_of(thing).committed == {"name": "OLD"}
    assert owner.modified == {state_of(thing): thing}


def test_an_own_setattr_may_call_super(owner):
    class Calling(Base):
        __tablename__ = "calling"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

        def __setattr__(self, name, value):
            super().__setattr__(name, f"{value}!")

    thing = loaded(Calling, owner, name="old")
    thing.name = "new"
    assert thing.name == "new!"
    assert state_of(thing).committed == {"name": "old"}


def test_a_setattr_inherited_from_a_mixin_serves_unmapped_names():
    class Noting:
        def __setattr__(self, name, value):
            object.__setattr__(self, name, ("noted", value))

    class Noted(Noting, Base):
        __tablename__ = "noted"
        id: Mapped[int] = mapped_column(primary_key=True)

    thing = Noted(id=1)
    thing.other = 2
    assert thing.other == ("noted", 2)


def test_an_own_delattr_is_left_to_the_class():
    class Keeping(Base):
        __tablename__ = "keeping"
        id: Mapped[int] = mapped_column(primary_key=True)

        def __delattr__(self, name):
            vars(self)[name] = "kept"

    thing = Keeping(id=1)
    del thing.id
    assert thing.id == "kept"


def test_a_property_beside_the_mapping_works_as_ever():
    class Sided(Base):
        __tablename__ = "sided"
        id: Mapped[int] = mapped_column(primary_key=True)

        @property
        def double(self):
            return self.id * 2

        @double.setter
        def double(self, value):
            self.id = value // 2

    thing = Sided(id=4)
    assert thing.double == 8
    thing.double = 20
    assert thing.id == 10


# Validators


class Guest(Base):
    __tablename__ = "guest"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    backup: Mapped[str | None]
    age: Mapped[int | None] = column_property(Column(Integer), active_history=True)

    @validates("email", "backup")
    def check_email(self, key, value):
        if value is not None and "@" not in value:
            raise ValueError(f"{key}: {value}")
        return value and value.lower()

    @validates("age", include_removes=True)
    def check_age(self, key, value, is_remove):
        assert not is_remove
        return value + 1


def test_a_validator_gives_the_value_that_is_set(owner):
    guest = loaded(Guest, owner, email="a@b")
    guest.email = "C@D"
    assert guest.email == "c@d"
    assert state_of(guest).committed == {"email": "a@b"}


def test_one_validator_serves_each_name_it_was_given():
    guest = Guest(email="A@B")
    guest.backup = "C@D"
    assert (guest.email, guest.backup) == ("a@b", "c@d")
    with pytest.raises(ValueError, match="backup: x"):
        guest.backup = "x"


def test_a_refused_value_changes_nothing(owner):
    guest = loaded(Guest, owner, email="a@b")
    with pytest.raises(ValueError, match="email: x"):
        guest.email = "x"
    assert guest.email == "a@b"
    assert state_of(guest).committed is None
    assert owner.modified == {}


def test_the_constructor_validates():
    with pytest.raises(ValueError, match="email: x"):
        Guest(email="x")


def test_a_validator_and_active_history_work_together(owner):
    guest = loaded(Guest, owner)
    vars(guest)["age"] = 1
    guest.age = 5
    assert guest.age == 6
    assert state_of(guest).committed == {"age": 1}


def test_a_validator_of_a_mixin_counts_and_the_classes_own_goes_first():
    class Checking:
        @validates("name")
        def check(self, key, value):
            return f"mixin {value}"

        @validates("id")
        def check_id(self, key, value):
            return value * 10

    class Checked(Checking, Base):
        __tablename__ = "checked"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

        @validates("name")
        def check(self, key, value):
            return f"own {value}"

    thing = Checked(id=1, name="x")
    assert (thing.id, thing.name) == (10, "own x")


def test_a_copy_is_an_object_of_its_own(sqlite_engine):
    class Base(DeclarativeBase):
        pass

    class Coin(Base):
        __tablename__ = "coin"
        id: Mapped[int] = mapped_column(primary_key=True)
        worth: Mapped[int]

    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        coin = Coin(id=1, worth=5)
        session.add(coin)
        session.flush()
        twin = copy.copy(coin)
        twin.id, twin.worth = 2, 7
        assert not session.dirty
        assert twin not in session
        session.add(twin)
        session.commit()
        assert sorted(session.scalars(select(Coin.worth))) == [5, 7]
