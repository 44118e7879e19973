"""``merge`` sets on the session's own object what differs, the way a program would."""

import pytest
from databases import count_statements
from sqlalchemy import JSON, Column, Integer, String, Table, insert, select

from ropewalk.declare import DeclarativeBase, Mapped, mapped_column, registry
from ropewalk.exc import InvalidRequestError
from ropewalk.instrumentation.validators import validates
from ropewalk.loading.options import undefer
from ropewalk.mapping.properties import column_property, deferred
from ropewalk.session.session import Session
from ropewalk.state.instance import state_of


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    size: Mapped[int | None] = mapped_column()
    tags: Mapped[list | None] = mapped_column(JSON)
    plan: Mapped[str | None] = deferred(mapped_column(String(20)))
    double: Mapped[int | None] = column_property(size * 2)


class Shelf(Base):
    __tablename__ = "shelf"

    shop: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None]

    @validates("label")
    def upper(self, key, value):
        return value and value.upper()


class Stand:
    pass


stands = Table("stand", Base.metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
registry().map_imperatively(Stand, stands)


@pytest.fixture
def database(sqlite_memory_engine):
    Base.metadata.create_all(sqlite_memory_engine)
    with sqlite_memory_engine.begin() as connection:
        connection.execute(insert(Shop.__table__), {"id": 1, "name": "old", "size": 5, "tags": ["a"], "plan": "p"})
        connection.execute(insert(Shelf.__table__), {"shop": 1, "number": 2, "label": "X"})
        connection.execute(insert(stands), {"id": 1, "name": "old"})
    return sqlite_memory_engine


@pytest.fixture
def session(database):
    with Session(database) as session:
        yield session


@pytest.fixture
def taken_out(database):
    """An object with all its values, of no session."""
    with Session(database) as other:
        shop = other.get(Shop, 1)
        other.expunge(shop)
        return shop


@pytest.fixture
def with_plan(database):
    """The same, with its deferred attribute too."""
    with Session(database) as other:
        shop = other.get(Shop, 1, options=[undefer(Shop.plan)])
        other.expunge(shop)
        return shop


def test_only_what_differs_counts_as_changed(session, taken_out):
    taken_out.name = "new"
    merged = session.merge(taken_out)
    assert state_of(merged).changed_keys() == ["name"]
    assert state_of(merged).history("name") == (["new"], (), ["old"])


def test_the_given_object_stays_as_it_was(session, taken_out):
    taken_out.name = "new"
    before = dict(vars(taken_out))
    merged = session.merge(taken_out)
    merged.size = 7
    assert vars(taken_out) == before
    assert state_of(taken_out).detached
    assert taken_out not in session


def test_an_expression_is_not_copied(session, taken_out):
    vars(taken_out)["double"] = 99
    assert session.merge(taken_out).double == 10
    assert not session.dirty


def test_an_equal_value_of_a_mutable_type_is_no_change(session, taken_out):
    merged = session.merge(taken_out)
    assert merged.tags == taken_out.tags
    assert not session.dirty


def test_a_deferred_value_that_the_given_object_has_is_merged(session, with_plan):
    with_plan.plan = "q"
    merged = session.merge(with_plan)
    session.commit()
    assert merged.plan == "q"


def test_validators_run_on_the_sessions_object(session):
    merged = session.merge(Shelf(shop=1, number=2, label="new"))
    assert merged.label == "NEW"
    new = session.merge(Shelf(shop=1, number=3, label="third"))
    assert new.label == "THIRD"
    assert state_of(new).pending


def test_a_composite_key_finds_its_object(session, database):
    shelf = session.get(Shelf, (1, 2))
    with count_statements(database) as sent:
        assert session.merge(Shelf(shop=1, number=2)) is shelf
    assert sent.count == 0


def test_a_key_with_a_part_missing_is_a_new_object(session, database):
    with count_statements(database) as sent:
        merged = session.merge(Shelf(shop=1, label="x"))
    assert state_of(merged).pending
    assert sent.count == 0


def test_plain_classes_merge_alike(session):
    stand = Stand()
    stand.id, stand.name = 1, "new"
    merged = session.merge(stand)
    assert merged is session.get(Stand, 1)
    session.commit()
    assert merged.name == "new"


def test_options_say_what_is_loaded(session):
    merged = session.merge(Shop(id=1, name="new"), options=[undefer(Shop.plan)])
    assert vars(merged)["plan"] == "p"


def test_a_key_that_was_changed_while_detached_finds_the_row_by_the_old_one(session, taken_out):
    taken_out.id = 50
    merged = session.merge(taken_out)
    session.commit()
    assert session.scalars(select(Shop.id)).all() == [50]
    assert merged.id == 50


def test_autoflush_is_as_before_even_after_an_error(session, database):
    class Refusing(Base):
        __table__ = Shop.__table__

        @validates("name")
        def refuse(self, key, value):
            raise ValueError(value)

    given = Refusing.__new__(Refusing)
    vars(given)["id"] = 1
    vars(given)["name"] = "x"
    with pytest.raises(ValueError, match="x"):
        session.merge(given)
    assert session.autoflush
    session.autoflush = False
    session.merge(Shop(id=1))
    assert not session.autoflush


def test_a_copy_without_loading_is_taken_for_a_loaded_object(session, database, with_plan):
    with count_statements(database) as sent:
        merged = session.merge(with_plan, load=False)
        assert (merged.name, merged.double, merged.plan) == ("old", 10, "p")
        assert not session.dirty
    assert sent.count == 0


def test_a_copy_without_loading_watches_its_values(session, taken_out):
    merged = session.merge(taken_out, load=False)
    assert not session.dirty
    merged.tags.append("b")
    assert merged in session.dirty


def test_a_copy_without_loading_of_an_expired_object_loads_what_it_lacks(session, database):
    with Session(database) as other:
        shop = other.get(Shop, 1)
        other.expire(shop)
        merged = session.merge(shop, load=False)
        assert merged.name == "old"


@pytest.mark.parametrize("change", [lambda shop: setattr(shop, "name", "new"), lambda shop: shop.tags.append("b")])
def test_an_object_with_changes_is_not_taken_for_loaded(session, taken_out, change):
    change(taken_out)
    with pytest.raises(InvalidRequestError, match=r"merge\(load=False\) takes objects without changes; <Shop id=1>"):
        session.merge(taken_out, load=False)
    assert list(session) == []


def test_a_refused_merge_leaves_no_object_behind(session):
    with pytest.raises(InvalidRequestError, match="takes objects that have a row"):
        session.merge(Shop(id=5), load=False)
    assert list(session) == []
    assert not session.new
