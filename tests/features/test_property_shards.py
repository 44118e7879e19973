"""What several shards answer together is what one database with all the rows answers."""

import decimal

import databases
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Numeric, String, distinct, exists, func, insert, literal

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, select
from ropewalk.ext.horizontal_shard import ShardedSession


class Base(DeclarativeBase):
    pass


class Fish(Base):
    __tablename__ = "fish"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str | None] = mapped_column(String(10))
    size: Mapped[int | None]
    weight: Mapped[float | None]
    price: Mapped[decimal.Decimal | None] = mapped_column(Numeric(8, 2))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "shard": st.integers(0, 2),
            "kind": st.sampled_from(["cod", "Eel", "eel", "", None]),
            "size": st.sampled_from([-1, 0, 1, 2, None]),
            "weight": st.sampled_from([0.5, 1.5, 2.25, None]),
            "price": st.sampled_from([decimal.Decimal("0.10"), decimal.Decimal("1.25"), None]),
        }
    ),
    max_size=14,
)
PLAIN = [Fish.kind, Fish.size, Fish.weight, Fish.price]
KEYS = [*PLAIN, Fish.size + 1, -Fish.size, Fish.weight * 2, func.coalesce(Fish.size, 1), Fish.kind.is_(None)]
WHERE = [None, Fish.size > 0, Fish.kind == "eel", Fish.id < 0]
AGGREGATES = {
    "count": lambda c: func.count(),
    "count of": lambda c: func.count(c),
    "sum": lambda c: func.sum(Fish.size),
    "sum of price": lambda c: func.sum(Fish.price),
    "min": lambda c: func.min(c),
    "max": lambda c: func.max(c),
    "avg": lambda c: func.avg(Fish.size),
    "avg of weight": lambda c: func.avg(Fish.weight),
}
SOME = st.lists(st.integers(0, len(KEYS) - 1), max_size=3)


def ordered(draw, keys):
    """Put each key into a direction of its own, with NULLs on a side of their own."""
    found = []
    for key in keys:
        key = key.desc() if draw(st.booleans()) else key.asc()
        place = draw(st.sampled_from([None, "first", "last"]))
        found.append(key if place is None else key.nulls_first() if place == "first" else key.nulls_last())
    return found


def cut(draw, statement):
    limit, offset = draw(st.sampled_from([None, 0, 1, 3, 50])), draw(st.sampled_from([None, 0, 1, 4]))
    if limit is not None:
        statement = statement.limit(limit)
    return statement if offset is None or limit is None else statement.offset(offset)


@st.composite
def rows_asked(draw, whole=False):
    columns = [Fish] if whole else [KEYS[i].label(f"c{n}") for n, i in enumerate(draw(SOME))] or [Fish.id]
    statement = select(*columns).order_by(*ordered(draw, [KEYS[i] for i in draw(SOME)]), Fish.id)
    where = WHERE[draw(st.integers(0, len(WHERE) - 1))]
    return cut(draw, statement if where is None else statement.where(where))


@st.composite
def distinct_values_asked(draw):
    chosen = list(dict.fromkeys(draw(st.lists(st.integers(0, len(PLAIN) - 1), min_size=1, max_size=3))))
    columns = [PLAIN[i] for i in chosen]
    return cut(draw, select(*columns).distinct().order_by(*ordered(draw, columns)))


@st.composite
def aggregates_asked(draw):
    groups = [PLAIN[i] for i in dict.fromkeys(draw(st.lists(st.integers(0, len(PLAIN) - 1), max_size=2)))]
    names = draw(st.lists(st.sampled_from(sorted(AGGREGATES)), min_size=1, max_size=3, unique=True))
    of = PLAIN[draw(st.integers(0, len(PLAIN) - 1))]
    aggregates = [AGGREGATES[name](of).label(f"a{n}") for n, name in enumerate(names)]
    shown = [group for group in groups if draw(st.booleans())]
    statement = select(*shown, *aggregates).select_from(Fish).group_by(*groups)
    where = WHERE[draw(st.integers(0, len(WHERE) - 1))]
    statement = statement if where is None else statement.where(where)
    return cut(draw, statement.order_by(*ordered(draw, [*aggregates[:1], *groups])))


@st.composite
def counts_of_distinct_asked(draw):
    of = PLAIN[draw(st.integers(0, len(PLAIN) - 1))]
    groups = [PLAIN[i] for i in dict.fromkeys(draw(st.lists(st.integers(0, len(PLAIN) - 1), max_size=1)))]
    return select(*groups, func.count(distinct(of))).group_by(*groups).order_by(*ordered(draw, groups))


class Sea:
    """Three shards, and one database with the rows of all of them."""

    def __init__(self):
        self.engines = [databases.sqlite("sqlite://") for _ in range(4)]
        for engine in self.engines:
            Base.metadata.create_all(engine)
        self.sharded = ShardedSession(
            shards=dict(enumerate(self.engines[:3])),
            shard_chooser=lambda *args, **kw: 0,
            identity_chooser=lambda *args, **kw: [0, 1, 2],
            execute_chooser=lambda context: [0, 1, 2],
        )
        self.whole = Session(self.engines[3])

    def fill(self, rows):
        numbered = [{**row, "id": number} for number, row in enumerate(rows)]
        for shard, engine in enumerate(self.engines):
            own = [{k: v for k, v in row.items() if k != "shard"} for row in numbered if shard in (row["shard"], 3)]
            with engine.begin() as connection:
                connection.execute(Fish.__table__.delete())
                if own:
                    connection.execute(insert(Fish.__table__), own)

    def close(self):
        self.sharded.close()
        self.whole.close()
        for engine in self.engines:
            engine.dispose()


@pytest.fixture(scope="module")
def sea():
    sea = Sea()
    yield sea
    sea.close()


def comparable(row):
    return tuple(round(value, 9) if isinstance(value, (float, decimal.Decimal)) else value for value in row)


def both(sea, rows, statement):
    sea.fill(rows)
    try:
        found = [comparable(row) for row in sea.sharded.execute(statement)]
        wanted = [comparable(row) for row in sea.whole.execute(statement)]
    finally:
        sea.sharded.rollback()
        sea.whole.rollback()
    assert found == wanted, str(statement)


LIMITS = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@LIMITS
@given(rows=ROWS, statement=rows_asked())
def test_rows(sea, rows, statement):
    both(sea, rows, statement)


@LIMITS
@given(rows=ROWS, statement=distinct_values_asked())
def test_distinct_values(sea, rows, statement):
    both(sea, rows, statement)


@LIMITS
@given(rows=ROWS, statement=aggregates_asked())
def test_aggregates_and_groups(sea, rows, statement):
    both(sea, rows, statement)


@LIMITS
@given(rows=ROWS, statement=counts_of_distinct_asked())
def test_counts_of_distinct_values(sea, rows, statement):
    both(sea, rows, statement)


@LIMITS
@given(rows=ROWS, statement=rows_asked(whole=True))
def test_objects(sea, rows, statement):
    sea.fill(rows)
    found = [(fish.id, fish.kind, fish.size) for fish in sea.sharded.scalars(statement)]
    wanted = [(fish.id, fish.kind, fish.size) for fish in sea.whole.scalars(statement)]
    sea.sharded.rollback()
    sea.whole.rollback()
    assert found == wanted


@LIMITS
@given(rows=ROWS)
def test_existence(sea, rows):
    sea.fill(rows)
    statement = select(exists(select(literal(1)).where(Fish.size > 0)))
    assert bool(sea.sharded.scalar(statement)) == bool(sea.whole.scalar(statement))
    sea.sharded.rollback()
    sea.whole.rollback()
