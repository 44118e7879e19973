"""Which queries share a prepared plan, and which must not."""

import datetime

import pytest
from sqlalchemy import Integer, String, TypeDecorator, func

from ropewalk import DeclarativeBase, Mapped, PropComparator, Session, column_property, mapped_column
from ropewalk.session import query_plans
from ropewalk.session.query_plans import plan_of


class Lowered(PropComparator):
    def __eq__(self, other):
        return func.lower(self.__clause_element__()) == other.lower()


class Doubled(TypeDecorator):
    """Twice the number in the database, and a comparison that goes by the value."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value * 2

    def process_result_value(self, value, dialect):
        return value // 2


class Base(DeclarativeBase):
    pass


class Knot(Base):
    __tablename__ = "knot"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    turns: Mapped[int]
    length: Mapped[int] = mapped_column(Doubled)
    title: Mapped[str] = column_property(mapped_column(String(50)), comparator_factory=Lowered)


class Splice(Base):
    __tablename__ = "splice"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


@pytest.fixture
def session(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(
            Knot.__table__.insert(),
            [
                {"id": 1, "name": "bowline", "turns": 1, "length": 4, "title": "Bowline"},
                {"id": 2, "name": "hitch", "turns": 2, "length": 6, "title": "Hitch"},
            ],
        )
    with Session(sqlite_engine) as session:
        yield session


@pytest.fixture(autouse=True)
def _no_plans():
    for class_ in (Knot, Splice):
        vars(class_.__mapper__).pop("_query_plans", None)


SHAPES = {
    "all": lambda q: q,
    "name": lambda q: q.filter_by(name="hitch"),
    "turns": lambda q: q.filter_by(turns=2),
    "both": lambda q: q.filter_by(name="hitch", turns=2),
    "both, one by one": lambda q: q.filter_by(name="hitch").filter_by(turns=2),
    "ordered": lambda q: q.order_by(Knot.name),
    "ordered otherwise": lambda q: q.order_by(Knot.turns),
    "ordered by two": lambda q: q.order_by(Knot.name, Knot.turns),
    "limit": lambda q: q.limit(1),
    "offset": lambda q: q.offset(1),
    "limit and offset": lambda q: q.limit(1).offset(1),
    "value of another type": lambda q: q.filter_by(turns=2.0),
}


def test_each_shape_has_a_plan_of_its_own(session):
    query = session.query(Knot)
    plans = {plan_of(make(query)) for make in SHAPES.values()}
    assert len(plans) == len(SHAPES)
    assert None not in plans


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_a_plan_is_found_again(session, make):
    assert plan_of(make(session.query(Knot))) is plan_of(make(session.query(Knot)))


def test_values_limits_and_offsets_are_no_part_of_a_shape(session):
    query = session.query(Knot)
    first = query.filter_by(name="bowline").order_by(Knot.id).limit(1).offset(0)
    other = query.filter_by(name="hitch").order_by(Knot.id).limit(20).offset(7)
    assert plan_of(first) is plan_of(other)


def test_classes_share_no_plan(session):
    assert plan_of(session.query(Knot)).mapper is Knot.__mapper__
    assert plan_of(session.query(Splice)).mapper is Splice.__mapper__


def test_a_type_of_ones_own_converts_its_values(session):
    assert session.query(Knot).filter_by(length=6).one().id == 2
    assert session.query(Knot).filter_by(length=4).one().id == 1


def test_a_comparator_of_ones_own_is_asked_each_time(session):
    assert plan_of(session.query(Knot).filter_by(title="HITCH")) is None
    assert session.query(Knot).filter_by(title="HITCH").one().id == 2
    assert session.query(Knot).filter_by(title="BOWLINE").one().id == 1


NOT_PLAIN = {
    "NULL": lambda q: q.filter_by(name=None),
    "true": lambda q: q.filter_by(turns=True),
    "an expression": lambda q: q.filter_by(name=func.lower("HITCH")),
    "a list": lambda q: q.filter(Knot.name.in_(["hitch"])),
    "filter": lambda q: q.filter(Knot.name == "hitch"),
    "order by an expression": lambda q: q.order_by(Knot.turns + 1),
    "order by a name": lambda q: q.order_by("name"),
    "options": lambda q: q.execution_options(populate_existing=True),
    "distinct": lambda q: q.distinct(),
    "join": lambda q: q.join(Splice, Splice.id == Knot.id),
    "limit by an expression": lambda q: q.limit(func.abs(-2)),
    "columns": lambda q: q.with_entities(Knot.name),
    "union": lambda q: q.union(q),
}


@pytest.mark.parametrize("make", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_takes_the_long_way(session, make):
    session.query(Knot).all()
    assert not make(session.query(Knot))._plain
    assert not make(session.query(Knot).filter_by(turns=2))._plain
    make(session.query(Knot).filter_by(turns=2)).all()
    assert len(Knot.__mapper__._query_plans) == 1


def test_plans_are_not_kept_without_end(session, monkeypatch):
    monkeypatch.setattr(query_plans, "MOST", 3)
    for make in SHAPES.values():
        make(session.query(Knot)).all()
    assert len(Knot.__mapper__._query_plans) <= 3


def test_a_refused_value_is_refused_with_its_statement(session):
    session.query(Knot).filter_by(length=2).all()
    with pytest.raises(Exception, match="knot.length"):
        session.query(Knot).filter_by(length=datetime.date(2020, 1, 1)).all()
