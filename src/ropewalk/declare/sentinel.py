"""``orm_insert_sentinel()``: a column for matching the rows of a large INSERT with what the database made for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnDefault, insert_sentinel
from sqlalchemy.sql.schema import DefaultGenerator
from sqlalchemy.types import NullType

from ..mapping.properties import AttributeOptions
from .columns import MappedColumn


def orm_insert_sentinel(
    name: str | None = None,
    type_: Any = None,
    *,
    default: Any = None,
    omit_from_statements: bool = True,
) -> MappedColumn[Any]:
    """Declare the insert sentinel of a table: a nullable column that tells the rows of one INSERT apart.

    Where the database makes the keys of many rows at once, and their order does not tell whose they are, as with
    keys from ``gen_random_uuid()``, rows are inserted one by one. With this column they go together: each is
    given a number, and RETURNING brings it back beside the key::

        class Reading(Base):
            __tablename__ = "reading"
            id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
            value: Mapped[float]
            _sentinel: Mapped[int] = orm_insert_sentinel()

    It is a column of the table and no attribute of the mapping: objects do not load it, a dataclass has no field
    for it, and no statement mentions it but an INSERT that needs it. It may stand on a mixin. A table has one at most.

    :param name: the column's name, where it differs from the attribute's.
    :param type_: the column's type; else it comes from the annotation, and without one it is Integer.
    :param default: what gives each row its value, which must differ from row to row, as ``uuid.uuid4`` does. Else it
      is a count of the rows of one statement, made only where it is needed.
    :param omit_from_statements: False makes it an attribute like any other, loaded and written.

    The counterpart in tables is :func:`sqlalchemy.insert_sentinel`.
    """
    if default is not None and not isinstance(default, DefaultGenerator):
        default = ColumnDefault(default)  # for the column alone: a dataclass must not take it for the field's
    sql_type: Any = NullType() if type_ is None else type_
    column = insert_sentinel(name, sql_type, default=default, omit_from_statements=omit_from_statements)
    return MappedColumn(
        column,
        attribute_options=AttributeOptions(default=column.default),
        nullable_given=True,
        own_default=True,
        use_existing_column=True,
    )
