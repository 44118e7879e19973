"""INSERT, UPDATE and DELETE of mapped classes by ``session.execute()``: rows, objects, and what the session knows."""

import pytest
from databases import count_statements
from sqlalchemy import Computed, ForeignKey, String, bindparam, case, delete, func, insert, literal, select, update

from ropewalk import DeclarativeBase, Mapped, Session, load_only, mapped_column, relationship, selectinload, synonym
from ropewalk.exc import ArgumentError, InvalidRequestError, StaleDataError


class Base(DeclarativeBase):
    pass


class Sailor(Base):
    __tablename__ = "sailor"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("full_name", String(40))
    age: Mapped[int | None]
    rank: Mapped[str] = mapped_column(String(20), server_default="deckhand")
    seen: Mapped[int | None] = mapped_column(onupdate=lambda: 5)
    watches: Mapped[list["Watch"]] = relationship(order_by="Watch.id")
    years = synonym("age")


class Watch(Base):
    __tablename__ = "watch"
    id: Mapped[int] = mapped_column(primary_key=True)
    sailor_id: Mapped[int] = mapped_column(ForeignKey("sailor.id"))


class Cargo(Base):
    __tablename__ = "cargo"
    id: Mapped[int] = mapped_column(primary_key=True)
    crates: Mapped[int]
    twice: Mapped[int] = mapped_column(Computed("crates * 2"))


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.connection().execute(
            insert(Sailor.__table__),
            [{"full_name": name, "age": age} for name, age in [("ann", 20), ("bob", 30), ("cid", 40), ("dot", 50)]],
        )
        yield session


def rows(session):
    table = Sailor.__table__
    return [tuple(row) for row in session.connection().execute(select(table.c.full_name, table.c.age).order_by("id"))]


def everybody(session):
    return session.scalars(select(Sailor).order_by(Sailor.id)).all()


def returns(engine, verb):
    if not getattr(engine.dialect, f"{verb}_returning"):
        pytest.skip(f"{engine.dialect.name} has no {verb.upper()} ... RETURNING")


# -- INSERT ------------------------------------------------------------------------------


def test_rows_are_inserted_in_bulk_by_attribute_names(session):
    session.execute(insert(Sailor), [{"name": "eve", "age": 1}, {"name": "fay", "years": 2}])
    assert rows(session)[-2:] == [("eve", 1), ("fay", 2)]
    assert session.scalars(select(Sailor.rank).where(Sailor.name == "eve")).one() == "deckhand"


def test_none_means_the_default_unless_nulls_are_to_be_rendered(session):
    session.execute(insert(Cargo), [{"crates": 3}])
    session.execute(insert(Sailor), [{"name": "eve", "rank": None}])
    assert session.scalars(select(Sailor.rank).where(Sailor.name == "eve")).one() == "deckhand"
    with count_statements(session.get_bind()) as counted:
        session.execute(insert(Sailor), [{"name": "g", "age": 1}, {"name": "h", "age": None}, {"name": "i", "age": 2}])
        assert counted.count == 3
    with count_statements(session.get_bind()) as counted:
        session.execute(
            insert(Sailor).execution_options(render_nulls=True),
            [{"name": "g", "age": 1}, {"name": "h", "age": None}, {"name": "i", "age": 2}],
        )
        assert counted.count == 1
    assert rows(session)[-2] == ("h", None)


def test_a_bulk_insert_returns_objects_in_the_order_of_the_parameters(session):
    returns(session.get_bind(), "insert")
    statement = insert(Sailor).returning(Sailor, sort_by_parameter_order=True)
    given = [{"name": f"s{i}", "age": i} for i in range(30)]
    sailors = session.scalars(statement, given).all()
    assert [sailor.name for sailor in sailors] == [row["name"] for row in given]
    assert all(sailor in session and sailor.rank == "deckhand" for sailor in sailors)
    assert session.get(Sailor, sailors[7].id) is sailors[7]
    ages = {sailor.name: sailor.age for sailor in sailors}
    assert ages == {f"s{i}": i for i in range(30)}


