"""What two relationships that describe the same from both ends must agree on."""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any

from ..exc import ArgumentError, InvalidRequestError, SAWarning
from ..kernel.symbols import MANYTOMANY, MANYTOONE, ONETOMANY
from .marks import only_marks, reversed_ends

if TYPE_CHECKING:
    from .mapper import Mapper
    from .relationships import RelationshipProperty


def make_backref(prop: RelationshipProperty) -> None:
    """Make the relationship at the other end that ``backref=`` asks for."""
    if prop.backref is None or prop.back_populates is not None:
        return
    name, options = (prop.backref, {}) if isinstance(prop.backref, str) else prop.backref
    options = dict(options)
    target = prop.mapper
    for mapper in target.iterate_to_root():
        if name in mapper.props:
            raise ArgumentError(
                f"{prop} cannot make the backref {name!r}: {mapper.class_.__name__} has an attribute of this name. "
                "Name the backref otherwise, or use back_populates if it is a relationship."
            )
    if prop.secondary is not None:
        options.setdefault("primaryjoin", prop.secondaryjoin)
        options.setdefault("secondaryjoin", prop.primaryjoin)
    else:
        if options.get("secondaryjoin") is not None:
            raise ArgumentError(
                f"{prop}: its backref {name!r} has a secondaryjoin, but there is no secondary table. Name it with "
                f"secondary=..., or leave secondaryjoin out."
            )
        if prop.join.remote_is_given and "remote_side" not in options:
            options.setdefault("primaryjoin", reversed_ends(prop.primaryjoin))
        else:
            options.setdefault("primaryjoin", only_marks(prop.primaryjoin, frozenset({"foreign"})))
    for option, value in (
        ("foreign_keys", prop.given_foreign_keys),
        ("viewonly", prop.viewonly),
        ("post_update", prop.post_update),
        ("passive_updates", prop.passive_updates),
        ("sync_backref", prop.sync_backref),
        ("peers", prop.peers),
    ):
        options.setdefault(option, value)
    other = type(prop)(prop.parent.class_, prop.secondary, back_populates=prop.key, **options)
    prop.back_populates = name
    target.add_property(name, other)


def pair(prop: RelationshipProperty) -> None:
    """Join a relationship with the one that its ``back_populates`` names."""
    name = evaluate_name(prop)
    if name is None:
        return
    here, there = prop.parent.class_.__name__, prop.mapper.class_.__name__
    other: Any = prop.mapper.props.get(name)
    if other is None:
        raise InvalidRequestError(
            f"{prop}: back_populates={name!r} names nothing, {there} has no such attribute. Its relationships are "
            f"{', '.join(prop.mapper.relationship_props) or 'none'}."
        )
    if not other.is_relationship:
        raise InvalidRequestError(
            f"{prop}: back_populates={name!r} names {there}.{name}, which is no relationship; name the relationship "
            f"of {there} that refers to {here}."
        )
    if other.mapper.base_mapper is not prop.parent.base_mapper:
        raise ArgumentError(
            f"{prop}: back_populates={name!r} names {there}.{name}, which refers to {other.mapper.class_.__name__} and "
            f"not to {here}; the two sides of a pair refer to one another."
        )
    if prop.direction is other.direction and prop.direction is not MANYTOMANY:
        one = prop.direction is ONETOMANY
        raise ArgumentError(
            f"{prop} and {other}, its other side, are both {'one-to-many' if one else 'many-to-one'}; set "
            "remote_side on the many-to-one side, to the column that the foreign key refers to."
        )
    _check_sync(prop, other)
    prop.reverse.add(other)
    other.reverse.add(prop)


def evaluate_name(prop: RelationshipProperty) -> str | None:
    """Return what ``back_populates`` names, which may be given as a lambda."""
    name = prop.back_populates
    if callable(name):
        name = name()
    if name is not None and not isinstance(name, str):
        name = getattr(name, "key", name)
    prop.back_populates = name
    return name  # type: ignore[no-any-return]


