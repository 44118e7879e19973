"""session.query(...): the spelling of the chapter, and what daily work needs of it."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String, func, literal
from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from ropewalk import DeclarativeBase, Mapped, Query, Session, aliased, mapped_column, select


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)
    town: Mapped[str] = mapped_column(String(50))


class Player(Base):
    __tablename__ = "player"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    goals: Mapped[int]
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))


def fill(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(Team.__table__.insert(), [{"id": 1, "town": "Ghent"}, {"id": 2, "town": "Lille"}])
        connection.execute(
            Player.__table__.insert(),
            [
                {"id": 1, "name": "ann", "goals": 5, "team_id": 1},
                {"id": 2, "name": "bob", "goals": 0, "team_id": 1},
                {"id": 3, "name": "cas", "goals": 7, "team_id": 2},
                {"id": 4, "name": "dot", "goals": 5, "team_id": None},
            ],
        )


@pytest.fixture
def session(engine):
    """A session on each database: for what is SQL."""
    fill(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def lite(sqlite_engine):
    """A session on SQLite: for what is Python."""
    fill(sqlite_engine)
    with Session(sqlite_engine) as session:
        yield session


def names(query):
    return [player.name for player in query]


# What is asked for


def test_query_of_a_class_gives_objects(session):
    assert names(session.query(Player).order_by(Player.id)) == ["ann", "bob", "cas", "dot"]


def test_query_of_columns_gives_rows(session):
    rows = session.query(Player.name, Player.goals).order_by(Player.id).all()
    assert tuple(rows[0]) == ("ann", 5)
    assert rows[0].name == "ann"


def test_query_of_one_column_gives_rows_of_one(session):
    assert [tuple(row) for row in session.query(Player.name).filter_by(id=1)] == [("ann",)]


def test_query_of_a_class_and_a_column_gives_rows_of_both(session):
    player, goals = session.query(Player, Player.goals).filter_by(id=3).one()
    assert (player.name, goals) == ("cas", 7)


def test_query_of_two_classes(session):
    rows = session.query(Player, Team).filter(Player.team_id == Team.id).order_by(Player.id).all()
    assert [(row.Player.name, row.Team.town) for row in rows] == [
        ("ann", "Ghent"),
        ("bob", "Ghent"),
        ("cas", "Lille"),
    ]


def test_query_of_a_function(session):
    assert session.query(func.max(Player.goals)).scalar() == 7


def test_query_of_a_table(session):
    assert tuple(session.query(Team.__table__).order_by(Team.__table__.c.id).first()) == (1, "Ghent")


def test_query_can_be_made_without_a_session(lite):
    assert names(Query(Player).filter_by(id=1).with_session(lite)) == ["ann"]


def test_each_call_makes_a_new_query(lite):
    everybody = lite.query(Player)
    everybody.filter_by(id=1)
    assert everybody.count() == 4


def test_query_as_text_is_its_sql(lite):
    assert "FROM player" in str(lite.query(Player))
    assert "player.goals > " in str(lite.query(Player).filter(Player.goals > 1))


def test_with_entities_replaces_what_is_asked_for(session):
    query = session.query(Player).filter(Player.goals == 7)
    assert query.with_entities(Player.name).scalar() == "cas"


def test_add_columns_asks_for_more(session):
    assert session.query(Player.name).add_columns(Player.goals).filter_by(id=1).one().goals == 5


# Filters


def test_filter_takes_several_conditions(session):
    assert names(session.query(Player).filter(Player.goals == 5, Player.team_id == 1)) == ["ann"]


def test_filters_are_joined_by_and(session):
    assert names(session.query(Player).filter(Player.goals == 5).filter(Player.team_id == 1)) == ["ann"]


def test_where_is_filter(session):
    assert names(session.query(Player).where(Player.goals == 7)) == ["cas"]


def test_filter_by_takes_several_attributes(session):
    assert names(session.query(Player).filter_by(goals=5, team_id=1)) == ["ann"]


def test_filter_by_none_is_null(session):
    assert names(session.query(Player).filter_by(team_id=None)) == ["dot"]


def test_filter_after_limit_is_refused(lite):
    with pytest.raises(Exception, match="(?i)limit"):
        lite.query(Player).limit(1).filter_by(id=1)


# Order, limit, offset, slices


def test_order_by_several(session):
    assert names(session.query(Player).order_by(Player.goals.desc(), Player.name)) == [
        "cas",
        "ann",
        "dot",
        "bob",
    ]


def test_order_by_adds_and_none_cancels(session):
    query = session.query(Player).order_by(Player.goals).order_by(Player.name.desc())
    assert names(query) == ["bob", "dot", "ann", "cas"]
    assert "ORDER BY" not in str(query.order_by(None))


def test_limit_and_offset(session):
    assert names(session.query(Player).order_by(Player.id).limit(2)) == ["ann", "bob"]
    assert names(session.query(Player).order_by(Player.id).offset(3)) == ["dot"]
    assert names(session.query(Player).order_by(Player.id).limit(1).offset(2)) == ["cas"]


def test_slicing(session):
    ordered = session.query(Player).order_by(Player.id)
    assert names(ordered[1:3]) == ["bob", "cas"]
    assert names(ordered[:1]) == ["ann"]
    assert names(ordered[2:]) == ["cas", "dot"]
    assert ordered[2].name == "cas"
    assert names(ordered.slice(1, 2)) == ["bob"]


def test_slice_is_done_by_the_database(lite):
    with count_statements(lite.get_bind()) as sent:
        lite.query(Player).order_by(Player.id)[1:3]
    assert "LIMIT" in sent.statements[0]


def test_empty_slice_and_index_beyond_the_end(lite):
    assert lite.query(Player)[2:2] == []
    with pytest.raises(IndexError):
        lite.query(Player)[99]


def test_negative_index_is_refused(lite):
    with pytest.raises(IndexError):
        lite.query(Player)[-1]


# Distinct, group by, having


def test_distinct(session):
    assert sorted(row[0] for row in session.query(Player.goals).distinct()) == [0, 5, 7]


def test_group_by_and_having(session):
    query = session.query(Player.goals, func.count(Player.id)).group_by(Player.goals).having(func.count(Player.id) > 1)
    assert [tuple(row) for row in query] == [(5, 2)]


# Joins


def test_join_on_a_condition(session):
    query = session.query(Player).join(Team, Player.team_id == Team.id).filter(Team.town == "Lille")
    assert names(query) == ["cas"]


def test_join_on_a_table_with_a_condition(session):
    teams = Team.__table__
    query = session.query(Player).join(teams, teams.c.id == Player.team_id).filter(teams.c.town == "Lille")
    assert names(query) == ["cas"]


def test_join_finds_the_foreign_key(session):
    assert names(session.query(Player).join(Team).filter(Team.town == "Lille")) == ["cas"]


def test_join_on_a_table_finds_the_foreign_key(session):
    teams = Team.__table__
    assert names(session.query(Player).join(teams).filter(teams.c.town == "Lille")) == ["cas"]


def test_outer_join(session):
    rows = session.query(Player.name, Team.town).outerjoin(Team, Player.team_id == Team.id)
    assert {tuple(row) for row in rows} == {
        ("ann", "Ghent"),
        ("bob", "Ghent"),
        ("cas", "Lille"),
        ("dot", None),
    }


def test_join_to_an_alias_of_the_class(session):
    better = aliased(Player)
    query = session.query(Player.name).join(better, better.goals > Player.goals).filter(better.name == "ann")
    assert [row[0] for row in query] == ["bob"]


def test_select_from(session):
    query = session.query(Player.name).select_from(Team).join(Player, Player.team_id == Team.id)
    assert sorted(row[0] for row in query.filter(Team.id == 1)) == ["ann", "bob"]


# Answers


def test_all_is_a_list(lite):
    assert isinstance(lite.query(Player).all(), list)


def test_iteration(lite):
    assert {player.id for player in lite.query(Player)} == {1, 2, 3, 4}


def test_first(session):
    assert session.query(Player).order_by(Player.id).first().name == "ann"
    assert session.query(Player).filter_by(name="nobody").first() is None


def test_first_asks_for_one_row_only(lite):
    with count_statements(lite.get_bind()) as sent:
        lite.query(Player).first()
    assert "LIMIT" in sent.statements[0]


def test_one(session):
    assert session.query(Player).filter_by(name="ann").one().id == 1


def test_one_of_none(lite):
    with pytest.raises(NoResultFound):
        lite.query(Player).filter_by(name="nobody").one()


def test_one_of_many(lite):
    with pytest.raises(MultipleResultsFound):
        lite.query(Player).one()


def test_one_or_none(lite):
    assert lite.query(Player).filter_by(name="nobody").one_or_none() is None
    assert lite.query(Player).filter_by(name="ann").one_or_none().id == 1
    with pytest.raises(MultipleResultsFound):
        lite.query(Player).one_or_none()


def test_scalar(session):
    assert session.query(Player.name).filter_by(id=2).scalar() == "bob"
    assert session.query(Player.name).filter_by(id=99).scalar() is None


def test_scalar_of_many(lite):
    with pytest.raises(MultipleResultsFound):
        lite.query(Player.name).scalar()


def test_get(lite):
    ann = lite.query(Player).get(1)
    assert ann.name == "ann"
    with count_statements(lite.get_bind()) as sent:
        assert lite.query(Player).get(1) is ann
    assert sent.count == 0
    assert lite.query(Player).get(99) is None


def test_count(session):
    assert session.query(Player).count() == 4
    assert session.query(Player).filter(Player.goals == 5).count() == 2
    assert session.query(Player.goals).distinct().count() == 3
    assert session.query(Player).limit(3).count() == 3


def test_exists(session):
    some = session.query(Player).filter(Player.goals > 6).exists()
    none = session.query(Player).filter(Player.goals > 60).exists()
    assert bool(session.query(literal(1)).filter(some).scalar()) is True
    assert session.query(literal(1)).filter(none).scalar() is None


def test_exists_as_a_correlated_condition(session):
    scorers = session.query(Player).filter(Player.team_id == Team.id, Player.goals > 6)
    assert [team.town for team in session.query(Team).filter(scorers.exists())] == ["Lille"]


def test_query_as_a_subquery(session):
    best = session.query(func.max(Player.goals).label("most")).subquery()
    assert names(session.query(Player).join(best, best.c.most == Player.goals)) == ["cas"]


def test_query_in_a_condition(session):
    teams = session.query(Team.id).filter(Team.town == "Ghent")
    assert sorted(names(session.query(Player).filter(Player.team_id.in_(teams)))) == ["ann", "bob"]


def test_scalar_subquery(session):
    most = session.query(func.max(Player.goals)).scalar_subquery()
    assert names(session.query(Player).filter(Player.goals == most)) == ["cas"]


def test_query_and_select_say_the_same(lite):
    query = lite.query(Player).filter_by(goals=5).order_by(Player.id)
    assert query.all() == lite.scalars(select(Player).filter_by(goals=5).order_by(Player.id)).all()


def test_union(session):
    first = session.query(Player.name).filter(Player.id == 1)
    second = session.query(Player.name).filter(Player.id == 2)
    assert sorted(row[0] for row in first.union(second)) == ["ann", "bob"]


def test_populate_existing(lite):
    ann = lite.query(Player).get(1)
    ann.name = "changed"
    with lite.no_autoflush:
        lite.query(Player).populate_existing().filter_by(id=1).one()
    assert ann.name == "ann"


# Rows changed by the database at once


def test_update_changes_rows_and_says_how_many(session):
    changed = session.query(Player).filter(Player.goals == 5).update({"goals": 6})
    assert changed == 2
    assert sorted(row[0] for row in session.query(Player.goals)) == [0, 6, 6, 7]


def test_delete_removes_rows_and_says_how_many(session):
    assert session.query(Player).filter(Player.goals == 5).delete() == 2
    assert session.query(Player).count() == 2


def test_update_is_seen_in_objects_that_are_there(lite):
    ann = lite.query(Player).get(1)
    lite.query(Player).filter(Player.id == 1).update({Player.goals: Player.goals + 1})
    assert ann.goals == 6
