"""``with_loader_criteria(Order, Order.deleted.is_(None))``: criteria that follow an entity wherever a query loads it.

The option says for which entities it holds and what they must fulfil. ``filtering.py`` puts that into statements;
``wishes.py`` carries it on to what is loaded by relationships, then and later.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import SelectBase
from sqlalchemy.sql import visitors

from ..exc import ArgumentError
from ..instrumentation.aliases import AliasedInsp
from ..kernel.core import as_criterion
from ..kernel.options import StatementOption, options_of
from ..kernel.values import with_values
from .dependence import frozen
from .options import WILDCARD, Wish


class LoaderCriteria(StatementOption):
    """What :func:`with_loader_criteria` returns.

    :ivar entity: the mapper or alias that the criteria are for; None where they are for the subclasses of ``base``.
    :ivar given: the criteria, or what makes them for a class.
    """

    root = None

    def __init__(
        self,
        entity_or_base: Any,
        where_criteria: Any,
        loader_only: bool = False,
        include_aliases: bool = False,
        propagate_to_loaders: bool = True,
        track_closure_variables: bool = True,
    ) -> None:
        self.base = entity_or_base
        self.entity: Any = getattr(entity_or_base, "_aliased_insp", None)
        if self.entity is None and isinstance(entity_or_base, type):
            self.entity = entity_or_base.__dict__.get("__mapper__")
        elif self.entity is None:
            self.entity = entity_or_base if getattr(entity_or_base, "is_mapper", False) else None
            if self.entity is None:
                raise ArgumentError(
                    f"with_loader_criteria() takes a mapped class, an alias of one, or a class that mapped classes "
                    f"derive from; got {entity_or_base!r:.80}."
                )
        self.given = where_criteria
        self.made_for_each = callable(where_criteria) and not hasattr(where_criteria, "__clause_element__")
        self._make: Any = where_criteria
        self._key: Any = None
        self._is_one = not self.made_for_each
        if self._is_one:
            self._criterion = as_criterion(where_criteria)
        elif not track_closure_variables:
            self._key = getattr(where_criteria, "__code__", where_criteria)
        elif (found := frozen(where_criteria)) is not None:
            self._make, self._key = found
            # made for one class, it is one expression, of which a plan can take the values apart
            self._is_one = self.entity is not None and not include_aliases and not self.entity.class_.__subclasses__()
        self.cacheable = self._is_one or self._key is not None
        self.include_aliases = include_aliases
        self.propagate_to_loaders = propagate_to_loaders
        self.track_closure_variables = track_closure_variables

    @property
    def wishes(self) -> tuple[Wish, ...]:
        return (Wish((), "criteria", None, (WILDCARD,), self),)

    @property
    def portable(self) -> bool:
        """Whether it can be pickled: an expression cannot, nor a function that has no name in a module."""
        name, module = getattr(self.given, "__qualname__", ""), sys.modules.get(getattr(self.given, "__module__", ""))
        return self.made_for_each and getattr(module, name, None) is self.given

    def __reduce__(self) -> Any:
        arguments = (self.base, self.given, False, self.include_aliases, self.propagate_to_loaders)
        return LoaderCriteria, (*arguments, self.track_closure_variables)

    def cache_key_parts(self) -> tuple[Any, ...]:
        # a pickle takes the function along, so one is not as good as another that makes the same
        made_by = getattr(self.given, "__code__", None) if self.made_for_each else None
        key = (made_by, self._criterion) if self._is_one else self._key
        return (self.base, self.include_aliases, self.propagate_to_loaders, key)

    @cached_property
    def _criterion(self) -> Any:
        """The one expression that it stands for."""
        return self._made(self.entity)

    def with_values(self, values: Mapping[str, Any]) -> LoaderCriteria:
        """Return the option with other values for the parameters of its expression."""
        if not self._is_one:
            return self
        new = copy.copy(self)
        new._criterion = with_values(self._criterion, values)
        return new

    # -- for an entity ------------------------------------------------------------------------

    def is_for(self, entity: Any) -> bool:
        """Whether an entity must fulfil the criteria where a statement names it."""
        if entity is self.entity:
            return True
        if self.entity is None:
            return issubclass(entity.class_, self.base) and (self.include_aliases or not entity.is_aliased_class)
        return self.include_aliases and self.is_for_class(entity.mapper)

    def is_for_class(self, mapper: Any) -> bool:
        """Whether objects of a class must fulfil the criteria where a relationship loads them."""
        return issubclass(mapper.class_, self.base if self.entity is None else self.entity.class_)

    def over(self, entity: Any, barred: Sequence[Without] = ()) -> Any:
        """Return the criteria over the columns of an entity.

        :param barred: what the statement that they become part of is kept from.
        """
        if not self._is_one:
            criterion = self._made(entity)
        else:
            criterion = entity.adapt(self._criterion) if entity.is_aliased_class else self._criterion
        return self._kept_from_itself(criterion, barred)

    def _made(self, entity: Any) -> Any:
        found = self._make(entity.entity if isinstance(entity, AliasedInsp) else entity.class_)
        try:
            return as_criterion(found)
        except ArgumentError as error:
            raise ArgumentError(
                f"with_loader_criteria({self.base.__name__}, ...) was given a callable that returned {found!r:.80} for "
                f"{entity.class_.__name__}; it has to return a SQL expression, such as cls.deleted.is_(None)."
            ) from error

    def _kept_from_itself(self, criterion: Any, barred: Sequence[Without]) -> Any:
        """Return the criterion with its own subqueries marked, which must not be filtered by it in their turn."""
        if not any(isinstance(part, SelectBase) for part in visitors.iterate(criterion)):
            return criterion

        def mark(select: Any) -> None:
            select._with_options = (*options_of(select), *barred, Without(self))

        return visitors.cloned_traverse(criterion, {}, {"select": mark})


class Without(StatementOption):
    """Keeps criteria from the statement that has this option: they are part of it themselves."""

    def __init__(self, option: LoaderCriteria) -> None:
        self.option = option

    def cache_key_parts(self) -> tuple[Any, ...]:
        return ("without", self.option.base)


def criteria_in(options: Iterable[Any], inherited: Iterable[Any] = ()) -> list[LoaderCriteria]:
    """Return the criteria among a statement's options and those of the statement around it."""
    found: dict[LoaderCriteria, None] = {}
    barred = set()
    for option in (*inherited, *options):
        if isinstance(option, LoaderCriteria):
            found[option] = None
        elif isinstance(option, Without):
            barred.add(option.option)
    return [option for option in found if option not in barred]


