"""Plain classes mapped onto tables; afterwards they behave as declarative ones do."""

import pytest
from databases import count_statements
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, func
from sqlalchemy.exc import ArgumentError

from ropewalk import (
    Session,
    class_mapper,
    column_property,
    deferred,
    inspect,
    mapper,
    registry,
    select,
    synonym,
)
from ropewalk.exc import UnmappedClassError

# Each test maps a class of this name; mapper() puts them all into one registry, which says so.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


@pytest.fixture
def users():
    return Table(
        "users",
        MetaData(),
        Column("user_id", Integer, primary_key=True),
        Column("user_name", String(50), nullable=False),
        Column("age", Integer),
    )


@pytest.fixture
def User():
    class User:
        pass

    return User


def made(class_, **values):
    obj = class_()
    for name, value in values.items():
        setattr(obj, name, value)
    return obj


def opened(engine, users):
    users.create(engine)
    return Session(engine)


# Mapping


def test_map_imperatively_makes_attributes_of_columns(User, users):
    registry().map_imperatively(User, users)
    assert set(inspect(User).attrs.keys()) == {"user_id", "user_name", "age"}


def test_map_imperatively_returns_the_mapper(User, users):
    mapped = registry().map_imperatively(User, users)
    assert mapped is inspect(User)
    assert mapped.local_table is users
    assert mapped.class_ is User


def test_mapper_of_the_chapter_maps_without_a_registry(sqlite_engine, User, users):
    mapper(User, users)
    with opened(sqlite_engine, users) as session:
        session.add(made(User, user_name="jack"))
        session.commit()
        assert session.scalars(select(User)).one().user_name == "jack"


def test_mapper_returns_the_mapper(User, users):
    assert mapper(User, users) is class_mapper(User)


def test_properties_give_columns_other_names(engine, User, users):
    mapper(User, users, properties={"id": users.c.user_id, "name": users.c.user_name})
    with opened(engine, users) as session:
        session.add(made(User, id=7, name="jack", age=3))
        session.commit()
        session.expunge_all()
        loaded = session.scalars(select(User).where(User.name == "jack")).one()
        assert (loaded.id, loaded.name, loaded.age) == (7, "jack", 3)
        loaded.name = "jill"
        session.commit()
        assert session.scalar(select(users.c.user_name)) == "jill"


def test_renamed_column_has_no_attribute_under_its_own_name(User, users):
    mapper(User, users, properties={"name": users.c.user_name})
    assert "user_name" not in inspect(User).attrs
    assert not hasattr(User, "user_name")


def test_get_and_filter_by_use_the_attribute_names(sqlite_engine, User, users):
    mapper(User, users, properties={"id": users.c.user_id, "name": users.c.user_name})
    with opened(sqlite_engine, users) as session:
        session.add(made(User, id=7, name="jack"))
        session.commit()
        assert session.query(User).filter_by(name="jack").one() is session.get(User, 7)


def test_constructor_of_a_plain_class_with_keywords_is_given_by_the_registry(User, users):
    registry().map_imperatively(User, users)
    assert User().age is None
    assert made(User, age=3).age == 3


def test_own_constructor_is_kept(sqlite_engine, users):
    class User:
        def __init__(self, name):
            self.user_name = name.title()

    mapper(User, users)
    with opened(sqlite_engine, users) as session:
        session.add(User("jack"))
        session.commit()
        session.expunge_all()
        assert session.scalars(select(User)).one().user_name == "Jack"


def test_methods_and_properties_of_the_class_remain(users):
    class User:
        @property
        def initial(self):
            return self.user_name[0]

        def __repr__(self):
            return f"<{self.user_name}>"

    mapper(User, users)
    user = made(User, user_name="jack")
    assert user.initial == "j"
    assert repr(user) == "<jack>"


# Options


def test_deferred_column_in_properties(sqlite_engine, User, users):
    mapper(User, users, properties={"age": deferred(users.c.age)})
    with opened(sqlite_engine, users) as session:
        session.add(made(User, user_name="jack", age=3))
        session.commit()
        session.expunge_all()
        with count_statements(sqlite_engine) as sent:
            user = session.scalars(select(User)).one()
            assert "age" not in sent.statements[0]
            assert user.age == 3
        assert sent.count == 2


def test_column_property_in_properties(sqlite_engine, User, users):
    mapper(User, users, properties={"next_age": column_property(users.c.age + 1)})
    with opened(sqlite_engine, users) as session:
        session.add(made(User, user_name="jack", age=3))
        session.commit()
        session.expunge_all()
        user = session.scalars(select(User).where(User.next_age == 4)).one()
        assert user.next_age == 4


