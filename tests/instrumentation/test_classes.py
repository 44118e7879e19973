"""What mapping puts on a class, and takes off again."""

import inspect

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.instrumentation.attributes import InstrumentedAttribute
from ropewalk.instrumentation.manager import uninstrument_class
from ropewalk.instrumentation.validators import reconstructor
from ropewalk.mapping.properties import column_property, synonym
from ropewalk.state.instance import state_of


@pytest.fixture
def table():
    return Table("mug", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(20)))


@pytest.fixture
def mappings():
    return registry()


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    return Base


# Constructors


def test_a_class_without_init_takes_mapped_names(mappings, table):
    class Mug:
        pass

    mappings.map_imperatively(Mug, table)
    mug = Mug(id=1, name="x")
    assert (mug.id, mug.name) == (1, "x")


def test_an_unknown_keyword_is_refused_with_the_nearest_name(mappings, table):
    class Mug:
        pass

    mappings.map_imperatively(Mug, table)
    with pytest.raises(TypeError, match="'nme' is an invalid keyword argument for Mug: did you mean 'name'"):
        Mug(nme="x")
    with pytest.raises(TypeError, match="'zzz' is an invalid keyword argument for Mug: it has id, name"):
        Mug(zzz="x")


def test_the_default_constructor_writes_through_properties(Base):
    class Mug(Base):
        __tablename__ = "mug"
        id: Mapped[int] = mapped_column(primary_key=True)

        @property
        def double(self):
            return self.id * 2

        @double.setter
        def double(self, value):
            self.id = value // 2

    assert Mug(double=8).id == 4


def test_an_own_init_is_kept_with_its_signature(mappings, table):
    class Mug:
        def __init__(self, name, *, size=3):
            """Make a mug."""
            self.name = name
            self.size = size

    signature = inspect.signature(Mug)
    mappings.map_imperatively(Mug, table)
    mug = Mug("x", size=5)
    assert (mug.name, mug.size) == ("x", 5)
    assert inspect.signature(Mug) == signature
    assert Mug.__init__.__doc__ == "Make a mug."
    with pytest.raises(TypeError, match="name"):
        Mug()


def test_the_state_is_there_before_the_first_line_of_an_own_init(mappings, table):
    class Mug:
        def __init__(self):
            self.seen = self._sa_instance_state

    mappings.map_imperatively(Mug, table)
    mug = Mug()
    assert mug.seen is state_of(mug)


def test_an_inherited_init_is_called(mappings, table):
    class Vessel:
        def __init__(self, name):
            self.name = name.upper()

    class Mug(Vessel):
        pass

    mappings.map_imperatively(Mug, table)
    assert Mug("x").name == "X"
    assert Vessel("y").name == "Y"


def test_an_own_init_may_call_that_of_its_base(Base):
    class Mug(Base):
        __tablename__ = "mug"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

        def __init__(self, name):
            super().__init__(name=name + "!")

    assert Mug("x").name == "x!"


def test_a_failing_init_raises_its_own_error(mappings, table):
    class Mug:
        def __init__(self):
            raise ZeroDivisionError("mine")

    mappings.map_imperatively(Mug, table)
    with pytest.raises(ZeroDivisionError, match="mine"):
        Mug()


def test_init_called_again_keeps_the_state(Base):
    class Mug(Base):
        __tablename__ = "mug"
        id: Mapped[int] = mapped_column(primary_key=True)

        def __init__(self, id):
            self.id = id

    mug = Mug(1)
    state = state_of(mug)
    mug.__init__(2)
    assert mug.id == 2
    assert state_of(mug) is state


def test_a_reconstructor_is_found_and_not_called_by_the_constructor(Base):
    class Mug(Base):
        __tablename__ = "mug"
        id: Mapped[int] = mapped_column(primary_key=True)

        @reconstructor
        def refill(self):
            raise AssertionError("called")

    Mug(id=1)
    assert Mug.__mapper__.reconstructor is vars(Mug)["refill"]


# Classes of all kinds


