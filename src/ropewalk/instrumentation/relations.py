"""What a relationship does on the objects of one class: the part that references and collections share.

A :class:`Relation` stands between a mapped class and one of its relationship properties.
It knows what the property means for objects: which objects it takes, what stands on the
other side, who wants to be told. :class:`~.references.Reference` and
:class:`~.membership.Membership` do the changing.

A change goes three ways: the former value is kept for the flush, the other side follows,
and a session learns that an object has come within its reach. Each way is closed with one
comparison where nothing has to be done.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..exc import RelatedTypeError, SAWarning
from ..kernel.symbols import NO_VALUE
from ..mapping import configuring
from ..mapping.relationships import QUERIED
from ..state.instance import state_of

if TYPE_CHECKING:
    from ..mapping.mapper import Mapper
    from ..mapping.properties import MapperProperty
    from ..state.instance import InstanceState


class Relation:
    """One relationship on the objects of one class.

    :ivar key: the attribute's name.
    :ivar prop: the mapper's property; :ivar mapper: the mapper of the class that it is on.
    """

    uselist = False
    queried = False  # it stays in the database, and is never a value in the __dict__

    def __init__(self, mapper: Mapper[Any], prop: MapperProperty) -> None:
        self.mapper = mapper
        self.prop: Any = prop
        self.key = prop.key
        self.accepted: set[type] = set()
        self.validator: Any = None
        self.validates_removes = self.validates_backrefs = False
        self.parent_token = f"parent:{mapper.class_.__name__}.{prop.key}"
        self.back_key: str | None = None
        self.cascades = self.tracks_parent = False

    def prepare(self) -> None:
        """Take from the property, which is configured by now, what each change needs."""
        prop = self.prop
        self.cascades = bool(prop.cascade.save_update) and not prop.viewonly
        self.tracks_parent = bool(prop.cascade.delete_orphan or prop.single_parent)
        self.parent_token = f"parent:{prop.parent.class_.__name__}.{prop.key}"
        self.back_key = _back_key(prop)
        found = self.mapper.validators.get(self.key)
        if found is not None:
            self.validator, options = found
            self.validates_removes = bool(options["include_removes"])
            self.validates_backrefs = bool(options["include_backrefs"])

    def accept(self, item: Any) -> InstanceState:
        """Return the state of an object that is about to be related.

        :raises RelatedTypeError: it is not of a class that the relationship leads to.
        """
        if type(item) not in self.accepted:
            self._look_at_class(item)
        state = state_of(item)
        if state is None:
            raise self._wrong(item)
        return state

    def _look_at_class(self, item: Any) -> None:
        mapper = getattr(type(item), "__mapper__", None)
        if mapper is None or (self.prop.enable_typechecks and not isinstance(item, self.prop.mapper.class_)):
            raise self._wrong(item)
        self.accepted.add(type(item))

    def _wrong(self, item: Any) -> RelatedTypeError:
        return RelatedTypeError(
            f"Attribute {self.key!r} of class {self.mapper.class_.__name__} doesn't handle objects of type "
            f"{type(item).__name__}: it takes {self.prop.mapper.class_.__name__}, and got {item!r:.80}.",
            self.mapper.class_,
            self.key,
            item,
        )

    def back_on(self, state: InstanceState) -> Any:
        """Return the relation on the other side, as the related object's own class has it; None without one."""
        if self.back_key is None:
            return None
        try:
            return state.mapper.class_manager.relations[self.back_key]
        except KeyError:  # of another class, which enable_typechecks=False let in
            return None

    def validated(self, instance: Any, item: Any, is_remove: bool) -> Any:
        """Pass ``item`` through the class's validator."""
        if self.validates_removes:
            found = self.validator(instance, self.key, item, is_remove)
        elif is_remove:
            return item
        else:
            found = self.validator(instance, self.key, item)
        return item if is_remove else found

    def warn_of_viewonly(self, state: InstanceState) -> None:
        """Say that what the program changes in an object of the database will not be saved."""
        warnings.warn(
            f"{state.describe()}: {self.prop} has viewonly=True, so this change of {self.key!r} stays in memory and "
            f"no flush will save it. Change the relationship that is written, or leave viewonly out.",
            SAWarning,
            stacklevel=5,
        )

    def former(self, state: InstanceState, instance: Any) -> Any:
        """Load what is about to be replaced; no flush comes between, which would meet the change half-made."""
        owner = state.owner
        if owner is None or state.pk is None:
            return self.get(state, instance)
        with owner.session.no_autoflush:
            return self.get(state, instance)

    def get(self, state: InstanceState, instance: Any) -> Any:
        """Return what is not in the ``__dict__``, loaded where it can be."""
        raise NotImplementedError

    def load_anyway(self, state: InstanceState, instance: Any) -> Any:
        """Return the value, loaded if need be though ``lazy="raise"`` forbids that to the program.

        A cascade, a flush and ``merge()`` must know what is there.
        """
        found = instance.__dict__.get(self.key, NO_VALUE)
        if found is not NO_VALUE:
            return found
        loader = None if state.owner is None else state.owner.loader
        if loader is None:
            return self.get(state, instance)
        loader.forced += 1
        try:
            return self.get(state, instance)
        finally:
            loader.forced -= 1

    # -- telling the session ----------------------------------------------------------

    def reached(
        self, state: InstanceState, instance: Any, other: InstanceState, item: Any, by_other_side: bool = False
    ) -> None:
        """``item`` is within reach of ``instance`` now: its session takes it in, and it has a parent.

        :param by_other_side: the program changed ``item``, which does not bring that into a session.
        """
        if self.tracks_parent:
            other.set_extra(self.parent_token, state)
        if by_other_side:
            return
        owner = state.owner
        if owner is not None and other.owner is not owner and self.cascades:
            owner.session.related(state, instance, self.prop, item)

    def left(self, state: InstanceState, instance: Any, other: InstanceState, item: Any) -> None:
        """``item`` is out of reach of ``instance``: it may be an orphan now."""
        if self.tracks_parent:
            extra = other.extra
            if extra is not None and extra.get(self.parent_token, state) is not state:
                return  # it moved: another parent has it already
            other.set_extra(self.parent_token, None)
        owner = other.owner
        if owner is not None and self.tracks_parent and other.pk is None:
            owner.session.unrelated(state, instance, self.prop, item)

    def has_parent(self, other: InstanceState, optimistic: bool = False) -> bool:
        """Whether an object is known to be in this relationship of some parent.

        :param optimistic: the answer for an object of which nothing is known, such as a loaded one.
        """
        found = NO_VALUE if other.extra is None else other.extra.get(self.parent_token, NO_VALUE)
        return optimistic if found is NO_VALUE else found is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.mapper.class_.__name__}.{self.key}>"