def _check_sync(prop: RelationshipProperty, other: RelationshipProperty) -> None:
    for one, two in ((prop, other), (other, prop)):
        if one.viewonly and two.sync_backref:
            raise InvalidRequestError(
                f"{two} has sync_backref=True, but its other side {one} is viewonly and cannot be kept in step. Leave "
                "sync_backref out, or viewonly."
            )


def check_cascade(prop: RelationshipProperty) -> None:
    """Check that the cascades fit the direction."""
    cascade = prop.cascade
    here, there = prop.parent.class_.__name__, prop.mapper.class_.__name__
    if cascade.delete_orphan and not prop.single_parent and prop.direction is not ONETOMANY:
        kind = "many-to-one" if prop.direction is MANYTOONE else "many-to-many"
        raise ArgumentError(
            f"{prop} is {kind} and cannot have the cascade delete-orphan: a {there} may belong to several {here} and "
            f"is no orphan when one lets go of it. Put the cascade on the one side (of {there}), or say "
            f"single_parent=True if each {there} has at most one {here}."
        )
    if prop.passive_deletes == "all" and (cascade.delete or cascade.delete_orphan):
        raise ArgumentError(
            f"{prop} has passive_deletes='all', which leaves the rows to the database, as well as the cascade delete "
            "or delete-orphan, which deletes them; drop one of the two."
        )
    if prop.passive_deletes and prop.direction is MANYTOONE:
        warnings.warn(
            f"{prop} is many-to-one; passive_deletes is of use on the other side, where the many are.",
            SAWarning,
            stacklevel=2,
        )
    if prop.lazy in ("dynamic", "write_only") and (not prop.uselist or prop.direction is MANYTOONE):
        raise InvalidRequestError(
            f"{prop} has lazy={prop.lazy!r}, which is for collections, and it refers to one {there}. Leave lazy "
            f"out, or annotate it with Mapped[...] in place of DynamicMapped or WriteOnlyMapped."
        )
    if cascade.delete_orphan and prop not in prop.mapper.delete_orphan_from:
        prop.mapper.delete_orphan_from.append(prop)


# column → the relationships that write it, each with the column it copies
_writers: weakref.WeakKeyDictionary[Any, weakref.WeakKeyDictionary[Any, Any]] = weakref.WeakKeyDictionary()


def warn_of_overlaps(prop: RelationshipProperty) -> None:
    """Warn where another relationship, which does not know of this one, writes the same column."""
    if prop.viewonly:
        return
    for source, written in [*prop.synchronize_pairs, *prop.secondary_synchronize_pairs]:
        writers = _writers.setdefault(written, weakref.WeakKeyDictionary())
        rivals = [(other, theirs) for other, theirs in writers.items() if _is_rival(prop, other)]
        if rivals:
            others = ", ".join(f"{other} (from {theirs})" for other, theirs in rivals)
            named = ",".join(sorted({other.key for other, _ in rivals}))
            warnings.warn(
                f"{prop} writes {written}, with the value of {source}, and so does {others}. Which of them counts in "
                "the end is open. If they are the two sides of one pair, say back_populates on both; if "
                "one of them is only read, say viewonly=True there; if this is meant, silence it with "
                f"overlaps={named!r}.",
                SAWarning,
                stacklevel=2,
            )
        writers[prop] = source


def _is_rival(prop: RelationshipProperty, other: RelationshipProperty) -> bool:
    if other is prop or other in prop.reverse:
        return False
    if other.parent.registry is not prop.parent.registry or not _is_mapped(other.parent):
        return False
    if other.key in prop.overlaps or prop.key in other.overlaps or "__*" in prop.overlaps | other.overlaps:
        return False
    if any(_siblings(a, b) for a in (prop.parent, prop.mapper) for b in (other.parent, other.mapper)):
        return False
    return prop.key != other.key or prop.parent.base_mapper is not other.parent.base_mapper


def _is_mapped(mapper: Mapper[Any]) -> bool:
    """Whether the mapping still stands; clear_mappers() takes it off the class."""
    return vars(mapper.class_).get("__mapper__") is mapper


def _siblings(one: Mapper[Any], other: Mapper[Any]) -> bool:
    return one.base_mapper is other.base_mapper and not one.isa(other) and not other.isa(one)
