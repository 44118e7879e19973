"""Sessions over several databases: where objects go, what queries over all shards give, and what stays on one."""

import random
import threading
from decimal import Decimal

import pytest
from databases import count_statements
from sqlalchemy import (
    Column,
    ForeignKey,
    Numeric,
    String,
    Table,
    case,
    create_engine,
    event,
    func,
    select,
    text,
    union_all,
)
from sqlalchemy import delete as sql_delete
from sqlalchemy import insert as sql_insert
from sqlalchemy import update as sql_update
from sqlalchemy.exc import DBAPIError

from ropewalk import DeclarativeBase, Mapped, Session, inspect, mapped_column, relationship, selectinload, sessionmaker
from ropewalk.exc import InvalidRequestError
from ropewalk.ext.horizontal_shard import ShardedSession, set_shard_id


class Base(DeclarativeBase):
    pass


flagged = Table(
    "flagged",
    Base.metadata,
    Column("ship_id", ForeignKey("ship.id"), primary_key=True),
    Column("flag_id", ForeignKey("flag.id"), primary_key=True),
)


class Ship(Base):
    __tablename__ = "ship"
    id: Mapped[int] = mapped_column(primary_key=True)
    sea: Mapped[str] = mapped_column(String(20))
    name: Mapped[str | None] = mapped_column(String(40))
    tons: Mapped[int | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    crew: Mapped[list["Sailor"]] = relationship(
        back_populates="ship", order_by="Sailor.id", cascade="all, delete-orphan"
    )
    flags: Mapped[list["Flag"]] = relationship(secondary=flagged)


class Sailor(Base):
    __tablename__ = "sailor"
    id: Mapped[int] = mapped_column(primary_key=True)
    ship_id: Mapped[int] = mapped_column(ForeignKey("ship.id"))
    ship: Mapped[Ship] = relationship(back_populates="crew")


class Flag(Base):
    __tablename__ = "flag"
    id: Mapped[int] = mapped_column(primary_key=True)


SEAS = ["north", "south", "east"]


def choose(mapper, instance, clause=None):
    if isinstance(instance, Ship):
        return instance.sea
    if isinstance(instance, Sailor):
        return instance.ship.sea
    return "north"


@pytest.fixture(params=["files", "memory", "three kinds"])
def engines(request, tmp_path):
    """One database for each sea: SQLite files, SQLite in memory, or one of each kind that there is."""
    if request.param == "three kinds":
        if chosen := request.config.getoption("--db"):
            if len({name for names in chosen for name in names.split(",")}) < 3:
                pytest.skip("needs all three databases")
        found = [request.getfixturevalue(f"{name}_engine") for name in ("sqlite", "postgresql", "mariadb")]
        made = []
    else:
        urls = [f"sqlite:///{tmp_path / sea}.db" if request.param == "files" else "sqlite://" for sea in SEAS]
        found = made = [create_engine(url) for url in urls]
    for engine in found:
        Base.metadata.create_all(engine)
    yield dict(zip(SEAS, found, strict=True))
    for engine in made:
        engine.dispose()


@pytest.fixture
def factory(engines):
    return sessionmaker(
        class_=ShardedSession,
        shards=dict(engines),
        shard_chooser=choose,
        identity_chooser=lambda mapper, primary_key, **kw: SEAS,
        execute_chooser=lambda context: SEAS,
        lazy_loads_stay=True,
        peers=True,
    )


@pytest.fixture
def session(factory):
    with factory() as session:
        yield session


def fleet(session, count=30, seed=1):
    """Put ships on all seas, with rows that tie, and with NULLs."""
    chance = random.Random(seed)
    ships = [
        Ship(
            id=i,
            sea=chance.choice(SEAS),
            name=chance.choice([None, "ann", "bea", "cleo", "dora"]),
            tons=chance.choice([None, 1, 2, 3, 4, 5]),
            price=chance.choice([None, Decimal("1.10"), Decimal("2.25"), Decimal("3.00")]),
        )
        for i in range(1, count + 1)
    ]
    rows = [(s.id, s.sea, s.name, s.tons, s.price) for s in ships]
    session.add_all(ships)
    session.commit()
    session.expunge_all()
    return rows


def on(engine, statement):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


# -- where objects go ------------------------------------------------------------------------


def test_objects_go_where_the_chooser_says_and_the_shard_is_part_of_their_identity(session, engines):
    here, there = Ship(id=1, sea="north"), Ship(id=1, sea="south")
    session.add_all([here, there])
    session.commit()
    assert inspect(here).identity_key == (Ship, (1,), "north")
    assert inspect(there).identity_token == "south"
    for sea, expected in (("north", [(1,)]), ("south", [(1,)]), ("east", [])):
        assert on(engines[sea], select(Ship.__table__.c.id)) == expected
    assert set(session.scalars(select(Ship))) == {here, there}
    assert (here in session, there in session) == (True, True)


def test_generated_keys_come_from_each_shard(session):
    ships = [Ship(sea=sea, name=f"{sea} {i}") for i in range(5) for sea in SEAS]
    session.add_all(ships)
    session.flush()
    assert {sea: sorted(s.id for s in ships if s.sea == sea) for sea in SEAS} == dict.fromkeys(SEAS, [1, 2, 3, 4, 5])
    session.expire_all()
    assert [s.name for s in ships] == [f"{sea} {i}" for i in range(5) for sea in SEAS]


def test_changes_and_deletes_go_where_the_object_lives(session, engines):
    fleet(session)
    ships = session.scalars(select(Ship).order_by(Ship.id)).all()
    for ship in ships:
        ship.tons = ship.id * 100
    ships[3].id = 1003
    session.delete(ships[5])
    sea = ships[5].sea
    session.commit()
    assert session.get(Ship, 1003) is ships[3]
    found = [
        row for engine in engines.values() for row in on(engine, select(Ship.__table__.c.id, Ship.__table__.c.tons))
    ]
    assert sorted(found) == sorted((s.id, s.tons) for s in ships if s is not ships[5])
    assert on(engines[sea], select(Ship.__table__.c.id).where(Ship.__table__.c.id == 6)) == []


def test_a_row_may_be_replaced_by_a_new_object_with_its_key(session):
    session.add(Ship(id=1, sea="north", name="old"))
    session.commit()
    old = session.get(Ship, 1)
    session.delete(old)
    new = Ship(id=1, sea="north", name="new")
    session.add(new)
    session.commit()
    assert session.get(Ship, 1) is new and new.name == "new"


def test_a_rollback_puts_objects_back_on_every_shard(session):
    fleet(session)
    ships = session.scalars(select(Ship).order_by(Ship.id)).all()
    ships[0].tons = 77
    session.delete(ships[1])
    fresh = Ship(id=99, sea="east")
    session.add(fresh)
    session.flush()
    session.rollback()
    assert ships[0].tons != 77 and ships[1] in session and fresh not in session
    assert session.get(Ship, 99) is None
    fresh.sea = "north"
    session.add(fresh)
    session.commit()
    assert inspect(fresh).identity_token == "north"


def test_merge_and_refresh(session, engines):
    fleet(session)
    ship = session.get(Ship, 7)
    with engines[ship.sea].begin() as connection:
        session.rollback()
        connection.execute(sql_update(Ship.__table__).where(Ship.__table__.c.id == 7).values(name="renamed"))
    session.refresh(ship)
    assert ship.name == "renamed"
    assert session.merge(Ship(id=7, sea=ship.sea, name="merged")) is ship and ship.name == "merged"


def test_an_unknown_shard_is_named(factory):
    with factory() as session:
        session.add(Ship(id=1, sea="dead"))
        with pytest.raises(InvalidRequestError, match="no shard 'dead'.*'north'"):
            session.flush()
    with factory() as session, pytest.raises(InvalidRequestError, match="no shard 'dead'"):
        session.execute(select(Ship), bind_arguments={"shard_id": "dead"})


def test_a_shard_may_be_added_while_the_session_runs(factory, tmp_path):
    new = create_engine(f"sqlite:///{tmp_path / 'baltic.db'}")
    Base.metadata.create_all(new)
    seas = list(SEAS)
    with factory(execute_chooser=lambda context: seas, identity_chooser=lambda *args, **kw: seas) as session:
        session.add(Ship(id=1, sea="north"))
        session.flush()
        session.bind_shard("baltic", new)
        seas.append("baltic")
        session.add(Ship(id=2, sea="baltic"))
        session.commit()
        assert session.scalars(select(Ship.id).order_by(Ship.id)).all() == [1, 2]
        assert inspect(session.get(Ship, 2)).identity_token == "baltic"
    new.dispose()


# -- one result out of several ------------------------------------------------------------------

ORDERS = {
    "one key": [(2, False, None)],
    "descending": [(3, True, None)],
    "two keys": [(3, False, None), (2, True, None)],
    "NULLs first": [(3, True, True)],
    "NULLs last": [(3, False, False)],
    "decimals": [(4, True, None), (1, False, None)],
}


def expected_order(rows, keys, nulls_least):
    for place, descending, first in reversed(keys):
        nulls_first = first if first is not None else nulls_least != descending
        known = sorted((r for r in rows if r[place] is not None), key=lambda r: r[place], reverse=descending)
        unknown = [r for r in rows if r[place] is None]
        rows = [*unknown, *known] if nulls_first else [*known, *unknown]
    return rows


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("cut", [(None, None), (5, None), (4, 7), (None, 20), (0, None)])
def test_rows_are_merged_in_order_and_cut(session, engines, name, cut):
    keys = ORDERS[name]
    if "NULLs" in name and any(e.dialect.name == "mariadb" or e.dialect.name == "mysql" for e in engines.values()):
        pytest.skip("MariaDB has no NULLS FIRST")
    if len({e.dialect.name for e in engines.values()}) > 1 and not all(first is not None for _, _, first in keys):
        rows = [row for row in fleet(session) if None not in row]  # they differ on where NULL stands
        session.execute(sql_delete(Ship).where((Ship.name.is_(None)) | (Ship.tons.is_(None)) | (Ship.price.is_(None))))
    else:
        rows = fleet(session)
    columns = [Ship.id, Ship.sea, Ship.name, Ship.tons, Ship.price]
    clauses = []
    for place, descending, first in keys:
        clause = columns[place].desc() if descending else columns[place].asc()
        clauses.append(clause if first is None else clause.nulls_first() if first else clause.nulls_last())
    limit, offset = cut
    statement = select(Ship).order_by(*clauses, Ship.id).limit(limit).offset(offset)
    expected = expected_order(sorted(rows), keys, True)
    start = offset or 0
    expected = expected[start:] if limit is None else expected[start : start + limit]
    found = session.scalars(statement).all()
    assert [ship.id for ship in found] == [row[0] for row in expected]
    assert all(ship in session and inspect(ship).identity_token == ship.sea for ship in found)
    plain = session.execute(statement.with_only_columns(Ship.id, Ship.name)).all()
    assert [tuple(row) for row in plain] == [(row[0], row[2]) for row in expected]


def test_texts_are_merged_as_the_databases_order_them(session, engines):
    names = ["b", "A", "c", "B", "a", "C", "Ab", "aC"]
    session.add_all([Ship(id=i, sea=SEAS[i % 3], name=name) for i, name in enumerate(names)])
    session.commit()
    found = session.scalars(select(Ship.name).order_by(Ship.name, Ship.id)).all()
    first = engines["north"]
    with first.begin() as connection:
        connection.execute(sql_delete(Ship.__table__))
        connection.execute(
            sql_insert(Ship.__table__), [{"id": i, "sea": "north", "name": name} for i, name in enumerate(names)]
        )
    assert found == [name for (name,) in on(first, select(Ship.__table__.c.name).order_by("name", "id"))]


def test_joined_and_ordered_by_what_is_not_selected(session):
    for i in range(6):
        session.add(Ship(id=i + 1, sea=SEAS[i % 3], tons=10 - i, crew=[Sailor(), Sailor()]))
    session.commit()
    query = select(Sailor).join(Sailor.ship).order_by(Ship.tons, Sailor.id).limit(4)
    assert [s.ship.tons for s in session.scalars(query)] == [5, 5, 6, 6]


def test_aggregates_are_added_up(session):
    rows = fleet(session)
    tons = [row[3] for row in rows if row[3] is not None]
    statement = select(
        func.count(),
        func.count(Ship.tons),
        func.sum(Ship.tons),
        func.min(Ship.tons),
        func.max(Ship.tons),
        func.avg(Ship.tons),
    )
    found = session.execute(statement).one()
    assert tuple(found[:5]) == (len(rows), len(tons), sum(tons), min(tons), max(tons))
    assert float(found[5]) == pytest.approx(sum(tons) / len(tons))
    assert session.query(Ship).count() == len(rows)
    assert session.scalar(select(func.count()).select_from(Ship)) == len(rows)
    assert session.scalar(select(func.sum(Ship.tons)).where(Ship.id < 0)) is None
    assert session.scalar(select(func.avg(Ship.tons)).where(Ship.id < 0)) is None


def test_groups_of_several_shards_are_one(session):
    rows = fleet(session)
    expected = {}
    for _, _, name, tons, _ in rows:
        expected.setdefault(name, []).append(tons)
    statement = (
        select(Ship.name, func.count(), func.sum(Ship.tons).label("heavy"), func.avg(Ship.tons))
        .where(Ship.name.is_not(None))
        .group_by(Ship.name)
        .order_by(func.count().desc(), Ship.name)
        .limit(3)
    )
    found = session.execute(statement).all()
    ordered = sorted((n for n in expected if n), key=lambda n: (-len(expected[n]), n))[:3]
    assert [row.name for row in found] == ordered
    for row in found:
        values = [v for v in expected[row.name] if v is not None]
        assert (row[1], row.heavy) == (len(expected[row.name]), sum(values))
        assert float(row[3]) == pytest.approx(sum(values) / len(values))


def test_distinct_values_are_given_and_counted_once(session):
    rows = fleet(session)
    names = sorted({row[2] for row in rows if row[2]})
    found = session.scalars(select(Ship.name).where(Ship.name.is_not(None)).distinct().order_by(Ship.name)).all()
    assert found == names
    assert session.scalar(select(func.count(Ship.name.distinct()))) == len(names)
    by_tons = session.execute(
        select(Ship.tons, func.count(Ship.name.distinct()))
        .where(Ship.tons.is_not(None))
        .group_by(Ship.tons)
        .order_by(Ship.tons)
    ).all()
    expected = {}
    for _, _, name, tons, _ in rows:
        if tons is not None:
            expected.setdefault(tons, set()).add(name)
    assert [tuple(row) for row in by_tons] == [(t, len(expected[t] - {None})) for t in sorted(expected)]


def test_existence_on_any_shard(session):
    session.add(Ship(id=1, sea="east"))
    session.commit()
    assert session.query(session.query(Ship).filter_by(id=1).exists()).scalar() in (True, 1)
    assert session.query(session.query(Ship).filter_by(id=2).exists()).scalar() in (False, 0)


@pytest.mark.parametrize(
    "statement",
    [
        select(Ship.name, func.count()).group_by(Ship.name).having(func.count() > 1),
        select(func.sum(Ship.tons) / func.count()),
        select(func.count(Ship.name.distinct()), func.sum(Ship.tons)),
        select(Ship).order_by(text("name")),
    ],
    ids=["having", "quotient", "distinct beside sum", "text"],
)
def test_what_cannot_be_put_together_is_refused_and_not_guessed(session, statement):
    with pytest.raises(InvalidRequestError, match="several shards.*set_shard_id"):
        session.execute(statement)
    session.execute(statement.options(set_shard_id("north"))).all()


def test_unions_and_text_give_the_rows_of_all(session):
    rows = fleet(session)
    assert len(session.execute(text("SELECT id FROM ship")).all()) == len(rows)
    both = union_all(select(Ship.id).where(Ship.id < 5), select(Ship.id).where(Ship.id > 25))
    assert sorted(session.scalars(both)) == [1, 2, 3, 4, 26, 27, 28, 29, 30]


def test_query_objects(session):
    rows = fleet(session)
    assert session.query(Ship).order_by(Ship.id.desc()).first().id == len(rows)
    assert session.query(Ship).filter_by(id=3).one().id == 3
    assert session.query(Ship.id).filter(Ship.id < 4).order_by(Ship.id).all() == [(1,), (2,), (3,)]
    assert [s.id for s in session.query(Ship).order_by(Ship.id)[4:6]] == [5, 6]
    assert session.query(Ship).set_shard("north").count() == sum(row[1] == "north" for row in rows)


# -- one shard of several ---------------------------------------------------------------------------


def test_a_shard_may_be_named_in_four_ways(session):
    rows = fleet(session)
    north = sorted(row[0] for row in rows if row[1] == "north")
    query = select(Ship.id).order_by(Ship.id)
    assert session.scalars(query, bind_arguments={"shard_id": "north"}).all() == north
    assert session.scalars(query.options(set_shard_id("north"))).all() == north
    assert [i for (i,) in session.query(Ship.id).set_shard("north").order_by(Ship.id)] == north
    assert session.get(Ship, north[0], identity_token="south") is None
    assert session.get(Ship, north[0], identity_token="north").id == north[0]


def test_get_asks_the_shards_in_turn_and_the_identity_map_first(session, engines):
    fleet(session)
    ship = session.get(Ship, 4)
    with count_statements(engines["north"]) as north, count_statements(engines["south"]) as south:
        assert session.get(Ship, 4) is ship
        assert north.count + south.count == 0
    assert session.get(Ship, 4711) is None


def test_relationships_are_loaded_from_the_shard_of_their_object_in_one_statement_for_all(session, engines):
    for i in range(9):
        session.add(Ship(id=i + 1, sea=SEAS[i % 3], crew=[Sailor(id=i + 1), Sailor(id=i + 100)]))
    session.commit()
    session.expunge_all()
    ships = session.scalars(select(Ship)).all()
    counts = []
    for engine in engines.values():
        with count_statements(engine) as counted:
            for ship in ships:
                if engines[ship.sea] is engine:
                    assert [s.id for s in ship.crew] == [ship.id, ship.id + 99]
                    assert all(inspect(s).identity_token == ship.sea for s in ship.crew)
            counts.append(counted.count)
    assert counts == [1, 1, 1]
    assert all(s.ship is ship for ship in ships for s in ship.crew)


def test_selectin_loads_stay_on_their_shard(session):
    for i in range(6):
        session.add(Ship(id=i + 1, sea=SEAS[i % 3], crew=[Sailor(id=i + 1)]))
    session.commit()
    session.expunge_all()
    ships = session.scalars(select(Ship).options(selectinload(Ship.crew)).order_by(Ship.id)).all()
    assert [[s.id for s in vars(ship)["crew"]] for ship in ships] == [[i] for i in range(1, 7)]
    session.expire_all()
    assert [ship.crew[0].id for ship in ships] == [1, 2, 3, 4, 5, 6]


def test_children_and_association_rows_go_with_their_parents(session, engines):
    session.add_all([Flag(id=1), Ship(id=1, sea="north", crew=[Sailor(id=1)])])
    session.add(Ship(id=1, sea="south", crew=[Sailor(id=1), Sailor(id=2)]))
    session.flush()
    ship = session.get(Ship, 1)
    ship.flags.append(session.get(Flag, 1))
    session.commit()
    assert on(engines["north"], select(flagged)) == [(1, 1)]
    assert on(engines["south"], select(Sailor.__table__.c.id).order_by("id")) == [(1,), (2,)]
    south = session.get(Ship, 1, identity_token="south")
    session.delete(south)
    session.commit()
    assert on(engines["south"], select(Sailor.__table__)) == []
    assert on(engines["north"], select(Sailor.__table__.c.id)) == [(1,)]
    ship.flags.clear()
    session.commit()
    assert on(engines["north"], select(flagged)) == []


def test_relationships_may_be_looked_for_where_the_program_says(factory):
    seen = []

    def chooser(context):
        seen.append(context.lazy_loaded_from)
        return SEAS if context.lazy_loaded_from is None else [context.lazy_loaded_from.identity_token]

    with factory(lazy_loads_stay=False, execute_chooser=chooser) as session:
        session.add(Ship(id=1, sea="south", crew=[Sailor(id=5)]))
        session.commit()
        session.expunge_all()
        (ship,) = session.scalars(select(Ship))
        assert [s.id for s in ship.crew] == [5]
        assert seen[-1] is inspect(ship)


# -- rows changed at once ---------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["auto", "evaluate", "fetch"])
def test_statements_change_rows_on_all_shards(session, strategy):
    rows = fleet(session)
    ships = {s.id: s for s in session.scalars(select(Ship))}
    options = {"synchronize_session": strategy}
    heavy = [row[0] for row in rows if row[3] is not None and row[3] >= 3]
    result = session.execute(
        sql_update(Ship).where(Ship.tons >= 3).values(tons=Ship.tons + 100), execution_options=options
    )
    assert result.rowcount == len(heavy)
    assert {i for i, s in ships.items() if (s.tons or 0) >= 100} == set(heavy)
    assert session.query(Ship).filter(Ship.tons >= 100).delete(synchronize_session=strategy) == len(heavy)
    assert {i for i, s in ships.items() if s in session} == {row[0] for row in rows} - set(heavy)


def test_an_insert_statement_needs_one_shard(session, engines):
    with pytest.raises(InvalidRequestError, match="one shard"):
        session.execute(sql_insert(Ship), [{"id": 1, "sea": "north"}])
    session.execute(sql_insert(Ship), [{"id": 1, "sea": "north"}], bind_arguments={"shard_id": "north"})
    session.commit()
    assert on(engines["north"], select(Ship.__table__.c.id)) == [(1,)]


def test_a_listener_sees_a_statement_once_however_many_shards_it_goes_to(session):
    fleet(session)
    seen = []

    @event.listens_for(session, "do_orm_execute")
    def change(state):
        seen.append(state.is_select)
        if state.is_select and not state.is_relationship_load and not state.is_column_load:
            state.statement = state.statement.where(Ship.id < 4)

    assert session.scalars(select(Ship.id).order_by(Ship.id)).all() == [1, 2, 3]
    assert [ship.id for ship in session.query(Ship).order_by(Ship.id)] == [1, 2, 3]
    assert seen == [True, True]


# -- at once ---------------------------------------------------------------------------------------


def test_shards_are_asked_at_once(tmp_path):
    """Each database waits for the others: they meet only if all are asked at the same time."""
    meeting = threading.Barrier(4, timeout=20)
    engines = {}
    for i in range(4):
        engine = engines[i] = create_engine(f"sqlite:///{tmp_path / str(i)}.db")

        @event.listens_for(engine, "connect")
        def add_function(connection, record):
            connection.create_function("meet", 0, lambda: meeting.wait() * 0 + 1)

        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sql_insert(Ship.__table__), {"id": i, "sea": str(i)})
    with ShardedSession(shards=engines, shard_chooser=lambda *args: 0) as session:
        statement = select(Ship).where(text("meet() = 1")).order_by(Ship.id)
        assert [ship.id for ship in session.scalars(statement)] == [0, 1, 2, 3]
        assert session.execute(select(func.count()).where(Ship.id >= 0, text("meet() = 1"))).scalar() == 4
    for engine in engines.values():
        engine.dispose()


def test_a_failing_shard_is_the_error_and_leaves_nothing_open(session, engines):
    fleet(session)
    with engines["south"].begin() as connection:
        connection.execute(text("DROP TABLE flagged"))
        connection.execute(text("DROP TABLE sailor"))
    with pytest.raises(DBAPIError, match="sailor"):
        session.scalars(select(Sailor)).all()
    session.rollback()
    assert session.scalars(select(Ship)).all()
    session.close()
    assert all(getattr(engine.pool, "checkedout", lambda: 0)() == 0 for engine in engines.values())


def test_conditional_expressions_may_be_selected(session):
    fleet(session, 6)
    found = session.execute(select(Ship.id, case((Ship.id > 3, 1), else_=0)).order_by(Ship.id)).all()
    assert [tuple(row) for row in found] == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 1)]


def test_other_sessions_keep_bare_keys(sqlite_engine):
    Base.metadata.create_all(sqlite_engine)
    with Session(sqlite_engine) as session:
        flag = Flag(id=1)
        session.add(flag)
        session.commit()
        assert type(session.identity_map.maps[Flag]) is dict and list(session.identity_map.maps[Flag]) == [1]
        assert session.get(Flag, 1) is flag and inspect(flag).extra is None