def test_returned_objects_and_columns_share_a_row(session):
    returns(session.get_bind(), "insert")
    statement = insert(Sailor).values(name=func.lower("EVE")).returning(Sailor, Sailor.age + 1)
    (row,) = session.execute(statement, [{"age": 7}]).all()
    assert (row[0].name, row[1]) == ("eve", 8)
    assert row.Sailor is row[0]


def test_values_may_be_named_by_attributes_columns_and_synonyms(session):
    session.execute(insert(Sailor).values({Sailor.name: "eve", Sailor.years: 3}))
    session.execute(insert(Sailor).values([{"name": "fay", "age": 4}, {"name": "gus", "age": 5}]))
    session.execute(insert(Sailor).values({Sailor.__table__.c.full_name: "hal", "age": 6}))
    assert rows(session)[-4:] == [("eve", 3), ("fay", 4), ("gus", 5), ("hal", 6)]


def test_options_apply_to_returned_objects(session):
    returns(session.get_bind(), "insert")
    (sailor,) = session.scalars(
        insert(Sailor).returning(Sailor).options(load_only(Sailor.name)), [{"name": "eve", "age": 1}]
    )
    assert "age" not in vars(sailor) and sailor.age == 1
    (sailor,) = session.scalars(
        insert(Sailor).returning(Sailor).options(selectinload(Sailor.watches)), [{"name": "fay"}]
    )
    assert vars(sailor)["watches"] == []


def test_rows_of_other_columns_go_by_a_statement_of_their_own_and_keep_their_order(session):
    returns(session.get_bind(), "insert")
    given = [{"name": "a", "age": 1}, {"name": "b"}, {"name": "c", "age": 3, "rank": "mate"}, {"name": "d", "age": 4}]
    sailors = session.scalars(insert(Sailor).returning(Sailor), given).all()
    assert [(s.name, s.age, s.rank) for s in sailors] == [
        ("a", 1, "deckhand"),
        ("b", None, "deckhand"),
        ("c", 3, "mate"),
        ("d", 4, "deckhand"),
    ]


@pytest.mark.databases("mariadb", "sqlite")
def test_what_the_database_cannot_give_back_is_refused(session, monkeypatch):
    dialect = session.get_bind().dialect
    monkeypatch.setattr(dialect, "insert_executemany_returning", False)
    with pytest.raises(InvalidRequestError, match="RETURNING"):
        session.execute(insert(Sailor).returning(Sailor), [{"name": "a"}, {"name": "b"}])


def test_an_unknown_strategy_is_refused(session):
    with pytest.raises(ArgumentError, match="dml_strategy"):
        session.execute(insert(Sailor), [{"name": "a"}], execution_options={"dml_strategy": "quick"})
    with pytest.raises(ArgumentError, match="synchronize_session"):
        session.execute(update(Sailor).values(age=1), execution_options={"synchronize_session": "perhaps"})


# -- UPDATE and DELETE with criteria ------------------------------------------------------

SYNCHRONIZE = pytest.mark.parametrize("strategy", ["auto", "evaluate", "fetch"])


@SYNCHRONIZE
def test_objects_learn_of_an_update(session, strategy):
    ann, bob, cid, dot = everybody(session)
    result = session.execute(
        update(Sailor).where(Sailor.age > 25, Sailor.name != "dot").values(age=Sailor.age + 1),
        execution_options={"synchronize_session": strategy},
    )
    assert result.rowcount == 2
    with count_statements(session.get_bind()) as counted:
        assert [s.age for s in (ann, bob, cid, dot)] == [20, 31, 41, 50]
        assert (bob.seen, ann.seen) == (5, None)
        assert counted.count == 0
    assert not session.dirty
    assert [age for _, age in rows(session)] == [20, 31, 41, 50]


@SYNCHRONIZE
def test_objects_learn_of_a_delete(session, strategy):
    ann, bob, cid, dot = everybody(session)
    session.execute(delete(Sailor).where(Sailor.age >= 40), execution_options={"synchronize_session": strategy})
    assert ann in session and bob in session and cid not in session and dot not in session


