"""select() through a session: entities, columns, both, and plain SQL."""

import pytest
from databases import count_statements
from sqlalchemy import String, bindparam, event, func, text
from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    declarative_base,
    inspect,
    mapped_column,
    select,
)


class Base(DeclarativeBase):
    pass


class Fruit(Base):
    __tablename__ = "fruit"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    price: Mapped[int]
    shop_id: Mapped[int | None]


class Shop(Base):
    __tablename__ = "shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    town: Mapped[str] = mapped_column(String(50))


FRUIT = [("apple", 3, 1), ("banana", 2, 1), ("cherry", 9, 2), ("date", 5, None)]


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(Shop.__table__.insert(), [{"id": 1, "town": "Delft"}, {"id": 2, "town": "Leiden"}])
        connection.execute(
            Fruit.__table__.insert(),
            [
                {"id": number, "name": name, "price": price, "shop_id": shop}
                for number, (name, price, shop) in enumerate(FRUIT, 1)
            ],
        )
    with Session(engine) as session:
        yield session


by_id = select(Fruit).order_by(Fruit.id)


# Entities


def test_scalars_of_an_entity_are_objects(session):
    assert [fruit.name for fruit in session.scalars(by_id)] == ["apple", "banana", "cherry", "date"]


def test_execute_of_an_entity_gives_rows_of_one_object(session):
    row = session.execute(by_id).first()
    assert isinstance(row.Fruit, Fruit)
    assert row[0] is row.Fruit
    assert len(row) == 1


def test_scalar_gives_the_first_object(session):
    assert session.scalar(by_id).name == "apple"


def test_scalar_of_nothing_is_none(session):
    assert session.scalar(select(Fruit).where(Fruit.id == 99)) is None


def test_two_entities_in_one_row(session):
    statement = select(Fruit, Shop).join(Shop, Fruit.shop_id == Shop.id).order_by(Fruit.id)
    rows = session.execute(statement).all()
    assert [(row.Fruit.name, row.Shop.town) for row in rows] == [
        ("apple", "Delft"),
        ("banana", "Delft"),
        ("cherry", "Leiden"),
    ]
    assert rows[0].Shop is rows[1].Shop


def test_entity_missing_in_an_outer_join_is_none(session):
    statement = select(Fruit, Shop).outerjoin(Shop, Fruit.shop_id == Shop.id).where(Fruit.id == 4)
    assert session.execute(statement).one().Shop is None


def test_entity_beside_columns(session):
    row = session.execute(select(Fruit, Fruit.price * 2).where(Fruit.id == 1)).one()
    assert row[0].name == "apple"
    assert row[1] == 6


def test_columns_alone_are_plain_values(session):
    statement = select(Fruit.name, Fruit.price).where(Fruit.id == 2)
    row = session.execute(statement).one()
    assert tuple(row) == ("banana", 2)
    assert (row.name, row.price) == ("banana", 2)


def test_columns_alone_put_nothing_into_the_session(session):
    session.execute(select(Fruit.name, Fruit.price)).all()
    assert len(session.identity_map) == 0


def test_column_with_a_label(session):
    assert session.execute(select(Fruit.price.label("cost")).where(Fruit.id == 1)).one().cost == 3


def test_table_gives_rows_and_not_objects(session):
    row = session.execute(select(Fruit.__table__).where(Fruit.__table__.c.id == 1)).one()
    assert tuple(row) == (1, "apple", 3, 1)


def test_aliased_entity_gives_objects_of_the_class(session):
    other = aliased(Fruit)
    statement = select(Fruit, other).join(other, other.price > Fruit.price).where(other.id == 3)
    rows = session.execute(statement.order_by(Fruit.id)).all()
    assert [row[0].name for row in rows] == ["apple", "banana", "date"]
    assert {row[1] for row in rows} == {session.get(Fruit, 3)}


def test_aliased_entity_over_a_subquery(session):
    cheap = aliased(Fruit, select(Fruit).where(Fruit.price < 4).subquery())
    found = session.scalars(select(cheap).order_by(cheap.id)).all()
    assert [fruit.name for fruit in found] == ["apple", "banana"]
    assert found[0] is session.get(Fruit, 1)


def test_from_statement_gives_objects_from_plain_sql(session):
    statement = text("SELECT id, name, price, shop_id FROM fruit WHERE price > :low ORDER BY id")
    found = session.scalars(select(Fruit).from_statement(statement), {"low": 4}).all()
    assert [fruit.name for fruit in found] == ["cherry", "date"]
    assert inspect(found[0]).persistent