def test_synonym_in_properties(sqlite_engine, User, users):
    mapper(User, users, properties={"name": synonym("user_name")})
    with opened(sqlite_engine, users) as session:
        session.add(made(User, name="jack"))
        session.commit()
        assert session.query(User).filter_by(name="jack").one().user_name == "jack"


def test_add_property_after_mapping(sqlite_engine, User, users):
    mapped = mapper(User, users)
    mapped.add_property("years", synonym("age"))
    assert made(User, age=3).years == 3


def test_exclude_properties(User, users):
    mapper(User, users, exclude_properties=["age"])
    assert set(inspect(User).attrs.keys()) == {"user_id", "user_name"}


def test_primary_key_given_to_the_mapper(sqlite_engine, User):
    keyless = Table("keyless", MetaData(), Column("a", Integer), Column("b", Integer))
    mapper(User, keyless, primary_key=[keyless.c.a])
    with opened(sqlite_engine, keyless) as session:
        session.add(made(User, a=1, b=2))
        session.commit()
        assert session.get(User, 1).b == 2


def test_class_over_a_select(sqlite_engine, User, users):
    adults = select(users).where(users.c.age >= 18).subquery()
    mapper(User, adults, primary_key=[adults.c.user_id])
    with opened(sqlite_engine, users) as session:
        session.execute(
            users.insert(),
            [{"user_id": 1, "user_name": "jack", "age": 3}, {"user_id": 2, "user_name": "ed", "age": 30}],
        )
        assert [user.user_name for user in session.scalars(select(User))] == ["ed"]


def test_two_classes_on_one_table(sqlite_engine, User, users):
    class Person:
        pass

    mapper(User, users)
    mapper(Person, users, include_properties=["user_id", "age"])
    with opened(sqlite_engine, users) as session:
        session.add(made(User, user_id=1, user_name="jack", age=3))
        session.commit()
        person = session.get(Person, 1)
        assert person.age == 3
        assert person is not session.get(User, 1)


# The same behaviour afterwards


def test_changes_are_tracked(sqlite_engine, User, users):
    mapper(User, users)
    with opened(sqlite_engine, users) as session:
        user = made(User, user_name="jack", age=3)
        session.add(user)
        session.flush()
        user.age = 4
        assert list(session.dirty) == [user]
        with count_statements(sqlite_engine) as sent:
            session.flush()
        assert [sql.split()[0] for sql in sent.statements] == ["UPDATE"]
        assert "user_name" not in sent.statements[0]


def test_objects_are_deleted(sqlite_engine, User, users):
    mapper(User, users)
    with opened(sqlite_engine, users) as session:
        user = made(User, user_name="jack")
        session.add(user)
        session.commit()
        session.delete(user)
        session.commit()
        assert session.scalar(select(func.count()).select_from(users)) == 0


def test_states_and_history_are_inspectable(User, users):
    mapper(User, users)
    user = made(User, user_name="jack")
    assert inspect(user).transient
    assert inspect(user).attrs.user_name.history.added == ["jack"]


def test_statement_on_the_class_gives_objects_and_on_the_table_gives_rows(sqlite_engine, User, users):
    mapper(User, users)
    with opened(sqlite_engine, users) as session:
        session.add(made(User, user_id=1, user_name="jack"))
        session.commit()
        assert isinstance(session.execute(select(User)).one()[0], User)
        assert tuple(session.execute(select(users)).one()) == (1, "jack", None)


def test_foreign_keys_order_imperative_classes_too(sqlite_engine):
    metadata = MetaData()
    ships = Table("ships", metadata, Column("id", Integer, primary_key=True))
    masts = Table(
        "masts",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("ship_id", ForeignKey("ships.id"), nullable=False),
    )

    class Ship:
        pass

    class Mast:
        pass

    reg = registry()
    reg.map_imperatively(Mast, masts)
    reg.map_imperatively(Ship, ships)
    metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add(made(Mast, id=1, ship_id=5))
        session.add(made(Ship, id=5))
        session.commit()
        assert session.get(Mast, 1).ship_id == 5


# Ending it


def test_registry_dispose_unmaps_its_classes(User, users):
    reg = registry()
    reg.map_imperatively(User, users)
    reg.dispose()
    with pytest.raises(UnmappedClassError):
        class_mapper(User)


def test_disposed_class_can_be_mapped_again(User, users):
    reg = registry()
    reg.map_imperatively(User, users)
    reg.dispose()
    registry().map_imperatively(User, users, properties={"name": users.c.user_name})
    assert made(User, name="jack").name == "jack"


def test_mapping_a_class_twice_is_refused(User, users):
    mapper(User, users)
    with pytest.raises(ArgumentError, match="User"):
        mapper(User, users)
