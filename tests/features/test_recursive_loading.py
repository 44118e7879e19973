"""``recursion_depth`` and ``join_depth``: trees loaded to a depth, a statement a level."""

import pytest
from databases import count_statements
from shop import Customer, Node, Order, fill
from sqlalchemy import ForeignKey, insert, update

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    exc,
    immediateload,
    mapped_column,
    relationship,
    select,
    selectinload,
)


@pytest.fixture
def chain(engine):
    """Nodes 1 → 2 → ... → 8."""
    fill(engine)
    with engine.begin() as connection:
        connection.execute(update(Node.__table__).values(parent_id=None))
        connection.execute(Node.__table__.delete())
        for i in range(1, 9):
            connection.execute(insert(Node.__table__), {"id": i, "parent_id": i - 1 or None})
    return engine


def loaded_along(node, key):
    """Return how many levels are loaded from ``node`` on, without loading any."""
    depth = 0
    while (held := vars(node).get(key)) is not None and held != []:
        node = held[0] if isinstance(held, list) else held
        depth += 1
    return depth


@pytest.mark.parametrize("option", [selectinload, immediateload])
@pytest.mark.parametrize(("depth", "levels", "statements"), [(None, 1, 2), (0, 1, 2), (1, 2, 3), (3, 4, 5), (-1, 7, 9)])
def test_children_to_a_depth(chain, option, depth, levels, statements):
    query = select(Node).where(Node.id == 1).options(option(Node.children, recursion_depth=depth))
    with Session(chain) as session, count_statements(chain) as sent:
        root = session.scalars(query).one()
        assert loaded_along(root, "children") == levels
    assert sent.count == statements


@pytest.mark.parametrize(("depth", "levels", "statements"), [(None, 1, 2), (2, 3, 4), (-1, 7, 8)])
def test_parents_to_a_depth(chain, depth, levels, statements):
    query = select(Node).where(Node.id == 8).options(selectinload(Node.parent, recursion_depth=depth))
    with Session(chain) as session, count_statements(chain) as sent:
        leaf = session.scalars(query).one()
        assert loaded_along(leaf, "parent") == levels
    assert sent.count == statements


def test_circles_end(chain):
    with chain.begin() as connection:
        connection.execute(update(Node.__table__).where(Node.__table__.c.id == 1).values(parent_id=8))
    query = select(Node).where(Node.id == 1).options(selectinload(Node.children, recursion_depth=-1))
    with Session(chain) as session, count_statements(chain) as sent:
        root = session.scalars(query).one()
        assert root.children[0].children[0].id == 3
    assert sent.count == 9


def test_deep_trees_meet_no_recursion_limit(chain):
    with chain.begin() as connection:
        for i in range(9, 1200):
            connection.execute(insert(Node.__table__), {"id": i, "parent_id": i - 1})
    query = select(Node).where(Node.id == 1).options(selectinload(Node.children, recursion_depth=-1))
    with Session(chain) as session:
        assert loaded_along(session.scalars(query).one(), "children") == 1198


def test_what_is_loaded_already_is_passed_through(chain):
    with Session(chain) as session:
        second = session.get(Node, 2)
        assert [n.id for n in second.children] == [3]
        query = select(Node).where(Node.id == 1).options(selectinload(Node.children, recursion_depth=2))
        with count_statements(chain) as sent:
            root = session.scalars(query).one()
        assert sent.count == 3  # the root, its children, and those of the third
        assert loaded_along(root, "children") == 3


def test_a_relationship_to_another_class_has_no_levels(chain):
    query = select(Customer).options(selectinload(Customer.orders, recursion_depth=2))
    with Session(chain) as session, pytest.raises(exc.InvalidRequestError, match="Customer.orders.*Customer to Order"):
        session.scalars(query).all()


@pytest.mark.parametrize("depth", [-2, 1.5, "all"])
def test_a_depth_is_a_number_of_levels(depth):
    with pytest.raises(exc.ArgumentError, match="recursion_depth"):
        selectinload(Order.items, recursion_depth=depth)


@pytest.mark.parametrize("depth", [1, 3])
def test_join_depth(engine, depth):
    class Base(DeclarativeBase):
        pass

    class Joint(Base):
        __tablename__ = "joint"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("joint.id"))
        children: Mapped[list["Joint"]] = relationship(lazy="joined", join_depth=depth)

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        for i in range(1, 7):
            connection.execute(insert(Joint.__table__), {"id": i, "parent_id": i - 1 or None})
    with Session(engine) as session, count_statements(engine) as sent:
        root = session.get(Joint, 1)
    assert loaded_along(root, "children") == depth
    assert sent.count == 1
