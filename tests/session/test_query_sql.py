"""A Query says in SQL what SQLAlchemy's own says: both are asked the same and the texts compared."""

from types import SimpleNamespace

import pytest
import sqlalchemy.orm
from sqlalchemy import ForeignKey, func, literal_column, select, text, true

import ropewalk


def models(orm):
    """Define the same two classes with an ORM."""

    class Base(orm.DeclarativeBase):
        pass

    class Team(Base):
        __tablename__ = "team"
        id = orm.mapped_column(sqlalchemy.Integer, primary_key=True)
        town = orm.mapped_column(sqlalchemy.String)

    class Player(Base):
        __tablename__ = "player"
        id = orm.mapped_column(sqlalchemy.Integer, primary_key=True)
        name = orm.mapped_column(sqlalchemy.String)
        goals = orm.mapped_column(sqlalchemy.Integer)
        team_id = orm.mapped_column(ForeignKey("team.id"))

    return SimpleNamespace(q=orm.Session().query, Team=Team, Player=Player, aliased=orm.aliased, teams=Team.__table__)


OURS = models(ropewalk)
THEIRS = models(sqlalchemy.orm)

SAME = {
    "class": lambda m: m.q(m.Player),
    "column": lambda m: m.q(m.Player.name),
    "both": lambda m: m.q(m.Player, m.Team.town),
    "table": lambda m: m.q(m.teams),
    "alias": lambda m: m.q(m.aliased(m.Player)),
    "function": lambda m: m.q(func.max(m.Player.goals)),
    "filter": lambda m: m.q(m.Player).filter(m.Player.goals > 1, m.Player.name == "ann"),
    "filter_by": lambda m: m.q(m.Player).filter_by(goals=1, name=None),
    "filter_by of a column": lambda m: m.q(m.Player.name).filter_by(goals=1),
    "filter_by of a table": lambda m: m.q(m.teams).filter_by(town="Ghent"),
    "filter_by of select_from": lambda m: m.q(m.Player.name).select_from(m.Team).filter_by(town="Ghent"),
    "filter_by of the joined": lambda m: (
        m.q(m.Player).join(m.Team).filter_by(town="x").reset_joinpoint().filter_by(goals=1)
    ),
    "order": lambda m: m.q(m.Player).order_by(m.Player.goals.desc(), m.Player.name).order_by(m.Player.id),
    "no order": lambda m: m.q(m.Player).order_by(m.Player.goals).order_by(None),
    "false order": lambda m: (
        m.q(m.Player).filter_by(id=1).order_by(m.Player.goals).order_by(False).order_by(m.Player.id)
    ),
    "group": lambda m: m.q(m.Player.goals, func.count()).group_by(m.Player.goals).having(func.count() > 1),
    "no group": lambda m: m.q(m.Player.goals).group_by(m.Player.goals).group_by(None),
    "distinct": lambda m: m.q(m.Player.goals).distinct().order_by(m.Player.name),
    "limit": lambda m: m.q(m.Player).limit(1).limit(2).offset(3),
    "no limit": lambda m: m.q(m.Player).limit(1).limit(None).filter_by(id=1),
    "distinct after limit": lambda m: m.q(m.Player).limit(1).distinct(),
    "slice": lambda m: m.q(m.Player).limit(10).offset(4).slice(1, 3),
    "open slices": lambda m: m.q(m.Player).slice(None, 2).slice(1, None),
    "join": lambda m: m.q(m.Player).join(m.Team),
    "outer join on": lambda m: m.q(m.Player, m.Team).outerjoin(m.Team, m.Player.team_id == m.Team.id),
    "full join": lambda m: m.q(m.Player).join(m.teams, full=True),
    "join from": lambda m: m.q(m.Player.name).select_from(m.Team).join(m.Player),
    "joins": lambda m: m.q(m.Team).join(m.Player).join(m.aliased(m.Player), true()),
    "with_entities": lambda m: m.q(m.Player).filter_by(id=1).with_entities(m.Player.name, m.Player.id),
    "with_entities after join": lambda m: m.q(m.Player).join(m.Team).with_entities(m.Team.town),
    "with_entities, then more": lambda m: (
        m.q(m.Player).join(m.Team).with_entities(m.Team.town).add_columns(m.Player.id)
    ),
    "count after join": lambda m: m.q(m.Player).join(m.Team).with_entities(func.count()),
    "add_columns": lambda m: m.q(m.Player).add_columns(m.Player.id + 1),
    "add_entity": lambda m: m.q(m.Player).add_entity(m.Team),
    "prefix and hint": lambda m: m.q(m.Player).prefix_with("P").suffix_with("S").with_statement_hint("H"),
    "in": lambda m: m.q(m.Player).filter(m.Player.team_id.in_(m.q(m.Team.id))),
    "subquery": lambda m: m.q(m.q(m.Player, m.Team).join(m.Team).filter_by(town="x").subquery()),
    "labelled subquery": lambda m: m.q(m.q(m.Player).subquery("s", with_labels=True)),
    "scalar subquery": lambda m: m.q(m.q(func.max(m.Player.goals)).scalar_subquery()),
    "label": lambda m: m.q(m.Player.name, m.q(func.max(m.Player.goals)).label("most")),
    "cte": lambda m: m.q(m.q(m.Player).cte("x")),
    "exists": lambda m: m.q(m.Team).filter(m.q(m.Player).filter(m.Player.team_id == m.Team.id).exists()),
    "exists of a join": lambda m: m.q(m.q(m.Player).join(m.Team).filter(m.Team.id > 1).exists()),
    "exists of two": lambda m: m.q(m.q(m.Player, m.Team).filter(m.Player.id == 1).exists()),
    "uncorrelated": lambda m: m.q(m.Team).filter(
        m.q(m.Player).filter(m.Player.team_id == m.Team.id).correlate(None).exists()
    ),
    "union": lambda m: m.q(m.Player).filter_by(id=1).union(m.q(m.Player).filter_by(id=2)),
    "union, criteria": lambda m: m.q(m.Player).union(m.q(m.Player)).filter(m.Player.id > 1).filter_by(goals=3),
    "union, order": lambda m: m.q(m.Player).union_all(m.q(m.Player)).order_by(m.Player.name).limit(3).offset(1),
    "union, join": lambda m: m.q(m.Player).union(m.q(m.Player)).join(m.Team),
    "union, join on": lambda m: m.q(m.Player).union(m.q(m.Player)).join(m.Team, m.Team.id == m.Player.team_id),
    "union, other columns": lambda m: m.q(m.Player).union(m.q(m.Player)).with_entities(m.Player.name),
    "union of unions": lambda m: m.q(m.Player).union(m.q(m.Player)).union_all(m.q(m.Player)),
    "union of columns": lambda m: m.q(m.Player.name, m.Player.id).except_(m.q(m.Player.name, m.Player.id)),
    "union of literals": lambda m: m.q(m.Player, literal_column("'x'").label("t")).intersect(
        m.q(m.Player, literal_column("'y'"))
    ),
    "union as a subquery": lambda m: m.q(m.q(m.Player).union(m.q(m.Player)).subquery()),
    "union of an alias": lambda m: (lambda a: m.q(a).union(m.q(a)).filter(a.id == 1))(m.aliased(m.Player)),
}

