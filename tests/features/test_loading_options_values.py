"""Options that differ in the values of their criteria alone: one plan serves them, and each loads by its own values."""

import pickle

import pytest
from databases import count_statements
from shop import Customer, Item, Node, Order, fill
from sqlalchemy import ForeignKeyConstraint, Integer, TypeDecorator, bindparam, event, func

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    query_expression,
    relationship,
    select,
    selectinload,
    subqueryload,
    with_expression,
    with_loader_criteria,
)
from ropewalk.loading.plan import plan_for


@pytest.fixture
def shop(engine):
    fill(engine)
    return engine


@pytest.fixture(params=["quick", "told"])
def session(shop, request):
    """Also one to whose statements somebody listens, so that they go through Core."""
    heard = []
    with Session(shop) as session:
        if request.param == "told":
            event.listen(shop, "before_cursor_execute", lambda *args: heard.append(args))
        yield session
    assert bool(heard) is (request.param == "told")


WAYS = [selectinload, subqueryload, immediateload, joinedload, lazyload]


def ids(found):
    return sorted(one.id for one in found)


def loaded(session, options):
    """Return the orders of the first customer, from a query with these options."""
    session.expunge_all()
    query = select(Customer).options(*options).where(Customer.id == 1)
    return ids(session.scalars(query).one().orders)


EXPECTED = [(0, [1, 2, 3]), (1, [2, 3]), (2, [3]), (1, [2, 3]), (3, [])]


@pytest.mark.parametrize("way", WAYS)
def test_criteria_of_one_relationship(session, way):
    for least, expected in EXPECTED:
        assert loaded(session, [way(Customer.orders.and_(Order.id > least))]) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", [False, True])
def test_criteria_of_a_class(session, way, made):
    for least, expected in EXPECTED:
        criterion = (lambda cls, least=least: cls.id > least) if made else Order.id > least
        assert loaded(session, [way(Customer.orders), with_loader_criteria(Order, criterion)]) == expected


@pytest.mark.parametrize("way", WAYS)
def test_lists_of_values(session, way):
    for among, expected in [([1, 2], [1, 2]), ([3], [3]), ([1, 2, 3, 4], [1, 2, 3]), ([], [])]:
        assert loaded(session, [way(Customer.orders.and_(Order.id.in_(among)))]) == expected


@pytest.mark.parametrize("way", WAYS)
def test_subqueries_with_joins_of_their_own(session, way):
    for least, most, expected in [(0, 9, [1, 2, 3]), (3, 9, [2, 3]), (6, 9, [3]), (6, 2, [])]:
        items = select(Item.order_id).join(Item.order).where(Item.id > least)
        options = [way(Customer.orders.and_(Order.id.in_(items))), with_loader_criteria(Order, Order.id <= most)]
        assert loaded(session, options) == expected


@pytest.mark.parametrize("way", WAYS)
def test_two_levels(session, way):
    for least, expected in [(1, [2, 3]), (2, [3]), (0, [1, 2, 3])]:
        session.expunge_all()
        option = way(Customer.orders.and_(Order.id < 2)).options(way(Order.items.and_(Item.id > least)))
        customer = session.scalars(select(Customer).options(option).where(Customer.id == 1)).one()
        assert [ids(order.items) for order in customer.orders] == [expected]


def test_one_plan_serves_all_values():
    def query(least, name):
        return (
            select(Customer)
            .options(
                selectinload(Customer.orders.and_(Order.id > least)),
                with_loader_criteria(Item, Item.name == name),
                with_loader_criteria(Order, lambda cls: cls.id < least),
            )
            .where(Customer.id == least)
        )

    first, second = plan_for(query(1, "a")), plan_for(query(2, "b"))
    assert first.plan is second.plan
    assert sorted(map(str, second.values.values())) == ["2", "2", "b"]
    other = select(Customer).options(selectinload(Customer.orders.and_(Order.id >= 1)))
    assert plan_for(other).plan is not first.plan


def test_what_is_touched_later_is_loaded_by_the_values_of_its_own_query(shop):
    def query(least):
        return select(Customer).options(with_loader_criteria(Order, Order.id > least)).where(Customer.id < 3)

    with Session(shop, peers=True) as one, Session(shop, peers=True) as other:
        first = one.scalars(query(1)).all()
        second = other.scalars(query(4)).all()
        with count_statements(shop) as sent:
            assert [ids(customer.orders) for customer in first] == [[2, 3], [4, 5, 6]]
            assert [ids(customer.orders) for customer in second] == [[], [5, 6]]
        assert sent.count == 2


def test_an_object_that_is_met_again_keeps_the_values_of_its_first_query(session):
    def query(least):
        return select(Customer).options(with_loader_criteria(Order, Order.id > least)).where(Customer.id == 1)

    customer = session.scalars(query(2)).one()
    assert session.scalars(query(0)).one() is customer
    assert ids(customer.orders) == [3]
    session.expire(customer, ["orders"])
    session.scalars(query(1), execution_options={"populate_existing": True}).one()
    assert ids(customer.orders) == [2, 3]


