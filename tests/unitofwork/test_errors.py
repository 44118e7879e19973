"""What a failed flush says, and what it leaves behind: nothing."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Integer, MetaData, String
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from unitofwork.harness import Owner, map_class, state

from ropewalk.state.instance import PENDING

COUNT = 1_000
BAD = 700


@pytest.fixture
def Person(owner, make):
    metadata = MetaData()
    make(owner, Column("code", String(2), primary_key=True), name="country", metadata=metadata)
    return make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("name", String(10), nullable=False, unique=True),
        Column("age", Integer, CheckConstraint("age >= 0")),
        Column("country", ForeignKey("country.code")),
        name="person",
        metadata=metadata,
    )


@pytest.fixture(params=["generated keys", "given keys"])
def people(request, owner, Person):
    given = request.param == "given keys"
    people = [Person(name=f"n{i}", age=i, **({"id": i + 1} if given else {})) for i in range(COUNT)]
    owner.add(Person(name="taken", age=1, id=5_000))
    owner.flush()
    owner.connection.commit()
    owner.connection.begin()
    owner.add(*people)
    return people


def failure(owner: Owner) -> str:
    with pytest.raises(DBAPIError) as caught:
        owner.flush()
    # MariaDB has a failed CHECK among the operational errors
    assert isinstance(caught.value, IntegrityError) or caught.value.orig.args[0] == 4025
    return "\n".join(caught.value.__notes__)


def untouched(owner, people):
    assert all(state(person).pk is None and state(person).status == PENDING for person in people)
    assert len(owner.identity_map) == 0
    assert len(owner.new) == len(people)


def test_not_null(owner, people):
    given = "id" in vars(people[0])
    people[BAD].name = None
    assert f"age={BAD}" in failure(owner)
    untouched(owner, people)
    assert given or all("id" not in vars(person) for person in people)


def test_unique_among_the_new(owner, people):
    people[BAD].name = people[3].name
    note = failure(owner)
    assert f"age={BAD}" in note or "id=4" in note
    untouched(owner, people)


def test_unique_against_what_is_there(owner, people, road):
    people[BAD].name = "taken"
    note = failure(owner)
    if road == "core" and owner.connection.dialect.name == "sqlite":
        assert f"age={BAD}" in note or f"{COUNT} Person objects" in note or "Person objects, from" in note
    else:
        assert f"age={BAD}" in note
    untouched(owner, people)


def test_check(owner, people, road):
    people[BAD].age = -7
    note = failure(owner)
    if road == "quick" or owner.connection.dialect.name == "postgresql":
        assert "age=-7" in note
    else:
        assert "age=-7" in note or "Person objects, from" in note
    untouched(owner, people)


def test_foreign_key(owner, people, road):
    people[BAD].country = "xx"
    note = failure(owner)
    if road == "quick" or owner.connection.dialect.name == "postgresql":
        assert f"age={BAD}" in note and "country='xx'" in note
    untouched(owner, people)


def test_update_names_the_object(owner, Person):
    people = [Person(name=f"n{i}", age=i) for i in range(100)]
    owner.add(*people)
    owner.flush()
    for person in people:
        person.age += 1_000
    people[70].age = -7
    assert "It came from" in (note := failure(owner))
    if owner.connection.dialect.name == "sqlite":
        assert f"<Person id={people[70].id}> with age=-7" in note or "100 Person objects" in note
    assert state(people[0]).committed == {"age": 0} and len(owner.identity_map.modified) == 100


def test_delete_that_something_refers_to(owner, make):
    metadata = MetaData()
    A = make(owner, Column("id", Integer, primary_key=True), name="aa", metadata=metadata)
    B = make(
        owner, Column("id", Integer, primary_key=True), Column("up", ForeignKey("aa.id")), name="bb", metadata=metadata
    )
    things = [A(id=number) for number in range(1, 20)]
    owner.add(*things, child := B(id=1, up=7))
    owner.flush()
    owner.delete(*things)
    failure(owner)
    assert len(owner.deleted) == 19 and len(owner.identity_map) == 20 and state(child).persistent


def test_value_too_long(postgresql_engine, road, make):
    with Owner(postgresql_engine) as owner:
        Thing = make(owner, Column("id", Integer, primary_key=True), Column("name", String(3)))
        owner.add(*[Thing(name="abc") for _ in range(50)], long := Thing(name="abcd"))
        with pytest.raises(DBAPIError) as caught:
            owner.flush()
        assert "Thing.name" in caught.value.__notes__[0] and "'abcd'" in caught.value.__notes__[0]
        assert "id" not in vars(long)


def test_value_that_the_type_refuses(lite, make):
    Thing = make(lite, Column("id", Integer, primary_key=True), Column("born", Date))
    good = [Thing(born=datetime.date(2024, 1, 1)) for _ in range(10)]
    lite.add(*good, Thing(id=500, born="yesterday"))
    with pytest.raises(StatementError, match="only accepts Python date") as caught:
        lite.flush()
    assert "Thing.born of <Thing id=500>" in caught.value.__notes__[0]
    assert isinstance(caught.value.orig, TypeError)
    assert "id" not in vars(good[0])


def test_value_that_the_driver_refuses(owner, make):
    Thing = make(owner, Column("id", Integer, primary_key=True), Column("x", Integer))
    owner.add(*[Thing(x=number) for number in range(10)], Thing(x=object()))
    with pytest.raises(Exception) as caught:
        owner.flush()
    note = caught.value.__notes__[0]
    assert "Thing.x" in note and "of type object" in note or "with x=<object object" in note


def test_number_too_large_for_the_driver(lite, make):
    Thing = make(lite, Column("id", Integer, primary_key=True), Column("x", Integer))
    lite.add(*[Thing(x=number) for number in range(10)], Thing(x=2**70))
    with pytest.raises(Exception) as caught:
        lite.flush()
    assert str(2**70) in caught.value.__notes__[0]


def test_trigger_that_swallows_rows(lite, make):
    from sqlalchemy import text

    from ropewalk.exc import FlushError

    Thing = make(lite, Column("id", Integer, primary_key=True), Column("x", Integer))
    lite.connection.execute(
        text("CREATE TRIGGER skip BEFORE INSERT ON thing WHEN NEW.x = 3 BEGIN SELECT RAISE(IGNORE); END")
    )
    lite.add(*[Thing(x=number) for number in range(10)])
    with pytest.raises(FlushError, match="10 Thing objects.*returned 9 rows"):
        lite.flush()


def test_later_failure_takes_back_earlier_keys(owner, make):
    metadata = MetaData()
    A = make(owner, Column("id", Integer, primary_key=True), name="aa", metadata=metadata)
    B = make(
        owner,
        Column("id", Integer, primary_key=True),
        Column("up", ForeignKey("aa.id"), nullable=False),
        Column("x", Integer, default=7),
        name="bb",
        metadata=metadata,
    )
    first, second = A(), B()
    owner.add(first, second)
    with pytest.raises(IntegrityError):
        owner.flush()
    assert "id" not in vars(first) and "x" not in vars(second)
    assert state(first).pk is None and not owner.identity_map
    owner.connection.rollback()
    assert owner.rows(A.__table__) == []


def test_note_survives_an_object_that_cannot_be_shown(lite):
    class Odd:
        pass

    from sqlalchemy import Table

    table = Table("odd", MetaData(), Column("id", Integer, primary_key=True), Column("x", Integer))
    table.create(lite.connection)
    map_class(Odd, table)

    class Shy:
        def __repr__(self):
            raise ValueError

    odd = Odd()
    odd.x = Shy()
    lite.add(odd)
    with pytest.raises(Exception) as caught:
        lite.flush()
    assert "Shy" in caught.value.__notes__[0]
