"""Options and objects that are there already: what is loaded once more, reverted, or left as it is."""

import pickle

import pytest
from databases import count_statements
from shop import Customer, Item, Node, Order, fill
from sqlalchemy import ForeignKey
from sqlalchemy.exc import SAWarning

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    defaultload,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    relationship,
    select,
    selectinload,
    subqueryload,
    with_loader_criteria,
)


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


@pytest.fixture
def session(shop):
    with Session(shop) as session:
        yield session


def ids(found):
    return [one.id for one in found]


@pytest.mark.parametrize("way", [selectinload, subqueryload, immediateload])
def test_the_second_step_is_loaded_where_the_first_was_loaded_before(session, shop, way):
    customer = session.scalars(select(Customer).options(selectinload(Customer.orders)).where(Customer.id == 1)).one()
    new = Order(id=700)
    with session.no_autoflush:
        customer.orders.append(new)
        again = select(Customer).options(way(Customer.orders).options(way(Order.items))).where(Customer.id == 1)
        assert session.scalars(again).one() is customer
    assert [("items" in vars(order)) for order in customer.orders] == [True, True, True, False]
    with count_statements(shop) as sent:
        assert ids(customer.orders[0].items) == [3, 2, 1]
    assert sent.count == 0


def test_the_second_step_from_a_reference_that_was_loaded_before(session, shop):
    order = session.scalars(select(Order).options(joinedload(Order.customer)).where(Order.id == 1)).one()
    query = select(Order).options(selectinload(Order.customer).selectinload(Customer.orders)).where(Order.id == 1)
    assert session.scalars(query).one() is order
    with count_statements(shop) as sent:
        assert ids(order.customer.orders) == [1, 2, 3]
    assert sent.count == 0


def test_populate_existing_reverts_relationships(session):
    with session.no_autoflush:
        query = select(Order).options(selectinload(Order.customer), selectinload(Order.items)).where(Order.id == 1)
        order = session.scalars(query).one()
        order.customer = session.get(Customer, 5)
        del order.items[0]
        session.scalars(query.execution_options(populate_existing=True)).one()
        assert (order.customer.id, ids(order.items)) == (1, [3, 2, 1])
    assert order not in session.dirty or not session.is_modified(order)


def test_a_wildcard_is_for_the_query_and_not_for_what_is_touched_later(engine):
    class Base(DeclarativeBase):
        pass

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        bs: Mapped[list["B"]] = relationship(lazy="joined")

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        a_id: Mapped[int] = mapped_column(ForeignKey("a.id"))
        cs: Mapped[list["C"]] = relationship(lazy="selectin")

    class C(Base):
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(primary_key=True)
        b_id: Mapped[int] = mapped_column(ForeignKey("b.id"))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(A(id=1, bs=[B(id=1, cs=[C(id=1)])]))
        session.commit()
        session.expunge_all()
        for query in (
            session.query(A).options(lazyload("*")),
            session.query(A).enable_eagerloads(False),
            session.query(A).options(joinedload(A.bs)).enable_eagerloads(False),
        ):
            session.expunge_all()
            with count_statements(engine) as sent:
                (a,) = query.all()
                assert sent.count == 1 and "bs" not in vars(a)
                assert "cs" in vars(a.bs[0])
            assert sent.count == 3
        session.expunge_all()
        with count_statements(engine) as sent:
            (a,) = session.query(A).options(defaultload(A.bs).defaultload(B.cs), joinedload("*")).all()
            assert ids(a.bs[0].cs) == [1]
        assert sent.count == 1


@pytest.mark.parametrize("way", [joinedload, selectinload, None])
def test_several_rows_for_a_relationship_that_holds_one_object(engine, way):
    class Base(DeclarativeBase):
        pass

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        b: Mapped["B"] = relationship()

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        a_id: Mapped[int] = mapped_column(ForeignKey("a.id"))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([A(id=1), B(id=1, a_id=1), B(id=2, a_id=1), A(id=2), B(id=3, a_id=2)])
        session.commit()
        session.expunge_all()
        query = select(A).where(A.id == 1)
        with pytest.warns(SAWarning, match="Several rows were found for A.b, which holds one object"):
            (a,) = session.scalars(query if way is None else query.options(way(A.b))).unique()
            assert a.b.id in (1, 2)