def barred_in(options: Iterable[Any]) -> list[Without]:
    """Return the marks of a statement that is itself part of criteria."""
    return [option for option in options if isinstance(option, Without)]


def with_loader_criteria(
    entity_or_base: Any,
    where_criteria: Any,
    loader_only: bool = False,
    include_aliases: bool = False,
    propagate_to_loaders: bool = True,
    track_closure_variables: bool = True,
) -> LoaderCriteria:
    """Return an option that adds criteria wherever a query loads or joins an entity.

    ::

        class Deletable:
            deleted: Mapped[datetime | None]

        select(User).options(
            joinedload(User.orders),
            with_loader_criteria(Deletable, lambda cls: cls.deleted.is_(None), include_aliases=True),
        )

    They go into WHERE for what is selected, into ON for what is joined, into subqueries, and into the statements by
    which relationships of these objects are loaded, on demand too. What an object refers to and the session holds
    already is not loaded, so not looked at; nor is a refresh of an object filtered.

    :param entity_or_base: a mapped class or alias, or a class (a mixin) from which mapped classes derive.
    :param where_criteria: a SQL expression, or a callable that makes one for a class or alias. What it refers to counts
        as it is now, if these are plain values; a callable that calls functions of the program, or asks objects for
        their attributes, is called anew whenever the statement runs, which is then also planned anew. Criteria that
        differ in their values alone share a plan; a callable for the classes of a mixin has one for each set of values.
    :param include_aliases: also for aliases of the classes, which are left alone otherwise.
    :param propagate_to_loaders: also when relationships of the objects are loaded.
    :param track_closure_variables: False promises that the callable makes the same for a class each time, whatever
        it refers to.
    :param loader_only: taken for the sake of programs that pass it; of no effect, as in SQLAlchemy.
    :raises ArgumentError: no such class, or no such expression.
    """
    return LoaderCriteria(
        entity_or_base, where_criteria, loader_only, include_aliases, propagate_to_loaders, track_closure_variables
    )
