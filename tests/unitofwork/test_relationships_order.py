"""The order of rows where tables refer to each other in circles, and what no order can do."""

import pytest
from databases import count_statements
from sqlalchemy import ForeignKey, select
from sqlalchemy.exc import CircularDependencyError

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "o_person"

    id: Mapped[int] = mapped_column(primary_key=True)
    favourite_id: Mapped[int | None] = mapped_column(ForeignKey("o_ball.id", name="o_fav"))
    favourite: Mapped["Ball | None"] = relationship(foreign_keys=[favourite_id], post_update=True)
    balls: Mapped[list["Ball"]] = relationship(foreign_keys="Ball.owner_id", back_populates="owner", order_by="Ball.id")


class Ball(Base):
    __tablename__ = "o_ball"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("o_person.id"))
    owner: Mapped["Person | None"] = relationship(foreign_keys=[owner_id], back_populates="balls")


class Hen(Base):
    __tablename__ = "o_hen"

    id: Mapped[int] = mapped_column(primary_key=True)
    egg_id: Mapped[int | None] = mapped_column(ForeignKey("o_egg.id", name="o_hen_egg"))
    egg: Mapped["Egg | None"] = relationship(foreign_keys=[egg_id])


class Egg(Base):
    __tablename__ = "o_egg"

    id: Mapped[int] = mapped_column(primary_key=True)
    hen_id: Mapped[int | None] = mapped_column(ForeignKey("o_hen.id"))
    hen: Mapped["Hen | None"] = relationship(foreign_keys=[hen_id])


class Node(Base):
    __tablename__ = "o_node"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("o_node.id"))
    children: Mapped[list["Node"]] = relationship(order_by="Node.id", cascade="all")


class Loose(Base):
    """It refers to another table by a condition, without a foreign key in the database."""

    __tablename__ = "o_a_loose"

    id: Mapped[int] = mapped_column(primary_key=True)
    post_no: Mapped[int | None]
    post: Mapped["Post | None"] = relationship(primaryjoin="foreign(Loose.post_no) == Post.id")


class Post(Base):
    __tablename__ = "o_post"

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def session(engine, road):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def test_post_update_lets_two_rows_refer_to_each_other(session):
    person = Person(balls=[Ball(), Ball()])
    person.favourite = favourite = person.balls[1]
    session.add(person)
    session.commit()
    assert person.favourite_id == favourite.id
    assert person.favourite is favourite


def test_post_update_of_a_saved_object_is_one_update(session, engine):
    person = Person(balls=[Ball(), Ball()])
    session.add(person)
    session.flush()
    with count_statements(engine) as sent:
        person.favourite = person.balls[0]
        session.flush()
    assert sent.count == 1
    person.favourite = None
    session.commit()
    assert person.favourite_id is None


def test_rows_that_refer_to_each_other_are_deleted_after_post_update(session):
    person = Person(balls=[Ball(), Ball()])
    person.favourite = person.balls[1]
    session.add(person)
    session.commit()
    for ball in person.balls:
        session.delete(ball)
    session.delete(person)
    session.commit()
    assert session.scalars(select(Ball)).all() == []
    assert session.scalars(select(Person)).all() == []


def test_circle_of_tables_is_ordered_by_row(session):
    hens = [Hen(egg=Egg(hen=Hen(egg=Egg()))) for _ in range(2)]
    session.add_all(hens)
    session.commit()
    for hen in hens:
        assert hen.egg.hen.egg.hen is None
        assert hen.egg_id == hen.egg.id
        assert hen.egg.hen_id == hen.egg.hen.id


def test_circle_of_objects_is_named(session):
    hen = Hen(id=1)
    hen.egg = Egg(id=5, hen=hen)
    session.add(hen)
    with pytest.raises(CircularDependencyError) as caught:
        session.flush()
    assert "<Hen id=1>" in str(caught.value)
    assert "<Egg id=5>" in str(caught.value)


def test_circle_of_objects_without_keys_is_named(session):
    hen = Hen()
    hen.egg = Egg(hen=hen)
    session.add(hen)
    with pytest.raises(CircularDependencyError, match=r"<(Hen|Egg) at 0x\w+, pending>, <(Hen|Egg) at"):
        session.flush()


def test_tree_is_written_level_by_level(session, engine):
    root = Node(children=[Node(children=[Node(), Node()]), Node(children=[Node()])])
    session.add(root)
    if engine.dialect.insert_returning and engine.dialect.name != "mysql":
        with count_statements(engine) as sent:
            session.flush()
        assert sent.count == 3
    session.commit()
    assert [len(node.children) for node in root.children] == [2, 1]


def test_tree_is_deleted_with_its_root(session):
    root = Node(children=[Node(children=[Node(), Node()]), Node(children=[Node()])])
    session.add(root)
    session.commit()
    session.delete(root)
    session.commit()
    assert session.scalars(select(Node)).all() == []


def test_deep_tree_needs_no_recursion(session):
    root = node = Node()
    for _ in range(1500):
        below = Node()
        node.children.append(below)
        node = below
    session.add(root)
    session.flush()
    assert session.scalar(select(Node.parent_id).where(Node.id == node.id)) is not None
    session.delete(root)
    session.flush()
    assert session.scalars(select(Node)).all() == []


def test_order_follows_relationships_without_foreign_keys(session):
    loose = Loose(post=Post())
    session.add(loose)
    session.commit()
    assert loose.post_no == loose.post.id
