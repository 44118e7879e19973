"""Loader options: what one query loads beside what the mapping says, and how.

``selectinload(User.orders).joinedload(Order.items).load_only(Item.name)`` is a :class:`Load`. It walks
along relationships and leaves a :class:`Wish` at each place; ``wishes.py`` tells what follows from these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..exc import ArgumentError
from ..kernel.core import (
    as_column_element,
)
from ..kernel.options import StatementOption
from ..mapping import configuring
from ..mapping.properties import MapperProperty
from .portable import class_of, mapper_of, packed_path, packed_wishes, unpacked_path, unpacked_wishes

WILDCARD = "*"


class Step(NamedTuple):
    """One relationship on the way: of which entity, and to which, if not simply to its target."""

    entity: Any
    prop: Any
    of_type: Any
    criteria: tuple[Any, ...]


class Wish(NamedTuple):
    """What an option asks for at one place.

    :ivar path: the relationships that lead there; for a way to load a relationship, up to that one.
    :ivar kind: a way to load, or ``defer``, ``undefer``, ``undefer_group``, ``load_only``, ``with_expression``.
    :ivar entity: whose attributes are named; None for those of any class.
    :ivar names: attributes, the group, or ``"*"``; empty where the path's last relationship is meant.
    :ivar detail: ``innerjoin``, ``sql_only``, ``alias`` or ``raiseload``, or the SQL expression.
    """

    path: tuple[Step, ...]
    kind: str
    entity: Any = None
    names: tuple[str, ...] = ()
    detail: Any = None


class Load(StatementOption):
    """Loader options for one class, in a chain: ``Load(User).selectinload(User.orders).defer(Order.note)``.

    :param entity: a mapped class, or an alias; each method names attributes of it, or of the class that
        the relationship named before leads to.
    """

    def __init__(self, entity: Any = None) -> None:
        self.root: Any = None if entity is None else _entity(entity)
        self.path: tuple[Step, ...] = ()
        self.wishes: tuple[Wish, ...] = ()
        self.closed = False

    def cache_key_parts(self) -> tuple[Any, ...]:
        return self.wishes

    def __reduce__(self) -> Any:
        return (_unpacked, (class_of(self.root), packed_path(self.path), packed_wishes(self.wishes)))

    def _with(self, path: tuple[Step, ...], *wishes: Wish, root: Any = None) -> Load:
        new = Load()
        new.root = self.root if root is None else root
        new.path = path
        new.wishes = self.wishes + wishes
        return new

    # -- relationships ----------------------------------------------------------------------

    def lazyload(self, attr: Any) -> Load:
        """Load a relationship when it is touched."""
        return self._way("select", attr)

    def selectinload(self, attr: Any, recursion_depth: int | None = None) -> Load:
        """Load a relationship with one more SELECT for all objects of the result.

        :param recursion_depth: of a relationship from a class to itself, load so many levels more; all with -1.
        """
        return self._way("selectin", attr, _depth(recursion_depth))

    def subqueryload(self, attr: Any) -> Load:
        """Load a relationship with one more SELECT for all objects, as :meth:`selectinload` does."""
        return self._way("subquery", attr)

    def immediateload(self, attr: Any, recursion_depth: int | None = None) -> Load:
        """Load a relationship right after its objects, from the session where that has what it refers to.

        :param recursion_depth: as of :meth:`selectinload`.
        """
        return self._way("immediate", attr, _depth(recursion_depth))

    def joinedload(self, attr: Any, innerjoin: Any = None) -> Load:
        """Load a relationship with the same SELECT, by an outer join, or by an inner one."""
        return self._way("joined", attr, innerjoin)

    def contains_eager(self, attr: Any, alias: Any = None) -> Load:
        """Take a relationship's objects from the columns of a join that the statement has.

        :param alias: what the statement joins, where that is an alias.
        """
        return self._way("contains", attr, None if alias is None else _entity(alias))

    def raiseload(self, attr: Any, sql_only: bool = False) -> Load:
        """Have an error raised when an unloaded relationship is touched.

        :param sql_only: only where it would take a statement.
        """
        return self._way("raise_on_sql" if sql_only else "raise", attr)

    def noload(self, attr: Any) -> Load:
        """Leave a relationship empty."""
        return self._way("noload", attr)

    def defaultload(self, attr: Any) -> Load:
        """Load a relationship as its mapping says, and go on with what it leads to."""
        return self._way("", attr)

    def _way(self, kind: str, attr: Any, detail: Any = None) -> Load:
        self._check_open(attr)
        if isinstance(attr, str):
            if attr != WILDCARD:
                raise self._no_attribute(attr, "Loader options take mapped attributes", "User.orders")
            found = self._with(self.path, Wish(self.path, kind, self._here(), (WILDCARD,), detail))
            found.closed = True
            return found
        prop, attr = property_of(attr)
        if prop is None:
            raise self._no_attribute(attr, "Loader options take mapped attributes", "User.orders")
        if not prop.is_relationship:
            raise ArgumentError(
                f"{prop} is no relationship: only relationships have ways to load them. For a column there are "
                f"defer({prop}), undefer({prop}) and load_only({prop})."
            )
        self._check_belongs(attr)
        step = Step(attr.parent, prop, getattr(attr, "_of_type", None), getattr(attr, "criteria", ()))
        if self.path:  # what comes next on the way is of the class that the last relationship leads to
            step = step._replace(entity=self._here())
        path = (*self.path, step)
        return self._with(path, Wish(path, kind, None, (), detail), root=attr.parent if self.root is None else None)

    # -- columns ----------------------------------------------------------------------------

    def defer(self, key: Any, raiseload: bool = False) -> Load:
        """Leave a column out; it is loaded when it is read, or never with ``raiseload``."""
        return self._columns("defer", (key,), raiseload)

    def undefer(self, key: Any) -> Load:
        """Fetch a deferred column with the rest."""
        return self._columns("undefer", (key,))

    def undefer_group(self, name: str) -> Load:
        """Fetch the deferred columns of a group with the rest."""
        return self._with(self.path, Wish(self.path, "undefer_group", self._here(), (name,)))

    def with_expression(self, key: Any, expression: Any) -> Load:
        """Give a :func:`~ropewalk.query_expression` attribute its SQL expression for this query."""
        prop, attr = property_of(key)
        if prop is None or not getattr(prop, "query_expression", False):
            raise ArgumentError(
                f"with_expression() takes an attribute that is mapped with query_expression(); got "
                f"{repr(key) if prop is None else prop}, which is not."
            )
        return self._columns("with_expression", (attr,), as_column_element(expression))

    def load_only(self, *attrs: Any, raiseload: bool = False) -> Load:
        """Fetch these columns, and the primary key, alone."""
        return self._columns("load_only", attrs, raiseload)

    def _columns(self, kind: str, attrs: tuple[Any, ...], detail: Any = False) -> Load:
        names = []
        entity = self._here()
        for attr in attrs:
            self._check_open(attr)
            if isinstance(attr, str) and attr == WILDCARD:
                names.append(WILDCARD)
                continue
            prop, attr = property_of(attr)
            if prop is None:
                raise self._no_attribute(attr, f"{kind}() takes mapped column attributes", "User.name")
            if not prop.is_column:
                raise ArgumentError(
                    f"{kind}() is for columns and {prop} is a relationship: say how to load it with "
                    f"selectinload({prop}), lazyload({prop}) and their like."
                )
            self._check_belongs(attr)
            entity = entity or attr.parent
            names.append(prop.key)
        wish = Wish(self.path, kind, entity, tuple(names), detail)
        return self._with(self.path, wish, root=entity if self.root is None else None)

    # -- nesting ------------------------------------------------------------------------------

    def options(self, *options: Load) -> Load:
        """Add several options at this place, each of which goes on from here on its own."""
        added: list[Wish] = []
        for option in options:
            if not isinstance(option, Load):
                raise ArgumentError(
                    f"{type(option).__name__} cannot be part of another option, for it concerns the whole statement. "
                    f"Give it to the statement: select(...).options({type(option).__name__}...)."
                )
            if option.root is not None:
                self._check_belongs(option.root)
            for wish in option.wishes:
                path = wish.path
                if path:
                    path = (path[0]._replace(entity=self._here()), *path[1:])
                entity = wish.entity if path or wish.entity is None else self._here()
                added.append(wish._replace(path=self.path + path, entity=entity))
        return self._with(self.path, *added)

    def _here(self) -> Any:
        """The entity whose attributes come next."""
        if not self.path:
            return self.root
        last = self.path[-1]
        if last.of_type is not None:
            return last.of_type
        if not last.prop.configured:
            configuring.configure(last.prop.parent)
        return last.prop.entity

    def _check_open(self, attr: Any) -> None:
        if self.closed:
            raise ArgumentError(
                f"{attr} cannot follow '*': that stands for all attributes, and leads to no class. Give {attr} in an "
                f"option of its own."
            )

    def _no_attribute(self, thing: Any, wanted: str, like: str) -> ArgumentError:
        here = self._here()
        if not isinstance(thing, str):
            return ArgumentError(f"{wanted}, such as {like}, or '*'; got {thing!r:.80}.")
        close = [] if here is None else difflib.get_close_matches(thing, here.mapper.props, 1)
        meant = f"{here.mapper.class_.__name__}.{close[0]}" if close else like
        return ArgumentError(
            f"{wanted}, not their names in a string; got {thing!r}. Give the attribute of the class, such as {meant}, "
            f"or '*' for all."
        )

    def _check_belongs(self, attr: Any) -> None:
        here = self._here()
        if here is None:
            return
        entity = getattr(attr, "parent", attr)
        if not (entity.mapper.isa(here.mapper) or here.mapper.isa(entity.mapper)):
            before = f'"{self.path[-1].prop}" leads to' if self.path else "these options are for"
            raise ArgumentError(
                f"{attr} does not come next here: {before} {here.mapper.class_.__name__}, which has "
                f"{', '.join(here.mapper.props)}."
            )

    def __repr__(self) -> str:
        shown = ("->".join(str(step.prop) for step in w.path) or "".join(w.names) for w in self.wishes)
        return f"<Load {', '.join(shown)}>"


def _depth(given: int | None) -> int | None:
    """Return how many levels more are to be loaded, None for none."""
    if given is not None and (not isinstance(given, int) or given < -1):
        raise ArgumentError(
            f"recursion_depth={given!r} is no number of levels: give 1, 2, ... or -1 for all there are."
        )
    return given or None


def _unpacked(root: Any, path: Any, wishes: Any) -> Load:
    """Return an option that was pickled."""
    new = Load()
    new.root, new.path, new.wishes = mapper_of(root), unpacked_path(path, Step), unpacked_wishes(wishes, Wish, Step)
    return new


def _entity(thing: Any) -> Any:
    """Return the mapper of a class, or what is known of an alias."""
    found = getattr(thing, "_aliased_insp", None) or getattr(thing, "__mapper__", None)
    return thing if found is None else found


def property_of(attr: Any) -> tuple[Any, Any]:
    """Return the property that an attribute stands for, and the attribute; a synonym is what it is a synonym of.

    The property is None where there is none.
    """
    prop: Any = attr if isinstance(attr, MapperProperty) else getattr(attr, "prop", None)
    while prop is not None and prop.is_synonym:
        prop = prop.parent.props.get(prop.name)
        attr = getattr(getattr(attr.parent, "entity", attr.parent.class_), prop.key) if prop is not None else attr
    return prop, attr


def _chained(way: str, keys: tuple[Any, ...], *args: Any) -> Load:
    """Return the option for the last of these relationships, to which the others lead."""
    if not keys:
        raise ArgumentError(f"{way}() takes a relationship, such as {way}(User.orders), or '*' for all.")
    load = Load()
    for key in keys[:-1]:
        load = load.contains_eager(key) if way == "contains_eager" else load.defaultload(key)
    return getattr(load, way)(keys[-1], *args)  # type: ignore[no-any-return]


_EAGER = frozenset({"joined", "selectin", "subquery", "immediate"})


def not_eager(options: Iterable[Any]) -> list[Any]:
    """Return these options with all relationships to be loaded when they are touched."""
    found: list[Any] = [Load().lazyload(WILDCARD)]
    for option in options:
        if isinstance(option, Load):
            new = Load()
            new.root, new.path = option.root, option.path
            new.wishes = tuple(w._replace(kind="select", detail=None) if w.kind in _EAGER else w for w in option.wishes)
            option = new
        found.append(option)
    return found


def lazyload(*keys: Any) -> Load:
    """Load a relationship when it is touched.

    :param keys: the relationship, or ``"*"`` for all; of several, each leads to the next and the last is meant. So
        it is with all functions here that take ``keys``.
    """
    return _chained("lazyload", keys)


def selectinload(*keys: Any, recursion_depth: int | None = None) -> Load:
    """Load a relationship with one more SELECT for all objects of the result."""
    return _chained("selectinload", keys, recursion_depth)


def subqueryload(*keys: Any) -> Load:
    """Load a relationship with one more SELECT for all objects of the result."""
    return _chained("subqueryload", keys)


def immediateload(*keys: Any, recursion_depth: int | None = None) -> Load:
    """Load a relationship right after its objects."""
    return _chained("immediateload", keys, recursion_depth)


def joinedload(*keys: Any, innerjoin: Any = None) -> Load:
    """Load a relationship with the same SELECT, by an outer join, or by an inner one with ``innerjoin=True``."""
    return _chained("joinedload", keys, innerjoin)


def eagerload(*keys: Any) -> Load:
    """The name of :func:`joinedload` in SQLAlchemy 0.4."""
    return _chained("joinedload", keys)


def contains_eager(*keys: Any, alias: Any = None) -> Load:
    """Take a relationship's objects from the columns of a join that the statement has."""
    return _chained("contains_eager", keys, alias)