def test_a_class_with_slots_beside_a_dictionary_can_be_mapped(mappings, table):
    class Mug:
        __slots__ = ("__dict__", "__weakref__", "own")

    mappings.map_imperatively(Mug, table)
    mug = Mug(id=1)
    mug.own = "x"
    mug.name = "y"
    assert (mug.own, mug.name) == ("x", "y")


def test_a_subclass_that_is_not_mapped_has_objects_of_the_mapped_class(Base):
    class Mug(Base):
        __tablename__ = "mug"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

    mug = Mug(id=1)
    assert isinstance(mug, Base)
    assert state_of(mug).mapper is Mug.__mapper__


def test_instance_key_is_there_with_the_row_only(mappings, table):
    class Mug:
        pass

    mappings.map_imperatively(Mug, table)
    mug = Mug(id=1)
    with pytest.raises(AttributeError, match="no _instance_key: it has no row"):
        mug._instance_key  # noqa: B018
    state_of(mug).pk = 1
    assert mug._instance_key == (Mug, (1,))


# Synonyms


def test_a_synonym_is_read_and_written_as_what_it_stands_for(mappings, table):
    class Mug:
        pass

    mappings.map_imperatively(Mug, table, properties={"title": synonym("name")})
    mug = Mug(title="x")
    assert (mug.name, mug.title) == ("x", "x")
    mug.title = "y"
    assert vars(mug)["name"] == "y"
    assert "title" not in vars(mug)
    del mug.title
    assert mug.name is None


def test_a_synonyms_descriptor_serves_objects_and_the_column_serves_sql(Base):
    class Mug(Base):
        __tablename__ = "mug"
        id: Mapped[int] = mapped_column(primary_key=True)
        _name: Mapped[str | None] = mapped_column("name")

        def _get(self):
            return self._name and self._name.title()

        def _set(self, value):
            self._name = value.lower()

        name = synonym("_name", descriptor=property(_get, _set))

    mug = Mug(name="BLUE")
    assert mug._name == "blue"
    assert mug.name == "Blue"
    assert str(Mug.name == "x") == "mug.name = :name_1"
    with pytest.raises(AttributeError):
        del mug.name  # the property has no deleter


def test_a_property_on_the_class_becomes_the_descriptor_of_a_synonym_of_its_name(mappings, table):
    class Mug:
        @property
        def title(self):
            return f"<{self.name}>"

        @title.setter
        def title(self, value):
            self.name = value.strip("<>")

    mappings.map_imperatively(Mug, table, properties={"title": synonym("name")})
    mug = Mug()
    mug.title = "<x>"
    assert (mug.name, mug.title) == ("x", "<x>")
    assert str(Mug.title == "x") == "mug.name = :name_1"


# Taking off


def test_uninstrumenting_leaves_the_class_as_it_was(mappings, table):
    class Mug:
        name = "a class attribute"

        def __init__(self, size):
            self.size = size

        def __setattr__(self, name, value):
            object.__setattr__(self, name, value)

    before = dict(vars(Mug))
    mapper = mappings.map_imperatively(Mug, table)
    assert isinstance(Mug.name, InstrumentedAttribute)
    uninstrument_class(mapper)
    assert dict(vars(Mug)) == before
    assert Mug(3).size == 3


def test_a_class_can_be_mapped_again_after_that(mappings, table):
    class Mug:
        pass

    mappings.map_imperatively(Mug, table)
    mappings.dispose()
    with pytest.raises(TypeError):
        Mug(id=1)
    registry().map_imperatively(Mug, table, properties={"key": table.c.id})
    assert Mug(key=1).key == 1


def test_an_attribute_added_later_is_mapped_like_the_others(mappings, table):
    class Mug:
        pass

    mapper = mappings.map_imperatively(Mug, table, include_properties=["id"])
    mug = Mug(id=1)
    state = state_of(mug)
    state.pk = 1
    mapper.add_property("name", table.c.name)
    mug.name = "x"
    assert state.committed is not None
    assert "name" in state.committed
    assert str(Mug.name == "x") == "mug.name = :name_1"


def test_an_expression_is_no_column_of_the_table_but_an_attribute(mappings, table):
    class Mug:
        pass

    mappings.map_imperatively(Mug, table, properties={"loud": column_property(table.c.name + "!")})
    assert Mug().loud is None
    assert "loud" not in table.c
