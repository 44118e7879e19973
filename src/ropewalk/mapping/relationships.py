"""``relationship()``: an attribute that refers to objects of a mapped class. Data only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ..exc import ArgumentError, SAWarning
from ..kernel.symbols import MANYTOONE, NO_ARG, RelationshipDirection
from . import configuring
from .adapting import JoinHelpers
from .cascades import CascadeOptions
from .comparator import RelationshipComparator
from .joins import JoinCondition
from .marks import foreign, remote
from .properties import AttributeOptions, MapperProperty

if TYPE_CHECKING:
    from .mapper import Mapper

__all__ = [
    "RelationshipProperty",
    "backref",
    "dynamic_loader",
    "foreign",
    "relation",
    "relationship",
    "remote",
]

_ONLY_FOR_WRITING = {
    "passive_deletes": False,
    "passive_updates": True,
    "enable_typechecks": True,
    "active_history": False,
}
_VIEWONLY_CASCADES = frozenset({"merge", "expunge", "refresh-expire"})


class RelationshipProperty(JoinHelpers, MapperProperty):
    """A relationship between two mapped classes; :func:`relationship` tells what the parameters mean.

    What follows is there once the mapping is configured:

    :ivar mapper: the mapper of the class at the other end.
    :ivar entity: the same, or what ``inspect()`` gives for an alias.
    :ivar target: its table.
    :ivar direction: ONETOMANY, MANYTOONE or MANYTOMANY.
    :ivar primaryjoin, secondaryjoin: the conditions, with marks on their columns.
    :ivar local_remote_pairs: columns of this end and of the other that are compared.
    :ivar synchronize_pairs: source column and the column it is copied to.
    :ivar secondary_synchronize_pairs: the same from the target to the association table.
    :ivar reverse: the relationships that describe the same from the other end.
    """

    is_relationship = True
    Comparator = RelationshipComparator

    mapper: Mapper[Any]
    entity: Any
    target: Any
    direction: RelationshipDirection
    join: JoinCondition
    uselist: bool

    def __init__(
        self,
        argument: Any = None,
        secondary: Any = None,
        *,
        uselist: bool | None = None,
        collection_class: Any = None,
        primaryjoin: Any = None,
        secondaryjoin: Any = None,
        back_populates: Any = None,
        order_by: Any = False,
        backref: Any = None,
        overlaps: str | None = None,
        post_update: bool = False,
        cascade: Any = NO_ARG,
        viewonly: bool = False,
        lazy: Any = "select",
        passive_deletes: Any = False,
        passive_updates: bool = True,
        active_history: bool = False,
        enable_typechecks: bool = True,
        foreign_keys: Any = None,
        remote_side: Any = None,
        join_depth: int | None = None,
        comparator_factory: Any = None,
        single_parent: bool = False,
        innerjoin: Any = False,
        distinct_target_key: bool | None = None,
        load_on_pending: bool = False,
        query_class: Any = None,
        info: dict[Any, Any] | None = None,
        omit_join: bool | None = None,
        sync_backref: bool | None = None,
        doc: str | None = None,
        peers: bool | None = None,
        attribute_options: AttributeOptions | None = None,
        _legacy_inactive_history_style: bool = False,
    ) -> None:
        super().__init__(doc=doc, info=info, attribute_options=attribute_options)
        self.argument = argument
        self.given_secondary = secondary
        self.given_uselist = uselist
        self.given_primaryjoin = primaryjoin
        self.given_secondaryjoin = secondaryjoin
        self.given_order_by = order_by
        self.given_foreign_keys = foreign_keys
        self.given_remote_side = remote_side
        self.collection_class = collection_class
        self.back_populates = back_populates
        self.backref = backref
        self.overlaps = frozenset(part for part in (overlaps or "").replace(",", " ").split() if part)
        self.post_update = post_update
        self.viewonly = viewonly
        self.lazy: str = _LAZY_NAMES.get(lazy, lazy)
        self.passive_deletes = passive_deletes
        self.passive_updates = passive_updates
        self.active_history = active_history
        self.enable_typechecks = enable_typechecks
        self.join_depth = join_depth
        self.comparator_factory = comparator_factory
        self.single_parent = single_parent
        self.innerjoin = innerjoin
        self.distinct_target_key = distinct_target_key
        self.load_on_pending = load_on_pending
        self.query_class = query_class
        self.omit_join = omit_join
        self.sync_backref = sync_backref
        self.peers = peers
        self.secondary: Any = None
        self.order_by: Any = False
        self.reverse: set[RelationshipProperty] = set()
        self.configured = False
        if uselist is not None:
            self.uselist = uselist
        self._check_arguments()
        self.cascade = cascade

    # -- the parameters ----------------------------------------------------------------

    def _check_arguments(self) -> None:
        if self.back_populates is not None and self.backref is not None:
            raise ArgumentError(
                "A relationship takes back_populates, which names the other side's relationship, or backref, which "
                "makes one there; not both."
            )
        if not isinstance(self.lazy, str) or self.lazy not in _LAZY:
            raise ArgumentError(f"lazy={self.lazy!r} is not a way to load; there are {', '.join(sorted(_LAZY))}.")
        if self.attribute_options.default not in (NO_ARG, None):
            raise ArgumentError(
                f"None is the only default that a relationship can have in a dataclass, not "
                f"{self.attribute_options.default!r}; a collection has default_factory=list."
            )
        if self.viewonly:
            if self.sync_backref:
                raise ArgumentError("sync_backref=True has no meaning for a relationship with viewonly=True.")
            for name, usual in _ONLY_FOR_WRITING.items():
                if getattr(self, name) != usual:
                    warnings.warn(
                        f"{name} concerns writing and is of no effect on a relationship with viewonly=True.",
                        SAWarning,
                        stacklevel=4,
                    )

    @property
    def cascade(self) -> CascadeOptions:
        """Which moves of the session go on to the other end; it may be assigned as it is given to relationship()."""
        return self._cascade

    @cascade.setter
    def cascade(self, given: Any) -> None:
        if given is NO_ARG:
            given = "merge" if self.viewonly else "save-update, merge"
        cascade = CascadeOptions(given)
        self._cascade = CascadeOptions(cascade & _VIEWONLY_CASCADES) if self.viewonly else cascade

    # -- configuring -------------------------------------------------------------------

    def taken_in(self) -> None:
        configuring.announce(self.parent)

    def joined(self, join: JoinCondition) -> None:
        """Take over what the join condition tells."""
        self.join = join
        self.direction = join.direction
        self.primaryjoin = join.primaryjoin
        self.secondaryjoin = join.secondaryjoin
        self.local_columns = join.local_columns
        self.remote_side = join.remote_columns
        self.local_remote_pairs = join.local_remote_pairs
        self.synchronize_pairs = join.synchronize_pairs
        self.secondary_synchronize_pairs = join.secondary_synchronize_pairs
        if self.given_uselist is None:
            self.uselist = self.direction is not MANYTOONE

    def __getattr__(self, name: str) -> Any:
        """Configure the mapping when somebody asks first for what only that tells."""
        if name in _TOLD_BY_WIRING and not self.configured and "parent" in self.__dict__:
            configuring.configure(self.parent)
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def forget_wiring(self) -> None:
        """Be as before configuring, of which some other part failed."""
        for other in self.reverse:
            other.reverse.discard(self)
        self.reverse.clear()

    # -- what the floors above ask -------------------------------------------------------

    @property
    def is_self_referential(self) -> bool:
        return self.mapper.base_mapper is self.parent.base_mapper

    @property
    def syncs_backref(self) -> bool:
        """Whether a change here is passed on to the other side's attribute."""
        return not self.viewonly and self.sync_backref is not False


