"""aliased(): of a class, of an alias, over a subquery or a join."""

import pytest
from shop import Base, Customer, Order, fill
from sqlalchemy import ForeignKey, and_, func, true

from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    mapped_column,
    registry,
    relationship,
    select,
    selectinload,
)
from ropewalk.exc import ArgumentError


@pytest.fixture
def session(engine):
    fill(engine)
    with Session(engine) as session:
        yield session


def test_an_alias_of_an_alias_keeps_the_criteria_of_its_subquery(session):
    late = aliased(Customer, select(Customer).where(Customer.id > 8).subquery())
    left, right = aliased(late), aliased(aliased(late))
    pairs = select(left.id, func.count(right.id)).join(right, true()).group_by(left.id).order_by(left.id)
    assert session.execute(pairs).all() == [(9, 3), (10, 3), (11, 3)]


def test_a_subquery_that_has_a_class_twice_gives_two_aliases(session):
    other = aliased(Customer)
    pairs = select(Customer, other).where(Customer.id == other.id + 1, other.id < 3).subquery()
    one, two = aliased(Customer, pairs), aliased(other, pairs)
    rows = session.execute(select(one.id, two.id, one, two).order_by(one.id)).all()
    assert [(a, b, c.id, d.id) for a, b, c, d in rows] == [(2, 1, 2, 1), (3, 2, 3, 2)]


def test_columns_found_by_their_names_alone(session):
    loud = select(Customer.id, (Customer.name + "!").label("name")).where(Customer.id == 4).subquery()
    by_name = aliased(Customer, loud, adapt_on_names=True)
    assert session.execute(select(by_name.id, by_name.name)).all() == [(4, "c4!")]


def test_names_are_looked_up_for_mapped_classes_only():
    with pytest.raises(ArgumentError, match="adapt_on_names=True was given for customer"):
        aliased(Customer.__table__, adapt_on_names=True)


# -- joins ------------------------------------------------------------------------------------


class Sale:
    """A customer and an order in one."""


@pytest.fixture
def sale():
    customer, order = Customer.__table__, Order.__table__
    mapped = registry()
    mapped.map_imperatively(
        Sale,
        customer.join(order),
        properties={"id": [customer.c.id, order.c.customer_id], "order_id": order.c.id},
        primary_key=[order.c.id],
        exclude_properties=[c.name for c in (*customer.c, *order.c) if c.name not in ("id", "customer_id", "name")],
    )
    yield Sale
    mapped.dispose()


def test_a_class_mapped_to_a_join_is_read_from_the_join(session, sale):
    sales = session.scalars(select(sale).where(sale.name == "c4").order_by(sale.order_id)).all()
    assert [(found.id, found.order_id) for found in sales] == [(4, 10), (4, 11), (4, 12)]
    assert session.execute(select(sale.order_id).where(sale.name == "c4")).scalars().all() == [10, 11, 12]


def test_an_alias_of_such_a_class(session, sale):
    for other in (aliased(sale), aliased(sale, flat=True), aliased(aliased(sale), name="other")):
        earlier = select(sale.order_id, other.order_id).join(other, other.id == sale.id)
        earlier = earlier.where(sale.id == 4, other.order_id < sale.order_id).order_by(sale.order_id, other.order_id)
        assert session.execute(earlier).all() == [(11, 10), (12, 10), (12, 11)]


def test_an_alias_over_a_join_of_tables(session):
    customer, order = Customer.__table__, Order.__table__.alias()
    buyer = aliased(Customer, customer.join(order))
    assert session.execute(select(buyer.id).where(order.c.id == 7)).scalars().all() == [3]
    assert Base.metadata  # the tables were not changed: customer is selected as before
    assert session.get(Customer, 3).id == 3


# -- relationships to an alias ------------------------------------------------------------------


def test_a_relationship_to_an_alias_over_a_subquery_hinders_no_flush(engine):
    class Own(DeclarativeBase):
        pass

    class Author(Own):
        __tablename__ = "author"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Book(Own):
        __tablename__ = "book"
        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))

    numbered = select(
        Book, func.row_number().over(order_by=Book.id, partition_by=Book.author_id).label("number")
    ).alias()
    first = aliased(Book, numbered)
    Author.first_books = relationship(
        first, primaryjoin=and_(first.author_id == Author.id, numbered.c.number < 3), order_by=first.id
    )
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Author(id=1), *(Book(id=number, author_id=None) for number in range(1, 6))])
        session.flush()
        for book in session.scalars(select(Book)):
            book.author_id = 1
        session.commit()
        assert [book.id for book in session.get(Author, 1).first_books] == [1, 2]
        session.expire_all()
        (author,) = session.scalars(select(Author).options(selectinload(Author.first_books)))
        assert [book.id for book in author.first_books] == [1, 2]