def raiseload(*keys: Any, sql_only: bool = False) -> Load:
    """Have an error raised when an unloaded relationship is touched; ``"*"`` for all."""
    return _chained("raiseload", keys, sql_only)


def noload(*keys: Any) -> Load:
    """Leave a relationship empty."""
    return _chained("noload", keys)


def defaultload(*keys: Any) -> Load:
    """Load a relationship as its mapping says, and go on with what it leads to."""
    return _chained("defaultload", keys)


def defer(key: Any, *, raiseload: bool = False) -> Load:
    """Leave a column out of the SELECT; it is loaded when it is read.

    :param key: a mapped attribute, or ``"*"`` for all.
    :param raiseload: have an error raised when it is read.
    """
    return Load().defer(key, raiseload)


def undefer(key: Any) -> Load:
    """Fetch a deferred column with the rest.

    :param key: a mapped attribute, or ``"*"`` for all.
    """
    return Load().undefer(key)


def undefer_group(name: str) -> Load:
    """Fetch the deferred columns of a group with the rest."""
    return Load().undefer_group(name)


def load_only(*attributes: Any, raiseload: bool = False) -> Load:
    """Fetch these columns, and the primary key, alone.

    :param raiseload: have an error raised when one of the others is read.
    """
    return Load().load_only(*attributes, raiseload=raiseload)


def with_expression(key: Any, expression: Any) -> Load:
    """Give an attribute that is mapped with :func:`~ropewalk.query_expression` its SQL expression for one query.

    ::

        class Order(Base):
            gross: Mapped[Decimal] = query_expression()

        select(Order).options(with_expression(Order.gross, Order.net * (1 + tax)))

    Objects that the session holds already keep what they have, unless ``populate_existing`` is asked for.

    :raises ArgumentError: the attribute is of another kind.
    """
    return Load().with_expression(key, expression)
