"""``ropewalk.select`` is Core's select: the same statements, the same keys, the same answers."""

import copy
import pickle

import pytest
import sqlalchemy
from sqlalchemy import Select, String, bindparam, func, literal_column, text, union
from sqlalchemy.dialects import postgresql

import ropewalk
from ropewalk import DeclarativeBase, Mapped, Session, aliased, mapped_column


class Base(DeclarativeBase):
    pass


class Sail(Base):
    __tablename__ = "sail"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    area: Mapped[int]


table = Sail.__table__

SAME = {
    "class": lambda s: s(Sail),
    "column": lambda s: s(Sail.name),
    "table": lambda s: s(table),
    "nothing": lambda s: s(),
    "two": lambda s: s(Sail, func.count()),
    "alias": lambda s: (lambda a: s(a).where(a.area > 1).order_by(a.name))(aliased(Sail, name="other")),
    "where": lambda s: s(Sail).where(Sail.area > 5, Sail.name == "jib").where(Sail.id != 3),
    "where of a table": lambda s: s(table).where(table.c.area > 5),
    "where in": lambda s: s(Sail).where(Sail.id.in_([1, 2])),
    "where text": lambda s: s(Sail).where(text("area > 1")),
    "where of nothing selected": lambda s: s(literal_column("1")).where(Sail.id == 1),
    "order": lambda s: s(Sail).order_by(Sail.area, Sail.name).order_by(Sail.id),
    "order by an expression": lambda s: s(Sail).order_by(Sail.area.desc(), "name"),
    "no order": lambda s: s(Sail).order_by(Sail.area).order_by(None),
    "limit": lambda s: s(Sail).limit(3).offset(2),
    "limit again": lambda s: s(Sail).limit(3).limit(5),
    "no limit": lambda s: s(Sail).limit(3).limit(None),
    "a big limit": lambda s: s(Sail).limit(2**40),
    "limit by an expression": lambda s: s(Sail).limit(func.abs(2)).offset(bindparam("o", 5)),
    "limit after fetch": lambda s: s(Sail).fetch(5).limit(3),
    "fetch after limit": lambda s: s(Sail).limit(3).fetch(5),
    "filter_by": lambda s: s(Sail).filter_by(name="jib"),
    "subquery": lambda s: s(s(Sail).where(Sail.id == 1).limit(2).subquery()),
    "union": lambda s: union(s(Sail.id).where(Sail.id == 1), s(Sail.id).where(Sail.id == 2)),
    "exists": lambda s: s(s(Sail).where(Sail.id == 1).exists()),
    "other columns": lambda s: s(Sail).where(Sail.id == 1).with_only_columns(Sail.name),
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_the_statement_is_cores(make):
    ours, theirs = make(ropewalk.select), make(sqlalchemy.select)
    for dialect in (None, postgresql.dialect()):
        one, other = ours.compile(dialect=dialect), theirs.compile(dialect=dialect)
        assert str(one) == str(other)
        assert one.params == other.params


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_cache_keys_tell_statements_apart_as_cores_do(make):
    def equals(select):
        key = make(select)._generate_cache_key().key
        return {
            name for name, other in SAME.items() if other is not make and other(select)._generate_cache_key().key == key
        }

    assert equals(ropewalk.select) == equals(sqlalchemy.select)


def test_it_is_a_select_and_each_call_returns_another():
    first = ropewalk.select(Sail)
    assert isinstance(first, Select)
    second = first.where(Sail.id == 1)
    third = second.where(Sail.id == 2).order_by(Sail.id).limit(1)
    assert "WHERE" not in str(first)
    assert str(second).count("sail.id = ") == 1
    assert str(third).count("sail.id = ") == 2
    assert "WHERE" not in str(ropewalk.select(Sail))


def test_each_number_is_a_parameter_of_its_own():
    statement = union(
        ropewalk.select(Sail.id).limit(1).subquery().select(), ropewalk.select(Sail.id).limit(2).subquery().select()
    )
    assert sorted(statement.compile().params.values()) == [1, 2]


def test_a_fetch_that_was_replaced_by_a_limit_is_gone():
    assert "FETCH" not in str(ropewalk.select(Sail).fetch(5).limit(3))


def test_it_can_be_copied_and_pickled():
    statement = ropewalk.select(table.c.id).limit(3)
    assert str(copy.copy(statement)) == str(statement)
    assert str(pickle.loads(pickle.dumps(statement))) == str(statement)


def test_what_is_not_mapped_is_refused():
    with pytest.raises(sqlalchemy.exc.ArgumentError):
        ropewalk.select(int)


def test_both_selects_find_the_same(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add_all([Sail(id=i, name=f"sail {i}", area=i % 3) for i in range(1, 10)])
        session.flush()
        for area in (0, 1, 2):
            for limit in (1, 2):
                found = [
                    session.scalars(select(Sail).where(Sail.area == area).order_by(Sail.id.desc()).limit(limit)).all()
                    for select in (ropewalk.select, sqlalchemy.select)
                ]
                assert found[0] == found[1]
                assert [sail.area for sail in found[0]] == [area] * limit


def test_parameters_given_to_a_statement_reach_it(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        session.add_all([Sail(id=i, name="x", area=i) for i in (1, 2)])
        session.flush()
        statement = ropewalk.select(Sail).where(Sail.area == bindparam("area"))
        assert session.scalars(statement.params(area=2)).one().id == 2
        assert session.scalars(statement.params(area=1)).one().id == 1
        assert session.scalars(statement.params(area=1), {"area": 2}).one().id == 2
        inner = ropewalk.select(Sail.id).where(Sail.area == bindparam("area")).params(area=2)
        assert session.scalars(ropewalk.select(Sail).where(Sail.id.in_(inner))).one().id == 2