class Relations(dict[str, Any]):
    """The relations of one class, each made when it is first used: what it is, configuring tells."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        super().__init__()
        self.mapper = mapper

    def __missing__(self, key: str) -> Any:
        prop = self.mapper.relationship_props[key]
        if not prop.configured:
            configuring.configure(prop.parent)
        relation = self[key] = _kind_of(prop)(self.mapper, prop)
        relation.prepare()
        manager = self.mapper.class_manager
        if key in manager.listened:
            from .told_attributes import tell_of_relation

            tell_of_relation(relation)
        if manager.special.get(key) == self.write:
            manager.special[key] = relation.write  # the next write finds its way at once
        return relation

    def write(self, instance: Any, key: str, value: Any) -> None:
        """Assign to a relationship."""
        self[key].write(instance, key, value)

    def delete(self, instance: Any, key: str) -> bool:
        """Let go what a relationship holds; return False if ``key`` is none."""
        if key not in self.mapper.relationship_props:
            return False
        self[key].delete(instance)
        return True


def _kind_of(prop: Any) -> Any:
    if prop.lazy in QUERIED:
        from .queried import QueriedMembership

        return QueriedMembership
    from .membership import Membership
    from .references import Reference

    return Membership if prop.uselist else Reference


def relation_of(state: InstanceState, key: str) -> Any:
    """Return the :class:`Relation` of an object's attribute; KeyError where that is no relationship."""
    return state.mapper.class_manager.relations[key]


def _back_key(prop: Any) -> str | None:
    """Return the attribute that follows when this one changes, or None."""
    if not prop.syncs_backref:
        return None
    others = [other for other in prop.reverse if not other.viewonly]
    named = [other.key for other in others if other.key == prop.back_populates]
    return named[0] if named else min((other.key for other in others), default=None)
