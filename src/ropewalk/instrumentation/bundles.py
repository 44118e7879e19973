"""``Bundle``: several columns that come back as one member of a row."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy.engine import result_tuple

from ..exc import ArgumentError
from ..kernel.bundles import bundle_of, bundled
from ..kernel.core import CacheKeyed, as_column_element, entity_of, result_name

Procs = Sequence[Callable[[Any], Any]]


class Bundle(CacheKeyed):
    """A group of columns under one name, which a row gives as one member.

    ::

        place = Bundle("place", User.town, User.street)
        for row in session.execute(select(User.name, place).where(place.c.town == "Delft")):
            print(row.name, row.place.street)

    Bundles can stand in bundles, and in ``order_by()`` and ``returning()``. A subclass may say what its columns become,
    by :meth:`create_row_processor`.

    :param name: what the member is called.
    :param exprs: attributes, columns, SQL expressions and other bundles.
    :param single_entity: of a ``Query`` of this alone, give the bundles themselves and not rows of one.
    :raises ArgumentError: something is none of these.
    :ivar labels: the names of what is in it.
    :ivar of: the mapper or alias of the first attribute in it, or None.
    """

    is_mapper = False
    is_aliased_class = False
    is_instance = False
    is_bundle = True
    single_entity = False

    def __init__(self, name: str, *exprs: Any, single_entity: bool = False) -> None:
        if not exprs:
            raise ArgumentError(f"Bundle({name!r}) has nothing in it: give it attributes, such as User.name.")
        clauses = [as_column_element(expr) for expr in exprs]
        for expr, clause in zip(exprs, clauses, strict=True):
            if getattr(clause, "is_selectable", False) and entity_of(clause) is not None:
                raise ArgumentError(f"Bundle({name!r}) takes columns, not whole objects: name attributes of {expr!r}.")
        self.name = self.key = name
        self.single_entity = single_entity
        self.exprs = exprs
        self.labels = [_label(clause) for clause in clauses]
        self.c = self.columns = BundleColumns(dict(zip(self.labels, exprs, strict=True)))
        self.of = next((found for clause in clauses if (found := _entity_of(clause)) is not None), None)
        self._clause = bundled(self, clauses, self if self.of is None else self.of)

    @property
    def mapper(self) -> Any:
        """The mapper of the first attribute in it, or None."""
        return None if self.of is None else self.of.mapper

    @property
    def entity(self) -> Any:
        """The class or alias of the first attribute in it, or None."""
        return None if self.of is None else self.of.entity

    @property
    def entity_namespace(self) -> Any:
        return self.c

    def __clause_element__(self) -> Any:
        return self._clause

    def label(self, name: str) -> Bundle:
        """Return the same columns under another name."""
        new = copy.copy(self)
        new.name = new.key = name
        new._clause = bundled(new, self._clause.clauses, new if self.of is None else self.of)
        return new

    def create_row_processor(self, query: Any, procs: Procs, labels: Sequence[str]) -> Callable[[Any], Any]:
        """Return what makes one member of a result out of a row.

        To be overridden where something else than a row of its own is wanted.

        :param query: the statement.
        :param procs: for each column what takes its value out of the row.
        :param labels: for each column its name.
        """
        make = result_tuple(labels)
        return lambda row: make([proc(row) for proc in procs])

    def _gen_cache_key(self, anon_map: Any, bindparams: list[Any]) -> Any:
        # the columns stand in the statement themselves; what a subclass makes of them, only its instance knows
        return (type(self), self.name, *self.labels) if type(self) in (Bundle, DictBundle) else (self,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {', '.join(self.labels)}>"


class DictBundle(Bundle):
    """A :class:`Bundle` whose members come back as dictionaries.

    :raises ArgumentError: two of its columns have one name.
    """

    def __init__(self, name: str, *exprs: Any, single_entity: bool = False) -> None:
        super().__init__(name, *exprs, single_entity=single_entity)
        if len(self.c) < len(exprs):
            raise ArgumentError(
                f"DictBundle({name!r}) cannot have two keys of one name: {', '.join(self.labels)}. Give one of them "
                f"another, by label()."
            )

    def create_row_processor(self, query: Any, procs: Procs, labels: Sequence[str]) -> Callable[[Any], Any]:
        """Return what makes a dictionary out of a row."""
        named = list(zip(labels, procs, strict=True))
        return lambda row: {label: proc(row) for label, proc in named}


class BundleColumns:
    """What stands in a bundle, by its names: ``bundle.c.town``, ``bundle.c["town"]``."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_found"][name]
        except KeyError:
            raise AttributeError(f"The bundle has no column {name!r}.", name=name, obj=self) from None

    def __getitem__(self, name: str) -> Any:
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self._found)


def _label(clause: Any) -> str:
    inner = bundle_of(clause)
    return result_name(clause) if inner is None else str(inner.name)


def _entity_of(clause: Any) -> Any:
    inner = bundle_of(clause)
    return entity_of(clause) if inner is None else inner.of
