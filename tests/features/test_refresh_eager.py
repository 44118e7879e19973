"""What is loaded with an object is loaded with it again: by refresh(), and when an expired object is read."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, String, insert, update

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    contains_eager,
    exc,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    relationship,
    select,
    selectinload,
    subqueryload,
)


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    players: Mapped[list["Player"]] = relationship(back_populates="team", lazy="joined", order_by="Player.id")


class Player(Base):
    __tablename__ = "player"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    team: Mapped[Team] = relationship(back_populates="players")
    goals: Mapped[list["Goal"]] = relationship(order_by="Goal.id", cascade="all, delete-orphan")
    medals: Mapped[list["Medal"]] = relationship(lazy="raise")


class Goal(Base):
    __tablename__ = "goal"
    id: Mapped[int] = mapped_column(primary_key=True)
    minute: Mapped[int]
    player_id: Mapped[int] = mapped_column(ForeignKey("player.id"))


class Medal(Base):
    __tablename__ = "medal"
    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[int | None] = mapped_column(ForeignKey("player.id"))


@pytest.fixture
def league(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        put = connection.execute
        put(insert(Team.__table__), [{"id": i, "name": f"t{i}"} for i in (1, 2, 3)])
        put(insert(Player.__table__), [{"id": i, "name": f"p{i}", "team_id": (i + 1) // 2} for i in range(1, 7)])
        put(insert(Goal.__table__), [{"id": i, "minute": i, "player_id": (i + 1) // 2} for i in range(1, 13)])
        put(insert(Medal.__table__), [{"id": i, "player_id": i} for i in range(1, 7)])
    return engine


@pytest.fixture
def session(league):
    with Session(league) as session:
        yield session


def test_a_read_of_an_expired_object_brings_its_joined_collection(session, league):
    team = session.get(Team, 1)
    session.expire(team)
    with count_statements(league) as sent:
        assert team.name == "t1"
        assert [p.name for p in team.players] == ["p1", "p2"]
    assert sent.count == 1


def test_a_touch_of_the_collection_brings_the_columns(session, league):
    team = session.get(Team, 1)
    session.expire(team)
    with count_statements(league) as sent:
        assert len(team.players) == 2
        assert team.name == "t1"
    assert sent.count == 1


def test_all_that_came_together_are_refreshed_with_one_statement(session, league):
    teams = session.scalars(select(Team).order_by(Team.id)).all()
    session.commit()
    with count_statements(league) as sent:
        assert [t.name for t in teams] == ["t1", "t2", "t3"]
        assert [[p.id for p in t.players] for t in teams] == [[1, 2], [3, 4], [5, 6]]
    assert sent.count == 1
    session.commit()
    with count_statements(league) as sent:  # they are peers still
        assert sum(len(t.players) for t in teams) == 6
    assert sent.count == 1


@pytest.mark.parametrize(
    ("option", "statements"), [(joinedload, 1), (selectinload, 2), (subqueryload, 2), (immediateload, 2)]
)
def test_options_hold_for_the_refresh(session, league, option, statements):
    players = session.scalars(select(Player).options(option(Player.goals)).order_by(Player.id)).all()
    session.commit()
    with count_statements(league) as sent:
        assert [p.name for p in players] == [f"p{i}" for i in range(1, 7)]
    assert sent.count == statements
    with count_statements(league) as sent:
        assert [[g.id for g in p.goals] for p in players] == [[2 * i - 1, 2 * i] for i in range(1, 7)]
    assert sent.count == 0
    with count_statements(league) as sent:
        session.refresh(players[0])
        assert "goals" in vars(players[0])
    assert sent.count == statements


def test_options_of_what_is_read_on_demand_hold_after_the_session(session, league):
    player = session.scalars(select(Player).options(lazyload(Player.goals)).where(Player.id == 1)).one()
    team = session.scalars(select(Team).options(lazyload(Team.players).selectinload(Player.goals)).limit(1)).one()
    session.expire_all()
    session.close()
    session.add_all([team, player])
    with count_statements(league) as sent:
        assert [len(p.goals) for p in team.players] == [2, 2]
    assert sent.count == 2


def test_joins_of_the_query_are_not_there_for_the_refresh(session, league):
    query = select(Player).join(Player.goals).options(contains_eager(Player.goals)).where(Player.id == 1)
    player = session.scalars(query).unique().one()
    session.expire(player)
    assert player.name == "p1"
    assert "goals" not in vars(player)
    assert len(player.goals) == 2


def test_refresh_by_name_takes_the_relationship_along(session, league):
    team = session.get(Team, 1)
    session.connection().execute(update(Player).where(Player.__table__.c.id == 3).values(team_id=1))
    team.name = "changed"
    with session.no_autoflush, count_statements(league) as sent:
        session.refresh(team, ["players"])
    assert sent.count == 1
    assert [p.id for p in team.players] == [1, 2, 3]
    assert team.name == "changed"
    with count_statements(league) as sent:
        session.refresh(team, ["name", "players"])
    assert sent.count == 1  # the change of the name is dropped, so there is nothing to flush
    assert len(team.players) == 3


def test_refresh_drops_changes_along_refresh_expire(session):
    player = session.get(Player, 1)
    goal = player.goals[0]
    goal.minute = 99
    player.goals.append(new := Goal(id=100, minute=1))
    with session.no_autoflush:
        session.refresh(player)
        assert new not in session
        assert goal.minute == 1
        assert [g.id for g in player.goals] == [1, 2]


def test_what_is_there_is_not_overwritten_by_a_refresh_of_its_owner(session):
    team = session.get(Team, 1)
    player = team.players[0]
    session.expire(team)
    player.name = "set"
    with session.no_autoflush:
        assert player in team.players
    assert player.name == "set"


def test_a_key_that_is_not_flushed_cannot_be_refreshed_by(session):
    goal = session.get(Goal, 1)
    goal.id = 500
    with (
        session.no_autoflush,
        pytest.raises(exc.InvalidRequestError, match=r"<Goal id=1> has a new primary key \(id\)"),
    ):
        session.refresh(goal, ["minute"])
    assert goal.id == 500
    session.refresh(goal, ["minute"])  # flushes first
    assert (goal.id, goal.minute) == (500, 1)


def test_no_options_for_a_lock_are_refused(session):
    with pytest.raises(exc.ArgumentError, match="with_for_update"):
        session.refresh(session.get(Goal, 1), with_for_update={})


def test_a_refresh_locks_with_a_joined_collection_too(session):
    team = session.get(Team, 1)
    session.refresh(team, with_for_update=True)
    assert len(team.players) == 2


def test_a_row_that_is_gone_says_so(session, league):
    team = session.get(Team, 3)
    session.commit()
    with league.begin() as connection:
        for table in (Goal, Medal, Player, Team):
            connection.execute(table.__table__.delete())
    with pytest.raises(exc.ObjectDeletedError, match="<Team id=3> has no row"):
        _ = team.name
    with pytest.raises(exc.InvalidRequestError, match="Could not refresh <Team id=3>"):
        session.refresh(team)


def test_a_query_fills_what_was_expired_beside_loaded_relationships(session):
    player = session.get(Player, 1)
    assert player.goals and player.team
    session.expire(player, ["name"])
    session.scalars(select(Player).where(Player.id == 1)).all()
    assert vars(player)["name"] == "p1"


def test_a_read_of_an_expired_column_flushes_first(session):
    player, other = session.get(Player, 1), session.get(Team, 3)
    player.team = other
    session.expire(player, ["team_id"])
    assert player.team_id == 3


def test_what_raises_for_the_program_is_loaded_for_delete_and_merge(session):
    player = session.get(Player, 1)
    with pytest.raises(exc.InvalidRequestError, match="Player.medals"):
        _ = player.medals
    session.delete(player)
    session.flush()
    assert session.get(Medal, 1).player_id is None
    copy = session.merge(Player(id=2, medals=[Medal(id=4)]))
    session.flush()
    assert session.get(Medal, 2).player_id is None
    assert session.get(Medal, 4).player_id == copy.id == 2
