"""A small shop with relationships of each kind, and rows put in with Core."""

from sqlalchemy import Column, ForeignKey, String, Table, insert

from ropewalk import DeclarativeBase, Mapped, mapped_column
from ropewalk.mapping.relationships import relationship


class Base(DeclarativeBase):
    pass


labelled = Table(
    "labelled",
    Base.metadata,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    note: Mapped[str | None] = mapped_column(String(30), deferred=True)
    orders: Mapped[list["Order"]] = relationship(back_populates="customer", order_by="Order.id")
    card: Mapped["Card | None"] = relationship(back_populates="customer")


class Card(Base):
    __tablename__ = "card"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped["Customer"] = relationship(back_populates="card")


class Order(Base):
    __tablename__ = "order_"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped["Customer | None"] = relationship(back_populates="orders")
    items: Mapped[list["Item"]] = relationship(back_populates="order", order_by="Item.id.desc()")


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order_.id"))
    name: Mapped[str] = mapped_column(String(30))
    order: Mapped["Order"] = relationship(back_populates="items")
    labels: Mapped[set["Label"]] = relationship(secondary=labelled, back_populates="items")


class Label(Base):
    __tablename__ = "label"
    id: Mapped[int] = mapped_column(primary_key=True)
    items: Mapped[list["Item"]] = relationship(secondary=labelled, back_populates="labels", order_by="Item.id")


class Node(Base):
    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    children: Mapped[list["Node"]] = relationship(back_populates="parent", order_by="Node.id")
    parent: Mapped["Node | None"] = relationship(back_populates="children", remote_side=[id])


CUSTOMERS, ORDERS, ITEMS = 10, 30, 90  # 3 orders a customer but the last, who has none; 3 items an order


def fill(engine):
    """Make the tables and put the rows in."""
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        put = connection.execute
        put(insert(Customer.__table__), [{"id": i, "name": f"c{i}", "note": f"n{i}"} for i in range(1, CUSTOMERS + 2)])
        put(insert(Card.__table__), [{"id": 10 + i, "customer_id": i} for i in range(1, CUSTOMERS, 2)])
        orders = [{"id": i, "customer_id": (i - 1) // 3 + 1} for i in range(1, ORDERS + 1)]
        put(insert(Order.__table__), [*orders, {"id": 99, "customer_id": None}])
        put(
            insert(Item.__table__),
            [{"id": i, "order_id": (i - 1) // 3 + 1, "name": f"i{i}"} for i in range(1, ITEMS + 1)],
        )
        put(insert(Label.__table__), [{"id": i} for i in range(1, 5)])
        put(
            insert(labelled),
            [{"item_id": i, "label_id": label} for i in range(1, ITEMS + 1) for label in (i % 4 + 1, (i + 1) % 4 + 1)],
        )
        for node, parent in [(1, None), (2, 1), (3, 1), (4, 2), (5, 4), (6, None)]:
            put(insert(Node.__table__), {"id": node, "parent_id": parent})