@pytest.mark.filterwarnings("error")
def test_one_row_in_a_result_that_repeats_it_is_no_reason_to_warn(session):
    query = select(Customer).options(joinedload(Customer.card), joinedload(Customer.orders)).order_by(Customer.id)
    found = session.scalars(query).unique().all()
    assert [c.card.id for c in found if c.card] == [11, 13, 15, 17, 19]


@pytest.mark.parametrize("way", [joinedload, selectinload, subqueryload, lazyload])
def test_a_relationship_to_an_alias_of_a_subquery(engine, way):
    class Base(DeclarativeBase):
        pass

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        bs: Mapped[list["B"]] = relationship(order_by="B.id")

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        a_id: Mapped[int] = mapped_column(ForeignKey("a.id"))

    big = select(B).where(B.id > 2).subquery()
    A.big = relationship(aliased(B, big), primaryjoin=A.id == big.c.a_id, viewonly=True)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([A(id=1), B(id=1, a_id=1), B(id=2, a_id=1), B(id=3, a_id=1), A(id=2), B(id=4, a_id=2)])
        session.commit()
        session.expunge_all()
        query = select(A).options(way(A.big), way(A.bs)).order_by(A.id)
        found = session.scalars(query).unique().all()
        assert [(a.id, ids(a.big), ids(a.bs)) for a in found] == [(1, [3], [1, 2, 3]), (2, [4], [4])]


@pytest.mark.parametrize("way", [joinedload, selectinload, subqueryload, lazyload])
def test_of_type_with_an_alias_and_a_criterion(session, way):
    order = aliased(Order)
    option = way(Customer.orders.of_type(order).and_(order.id % 2 == 0)).options(
        way(order.items.and_(Item.id % 2 == 0))
    )
    found = session.scalars(select(Customer).options(option).where(Customer.id < 3).order_by(Customer.id)).unique()
    assert [(c.id, [(o.id, ids(o.items)) for o in c.orders]) for c in found] == [
        (1, [(2, [6, 4])]),
        (2, [(4, [12, 10]), (6, [18, 16])]),
    ]


@pytest.mark.parametrize("way", [joinedload, selectinload])
def test_of_type_with_an_alias_of_a_tree(session, way):
    child = aliased(Node)
    query = select(Node).options(way(Node.children.of_type(child))).where(Node.id.in_([1, 2])).order_by(Node.id)
    assert [ids(node.children) for node in session.scalars(query).unique()] == [[2, 3], [4]]


def test_a_backref_is_there_once_a_query_is_made(engine):
    class Base(DeclarativeBase):
        pass

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        a_id: Mapped[int] = mapped_column(ForeignKey("a.id"))
        a: Mapped["A"] = relationship(backref="bs")

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        assert session.query(A).options(joinedload(A.bs)).all() == []


def above_one(cls):
    return cls.id > 1


def test_an_object_loaded_under_criteria_can_be_pickled(session):
    option = with_loader_criteria(Item, above_one)
    order = session.scalars(select(Order).options(option).where(Order.id == 1)).one()
    copy = pickle.loads(pickle.dumps(order))
    session.expunge_all()
    session.add(copy)
    assert ids(copy.items) == [3, 2]


def test_criteria_that_cannot_be_pickled_are_left_out_with_a_warning(session):
    option = with_loader_criteria(Item, lambda cls: cls.id > 1)
    order = session.scalars(select(Order).options(option).where(Order.id == 1)).one()
    with pytest.warns(SAWarning, match=r"with_loader_criteria\(\) is pickled only with a function of a module"):
        pickle.loads(pickle.dumps(order))
