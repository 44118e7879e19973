"""``aliased(User)``: the same class once more in one statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause
from sqlalchemy.sql.util import ClauseAdapter

from ..exc import UnmappedClassError
from ..kernel.core import CacheKeyed, entity_table
from .attributes import QueryableAttribute


class AliasedInsp(CacheKeyed):
    """What :func:`ropewalk.inspect` tells of an alias."""

    is_mapper = False
    is_aliased_class = True
    is_instance = False

    def __init__(self, mapper: Any, selectable: FromClause, name: str, entity: Any) -> None:
        self.mapper = mapper
        self.selectable = selectable
        self.name = name
        self.entity = entity
        self.class_ = mapper.class_
        self._adapter = ClauseAdapter(selectable)
        self._clause = entity_table(selectable, self)

    @property
    def entity_namespace(self) -> Any:
        return self.entity

    def adapt(self, expression: Any) -> Any:
        """Return ``expression`` with the class's columns replaced by the alias's."""
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
        self, mapper: Any, alias: FromClause | None = None, name: str | None = None, flat: bool = False
    ) -> None:
        selectable = mapper.selectable.alias(name) if alias is None else alias
        shown = name or getattr(selectable, "name", None) or mapper.class_.__name__
        self._aliased_insp = AliasedInsp(mapper, selectable, shown, self)
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


def aliased(element: Any, alias: FromClause | None = None, name: str | None = None, flat: bool = False) -> Any:
    """Return an alias of a mapped class, or of a FROM clause.

    :param alias: a FROM clause to read the class's rows from, such as a subquery.
    :param name: the name in SQL; made up where none is given.
    """
    if isinstance(element, FromClause):
        return element.alias(name)
    mapper = getattr(element, "__mapper__", None)
    if mapper is None and isinstance(element, AliasedClass):
        mapper = element._aliased_insp.mapper
    if mapper is None:
        raise UnmappedClassError(element)
    return AliasedClass(mapper, alias, name, flat)