# Clauses


def test_where_with_several_conditions(session):
    statement = select(Fruit.name).where(Fruit.price > 2, Fruit.shop_id == 1)
    assert session.scalars(statement).all() == ["apple"]


def test_filter_and_filter_by_on_select(session):
    assert session.scalars(select(Fruit).filter(Fruit.price == 9)).one().name == "cherry"
    assert session.scalars(select(Fruit).filter_by(name="date", price=5)).one().id == 4


def test_filter_by_after_join_means_the_joined_entity(session):
    statement = select(Fruit).join(Shop, Fruit.shop_id == Shop.id).filter_by(town="Leiden")
    assert session.scalars(statement).one().name == "cherry"


def test_operators_of_attributes(session):
    conditions = {
        Fruit.name.like("%a%"): ["apple", "banana", "date"],
        Fruit.name.in_(["apple", "date"]): ["apple", "date"],
        Fruit.price.between(3, 5): ["apple", "date"],
        Fruit.shop_id.is_(None): ["date"],
        Fruit.shop_id != 1: ["cherry"],
        ~(Fruit.price > 2): ["banana"],
        (Fruit.id == 1) | (Fruit.id == 2): ["apple", "banana"],
        Fruit.name.startswith("ch"): ["cherry"],
    }
    for condition, expected in conditions.items():
        found = session.scalars(select(Fruit.name).where(condition).order_by(Fruit.id)).all()
        assert found == expected, str(condition)


def test_order_limit_offset(session):
    statement = select(Fruit).order_by(Fruit.price.desc()).limit(2).offset(1)
    assert [fruit.name for fruit in session.scalars(statement)] == ["date", "apple"]


def test_group_by_and_having(session):
    statement = (
        select(Fruit.shop_id, func.count(), func.sum(Fruit.price))
        .where(Fruit.shop_id.is_not(None))
        .group_by(Fruit.shop_id)
        .having(func.count() > 1)
    )
    assert [tuple(map(int, row)) for row in session.execute(statement)] == [(1, 2, 5)]


def test_distinct(session):
    statement = select(Fruit.shop_id).where(Fruit.shop_id.is_not(None)).distinct().order_by(Fruit.shop_id)
    assert session.scalars(statement).all() == [1, 2]


def test_exists_and_subqueries(session):
    statement = select(Shop.town).where(select(Fruit.id).where(Fruit.shop_id == Shop.id, Fruit.price > 5).exists())
    assert session.scalars(statement).all() == ["Leiden"]
    dearest = select(func.max(Fruit.price)).scalar_subquery()
    assert session.scalars(select(Fruit).where(Fruit.price == dearest)).one().name == "cherry"


def test_common_table_expression(session):
    cheap = select(Fruit.id, Fruit.name).where(Fruit.price < 4).cte("cheap")
    assert session.scalars(select(cheap.c.name).order_by(cheap.c.id)).all() == ["apple", "banana"]


def test_union_of_columns(session):
    statement = select(Fruit.name).where(Fruit.id == 1).union(select(Shop.town).where(Shop.id == 1))
    assert set(session.scalars(statement)) == {"apple", "Delft"}


def test_select_from_a_class(session):
    assert session.scalar(select(func.count()).select_from(Fruit)) == 4


def test_join_on_a_table(session):
    shops = Shop.__table__
    statement = select(Fruit).join(shops, shops.c.id == Fruit.shop_id).where(shops.c.town == "Leiden")
    assert session.scalars(statement).one().name == "cherry"


def test_one_statement_object_with_different_parameters(session):
    statement = select(Fruit).where(Fruit.id == bindparam("number"))
    assert session.scalars(statement, {"number": 1}).one().name == "apple"
    assert session.scalars(statement, {"number": 3}).one().name == "cherry"


def test_the_same_shape_with_other_values_gives_other_objects(session):
    for number, (name, _, _) in enumerate(FRUIT, 1):
        assert session.scalars(select(Fruit).where(Fruit.id == number)).one().name == name


# Results


def test_one_and_one_or_none(session):
    assert session.scalars(select(Fruit).where(Fruit.id == 1)).one().name == "apple"
    assert session.scalars(select(Fruit).where(Fruit.id == 99)).one_or_none() is None
    with pytest.raises(NoResultFound):
        session.scalars(select(Fruit).where(Fruit.id == 99)).one()
    with pytest.raises(MultipleResultsFound):
        session.scalars(select(Fruit)).one()