_TOLD_BY_WIRING = frozenset(
    {
        "direction",
        "entity",
        "join",
        "local_columns",
        "local_remote_pairs",
        "mapper",
        "primaryjoin",
        "remote_side",
        "secondary_synchronize_pairs",
        "secondaryjoin",
        "synchronize_pairs",
        "target",
        "uselist",
    }
)

_LAZY_NAMES: dict[Any, str] = {
    None: "noload",
    False: "joined",
    True: "select",
}
_LAZY = frozenset(
    {
        "select",
        "joined",
        "subquery",
        "selectin",
        "immediate",
        "raise",
        "raise_on_sql",
        "noload",
        "dynamic",
        "write_only",
    }
)


QUERIED = frozenset({"dynamic", "write_only"})
"""The ways of collections that are queried, and never loaded."""


def relationship(
    argument: Any = None,
    secondary: Any = None,
    *,
    uselist: bool | None = None,
    collection_class: Any = None,
    primaryjoin: Any = None,
    secondaryjoin: Any = None,
    back_populates: str | Callable[[], str] | None = None,
    order_by: Any = False,
    backref: str | tuple[str, dict[str, Any]] | None = None,
    overlaps: str | None = None,
    post_update: bool = False,
    cascade: Any = NO_ARG,
    viewonly: bool = False,
    init: Any = NO_ARG,
    repr: Any = NO_ARG,
    default: Any = NO_ARG,
    default_factory: Any = NO_ARG,
    compare: Any = NO_ARG,
    kw_only: Any = NO_ARG,
    hash: Any = NO_ARG,
    lazy: Any = "select",
    passive_deletes: bool | Literal["all"] = False,
    passive_updates: bool = True,
    active_history: bool = False,
    enable_typechecks: bool = True,
    foreign_keys: Any = None,
    remote_side: Any = None,
    join_depth: int | None = None,
    comparator_factory: Any = None,
    single_parent: bool = False,
    innerjoin: bool | str = False,
    distinct_target_key: bool | None = None,
    load_on_pending: bool = False,
    query_class: Any = None,
    info: dict[Any, Any] | None = None,
    omit_join: bool | None = None,
    sync_backref: bool | None = None,
    dataclass_metadata: Any = NO_ARG,
    doc: str | None = None,
    peers: bool | None = None,
    _legacy_inactive_history_style: bool = False,
) -> Any:
    """Map an attribute to objects of another mapped class, or of the same.

    ::

        class User(Base):
            addresses: Mapped[list["Address"]] = relationship(back_populates="user")

        class Address(Base):
            user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
            user: Mapped["User"] = relationship(back_populates="addresses")

    Where a parameter is said to be late, it may be a string (a Python expression over class names, table names and
    SQLAlchemy's functions) or a callable without parameters; it is looked at when all classes are known.

    :param argument: the class at the other end, late; without it the annotation tells.
    :param secondary: the association table of a many-to-many relationship, late.
    :param uselist: whether the attribute is a collection; usually the direction and the annotation tell.
    :param collection_class: what makes the collection: a class, or any callable.
    :param primaryjoin: how the tables are joined, where the foreign keys do not tell, late. :func:`foreign` and
        :func:`remote` mark the columns in it that are not plain to see.
    :param secondaryjoin: how the association table is joined to the other end's, late.
    :param foreign_keys: the columns that hold the copied values, where several might, late.
    :param remote_side: the columns of the row at the other end, in a table that refers to itself, late.
    :param back_populates: the relationship of the other class that describes the same from there.
    :param backref: a name under which that relationship is made, or :func:`backref`.
    :param order_by: how a collection is ordered when it is loaded, late.
    :param cascade: which moves of the session go on to the other end, such as ``"all, delete-orphan"``.
    :param single_parent: an object at the other end belongs to one object here at most.
    :param viewonly: it is loaded and never written.
    :param lazy: how it is loaded: select, joined, selectin, subquery, immediate, raise, raise_on_sql, noload,
        dynamic, write_only.
    :param innerjoin: the other end exists always, so that joined loading needs no outer join.
    :param join_depth: how often joined loading goes through a table that refers to itself.
    :param passive_deletes: True leaves members that are not loaded to the database's ON DELETE; ``"all"`` leaves
        it all of them.
    :param passive_updates: the database has ON UPDATE CASCADE for keys that change.
    :param post_update: write the foreign key with an UPDATE of its own, for rows that refer to one another.
    :param overlaps: names of relationships that may write the same columns.
    :param sync_backref: False leaves the other side of the pair as it is when this one changes.
    :param peers: whether touching it on one object loads it for all that came in the same result.
    :param _legacy_inactive_history_style: taken for the sake of programs that pass it; there is one style.
    :param init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata: as in
        ``dataclasses.field``, for classes mapped as dataclasses; ``None`` is the one possible default.
    :raises ArgumentError: parameters that exclude one another.
    """
    given = dict(locals())
    options = AttributeOptions(**{name: given.pop(name) for name in AttributeOptions.__slots__})
    return RelationshipProperty(**given, attribute_options=options)


def relation(*args: Any, extension: Any = None, attributeext: Any = None, **kw: Any) -> Any:
    """The name of :func:`relationship` in SQLAlchemy 0.4.

    :param extension: an :class:`AttributeExtension`, or several, also by the name ``attributeext``.
    """
    made = relationship(*args, **kw)
    made.extension = attributeext if extension is None else extension
    return made


def dynamic_loader(argument: Any = None, **kw: Any) -> Any:
    """A :func:`relationship` with ``lazy="dynamic"``: a collection that is queried, not loaded."""
    kw["lazy"] = "dynamic"
    return relationship(argument, **kw)


def backref(name: str, **kw: Any) -> tuple[str, dict[str, Any]]:
    """Say more of the relationship that ``backref=`` makes at the other end."""
    return name, kw
