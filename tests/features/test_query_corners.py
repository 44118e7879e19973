"""What a Query is asked now and then: synonyms of relationships, nulls, names of expressions, slices by parameters."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, Integer, String, bindparam, cast, func, null

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    inspect,
    join,
    joinedload,
    mapped_column,
    registry,
    relationship,
    select,
    synonym,
    with_parent,
)


class Base(DeclarativeBase):
    pass


class Ship(Base):
    __tablename__ = "ship"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    sailors: Mapped[list["Sailor"]] = relationship(back_populates="ship", order_by="Sailor.id")
    number = synonym("id")
    crew = synonym("sailors")
    hands = synonym("crew")


class Sailor(Base):
    __tablename__ = "sailor"
    id: Mapped[int] = mapped_column(primary_key=True)
    ship_id: Mapped[int | None] = mapped_column(ForeignKey("ship.id"))
    ship: Mapped["Ship | None"] = relationship(back_populates="sailors")


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Ship(id=1, name="Ann", sailors=[Sailor(id=1), Sailor(id=2)]))
        session.add(Ship(id=2, name="Bob", sailors=[Sailor(id=3)]))
        session.add_all([Ship(id=3, name="Cid"), Sailor(id=4)])
        session.commit()
        yield session


@pytest.mark.parametrize("name", ["crew", "hands"])
def test_a_synonym_of_a_relationship_is_followed_like_the_relationship(session, name):
    crew = getattr(Ship, name)
    joined = select(Ship.name).join(crew).where(Sailor.id == 3)
    assert session.scalars(joined).all() == ["Bob"]
    assert session.query(Ship).outerjoin(crew).filter(Sailor.id.is_(None)).one().name == "Cid"
    other = aliased(Ship)
    assert session.scalars(select(other.name).join(getattr(other, name)).where(Sailor.id == 1)).all() == ["Ann"]
    assert session.scalars(select(Ship.name).where(crew.any(Sailor.id == 2))).all() == ["Ann"]
    ann = session.get(Ship, 1)
    assert session.scalars(select(Sailor.id).where(with_parent(ann, crew)).order_by(Sailor.id)).all() == [1, 2]
    session.expire_all()
    with count_statements(session.connection()) as sent:
        ships = session.scalars(select(Ship).options(joinedload(crew))).unique().all()
        assert sum(len(getattr(ship, name)) for ship in ships) == 3
    assert sent.count == 1, sent.statements


def test_joins_to_what_inspect_gives(session):
    other = aliased(Sailor)
    joined = join(Ship, inspect(other), Ship.sailors)
    assert session.scalars(select(other.id).select_from(joined).where(Ship.id == 2)).all() == [3]


def test_get_by_a_synonym_of_the_key(session):
    assert session.get(Ship, {"number": 2}).name == "Bob"


def test_null_is_none_to_a_reference(session):
    assert session.scalars(select(Sailor.id).where(Sailor.ship == null())).all() == [4]
    assert session.query(Sailor.id).filter(Sailor.ship != null()).count() == 3
    assert session.query(Sailor).filter_by(ship=null()).one().id == 4


@pytest.mark.parametrize(
    "expression",
    [Ship.id.label("number"), func.count(Ship.id), cast(Ship.id, Integer), Ship.id + 1],
    ids=["label", "function", "cast", "sum"],
)
def test_filter_by_means_the_class_whose_attribute_is_in_an_expression(session, expression):
    assert len(session.query(expression).filter_by(name="Bob").all()) == 1


def test_slices_by_parameters(session):
    if session.get_bind().dialect.name in ("mysql", "mariadb"):
        pytest.skip("its LIMIT takes numbers and no expressions")
    query = session.query(Sailor).order_by(Sailor.id).params(a=1, b=3)
    found = query[cast(bindparam("a"), Integer) : cast(bindparam("b"), Integer)]
    assert [sailor.id for sailor in found] == [2, 3]
    assert [sailor.id for sailor in query[0:1]] == [1]


def test_a_slice_that_ends_before_it_starts_is_empty(session):
    assert session.query(Sailor)[3:1] == session.query(Sailor)[-2:-5] == []
    with pytest.raises(IndexError, match="cannot be indexed from its end"):
        session.query(Sailor)[-5:-2]


def test_exists_of_what_is_only_selected_from(session):
    assert session.query(session.query().select_from(Ship).exists()).scalar() is True


def test_options_after_a_union(session):
    one, two = (session.query(Ship).filter_by(id=number) for number in (1, 2))
    with count_statements(session.connection()) as sent:
        ships = one.union(two).options(joinedload(Ship.sailors)).order_by(Ship.id).all()
        assert [[sailor.id for sailor in ship.sailors] for ship in ships] == [[1, 2], [3]]
    assert sent.count == 1, sent.statements


def test_get_with_a_key_that_is_null_in_part(session):
    class Berth:
        pass

    ship, sailor = Ship.__table__, Sailor.__table__
    mapped = registry()
    mapped.map_imperatively(
        Berth,
        ship.outerjoin(sailor),
        properties={"id": [ship.c.id, sailor.c.ship_id], "sailor_id": sailor.c.id},
        primary_key=[ship.c.id, sailor.c.id],
    )
    try:
        assert session.get(Berth, (3, None)).name == "Cid"
        assert session.get(Berth, (1, None)) is None
        assert session.get(Berth, (1, 2)).sailor_id == 2
    finally:
        mapped.dispose()
