"""Classes mapped to a SELECT: read from it, and written to the tables behind."""

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, column, func, select

from ropewalk import Session, registry, relationship
from ropewalk.exc import StaleDataError

metadata = MetaData()
paper = Table(
    "paper",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", String(30), nullable=False),
    Column("version", Integer),
    Column("shelf", String(30), server_default="A"),
)
page = Table(
    "page",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("paper_id", ForeignKey("paper.id"), nullable=False),
)


class Paper:
    def __init__(self, **values):

        for key, value in values.items():
            setattr(self, key, value)


class Page:
    pass


@pytest.fixture
def mapped():
    found = registry()
    yield found
    found.dispose()


@pytest.fixture
def session(engine, mapped):
    metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def test_objects_are_written_to_the_table_and_get_its_keys(session, mapped):
    some = select(paper.c.id, paper.c.title.label("name"), paper.c.shelf).where(paper.c.id > 0).alias("some")
    mapped.map_imperatively(Paper, some)
    one, two = Paper(name="one"), Paper(name="two")
    session.add_all([one, two])
    session.commit()
    assert one.id < two.id
    assert session.execute(paper.select().order_by(paper.c.id)).mappings().first()["title"] == "one"
    assert two.shelf == "A"
    two.name = "second"
    session.delete(one)
    session.commit()
    assert [found.name for found in session.scalars(select(Paper))] == ["second"]
    assert session.get(Paper, two.id) is two


@pytest.mark.parametrize("own_numbers", [False, True])
def test_versions(session, mapped, own_numbers):
    some = paper.select().where(paper.c.id > 0).alias("some")
    generator = {"version_id_generator": False} if own_numbers else {}
    mapped.map_imperatively(Paper, some, version_id_col=paper.c.version, **generator)
    found = Paper(title="one", version=1) if own_numbers else Paper(title="one")
    session.add(found)
    session.flush()
    found.title = "two"
    if own_numbers:
        found.version = 2
    session.flush()
    assert session.execute(select(paper.c.version, paper.c.title)).one() == (2, "two")
    session.execute(paper.update().values(version=7))
    found.title = "three"
    if own_numbers:
        found.version = 3
    with pytest.raises(StaleDataError):
        session.flush()


def test_relationships(session, mapped):
    some = paper.select().where(paper.c.id > 0).alias("some")
    mapped.map_imperatively(Page, page)
    pages = relationship(Page, primaryjoin=some.c.id == page.c.paper_id, foreign_keys=[page.c.paper_id])
    mapped.map_imperatively(Paper, some, properties={"pages": pages})
    one = Paper(title="one", pages=[Page(), Page()])
    session.add(one)
    session.commit()
    assert [found.paper_id for found in one.pages] == [one.id, one.id]


def test_what_shows_no_key_of_a_table_is_only_read(session, mapped):
    counted = select(paper.c.title, func.count(paper.c.id).label("number")).group_by(paper.c.title).alias("counted")
    mapped.map_imperatively(Paper, counted, primary_key=[counted.c.title])
    session.execute(paper.insert(), [{"title": "one"}, {"title": "one"}])
    assert session.get(Paper, "one").number == 2
    session.add(Paper(title="two", number=1))
    session.commit()
    assert session.scalar(select(func.count()).select_from(paper)) == 2


def test_what_has_no_table_behind_it_can_be_read(session, mapped):
    fixed = select(column("x"), column("y")).select_from(
        select(paper.c.id.label("x"), paper.c.title.label("y")).alias()
    )
    fixed = fixed.alias("fixed")
    mapped.map_imperatively(Paper, fixed, primary_key=[fixed.c.x])
    session.execute(paper.insert(), [{"id": 5, "title": "five"}])
    assert session.get(Paper, 5).y == "five"
