"""What the members of a row are called, and what else they can be had by."""

import pytest
from sqlalchemy import String, func, literal_column, text, union
from sqlalchemy.sql.selectable import SelectLabelStyle

from ropewalk import DeclarativeBase, Mapped, Session, aliased, mapped_column, select
from ropewalk.exc import InvalidRequestError


class Base(DeclarativeBase):
    pass


class Bird(Base):
    __tablename__ = "bird"
    id: Mapped[int] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column("sound", String(30))


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Bird(id=1, call="chirp"), Bird(id=2, call="hoot")])
        session.commit()
        yield session


def test_an_attribute_is_named_as_the_attribute_and_not_as_its_column(session):
    row = session.execute(select(Bird.id, Bird.call).where(Bird.id == 2)).one()
    assert (row.id, row.call) == (2, "hoot")
    assert list(session.execute(select(Bird.call)).mappings()) == [{"call": "chirp"}, {"call": "hoot"}]


def test_a_query_names_them_alike(session):
    row = session.query(Bird.call, Bird.id).order_by(Bird.id).first()
    assert list(row._mapping) == ["call", "id"]
    assert [column["name"] for column in session.query(Bird.call, Bird.id).column_descriptions] == ["call", "id"]


@pytest.mark.parametrize(
    ("style", "names"),
    [
        (SelectLabelStyle.LABEL_STYLE_DISAMBIGUATE_ONLY, ["id", "call", "id_1", "Bird", "other"]),
        (SelectLabelStyle.LABEL_STYLE_TABLENAME_PLUS_COL, ["bird_id", "bird_call", "other_id", "Bird", "other"]),
        (SelectLabelStyle.LABEL_STYLE_NONE, ["id", "call", "id", "Bird", "other"]),
    ],
)
def test_label_styles(session, style, names):
    other = aliased(Bird, name="other")
    statement = select(Bird.id, Bird.call, other.id, Bird, other).join(other, other.id > Bird.id)
    statement = statement.set_label_style(style)
    assert list(session.execute(statement).keys()) == names
    assert [column["name"] for column in statement.column_descriptions] == names


def test_expressions_have_labels_or_what_core_makes_up(session):
    result = session.execute(select(Bird.call.label("sound"), func.max(Bird.id)).group_by(Bird.call))
    assert list(result.keys()) == ["sound", "max"]


def test_members_by_class_attribute_and_column(session):
    for _ in range(2):  # the second time by a plan that another alias made
        other = aliased(Bird)
        statement = select(Bird, other, Bird.call, other.call).join(other, other.id == Bird.id + 1)
        row = session.execute(statement).one()
        held = row._mapping
        assert (held[Bird].id, held[other].id) == (1, 2)
        assert (held[Bird.call], held[other.call], held[Bird.__table__.c.sound]) == ("chirp", "hoot", "chirp")
        assert list(held) == ["Bird", "call", "call_1"]  # nobody gave the alias a name


def test_the_columns_of_a_subquery(session):
    for _ in range(2):
        late = select(Bird.id, Bird.call).where(Bird.id > 1).subquery()
        row = session.execute(select(late, Bird).join(Bird, Bird.id == late.c.id)).one()
        assert row._mapping[late.c.call] == row.call == row.Bird.call == "hoot"
        assert select(late, Bird).selected_columns.keys() == ["id", "call", "id_1", "call_1"]
    assert session.execute(select(late).from_statement(select(late))).one()._mapping == {"id": 2, "call": "hoot"}


def test_text_is_one_member_without_a_name(session):
    row = session.execute(select(Bird.id, text("bird.sound")).where(Bird.id == 1)).one()
    assert tuple(row) == (1, "chirp")


@pytest.mark.parametrize("star", [text("*"), literal_column("*"), text("bird.*")])
def test_a_star_stands_alone(session, star):
    rows = session.execute(select(star).select_from(Bird).order_by(Bird.id)).all()
    assert [tuple(row) for row in rows] == [(1, "chirp"), (2, "hoot")]
    with pytest.raises(InvalidRequestError, match="nobody knows how many columns"):
        session.execute(select(Bird, star))


def test_columns_can_be_streamed_and_united(session):
    streamed = session.execute(select(Bird.call).order_by(Bird.id), execution_options={"yield_per": 1})
    assert [row.call for row in streamed] == ["chirp", "hoot"]
    both = union(select(Bird.call), select(Bird.call))
    assert sorted(session.scalars(both)) == ["chirp", "hoot"]


def test_converters_work_on_single_columns(session):
    assert session.scalars(select(func.count(Bird.id))).one() == 2
    assert session.execute(select(Bird.id).where(Bird.id > 5)).scalar_one_or_none() is None
