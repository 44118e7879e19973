"""What ``lazy=`` of a relationship says, and what cannot be loaded any more."""

import pytest
from databases import count_statements
from shop import Customer, Order, fill
from sqlalchemy import ForeignKey, insert
from sqlalchemy.exc import InvalidRequestError

from ropewalk import DeclarativeBase, Mapped, Session, mapped_column, select
from ropewalk.exc import DetachedInstanceError
from ropewalk.loading.options import joinedload, lazyload, selectinload
from ropewalk.mapping.relationships import relationship

ROWS = [(1, [2, 4, 6]), (2, [1, 3, 5]), (3, [])]


def mapped(engine, lazy, back="select"):
    """Make parents with children, loaded as ``lazy`` says, and nodes of a tree; return the classes."""

    class Base(DeclarativeBase):
        pass

    class Parent(Base):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children = relationship("Child", back_populates="parent", lazy=lazy, order_by="Child.id")

    class Child(Base):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"))
        parent = relationship("Parent", back_populates="children", lazy=back)

    class Node(Base):
        __tablename__ = "node"
        id: Mapped[int] = mapped_column(primary_key=True)
        above: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
        below = relationship("Node", lazy=lazy, join_depth=2, order_by="Node.id")

    Base.registry.configure()  # from now on the classes, some of which a test lets go, hold one another
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Parent.__table__), [{"id": i} for i in (1, 2, 3)])
        connection.execute(insert(Child.__table__), [{"id": i, "parent_id": i % 2 + 1} for i in range(1, 7)])
        for i in range(1, 6):
            connection.execute(insert(Node.__table__), {"id": i, "above": i - 1 or None})
    return Parent, Child, Node


def all_parents(session, class_):
    return [(p.id, [c.id for c in p.children]) for p in session.scalars(select(class_).order_by(class_.id))]


@pytest.mark.parametrize("back", ["select", "joined", "selectin"])
@pytest.mark.parametrize(
    ("lazy", "statements"),
    [("select", 2), (True, 2), ("selectin", 2), ("joined", 1), (False, 1), ("subquery", 2), ("immediate", 2)],
)
def test_each_way_of_the_mapping_loads_the_same(engine, lazy, statements, back):
    parent, child, _ = mapped(engine, lazy, back)
    with Session(engine) as session, count_statements(engine) as sent:
        assert all_parents(session, parent) == ROWS
    assert sent.count == statements, sent.statements
    with Session(engine) as session, count_statements(engine) as sent:
        assert len(session.get(parent, 1).children) == 3
    assert sent.count == statements
    with Session(engine) as session, count_statements(engine) as sent:
        assert [len(p.children) for p in session.query(parent).filter_by(id=2)] == [3]
    assert sent.count == statements
    with Session(engine) as session, count_statements(engine) as sent:
        assert {c.parent.id for c in session.scalars(select(child))} == {1, 2}
    assert sent.count == (1 if back == "joined" else 2)


@pytest.mark.parametrize(("lazy", "statements"), [("joined", 1), ("selectin", 3)])
def test_a_tree_is_loaded_down_to_its_depth(engine, lazy, statements):
    _, _, node = mapped(engine, lazy)
    with Session(engine) as session:
        with count_statements(engine) as sent:
            root = session.get(node, 1)
            assert root.below[0].below[0].id == 3
        assert sent.count == statements, sent.statements
        with count_statements(engine) as sent:
            assert root.below[0].below[0].below[0].id == 4
        assert sent.count > 0


@pytest.mark.parametrize("lazy", ["raise", "raise_on_sql"])
def test_lazy_raise(engine, lazy):
    parent, child, _ = mapped(engine, lazy, lazy)
    with Session(engine) as session:
        with pytest.raises(InvalidRequestError, match=f"'Parent.children' is not available due to lazy='{lazy}'"):
            _ = session.get(parent, 1).children
        one = session.get(parent, 2)
        if lazy == "raise_on_sql":
            assert session.get(child, 1).parent is one
        assert len(session.get(parent, 1, options=[joinedload(parent.children)], populate_existing=True).children) == 3


@pytest.mark.parametrize("lazy", ["noload", None])
def test_lazy_noload(engine, lazy):
    parent, _, _ = mapped(engine, lazy)
    with Session(engine) as session, count_statements(engine) as sent:
        assert all_parents(session, parent) == [(1, []), (2, []), (3, [])]
    assert sent.count == 1


def test_an_option_goes_before_the_mapping(engine):
    parent, _, _ = mapped(engine, "joined")
    with Session(engine) as session, count_statements(engine) as sent:
        session.scalars(select(parent).options(lazyload(parent.children))).all()
    assert "child" not in sent.statements[0]


def test_what_was_not_loaded_cannot_be_when_the_session_is_closed(engine):
    fill(engine)
    with Session(engine) as session:
        customer = session.get(Customer, 1, options=[joinedload(Customer.orders)])
    assert len(customer.orders) == 3
    with pytest.raises(
        DetachedInstanceError, match=r"<Order id=1> .*items.*session.close.*selectinload\(Order.items\)"
    ):
        _ = customer.orders[0].items
    with pytest.raises(DetachedInstanceError, match=r"<Customer id=1> .*note.*undefer\(Customer.note\)"):
        _ = customer.note


def test_refresh_of_a_relationship(engine):
    fill(engine)
    with Session(engine) as session:
        customer = session.get(Customer, 1)
        assert len(customer.orders) == 3
        session.connection().execute(insert(Order.__table__), {"id": 500, "customer_id": 1})
        session.refresh(customer, ["orders"])
        assert [o.id for o in customer.__dict__["orders"]] == [1, 2, 3, 500]


def test_an_object_without_a_row_may_load_what_its_keys_refer_to(engine):
    fill(engine)
    with Session(engine) as session:
        order = Order(customer_id=2)
        assert order.customer is None
        session.enable_relationship_loading(order)
        assert order.customer is session.get(Customer, 2)


@pytest.mark.databases("sqlite", "postgresql")  # MariaDB takes no other statement while it streams
def test_a_stream_of_objects_with_collections(engine):
    fill(engine)
    with Session(engine) as session:
        query = select(Customer).order_by(Customer.id).execution_options(yield_per=4)
        with count_statements(engine) as sent:
            loaded = session.scalars(query.options(selectinload(Customer.orders)))
            assert [len(c.orders) for c in loaded] == [3] * 10 + [0]
        assert sent.count == 4
        with pytest.raises(InvalidRequestError, match="yield_per.. cannot be used with joined collections"):
            session.scalars(query.options(joinedload(Customer.orders)))