def test_a_deleted_object_is_back_after_a_rollback(session):
    session.commit()
    everyone = everybody(session)
    session.execute(delete(Sailor).where(Sailor.age >= 40))
    session.rollback()
    assert all(sailor in session for sailor in everyone)
    assert everyone[3].name == "dot"


def test_false_tells_the_objects_nothing(session):
    ann, *_ = everybody(session)
    session.execute(update(Sailor).values(age=1), execution_options={"synchronize_session": False})
    assert ann.age == 20
    session.expire_all()
    assert ann.age == 1


def test_what_only_the_database_can_tell_is_asked_of_it(session):
    ann, bob, cid, dot = everybody(session)
    criterion = case((Sailor.name.in_(["bob", "dot"]), 1), else_=0) == 1
    session.execute(update(Sailor).where(criterion).values(name=func.upper(Sailor.name)))
    assert [s.name for s in (ann, bob, cid, dot)] == ["ann", "BOB", "cid", "DOT"]
    with pytest.raises(InvalidRequestError, match="'evaluate'.*'fetch'"):
        session.execute(delete(Sailor).where(criterion), execution_options={"synchronize_session": "evaluate"})


def test_objects_that_the_session_knows_too_little_of_are_read_anew(session):
    ann, bob, *_ = everybody(session)
    session.expire(bob, ["name"])
    session.execute(update(Sailor).where(Sailor.name == "cid").values(age=1))
    assert (ann.age, bob.age) == (20, 30)
    session.expire(ann)
    session.execute(update(Sailor).where(Sailor.age < 100).values(age=Sailor.age * 2))
    assert (ann.age, bob.age) == (40, 60)


def test_unflushed_changes_are_not_taken_for_what_the_database_has(session):
    session.autoflush = False
    ann, bob, *_ = everybody(session)
    ann.age = 99
    session.execute(update(Sailor).where(Sailor.age > 90).values(rank="admiral"))
    assert ann.rank == "deckhand"


def test_null_is_neither_equal_nor_unequal(session):
    session.execute(insert(Sailor), [{"name": "nil"}])
    *_, nil = everybody(session)
    session.execute(update(Sailor).where(Sailor.age != 3).values(rank="mate"))
    assert nil.rank == "deckhand"
    session.execute(update(Sailor).where(Sailor.age.is_(None)).values(rank="cook"))
    assert nil.rank == "cook"


@pytest.mark.databases("mariadb")
def test_texts_are_compared_as_the_database_does(session):
    ann, *_ = everybody(session)
    session.execute(update(Sailor).where(Sailor.name == "ANN").values(age=1))
    assert ann.age == 1 and rows(session)[0] == ("ann", 1)


def test_an_update_returns_objects(session):
    returns(session.get_bind(), "update")
    bob = session.scalars(select(Sailor).where(Sailor.name == "bob")).one()
    found = session.scalars(update(Sailor).where(Sailor.age >= 30).values(age=Sailor.age + 1).returning(Sailor)).all()
    assert bob in found and bob.age == 31
    assert {s.age for s in found} == {31, 41, 51}


def test_a_delete_returns_objects(session):
    returns(session.get_bind(), "delete")
    found = session.scalars(delete(Sailor).where(Sailor.age < 40).returning(Sailor)).all()
    assert {s.name for s in found} == {"ann", "bob"}
    assert session.scalar(select(func.count()).select_from(Sailor)) == 2


def test_fetch_and_the_programs_own_returning_go_together(session):
    returns(session.get_bind(), "update")
    ann, bob, *_ = everybody(session)
    found = session.execute(
        update(Sailor).where(func.lower(Sailor.name) == "bob").values(age=3).returning(Sailor.name, Sailor.age)
    ).all()
    assert [tuple(row) for row in found] == [("bob", 3)]
    assert bob.age == 3


def test_criteria_with_parameters(session):
    ann, *_ = everybody(session)
    statement = update(Sailor).where(Sailor.name == bindparam("who")).values(age=bindparam("new"))
    session.execute(statement, {"who": "ann", "new": 77})
    assert ann.age == 77


