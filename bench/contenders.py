"""The two ORMs behind one face, so that one function measures both.

Ropewalk has SQLAlchemy's names, so a contender is little more than a module.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
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
    def select(self) -> Any:
        """The ORM's own `select`, or Core's where the ORM has none of its own."""
        return getattr(self.module, "select", sqlalchemy.select)

    @contextmanager
    def session(self, engine: sqlalchemy.Engine) -> Iterator[Any]:
        """A session that is closed, and so rolled back, at the end of the block."""
        with self.module.Session(engine) as session:
            yield session
