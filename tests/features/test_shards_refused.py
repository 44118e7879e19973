"""What would be wrong over several shards is refused with a word on what to do; what can be done is."""

import databases
import pytest
from sqlalchemy import ForeignKey, func, text

from ropewalk import DeclarativeBase, Mapped, inspect, mapped_column, relationship, select, sessionmaker
from ropewalk.exc import InvalidRequestError, NoTwoPhaseError
from ropewalk.ext.horizontal_shard import ShardedSession, set_shard_id


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    region: Mapped[str]
    name: Mapped[str | None]
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")


class Order(Base):
    __tablename__ = "order_"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    total: Mapped[int]
    customer: Mapped[Customer | None] = relationship(back_populates="orders")


def choose(mapper, instance, clause=None):
    if isinstance(instance, Customer):
        return instance.region
    return None if instance is None else instance.customer.region


@pytest.fixture
def factory(tmp_path):
    engines = {region: databases.sqlite(f"sqlite:///{tmp_path / region}.db") for region in ("eu", "us")}
    for engine in engines.values():
        Base.metadata.create_all(engine)
    factory = sessionmaker(class_=ShardedSession, shards=engines, shard_chooser=choose, lazy_loads_stay=True)
    with factory.begin() as session:
        session.add_all(
            Customer(region=region, name=name, orders=[Order(total=total), Order(total=10 * total)])
            for total, (region, name) in enumerate([("eu", "anna"), ("us", "bob"), ("eu", "carl"), ("us", "bob")], 1)
        )
    yield factory
    for engine in engines.values():
        engine.dispose()


@pytest.fixture
def session(factory):
    with factory() as session:
        yield session


def of(session, region):
    return session.scalars(select(Customer).where(Customer.region == region).order_by(Customer.id)).first()


# References from one shard to another


def test_a_reference_to_another_shard_is_refused(session):
    order, other = of(session, "eu").orders[0], of(session, "us")
    order.customer = other
    with pytest.raises(
        InvalidRequestError, match="shard 'eu', and Order.customer has got <Customer id=1> of shard 'us'"
    ):
        session.commit()
    session.rollback()
    assert order.customer.region == "eu"


def test_a_new_member_of_a_collection_comes_to_its_shard(session):
    customer = of(session, "us")
    order = Order(total=7)
    customer.orders.append(order)
    session.commit()
    assert inspect(order).identity_token == "us"


def test_where_the_program_says_where_to_look_references_may_cross(factory):
    with factory(lazy_loads_stay=False) as session:
        of(session, "eu").orders[0].customer = of(session, "us")
        session.commit()


# Which shard is meant


def test_an_object_for_which_no_shard_is_found_is_named(session):
    session.add(Customer(region="asia"))
    with pytest.raises(InvalidRequestError, match="no shard 'asia'") as caught:
        session.flush()
    assert "chosen for <Customer" in caught.value.__notes__[0]
    session.rollback()
    session.add(Order(total=1))
    with pytest.raises(AttributeError) as caught:  # of the chooser, which looks for a customer
        session.flush()
    assert "chosen for <Order" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: s.connection(),
        lambda s: s.bulk_insert_mappings(Customer, [{"region": "eu"}]),
        lambda s: s.bulk_update_mappings(Customer, [{"id": 1, "region": "eu"}]),
    ],
)
def test_what_no_object_stands_for_needs_the_name_of_a_shard(session, ask):
    with pytest.raises(InvalidRequestError, match="Which shard is meant"):
        ask(session)


def test_objects_saved_in_bulk_go_to_their_shards(session):
    new = [Customer(region=region, name="new") for region in ("us", "eu", "us")]
    session.bulk_save_objects(new, return_defaults=True)
    session.commit()
    assert [customer.id for customer in new] == [3, 3, 4]
    found = session.scalars(select(Customer).where(Customer.name == "new").order_by(Customer.region, Customer.id)).all()
    assert [(inspect(c).identity_token, c.id) for c in found] == [("eu", 3), ("us", 3), ("us", 4)]


def test_two_phases_without_a_database_that_has_them(factory):
    with factory(twophase=True) as session, pytest.raises(NoTwoPhaseError, match="sqlite has no two-phase commit"):
        session.scalars(select(Customer)).all()


# Queries


def test_an_order_by_the_name_of_a_label(session):
    total = func.sum(Order.total).label("total")
    statement = select(Customer.name, total).join(Order).group_by(Customer.name)
    assert session.execute(statement.order_by("total")).all() == [("anna", 11), ("carl", 33), ("bob", 66)]
    assert session.execute(select(Customer.id.label("n")).order_by("n").limit(3)).all() == [(1,), (1,), (2,)]
    with pytest.raises(InvalidRequestError, match="order given as text"):
        session.execute(statement.order_by(text("total")))


PER_SHARD = {
    "a window": select(Customer, func.row_number().over(order_by=Customer.id)),
    "an order by a window": select(Customer).order_by(func.rank().over(order_by=Customer.id)),
    "a list of texts": select(func.group_concat(Customer.name)),
    "a deviation": select(func.stddev(Order.total)),
    "a part of the rows": select(func.count().filter(Customer.name == "bob")).select_from(Customer),
    "a subquery that is cut": select(func.count()).select_from(select(Customer).limit(1).subquery()),
    "distinct rows counted": select(func.count()).select_from(select(Customer.name).distinct().subquery()),
}


@pytest.mark.parametrize("name", PER_SHARD)
def test_what_each_shard_would_answer_for_itself_is_refused(session, name):
    statement = PER_SHARD[name]
    with pytest.raises(InvalidRequestError, match="cannot be put together"):
        session.execute(statement)
    if name != "a deviation":  # which SQLite has not
        assert session.execute(statement.options(set_shard_id("eu"))).all()


def test_query_count(session):
    assert session.query(Customer).count() == 4
    assert session.query(Customer).filter_by(name="bob").count() == 2
    assert session.query(Customer).join(Order).count() == 8
    for query in (session.query(Customer).limit(3), session.query(Customer.name).distinct()):
        with pytest.raises(InvalidRequestError, match=r"Query\.count\(\)"):
            query.count()


def test_a_subquery_of_rows_that_lie_together_is_each_shards_own(session):
    totals = select(Order.customer_id, func.sum(Order.total).label("total")).group_by(Order.customer_id).subquery()
    statement = select(Customer.name, totals.c.total).join(totals, totals.c.customer_id == Customer.id)
    found = session.execute(statement.order_by(totals.c.total.desc())).all()
    assert found == [("bob", 44), ("carl", 33), ("bob", 22), ("anna", 11)]
