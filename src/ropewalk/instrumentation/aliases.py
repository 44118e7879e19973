"""``aliased(User)``: the same class once more in one statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause
from sqlalchemy.sql.util import ClauseAdapter

from ..exc import ArgumentError, UnmappedClassError
from ..kernel.core import CacheKeyed, entity_table
from ..kernel.parts import named_alias
from .attributes import QueryableAttribute


class AliasedInsp(CacheKeyed):
    """What :func:`ropewalk.inspect` tells of an alias."""

    is_mapper = False
    is_aliased_class = True
    is_instance = False
    is_selectable = False

    def __init__(
        self,
        mapper: Any,
        selectable: FromClause,
        name: str,
        entity: Any,
        inner: AliasedInsp | None = None,
        by_name: bool = False,
    ) -> None:
        """Describe an alias.

        :param inner: the alias that this is an alias of.
        :param by_name: columns of ``selectable`` are the attributes' if they only have their names.
        """
        self.mapper = mapper
        self.selectable = selectable
        self.name = name
        self.entity = entity
        self.class_ = mapper.class_
        self._inner = inner
        self._adapter = ClauseAdapter(selectable, adapt_on_names=by_name)
        self._clause = entity_table(selectable, self)

    @property
    def entity_namespace(self) -> Any:
        return self.entity

    def adapt(self, expression: Any) -> Any:
        """Return ``expression`` with the class's columns replaced by the alias's."""
        if self._inner is not None:  # a statement may have the class twice, and this is of one of the two
            expression = self._inner.adapt(expression)
        return self._adapter.traverse(expression)

    def __clause_element__(self) -> Any:
        return self._clause

    def __repr__(self) -> str:
        return f"<AliasedInsp of {self.class_.__name__} as {self.name}>"


class AliasedClass:
    """A mapped class under another name: ``Manager = aliased(Employee)``.

    It has the class's attributes as SQL; objects are made of the class itself.
    """

    def __init__(
        self,
        mapper: Any,
        alias: FromClause | None = None,
        name: str | None = None,
        flat: bool = False,
        adapt_on_names: bool = False,
        inner: AliasedInsp | None = None,
    ) -> None:
        selectable = alias
        if selectable is None:
            selectable = named_alias(mapper.selectable if inner is None else inner.selectable, name, flat)
        shown = name or getattr(selectable, "name", None) or mapper.class_.__name__
        self._aliased_insp = AliasedInsp(mapper, selectable, shown, self, inner, adapt_on_names)
        self.__name__ = mapper.class_.__name__

    def __getattr__(self, key: str) -> Any:
        insp = self.__dict__.get("_aliased_insp")
        if insp is None or key.startswith("__"):
            raise AttributeError(key)
        found = getattr(insp.mapper.class_, key)
        if isinstance(found, QueryableAttribute) or hasattr(type(found), "adapt_to"):
            found = found.adapt_to(insp, insp.adapt)
            self.__dict__[key] = found
        return found

    def __clause_element__(self) -> Any:
        return self._aliased_insp.__clause_element__()

    def __repr__(self) -> str:
        return f"<AliasedClass of {self._aliased_insp.class_.__name__}>"


def aliased(
    element: Any,
    alias: FromClause | None = None,
    name: str | None = None,
    flat: bool = False,
    adapt_on_names: bool = False,
) -> Any:
    """Return an alias of a mapped class, of such an alias, or of a FROM clause.

    :param alias: a FROM clause to read the class's rows from, such as a subquery.
    :param name: the name in SQL; made up where none is given.
    :param flat: of a class mapped to a join, join aliases of its tables, and make no subquery of it.
    :param adapt_on_names: take a column of ``alias`` for an attribute's if it only has the same name, as
        ``func.max(User.id).label("id")`` has.
    :raises UnmappedClassError: ``element`` is a class that is not mapped.
    :raises ArgumentError: ``adapt_on_names`` was given with a FROM clause, whose columns are its own.
    """
    if isinstance(element, FromClause):
        if adapt_on_names:
            raise ArgumentError(
                f"adapt_on_names=True was given for {element.description}, which is no mapped class and has no "
                f"attributes to find columns for. Leave it out."
            )
        return named_alias(element, name, flat)
    inner = element._aliased_insp if isinstance(element, AliasedClass) else None
    mapper = getattr(element, "__mapper__", None) if inner is None else inner.mapper
    if mapper is None and getattr(element, "is_mapper", False):
        mapper = element
    if mapper is None:
        raise UnmappedClassError(element)
    return AliasedClass(mapper, alias, name, flat, adapt_on_names, inner)