STATEMENTS = {
    "class": lambda m: m.q(m.Player).statement,
    "two": lambda m: m.q(m.Player, m.Team).join(m.Team).statement,
    "union": lambda m: m.q(m.Player).union(m.q(m.Player)).statement,
    "in a select": lambda m: select(m.q(m.Player).filter_by(id=1).subquery()),
    "selectable": lambda m: m.q(m.Player).selectable,
    "for update": lambda m: m.q(m.Player).with_for_update(nowait=True).statement,
    "labels": lambda m: m.q(m.Player).with_labels().statement,
    "params": lambda m: m.q(m.Player).filter(text("id = :i")).params(i=3).statement,
    "where": lambda m: m.q(m.Player).filter_by(id=1, name="x").whereclause,
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_a_query_is_the_same_sql(make):
    assert str(make(OURS)) == str(make(THEIRS))


@pytest.mark.parametrize("make", STATEMENTS.values(), ids=STATEMENTS)
def test_a_statement_is_the_same_sql(make):
    ours, theirs = make(OURS).compile(), make(THEIRS).compile()
    assert str(ours) == str(theirs)
    assert ours.params == theirs.params


REFUSED = {
    "filter after limit": lambda m: m.q(m.Player).limit(1).filter(m.Player.id == 1),
    "filter_by after limit": lambda m: m.q(m.Player).limit(1).filter_by(id=1),
    "order_by after offset": lambda m: m.q(m.Player).offset(1).order_by(m.Player.id),
    "no order after limit": lambda m: m.q(m.Player).limit(1).order_by(None),
    "group_by after limit": lambda m: m.q(m.Player).limit(1).group_by(m.Player.id),
    "having after limit": lambda m: m.q(m.Player).limit(1).having(m.Player.id == 1),
    "join after limit": lambda m: m.q(m.Player).limit(1).join(m.Team),
    "select_from after filter": lambda m: m.q(m.Player).filter_by(id=1).select_from(m.Team),
    "select_from after order_by": lambda m: m.q(m.Player).order_by(m.Player.id).select_from(m.Team),
    "from_statement after filter": lambda m: m.q(m.Player).filter_by(id=1).from_statement(text("SELECT 1")),
    "filter after from_statement": lambda m: m.q(m.Player).from_statement(text("SELECT 1")).filter_by(id=1),
    "limit after from_statement": lambda m: m.q(m.Player).from_statement(text("SELECT 1")).limit(1),
    "count of from_statement": lambda m: m.q(m.Player).from_statement(text("SELECT 1")).count(),
    "subquery of from_statement": lambda m: m.q(m.Player).from_statement(text("SELECT 1")).subquery(),
    "get after filter": lambda m: m.q(m.Player).filter_by(id=1).get(1),
    "get after limit": lambda m: m.q(m.Player).limit(1).get(1),
    "get of a column": lambda m: m.q(m.Player.id).get(1),
    "unknown attribute": lambda m: m.q(m.Player).filter_by(nme="ann"),
    "unknown column": lambda m: m.q(m.teams).filter_by(twn="Ghent"),
    "filter_by of a function": lambda m: m.q(func.max(1)).filter_by(id=1),
    "nothing": lambda m: str(m.q()),
    "a class that is not mapped": lambda m: m.q(int),
    "an object": lambda m: m.q(object()),
    "a name": lambda m: m.q("id"),
    "a criterion that is none": lambda m: m.q(m.Player).filter("id"),
    "update with a limit": lambda m: m.q(m.Player).limit(1).update({"goals": 1}),
    "update with an order": lambda m: m.q(m.Player).order_by(m.Player.id).update({"goals": 1}),
    "delete with groups": lambda m: m.q(m.Player).group_by(m.Player.id).delete(),
    "delete with a join": lambda m: m.q(m.Player).join(m.Team).delete(),
    "update of a column": lambda m: m.q(m.Player.id).update({"goals": 1}),
    "synchronize_session": lambda m: m.q(m.Player).update({"goals": 1}, synchronize_session="perhaps"),
    "negative index": lambda m: m.q(m.Player)[-1],
    "negative slice": lambda m: m.q(m.Player)[-2:-1],
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_sqlalchemy_refuses_is_refused_with_the_same_class_of_error(make):
    with pytest.raises(Exception) as theirs:
        make(THEIRS)
    with pytest.raises(Exception) as ours:
        make(OURS)
    assert type(ours.value) is type(theirs.value), ours.value
