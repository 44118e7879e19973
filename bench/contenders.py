"""The two ORMs behind one face, so that one function measures both.

Ropewalk has SQLAlchemy's names, so a contender is little more than a module.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import sqlalchemy


def define_item(orm: Any) -> Any:
    """Map the one class of all workloads with the given ORM module.

    The annotations need `orm` when the class body runs, hence no postponed annotations here.
    """

    class Base(orm.DeclarativeBase):  # type: ignore[misc]
        pass

    class Item(Base):
        __tablename__ = "item"

        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str]
        x: orm.Mapped[int]
        y: orm.Mapped[float]

    return Item


def define_graph(orm: Any) -> Any:
    """Map customers, their orders and the orders' items with the given ORM module."""

    class Base(orm.DeclarativeBase):  # type: ignore[misc]
        pass

    class Customer(Base):
        __tablename__ = "customer"

        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str]
        orders: orm.Mapped[list["Order"]] = orm.relationship(back_populates="customer")

    class Order(Base):
        __tablename__ = "customer_order"

        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        number: orm.Mapped[int]
        customer_id: orm.Mapped[int] = orm.mapped_column(sqlalchemy.ForeignKey("customer.id"), index=True)
        customer: orm.Mapped["Customer"] = orm.relationship(back_populates="orders")
        items: orm.Mapped[list["Line"]] = orm.relationship(back_populates="order")

    class Line(Base):
        __tablename__ = "order_line"

        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        amount: orm.Mapped[int]
        order_id: orm.Mapped[int] = orm.mapped_column(sqlalchemy.ForeignKey("customer_order.id"), index=True)
        order: orm.Mapped["Order"] = orm.relationship(back_populates="items")

    orm.configure_mappers()
    return SimpleNamespace(metadata=Base.metadata, Customer=Customer, Order=Order, Line=Line)


class Orm:
    """An ORM under test. The module is imported on first use: a broken one costs its own rows only."""

    def __init__(self, module_name: str) -> None:
        self.module_name = module_name

    @cached_property
    def module(self) -> Any:
        return importlib.import_module(self.module_name)

    @cached_property
    def item(self) -> Any:
        """The mapped class."""
        return define_item(self.module)

    @cached_property
    def graph(self) -> Any:
        """Three mapped classes that refer to each other, and their MetaData."""
        return define_graph(self.module)

    @cached_property
    def select(self) -> Any:
        """The ORM's own `select`, or Core's where the ORM has none of its own."""
        return getattr(self.module, "select", sqlalchemy.select)

    @contextmanager
    def session(self, engine: sqlalchemy.Engine) -> Iterator[Any]:
        """A session that is closed, and so rolled back, at the end of the block."""
        with self.module.Session(engine) as session:
            yield session