def test_values_keep_their_order_where_that_is_asked_for(session):
    ann, *_ = everybody(session)
    session.execute(update(Sailor).ordered_values((Sailor.age, 3), ("name", "anna")).where(Sailor.id == ann.id))
    assert (ann.age, ann.name) == (3, "anna")


def test_a_misspelt_attribute_is_named(session):
    held = everybody(session)
    with pytest.raises(InvalidRequestError, match="Sailor has no attribute 'full_name'"):
        session.execute(update(Sailor).values(full_name="x"))
    assert held[0].name == "ann"


def test_a_lambda_may_stand_for_the_statement(session):
    from sqlalchemy import lambda_stmt

    ann, *_ = everybody(session)
    for age in (61, 62):
        session.execute(lambda_stmt(lambda: update(Sailor).where(Sailor.name == "ann").values(age=age)))  # noqa: B023
        assert ann.age == age


# -- UPDATE by primary key -----------------------------------------------------------------


def test_rows_are_updated_by_primary_key(session):
    ann, bob, cid, dot = everybody(session)
    result = session.execute(
        update(Sailor), [{"id": ann.id, "age": 1}, {"id": bob.id, "name": "rob"}, {"id": cid.id, "age": 3}]
    )
    assert result.rowcount == 3
    assert (ann.age, bob.name, cid.age, dot.age) == (1, "rob", 3, 50)
    assert rows(session) == [("ann", 1), ("rob", 30), ("cid", 3), ("dot", 50)]


def test_criteria_narrow_a_bulk_update_down(session):
    ann, bob, *_ = everybody(session)
    session.execute(
        update(Sailor).where(Sailor.age > 25).values(rank=func.upper("mate")),
        [{"id": ann.id, "age": 1}, {"id": bob.id, "age": 2}],
    )
    assert (ann.age, ann.rank, bob.age, bob.rank) == (20, "deckhand", 2, "MATE")


def test_a_bulk_update_needs_keys_and_rows(session):
    ann, *_ = everybody(session)
    with pytest.raises(InvalidRequestError, match="primary key.*id"):
        session.execute(update(Sailor), [{"age": 1}])
    with pytest.raises(InvalidRequestError, match="'fetch'"):
        session.execute(update(Sailor), [{"id": ann.id, "age": 1}], execution_options={"synchronize_session": "fetch"})
    with pytest.raises(StaleDataError, match="2 rows, and 1"):
        session.execute(update(Sailor), [{"id": ann.id, "age": 1}, {"id": 12345, "age": 2}])


# -- from_statement and upserts --------------------------------------------------------------


def test_from_statement_takes_the_rows_of_a_statement_that_writes(session):
    returns(session.get_bind(), "insert")
    statement = insert(Sailor).values(name="eve", age=9).returning(Sailor)
    (sailor,) = session.scalars(select(Sailor).from_statement(statement))
    assert (sailor.name, sailor.age) == ("eve", 9)


@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize("populate", [False, True])
def test_an_upsert_returns_the_objects_it_met(session, populate):
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as upsert
    else:
        from sqlalchemy.dialects.postgresql import insert as upsert
    ann, *_ = everybody(session)
    statement = upsert(Sailor).values([{"id": ann.id, "name": "anne"}, {"id": 77, "name": "new"}])
    statement = statement.on_conflict_do_update(
        index_elements=[Sailor.id], set_={"full_name": statement.excluded.full_name}
    ).returning(Sailor)
    options = {"populate_existing": True} if populate else {}
    found = session.scalars(statement, execution_options=options).all()
    assert {s.id for s in found} == {ann.id, 77} and ann in found
    assert ann.name == ("anne" if populate else "ann")
    session.expire(ann)
    assert ann.name == "anne"


def test_a_plain_literal_stays_a_literal(session):
    ann, *_ = everybody(session)
    session.execute(update(Sailor).where(literal(True), Sailor.id == ann.id).values(age=literal(5)))
    assert ann.age == 5


def test_there_is_no_bulk_delete(session):
    with pytest.raises(InvalidRequestError, match="no bulk DELETE"):
        session.execute(delete(Sailor), [{"id": 1}, {"id": 2}])
