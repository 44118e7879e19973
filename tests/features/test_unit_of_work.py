"""What a flush sends: in which order, how much at once, and what stands in the objects afterwards."""

import pytest
from databases import count_statements
from sqlalchemy import JSON, ForeignKey, String, func
from sqlalchemy import select as core_select
from sqlalchemy.exc import IntegrityError

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, object_session, select
from ropewalk.exc import StaleDataError


class Base(DeclarativeBase):
    pass


class Country(Base):
    __tablename__ = "country"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50))


class City(Base):
    __tablename__ = "city"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50))
    country_code: Mapped[str | None] = mapped_column(ForeignKey("country.code"))


class Street(Base):
    __tablename__ = "street"

    id: Mapped[int] = mapped_column(primary_key=True)
    city_id: Mapped[int | None] = mapped_column(ForeignKey("city.id"))


class Node(Base):
    __tablename__ = "node"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50), unique=True)
    count: Mapped[int | None]
    data: Mapped[dict | None] = mapped_column(JSON)
    tags: Mapped[list | None] = mapped_column(JSON)


class Refusing(Base):
    __tablename__ = "refusing"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=lambda: 1 / 0)


@pytest.fixture
def session(engine):
    """A session on each database."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def lite(sqlite_engine):
    """A session on SQLite only, for what does not depend on the database."""
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        yield session


def stored(session, *columns):
    """The rows as another connection sees them."""
    with session.get_bind().connect() as connection:
        rows = connection.execute(core_select(*columns).order_by(*columns[0].table.primary_key))
        return [tuple(row) for row in rows]


def flushed(session):
    """Flush; the statements that it took."""
    with count_statements(session.get_bind()) as sent:
        session.flush()
    return sent.statements


def verbs(statements):
    return [statement.split()[0].upper() for statement in statements]


def table_of(statement):
    words = statement.replace("(", " ").split()
    return words[words.index({"INSERT": "INTO", "DELETE": "FROM", "UPDATE": "UPDATE"}[words[0]]) + 1]


# Order


def test_inserts_follow_foreign_keys_whatever_the_order_of_add(session):
    session.add(Street(id=1, city_id=1))
    session.add(City(id=1, country_code="nl"))
    session.add(Country(code="nl"))
    session.commit()
    assert stored(session, Street.__table__.c.city_id) == [(1,)]


def test_inserts_go_table_by_table(lite):
    lite.add_all([Street(id=1, city_id=1), City(id=1, country_code="nl"), Country(code="nl")])
    assert [table_of(sql) for sql in flushed(lite)] == ["country", "city", "street"]


def test_deletes_go_the_other_way(session):
    country, city, street = Country(code="nl"), City(id=1, country_code="nl"), Street(id=1, city_id=1)
    session.add(country)
    session.flush()
    session.add(city)
    session.flush()
    session.add(street)
    session.commit()
    for obj in (country, city, street):
        session.delete(obj)
    session.commit()
    assert stored(session, Country.__table__.c.code) == []


def test_row_may_be_added_and_the_row_it_replaces_deleted_at_once(session):
    old = Country(code="cs")
    session.add(old)
    session.flush()
    city = City(id=1, country_code="cs")
    session.add(city)
    session.commit()
    session.add(Country(code="cz"))
    city.country_code = "cz"
    session.delete(old)
    session.commit()
    assert stored(session, City.__table__.c.country_code) == [("cz",)]
    assert stored(session, Country.__table__.c.code) == [("cz",)]


def test_self_referential_inserts_put_parents_first(session):
    parents = {5: None, 4: 5, 3: 4, 2: 3, 1: 2}
    for number in sorted(parents):
        session.add(Node(id=number, parent_id=parents[number]))
    session.commit()
    assert stored(session, Node.__table__.c.id, Node.__table__.c.parent_id) == sorted(parents.items())


def test_self_referential_deletes_put_children_first(session):
    for number in range(1, 6):
        session.add(Node(id=number, parent_id=number - 1 or None))
        session.flush()
    session.commit()
    for node in session.scalars(select(Node).order_by(Node.id)).all():
        session.delete(node)
    session.commit()
    assert stored(session, Node.__table__.c.id) == []


def test_row_that_refers_to_itself(session):
    session.add(Node(id=1, parent_id=1))
    session.commit()
    assert stored(session, Node.__table__.c.parent_id) == [(1,)]


def test_objects_of_one_class_are_inserted_in_the_order_of_add(lite):
    names = [f"n{number}" for number in range(20)]
    lite.add_all([Item(name=name) for name in names])
    lite.commit()
    assert lite.scalars(select(Item.name).order_by(Item.id)).all() == names


# Batches


def test_rows_of_one_shape_are_inserted_in_one_statement(session):
    session.add_all([Item(name=f"n{number}", count=number) for number in range(50)])
    assert verbs(flushed(session))[0] == "INSERT"
    assert session.scalar(select(func.count()).select_from(Item)) == 50


def test_rows_of_one_shape_with_known_keys_take_one_statement(session):
    session.add_all([Country(code=f"{n:02}", name="x") for n in range(50)])
    assert verbs(flushed(session)) == ["INSERT"]


def test_rows_of_one_shape_with_generated_keys_take_few_statements(lite):
    lite.add_all([Item(name=f"n{number}") for number in range(50)])
    assert len(flushed(lite)) <= 5


def test_changes_of_one_shape_take_one_statement(session):
    items = [Item(id=number, name=f"n{number}") for number in range(1, 21)]
    session.add_all(items)
    session.flush()
    for item in items:
        item.count = item.id
    assert verbs(flushed(session)) == ["UPDATE"]
    assert [row[0] for row in session.execute(select(Item.count).order_by(Item.id))] == list(range(1, 21))


def test_deletes_of_one_class_take_one_statement(session):
    items = [Item(id=number, name=f"n{number}") for number in range(1, 21)]
    session.add_all(items)
    session.flush()
    for item in items:
        session.delete(item)
    assert verbs(flushed(session)) == ["DELETE"]
    assert session.scalar(select(func.count()).select_from(Item)) == 0


def test_deletes_with_composite_conditions_delete_the_right_rows(session):
    session.add_all([Item(id=number, name=f"n{number}") for number in range(1, 6)])
    session.commit()
    for number in (2, 4):
        session.delete(session.get(Item, number))
    session.commit()
    assert stored(session, Item.__table__.c.id) == [(1,), (3,), (5,)]


def test_flush_with_nothing_to_do_sends_nothing(lite):
    lite.add(Item(name="a"))
    lite.commit()
    assert flushed(lite) == []


def test_many_rows_of_different_shapes_arrive_whole(session):
    items = [
        Item(
            name=f"n{number}",
            **({"count": number} if number % 2 else {}),
            **({"data": {"n": number}} if number % 3 == 0 else {}),
        )
        for number in range(60)
    ]
    session.add_all(items)
    session.commit()
    session.expunge_all()
    for number, item in enumerate(session.scalars(select(Item).order_by(Item.name)).all()):
        number = int(item.name[1:])
        assert item.count == (number if number % 2 else None)
        assert item.data == ({"n": number} if number % 3 == 0 else None)


# Generated keys


def test_generated_key_is_in_the_object_after_the_flush(session):
    item = Item(name="a")
    session.add(item)
    session.flush()
    assert isinstance(item.id, int)
    assert inspect(item).identity == (item.id,)


def test_generated_keys_go_to_the_right_objects(session):
    items = [Item(name=f"n{number}") for number in range(300)]
    session.add_all(items)
    session.flush()
    known = {item.name: item.id for item in items}
    session.commit()
    assert dict(stored(session, Item.__table__.c.name, Item.__table__.c.id)) == known


def test_given_and_generated_keys_in_one_flush(session):
    given, generated = Item(id=1000, name="given"), Item(name="generated")
    session.add_all([given, generated])
    session.commit()
    assert given.id == 1000
    assert generated.id not in (None, 1000)


def test_values_need_no_second_read_after_a_flush(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    with count_statements(lite.get_bind()) as sent:
        assert (item.name, item.count, item.data) == ("a", 1, None)
    assert sent.count == 0


# Updates


def test_update_holds_only_changed_columns(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    item.count = 2
    (update,) = flushed(lite)
    assert "count" in update
    assert "name" not in update


def test_value_set_back_is_no_update(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    item.count = 2
    item.count = 1
    assert flushed(lite) == []
    assert not lite.is_modified(item)


def test_equal_value_set_is_no_update(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    item.name = "".join(["a"])
    item.count = 1
    assert flushed(lite) == []


def test_one_column_set_back_leaves_the_other(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    item.count, item.name = 2, "b"
    item.name = "a"
    (update,) = flushed(lite)
    assert "name" not in update


def test_set_to_none_is_null(session):
    item = Item(name="a", count=1)
    session.add(item)
    session.commit()
    item.count = None
    session.commit()
    assert stored(session, Item.__table__.c.count) == [(None,)]


def test_none_to_a_value_is_an_update(session):
    item = Item(name="a")
    session.add(item)
    session.commit()
    assert item.count is None
    item.count = 0
    session.commit()
    assert stored(session, Item.__table__.c.count) == [(0,)]


def test_attribute_deleted_is_null(session):
    item = Item(name="a", count=1)
    session.add(item)
    session.commit()
    assert item.count == 1
    del item.count
    session.commit()
    assert stored(session, Item.__table__.c.count) == [(None,)]


def test_changing_an_expired_object_needs_no_select_before(lite):
    item = Item(id=1, name="a", count=1)
    lite.add(item)
    lite.commit()
    with count_statements(lite.get_bind()) as sent:
        item.count = 5
        lite.flush()
    assert verbs(sent.statements) in (["UPDATE"], ["SELECT", "UPDATE"])
    lite.commit()
    assert (item.name, item.count) == ("a", 5)


def test_changes_of_a_detached_object_become_an_update_when_it_comes_back(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    lite.expunge(item)
    item.count = 2
    lite.add(item)
    (update,) = flushed(lite)
    assert update.startswith("UPDATE")


def test_object_changed_between_two_flushes_gets_two_updates(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    item.count = 2
    assert verbs(flushed(lite)) == ["UPDATE"]
    item.count = 1
    assert verbs(flushed(lite)) == ["UPDATE"]


# JSON in place


def test_dictionary_changed_in_place_is_updated(session):
    item = Item(name="a", data={"a": 1, "deep": {"b": 2}})
    session.add(item)
    session.commit()
    item.data["a"] = 5
    session.commit()
    assert item.data == {"a": 5, "deep": {"b": 2}}
    assert stored(session, Item.__table__.c.data) == [({"a": 5, "deep": {"b": 2}},)]


def test_dictionary_changed_in_its_depth_is_updated(session):
    item = Item(name="a", data={"deep": {"list": [1, {"x": 2}]}})
    session.add(item)
    session.commit()
    item.data["deep"]["list"][1]["x"] = 3
    session.commit()
    assert stored(session, Item.__table__.c.data) == [({"deep": {"list": [1, {"x": 3}]}},)]


def test_list_changed_in_place_is_updated(session):
    item = Item(name="a", tags=[1, 2])
    session.add(item)
    session.commit()
    item.tags.append(3)
    session.commit()
    assert stored(session, Item.__table__.c.tags) == [([1, 2, 3],)]


def test_value_changed_in_place_right_after_its_insert_is_updated(lite):
    item = Item(name="a", tags=[1])
    lite.add(item)
    lite.flush()
    item.tags.append(2)
    lite.commit()
    assert stored(lite, Item.__table__.c.tags) == [([1, 2],)]


def test_value_changed_in_place_and_back_is_no_update(lite):
    item = Item(name="a", tags=[1])
    lite.add(item)
    lite.flush()
    item.tags.append(2)
    item.tags.pop()
    assert flushed(lite) == []


def test_object_changed_in_place_counts_as_modified(lite):
    item = Item(name="a", data={"a": 1})
    lite.add(item)
    lite.commit()
    item.data["a"] = 2
    assert lite.is_modified(item)


def test_value_read_and_not_changed_is_no_update(lite):
    item = Item(name="a", data={"a": 1}, tags=[1])
    lite.add(item)
    lite.commit()
    assert (item.data, item.tags) == ({"a": 1}, [1])
    assert flushed(lite) == []


def test_a_deleted_object_changed_in_place_does_not_come_back_over_a_row_with_its_key(lite):
    item = Item(id=1, name="a", data={"a": 1})
    lite.add(item)
    lite.flush()
    item.data["a"] = 2
    lite.delete(item)
    lite.flush()
    del item
    lite.add(Item(id=1, name="b"))
    lite.commit()
    assert stored(lite, Item.__table__.c.data) == [(None,)]


def test_change_in_place_is_undone_by_rollback(lite):
    item = Item(name="a", data={"a": 1})
    lite.add(item)
    lite.commit()
    item.data["a"] = 2
    lite.rollback()
    assert item.data == {"a": 1}


# SQL expressions as values


def test_expression_as_value_of_a_new_object(session):
    item = Item(name=func.lower("UPPER"), count=core_select(func.length("four")).scalar_subquery())
    session.add(item)
    session.flush()
    assert (item.name, item.count) == ("upper", 4)


def test_expression_as_changed_value_is_computed_by_the_database(session):
    item = Item(name="a", count=1)
    session.add(item)
    session.commit()
    session.execute(Item.__table__.update().values(count=10))
    item.count = Item.__table__.c.count + 1
    session.flush()
    assert item.count == 11


def test_mapped_attribute_as_expression(session):
    item = Item(name="a", count=1)
    session.add(item)
    session.commit()
    item.count = Item.count + 5
    session.commit()
    assert item.count == 6


def test_expression_is_loaded_back_on_the_next_access_only(lite):
    item = Item(name="a", count=1)
    lite.add(item)
    lite.flush()
    item.count = Item.count + 1
    assert verbs(flushed(lite))[0] == "UPDATE"
    assert item.count == 2
    with count_statements(lite.get_bind()) as sent:
        assert (item.name, item.count) == ("a", 2)
    assert sent.count == 0


def test_expressions_beside_plain_changes_in_one_flush(session):
    items = [Item(name=f"n{number}", count=number) for number in range(4)]
    session.add_all(items)
    session.flush()
    items[0].count = Item.count + 100
    items[1].count = 200
    items[2].count = Item.count + 300
    session.commit()
    assert [item.count for item in items] == [100, 200, 302, 3]


# Primary keys


def test_primary_key_change_updates_the_row_and_the_identity(session):
    country = Country(code="zr", name="Congo")
    session.add(country)
    session.commit()
    assert country.code == "zr"
    country.code = "cd"
    session.flush()
    assert inspect(country).identity == ("cd",)
    assert session.get(Country, "cd") is country
    assert session.get(Country, "zr") is None
    session.commit()
    assert stored(session, Country.__table__.c.code, Country.__table__.c.name) == [("cd", "Congo")]


def test_primary_keys_handed_on_in_one_flush(lite):
    first, second = Country(code="a", name="first"), Country(code="b", name="second")
    lite.add_all([first, second])
    lite.flush()
    second.code = "c"
    lite.flush()
    first.code = "b"
    lite.commit()
    assert lite.get(Country, "b") is first
    assert lite.get(Country, "c") is second


def test_row_is_found_by_its_old_key_until_the_flush(lite):
    country = Country(code="zr")
    lite.add(country)
    lite.flush()
    country.code = "cd"
    with lite.no_autoflush:
        assert lite.get(Country, "zr") is country


def test_deleting_an_object_with_a_changed_key_deletes_its_row(lite):
    country = Country(code="zr")
    lite.add(country)
    lite.flush()
    country.code = "cd"
    lite.delete(country)
    lite.commit()
    assert stored(lite, Country.__table__.c.code) == []


# Matched rows


def test_update_of_a_vanished_row(session):
    item = Item(id=1, name="a", count=1)
    session.add(item)
    session.flush()
    session.execute(Item.__table__.delete())
    item.count = 2
    with pytest.raises(StaleDataError, match="item"):
        session.flush()


def test_one_vanished_row_among_many_updates(session):
    items = [Item(id=number, name=f"n{number}") for number in range(1, 11)]
    session.add_all(items)
    session.flush()
    session.execute(Item.__table__.delete().where(Item.__table__.c.id == 5))
    for item in items:
        item.count = 2
    with pytest.raises(StaleDataError):
        session.flush()


def test_update_that_changes_nothing_in_the_row_still_matches_it(session):
    item = Item(id=1, name="a", count=1)
    session.add(item)
    session.flush()
    session.execute(Item.__table__.update().values(count=2))
    item.count = 2
    session.commit()
    assert stored(session, Item.__table__.c.count) == [(2,)]


def test_delete_of_a_vanished_row_is_told_by_a_warning(lite):
    item = Item(id=1, name="a")
    lite.add(item)
    lite.flush()
    lite.execute(Item.__table__.delete())
    lite.delete(item)
    with pytest.warns(Warning, match="item"):
        lite.flush()


# One key after another


def test_delete_then_insert_of_the_same_key(session):
    old = Country(code="nl", name="old")
    session.add(old)
    session.commit()
    session.delete(old)
    session.flush()
    session.add(Country(code="nl", name="new"))
    session.commit()
    assert stored(session, Country.__table__.c.code, Country.__table__.c.name) == [("nl", "new")]


def test_delete_and_insert_of_the_same_key_in_one_flush(session):
    old = Country(code="nl", name="old")
    session.add(old)
    session.commit()
    session.delete(old)
    new = Country(code="nl", name="new")
    session.add(new)
    session.commit()
    assert stored(session, Country.__table__.c.code, Country.__table__.c.name) == [("nl", "new")]
    assert session.get(Country, "nl") is new
    assert not inspect(old).persistent


def test_columns_not_given_by_the_new_object_are_not_taken_from_the_old_row(session):
    old = Country(code="nl", name="old")
    session.add(old)
    session.commit()
    session.delete(old)
    new = Country(code="nl")
    session.add(new)
    session.commit()
    assert new.code == "nl"
    assert inspect(new).persistent


# flush([objects])


def test_flush_of_some_objects_leaves_the_others(lite):
    first, second = Item(name="a"), Item(name="b")
    lite.add_all([first, second])
    lite.flush([first])
    assert inspect(first).persistent
    assert inspect(second).pending


def test_flush_of_some_changed_objects_leaves_the_others(lite):
    first, second = Item(name="a"), Item(name="b")
    lite.add_all([first, second])
    lite.flush()
    first.count = second.count = 1
    lite.flush([first])
    assert list(lite.dirty) == [second]


def test_flush_of_a_deleted_object_only(lite):
    first, second = Item(name="a"), Item(name="b")
    lite.add_all([first, second])
    lite.flush()
    lite.delete(first)
    lite.delete(second)
    lite.flush([first])
    assert inspect(first).deleted
    assert list(lite.deleted) == [second]


def test_flush_of_an_empty_list_loses_nothing(lite):
    lite.add(Item(name="a"))
    lite.flush([])
    lite.commit()
    assert stored(lite, Item.__table__.c.name) == [("a",)]


# A failure in the middle


def test_failure_in_the_middle_undoes_the_whole_flush(session):
    session.add(Item(id=1, name="taken"))
    session.commit()
    session.add_all([Country(code="nl"), City(id=1, country_code="nl"), Item(id=2, name="taken")])
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert stored(session, Country.__table__.c.code) == []
    assert stored(session, City.__table__.c.id) == []
    assert stored(session, Item.__table__.c.name) == [("taken",)]


def test_failure_keeps_the_error_of_the_database_as_its_cause(session):
    session.add(Item(id=1, name="taken"))
    session.commit()
    session.add(Item(id=2, name="taken"))
    with pytest.raises(IntegrityError) as caught:
        session.flush()
    driver = session.get_bind().dialect.dbapi
    assert isinstance(caught.value.orig, driver.IntegrityError)
    assert isinstance(caught.value.__cause__, driver.IntegrityError)


def test_objects_can_be_repaired_and_flushed_after_a_failure(session):
    session.add(Item(id=1, name="taken"))
    session.commit()
    good, bad = Item(id=2, name="free"), Item(id=3, name="taken")
    session.add_all([good, bad])
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert inspect(good).transient
    assert inspect(bad).transient
    bad.name = "also free"
    session.add_all([good, bad])
    session.commit()
    assert stored(session, Item.__table__.c.id, Item.__table__.c.name) == [
        (1, "taken"),
        (2, "free"),
        (3, "also free"),
    ]


def test_changed_objects_stand_as_the_database_has_them_after_a_failure(session):
    one, two = Item(id=1, name="one"), Item(id=2, name="two")
    session.add_all([one, two])
    session.commit()
    one.count = 5
    two.name = "one"
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert (one.count, two.name) == (None, "two")
    assert not session.dirty


def test_deleted_objects_are_back_after_a_failure(session):
    one = Item(id=1, name="one")
    session.add(one)
    session.flush()
    country, city = Country(code="nl"), City(id=1, country_code="nl")
    session.add(country)
    session.flush()
    session.add(city)
    session.commit()
    session.delete(one)
    session.delete(country)
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert object_session(one) is session
    assert inspect(one).persistent
    assert inspect(country).persistent
    assert stored(session, Item.__table__.c.id) == [(1,)]


def test_failure_while_a_row_is_built_leaves_nothing_half_done(lite):
    lite.add_all([Item(name="a"), Refusing()])
    with pytest.raises(Exception, match="division by zero"):
        lite.flush()
    lite.rollback()
    assert stored(lite, Item.__table__.c.id) == []