def test_an_object_that_is_read_anew_keeps_its_values(session):
    for least, expected in EXPECTED:
        session.expunge_all()
        option = joinedload(Customer.orders.and_(Order.id > least))
        customer = session.scalars(select(Customer).options(option).where(Customer.id == 1)).unique().one()
        session.commit()
        assert ids(customer.orders) == expected
        session.refresh(customer)
        assert ids(customer.orders) == expected


def test_a_detached_object_takes_its_values_along(session):
    def customer(least):
        option = with_loader_criteria(Order, Order.id > least)
        found = session.scalars(select(Customer).options(option).where(Customer.id == 1)).one()
        session.expunge(found)
        return found

    one, other = customer(2), customer(1)
    session.add(one)
    assert ids(one.orders) == [3]
    session.expunge_all()
    merged = session.merge(other)
    assert ids(merged.orders) == [2, 3]


@pytest.mark.filterwarnings("ignore:Previous unbuffered result")  # of pymysql, for a statement inside a stream
def test_a_stream(session):
    for least, expected in EXPECTED:
        session.expunge_all()
        option = selectinload(Customer.orders.and_(Order.id > least))
        query = select(Customer).options(option).where(Customer.id < 3).order_by(Customer.id)
        customers = session.scalars(query.execution_options(yield_per=1)).all()
        assert ids(customers[0].orders) == expected


def test_levels_of_a_tree(session):
    for most, expected in [(3, [2, 3]), (2, [2]), (4, [2, 3])]:
        session.expunge_all()
        option = selectinload(Node.children.and_(Node.id <= most), recursion_depth=-1)
        root = session.scalars(select(Node).options(option).where(Node.id == 1)).one()
        assert ids(root.children) == expected
        assert ids(root.children[0].children) == ([4] if most == 4 else [])


def test_a_listener_sees_the_values_and_may_change_the_statement(shop):
    seen = []

    def look(state):
        if state.is_relationship_load:
            seen.append(state.statement.compile(compile_kwargs={"literal_binds": False}).params)

    with Session(shop) as session:
        event.listen(session, "do_orm_execute", look)
        for least, expected in EXPECTED:
            assert loaded(session, [selectinload(Customer.orders.and_(Order.id > least))]) == expected
    assert [[v for k, v in params.items() if k != "ropewalk_keys"] for params in seen] == [[0], [1], [2], [1], [3]]


def test_a_listener_leaves_a_refresh_its_values(shop):
    with Session(shop) as session:
        event.listen(session, "do_orm_execute", lambda state: None)
        for least, expected in EXPECTED:
            session.expunge_all()
            option = joinedload(Customer.orders.and_(Order.id > least))
            customer = session.scalars(select(Customer).options(option).where(Customer.id == 1)).unique().one()
            session.commit()
            assert ids(customer.orders) == expected


class Base(DeclarativeBase):
    pass


class Leaf(Base):
    __tablename__ = "leaf"
    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[int]
    b: Mapped[int]
    more: Mapped[int] = query_expression()
    __table_args__ = (ForeignKeyConstraint(["a", "b"], ["tree.a", "tree.b"]),)


class Tree(Base):
    __tablename__ = "tree"
    a: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    b: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    leaves: Mapped[list[Leaf]] = relationship(order_by=Leaf.id)


@pytest.mark.parametrize("way", [selectinload, joinedload, lazyload])
def test_keys_of_several_columns_and_expressions(engine, way):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Tree(a=1, b=2, leaves=[Leaf(id=1), Leaf(id=2), Leaf(id=3)]))
        session.commit()
        for number in (10, 20):
            session.expunge_all()
            option = way(Tree.leaves.and_(Leaf.id > number / 10)).options(
                with_expression(Leaf.more, func.abs(Leaf.id + number))
            )
            tree = session.scalars(select(Tree).options(option)).unique().one()
            assert [leaf.more for leaf in tree.leaves] == [leaf.id + number for leaf in tree.leaves]
            assert ids(tree.leaves) == ([2, 3] if number == 10 else [3])


def above_two(cls):
    return cls.id > 2


def above_one(cls):
    return cls.id > 1


def test_of_two_functions_that_make_the_same_each_is_pickled_as_itself(shop):
    with Session(shop) as session:
        for function, expected in [(above_two, [3]), (above_one, [2, 3])]:
            session.expunge_all()
            option = with_loader_criteria(Order, function)
            customer = session.scalars(select(Customer).options(option).where(Customer.id == 1)).one()
            session.expunge_all()
            copy = pickle.loads(pickle.dumps(customer))
            session.add(copy)
            assert ids(copy.orders) == expected


class Odd:
    """A value that cannot be compared, as arrays cannot."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        raise TypeError("not as a whole")

    __hash__ = object.__hash__


class OddInteger(TypeDecorator):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value.number


def test_values_that_cannot_be_compared(shop):
    def query(least):
        criterion = Order.id > bindparam(None, Odd(least), type_=OddInteger())
        return select(Customer).options(with_loader_criteria(Order, criterion)).where(Customer.id == 1)

    with Session(shop) as session:
        customer = session.scalars(query(2)).one()
        assert session.scalars(query(1)).one() is customer
        assert ids(customer.orders) == [3]