def test_first_unique_partitions_and_fetchmany(session):
    assert session.scalars(by_id).first().name == "apple"
    assert len(session.scalars(by_id).unique().all()) == 4
    assert [len(part) for part in session.scalars(by_id).partitions(3)] == [3, 1]
    assert len(session.scalars(by_id).fetchmany(3)) == 3


def test_mappings_of_columns(session):
    row = session.execute(select(Fruit.name, Fruit.price).where(Fruit.id == 1)).mappings().one()
    assert dict(row) == {"name": "apple", "price": 3}


def test_columns_of_a_result(session):
    result = session.execute(select(Fruit.id, Fruit.name, Fruit.price).where(Fruit.id == 1))
    assert [tuple(row) for row in result.columns("price", "id")] == [(3, 1)]


def test_a_query_is_one_statement(session):
    with count_statements(session.get_bind()) as sent:
        session.scalars(by_id).all()
    assert sent.count == 1


def test_loaded_attributes_need_no_more_sql(session):
    fruit = session.scalars(by_id).all()
    with count_statements(session.get_bind()) as sent:
        assert [one.price for one in fruit] == [3, 2, 9, 5]
    assert sent.count == 0


# get


def test_get_loads_by_primary_key(session):
    assert session.get(Fruit, 3).name == "cherry"


def test_get_of_nothing_is_none(session):
    assert session.get(Fruit, 99) is None


def test_get_one_loads_or_raises(session):
    assert session.get_one(Fruit, 3).name == "cherry"
    with pytest.raises(NoResultFound):
        session.get_one(Fruit, 99)


def test_get_accepts_a_tuple_and_a_dictionary(session):
    assert session.get(Fruit, (3,)) is session.get(Fruit, {"id": 3})


def test_get_of_an_expired_object_whose_row_is_gone_is_none(session):
    fruit = session.get(Fruit, 3)
    session.commit()
    session.execute(Fruit.__table__.delete())
    assert session.get(Fruit, 3) is None
    assert fruit is not None


# SQL as it is


def test_text_with_parameters(session):
    row = session.execute(text("SELECT name, price FROM fruit WHERE id = :number"), {"number": 2}).one()
    assert tuple(row) == ("banana", 2)


def test_plain_string_with_parameters_as_in_the_chapter(session):
    row = session.execute("SELECT name FROM fruit WHERE id = :number", {"number": 2}).one()
    assert row.name == "banana"


def test_text_sees_what_autoflush_sends(session):
    session.add(Fruit(id=9, name="elder", price=1))
    assert session.scalar(text("SELECT count(*) FROM fruit")) == 5


def test_core_insert_update_delete(session):
    session.execute(Fruit.__table__.insert(), {"id": 9, "name": "elder", "price": 1})
    assert session.execute(Fruit.__table__.update().values(price=0)).rowcount == 5
    assert session.execute(Fruit.__table__.delete().where(Fruit.__table__.c.id == 9)).rowcount == 1
    session.commit()
    assert session.scalars(select(Fruit.price)).all() == [0, 0, 0, 0]


def test_connection_gives_core_its_turn(session):
    assert session.connection().scalar(select(func.count()).select_from(Fruit.__table__)) == 4


@pytest.mark.parametrize("listened", [False, True])
def test_equal_statements_with_other_values_find_other_rows(sqlite_engine, listened):
    OtherBase = declarative_base()

    class Coin(OtherBase):
        __tablename__ = "coin"
        id: Mapped[int] = mapped_column(primary_key=True)
        worth: Mapped[int]

    OtherBase.metadata.create_all(sqlite_engine)
    if listened:
        event.listen(sqlite_engine, "before_cursor_execute", lambda *_: None)
    with Session(sqlite_engine) as session:
        session.add_all([Coin(worth=worth) for worth in (1, 2, 5)])
        session.commit()
        for worth in (1, 2, 5):
            assert session.scalars(select(Coin).where(Coin.worth == worth)).one().worth == worth
            assert session.scalars(select(Coin).where(Coin.worth.in_([worth]))).one().worth == worth
            assert session.query(Coin).filter_by(worth=worth).one().worth == worth
            assert session.query(Coin).filter(Coin.worth == worth).one().worth == worth
