"""Bundle: several columns as one member of a row."""

import pytest
from shop import Customer, Order, fill
from sqlalchemy import func, insert, tuple_

from ropewalk import Bundle, DictBundle, Session, aliased, inspect, select, update
from ropewalk.exc import ArgumentError

table = Customer.__table__


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine) as session:
        yield session


def who(*more, kind=Bundle):
    return kind("who", Customer.id, Customer.name, *more)


@pytest.mark.parametrize("bundle", [who(), Bundle("who", table.c.id, table.c.name)], ids=["attributes", "columns"])
def test_a_member_with_names_of_its_own(session, bundle):
    row = session.execute(select(Customer.name, bundle).where(bundle.c.id == 4)).one()
    assert row == ("c4", (4, "c4"))
    assert (row.who.id, row.who.name) == (4, "c4")
    assert row._mapping[bundle] == row.who
    assert session.scalars(select(bundle).where(bundle.c["name"] == "c2")).all() == [(2, "c2")]


def test_bundles_in_bundles(session):
    bundle = Bundle("all", Order.id, Bundle("buyer", Customer.id, Customer.name.label("called")))
    query = select(bundle, Order.id).join(Order.customer).where(bundle.c.buyer.c.id == 4).order_by(Order.id.desc())
    rows = session.execute(query).all()
    assert rows[0] == ((12, (4, "c4")), 12)
    assert rows[0].all.buyer.called == "c4"
    assert len(rows) == 3


def test_beside_objects_and_aliases(session):
    other = aliased(Customer)
    pair = Bundle("pair", Customer.id, other.id)
    row = session.execute(select(Customer, pair, other).join(other, other.id == Customer.id + 1).limit(1)).one()
    assert row.pair == (row.Customer.id, row[2].id)


def test_as_dictionaries(session):
    bundle = DictBundle("who", Customer.id, DictBundle("name", Customer.name, func.upper(Customer.name).label("loud")))
    found = session.scalars(select(bundle).where(Customer.id == 1)).one()
    assert found == {"id": 1, "name": {"name": "c1", "loud": "C1"}}


def test_a_subclass_says_what_becomes_of_the_columns(session):
    class Joined(Bundle):
        def __init__(self, between, *exprs):
            super().__init__("joined", *exprs)
            self.between = between

        def create_row_processor(self, query, procs, labels):
            return lambda row: self.between.join(
                f"{label}={proc(row)}" for label, proc in zip(labels, procs, strict=True)
            )

    for between in ", ", "; ":  # statements of one shape, each with a bundle of its own
        joined = Joined(between, Customer.id, Customer.name)
        assert session.scalar(select(joined).where(Customer.id == 3)) == f"id=3{between}name=c3"


def test_what_a_query_gives(session):
    query = session.query(who()).filter(Customer.id < 3).order_by(who())
    assert query.all() == [((1, "c1"),), ((2, "c2"),)]
    assert query.count() == 2
    assert query.first().who.name == "c1"
    assert query.filter_by(name="c2").all() == [((2, "c2"),)]
    alone = Bundle("who", Customer.id, Customer.name, single_entity=True)
    assert session.query(alone).filter(Customer.id == 3).all() == [(3, "c3")]
    assert session.query(alone, Customer.id).filter(Customer.id == 3).all() == [((3, "c3"), 3)]


def test_unions_of_queries_keep_the_names(session):
    bundle = Bundle("all", Customer.id, Bundle("inner", Customer.name))
    one, two = (session.query(bundle).filter(Customer.id == number) for number in (1, 2))
    rows = one.union(two).order_by(Customer.id).all()
    assert rows == [((1, ("c1",)),), ((2, ("c2",)),)]
    assert rows[1].all.inner.name == "c2"


def test_in_subqueries_it_is_its_columns(session):
    inner = select(who()).where(Customer.id > 9).subquery()
    assert inner.c.keys() == ["id", "name"]
    assert session.execute(select(inner).order_by(inner.c.id)).all() == [(10, "c10"), (11, "c11")]


def test_streams(session):
    query = select(who(), Customer.id).order_by(Customer.id)
    rows = session.execute(query, execution_options={"yield_per": 2})
    assert [row.who.id for row in rows] == list(range(1, 12))


def test_written_statements(session):
    query = select(who(), Customer).from_statement(table.select().where(table.c.id == 5))
    row = session.execute(query).one()
    assert row.who == (5, "c5")
    assert row.Customer.id == 5


def test_in_returning(session):
    if not session.get_bind().dialect.insert_returning:
        pytest.skip("this database has no RETURNING")
    put = insert(Customer).returning(who(), Customer.name)
    rows = session.execute(put, [{"id": 20, "name": "new"}, {"id": 21, "name": "newer"}]).all()
    assert sorted(rows) == [((20, "new"), "new"), ((21, "newer"), "newer")]
    assert list(rows[0].who._mapping.keys()) == ["id", "name"]
    if session.get_bind().dialect.update_returning:
        change = update(Customer).where(Customer.id == 20).values(name="old").returning(who(kind=DictBundle))
        assert session.scalars(change).all() == [{"id": 20, "name": "old"}]


def test_labels_and_descriptions(session):
    bundle = who().label("they")
    query = select(bundle, Customer.id)
    assert session.execute(query).first().they.id == 1
    assert query.column_descriptions[0] == {
        "name": "they",
        "type": Bundle,
        "expr": bundle,
        "entity": Customer,
        "aliased": False,
    }
    assert repr(bundle) == "<Bundle they: id, name>"
    assert bundle.mapper is inspect(Customer)


def test_what_cannot_stand_in_a_bundle():
    with pytest.raises(ArgumentError, match="takes columns, not whole objects"):
        Bundle("b", Customer)
    with pytest.raises(ArgumentError, match="has nothing in it"):
        Bundle("b")
    with pytest.raises(ArgumentError, match="two keys of one name: id, id"):
        DictBundle("b", Customer.id, Order.id)
    with pytest.raises(AttributeError, match="no column 'other'"):
        assert who().c.other


def test_two_columns_of_one_name(session):
    both = Bundle("both", Customer.id, Order.id)
    query = select(both).join(Customer.orders).where(tuple_(Customer.id, Order.id) == (2, 5))
    assert session.scalars(query).all() == [(2, 5)]
