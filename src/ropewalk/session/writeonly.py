"""``lazy="write_only"``: a collection that is added to and taken from, and read by statements of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from sqlalchemy import Delete, Insert, Select, Update, bindparam, delete, insert, update

from ..exc import InvalidRequestError
from ..instrumentation.compared import members_condition, value_when_run
from ..instrumentation.queried import faces
from ..kernel.symbols import ONETOMANY
from ..loading.selecting import select

if TYPE_CHECKING:
    from ..instrumentation.queried import QueriedMembership

T = TypeVar("T", bound=Any)


class CollectionWriter(Generic[T]):
    """What a collection that stays in the database is changed by.

    :ivar instance: the object that the collection belongs to.
    :ivar attr: its relationship, as instrumentation knows it.
    """

    # No slots: a Query derives from it too.

    if TYPE_CHECKING:
        instance: Any
        attr: QueriedMembership

    def __init__(self, attr: QueriedMembership, instance: Any) -> None:
        self.instance = instance
        self.attr = attr

    def _from(self) -> tuple[Any, ...]:
        """What the members are selected from, where it is more than their own table."""
        prop = self.attr.prop
        return () if prop.secondary is None else (prop.mapper.class_, prop.secondary)

    def _criterion(self) -> Any:
        """The condition that a row is a member; the keys of the object are asked for when a statement runs."""
        return members_condition(self.instance, self.attr.prop)

    def add(self, item: T) -> None:
        """Put an object in; the next flush writes it.

        :raises RelatedTypeError: it is not of a class that the relationship leads to.
        """
        self.attr.put_in(self.instance, item)

    def add_all(self, iterator: Iterable[T]) -> None:
        """Put several objects in."""
        put_in, instance = self.attr.put_in, self.instance
        for item in iterator:
            put_in(instance, item)

    def remove(self, item: T) -> None:
        """Take an object out; the next flush writes it. Whether it was a member is not asked."""
        self.attr.take_out(self.instance, item)


class WriteOnlyCollection(CollectionWriter[T]):
    """The value of a ``lazy="write_only"`` relationship, for collections too large to be loaded. ::

    account.transactions.add(Transaction(amount=5))
    session.scalars(account.transactions.select().where(Transaction.amount > 3).limit(10))
    session.execute(account.transactions.delete().where(Transaction.closed))

    It works in any session, asynchronous ones too, because it never loads anything by itself.
    """

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"{self.attr.prop} is a write-only collection and cannot be iterated over: execute its statement, as in "
            f"session.scalars(obj.{self.attr.key}.select())."
        )

    def select(self) -> Select[T]:
        """Return a SELECT of the members, in the relationship's order, to be narrowed and executed."""
        prop = self.attr.prop
        statement: Any = select(prop.mapper.class_).where(self._criterion())
        if prop.secondary is not None:
            statement = statement.select_from(*self._from())
        return statement.order_by(*prop.order_by) if prop.order_by else statement  # type: ignore[no-any-return]

    def insert(self) -> Insert:
        """Return an INSERT of new members, whose foreign key is this object's.

        :raises InvalidRequestError: the relationship is many-to-many; see :meth:`add_all`.
        """
        prop = self.attr.prop
        if prop.direction is not ONETOMANY:
            raise InvalidRequestError(
                f"{prop} is many-to-many: an INSERT cannot make its members, for these are rows of "
                f"{prop.secondary} too. Insert the objects by themselves, and relate them with add_all()."
            )
        values = {
            column.key: bindparam(
                None, callable_=value_when_run(self.instance, prop.parent.key_of[source]), type_=column.type
            )
            for source, column in prop.synchronize_pairs
        }
        return insert(prop.mapper.class_).values(**values)

    def update(self) -> Update:
        """Return an UPDATE of the members, to be given values and executed."""
        return update(self.attr.prop.mapper.class_).where(self._criterion())

    def delete(self) -> Delete:
        """Return a DELETE of the members, to be narrowed and executed."""
        return delete(self.attr.prop.mapper.class_).where(self._criterion())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.attr.prop}>"


def _appender(attr: QueriedMembership, instance: Any) -> Any:
    """Return the face of a dynamic collection; its file, and that of Query, are read when first needed."""
    from .dynamic import appender_class

    return appender_class(attr.prop)(attr, instance)


faces["write_only"] = WriteOnlyCollection
faces["dynamic"] = _appender
